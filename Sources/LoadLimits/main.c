// What the kernel of this machine can do without any protocol, as yardsticks for testbed/load:
//   LoadLimits echo ADDRESS
//     sends every Mobility Header that arrives for ADDRESS back to its sender
//   LoadLimits routes COUNT BATCH INTERFACE SEGMENT
//     adds COUNT routes that encapsulate to SEGMENT, BATCH in a netlink dialogue; prints routes per second and
//     microseconds of CPU a route
//   LoadLimits flood SOURCE DESTINATION RATE SECONDS HEX
//     sends the Mobility Header HEX (checksum filled in) RATE times a second, until SIGTERM or SECONDS have passed;
//     prints how many a second were sent
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/lwtunnel.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seg6_iptunnel.h>

enum { MOBILITY = 135, BATCH = 64, DATAGRAM = 2048, MESSAGE = 256, BUFFER = 8 << 20, NANOSECONDS = 1000000000 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct in6_addr address(const char *text) {
  struct in6_addr value;
  if (inet_pton(AF_INET6, text, &value) != 1) {
    fprintf(stderr, "%s is no IPv6 address\n", text);
    exit(2);
  }
  return value;
}

static int64_t clock_now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static int mobility_socket(const char *bound) {
  int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, MOBILITY);
  if (fd < 0) die("socket");
  int size = BUFFER;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_addr = address(bound)};
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) die(bound);
  return fd;
}

static struct mmsghdr headers[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in6 peers[BATCH];
static uint8_t data[BATCH][DATAGRAM];

static void prepare(int count, size_t length) {
  for (int i = 0; i < count; i++) {
    vectors[i] = (struct iovec){.iov_base = data[i], .iov_len = length};
    headers[i].msg_hdr = (struct msghdr){
      .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
  }
}

static int echo(char **arguments) {
  int fd = mobility_socket(arguments[0]);
  puts("ready");
  fflush(stdout);
  for (;;) {
    prepare(BATCH, DATAGRAM);
    int count = recvmmsg(fd, headers, BATCH, MSG_WAITFORONE, NULL);
    if (count < 0) die("recvmmsg");
    for (int i = 0; i < count; i++) {
      vectors[i].iov_len = headers[i].msg_len;
      // In the address of a raw socket the port would be a protocol number.
      peers[i].sin6_port = 0;
    }
    for (int sent = 0; sent < count;) {
      int more = sendmmsg(fd, headers + sent, count - sent, 0);
      if (more < 0) die("sendmmsg");
      sent += more;
    }
  }
}

static void put(struct nlmsghdr *message, int type, const void *value, size_t length) {
  struct rtattr *attribute = (struct rtattr *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(length);
  memcpy(RTA_DATA(attribute), value, length);
  message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static void put_route(struct nlmsghdr *message, uint32_t number, uint32_t interface, struct in6_addr segment) {
  message->nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg));
  message->nlmsg_type = RTM_NEWROUTE;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
  message->nlmsg_seq = number + 1;
  *(struct rtmsg *)NLMSG_DATA(message) = (struct rtmsg){
    .rtm_family = AF_INET6, .rtm_dst_len = 64, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
    .rtm_type = RTN_UNICAST};
  struct in6_addr prefix = address("2001:db8:8000::");
  uint32_t bits = htonl(number);
  memcpy(&prefix.s6_addr[4], &bits, sizeof bits);
  put(message, RTA_DST, &prefix, sizeof prefix);
  put(message, RTA_OIF, &interface, sizeof interface);
  struct {
    struct rtattr attribute;
    uint32_t mode;
    uint8_t header[8];
    struct in6_addr segment;
  } encapsulation = {
    .attribute = {.rta_len = sizeof encapsulation, .rta_type = SEG6_IPTUNNEL_SRH},
    .mode = SEG6_IPTUN_MODE_ENCAP_RED,
    .header = {0, 2, 4},
    .segment = segment,
  };
  put(message, RTA_ENCAP | NLA_F_NESTED, &encapsulation, sizeof encapsulation);
  uint16_t type = LWTUNNEL_ENCAP_SEG6;
  put(message, RTA_ENCAP_TYPE, &type, sizeof type);
}

// Reads answers up to that of `last`; the number of refusals.
static unsigned answers(int fd, uint32_t last) {
  static char buffer[1 << 16];
  for (unsigned refused = 0;;) {
    ssize_t count = recv(fd, buffer, sizeof buffer, 0);
    if (count < 0) die("netlink");
    size_t rest = count;
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, rest); m = NLMSG_NEXT(m, rest)) {
      if (((struct nlmsgerr *)NLMSG_DATA(m))->error != 0) refused++;
      if (m->nlmsg_seq == last) return refused;
    }
  }
}

static int routes(char **arguments) {
  uint32_t count = strtoul(arguments[0], NULL, 10), batch = strtoul(arguments[1], NULL, 10);
  uint32_t interface = if_nametoindex(arguments[2]);
  if (interface == 0) die(arguments[2]);
  if (batch == 0 || batch > BATCH) batch = BATCH;
  struct in6_addr segment = address(arguments[3]);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) die("netlink");
  int on = 1;
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  static _Alignas(struct nlmsghdr) char buffer[BATCH * MESSAGE];
  unsigned refused = 0;
  int64_t wall = clock_now(CLOCK_MONOTONIC), processor = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  for (uint32_t next = 0; next < count;) {
    size_t length = 0;
    uint32_t end = next + batch < count ? next + batch : count;
    for (; next < end; next++) {
      struct nlmsghdr *message = (struct nlmsghdr *)(buffer + length);
      put_route(message, next, interface, segment);
      if (next == end - 1) message->nlmsg_flags |= NLM_F_ACK;
      length += NLMSG_ALIGN(message->nlmsg_len);
    }
    if (send(fd, buffer, length, 0) < 0) die("netlink");
    refused += answers(fd, end);
  }
  wall = clock_now(CLOCK_MONOTONIC) - wall;
  processor = clock_now(CLOCK_PROCESS_CPUTIME_ID) - processor;
  printf("%.0f %.3f %u\n", (double)count * NANOSECONDS / wall, (double)processor / count / 1000, refused);
  return 0;
}

static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static int flood(char **arguments) {
  signal(SIGTERM, stop);
  int fd = mobility_socket(arguments[0]);
  struct sockaddr_in6 target = {.sin6_family = AF_INET6, .sin6_addr = address(arguments[1])};
  double rate = atof(arguments[2]), seconds = atof(arguments[3]);
  const char *hex = arguments[4];
  size_t length = strlen(hex) / 2;
  if (length > DATAGRAM) length = DATAGRAM;
  for (size_t i = 0; i < length; i++) {
    unsigned octet;
    sscanf(hex + 2 * i, "%2x", &octet);
    for (int slot = 0; slot < BATCH; slot++) data[slot][i] = octet;
  }
  prepare(BATCH, length);
  for (int slot = 0; slot < BATCH; slot++) peers[slot] = target;
  int64_t start = clock_now(CLOCK_MONOTONIC), elapsed = 0;
  uint64_t sent = 0;
  while (!stopped && (elapsed = clock_now(CLOCK_MONOTONIC) - start) < seconds * NANOSECONDS) {
    double due = rate * elapsed / NANOSECONDS - sent;
    if (due < 1) {
      usleep(100);
      continue;
    }
    int count = sendmmsg(fd, headers, due < BATCH ? due : BATCH, 0);
    if (count > 0) sent += count;
    // Answers are not read; a full receive buffer costs nobody anything.
  }
  printf("%.0f\n", sent * (double)NANOSECONDS / elapsed);
  return 0;
}

int main(int count, char **arguments) {
  struct {
    const char *name;
    int (*run)(char **);
    int arguments;
  } modes[] = {{"echo", echo, 1}, {"routes", routes, 4}, {"flood", flood, 5}};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (count == modes[i].arguments + 2 && strcmp(arguments[1], modes[i].name) == 0)
      return modes[i].run(arguments + 2);
  fprintf(stderr, "usage: %s echo ADDRESS | routes COUNT BATCH INTERFACE SEGMENT | "
                  "flood SOURCE DESTINATION RATE SECONDS HEX\n", arguments[0]);
  return 2;
}
