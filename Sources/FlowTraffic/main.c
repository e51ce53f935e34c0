// Traffic of testbed/bench: UDP packets over many flows, and what arrives of them behind the anchor.
//   FlowTraffic send INTERFACE NEXT-HOP-MAC FIRST COUNT NODE NODES RATE SECONDS
//     sends packets of the flows FIRST ... FIRST + COUNT - 1, scattered, for SECONDS; with SECONDS 0 one of each flow.
//     RATE is packets a second, 0 for as many as possible. Flow i goes to 2001:db8:8000:<NODE + i % NODES>::1.
//   FlowTraffic receive INTERFACE SECONDS
//     looks at the packets that come through tunnels (IPv6 in IPv6), until SIGTERM or SECONDS have passed: by outer
//     destination how many and when the last one, and how long they were under way
// Both print one JSON object. Moments are nanoseconds of CLOCK_REALTIME, which the kernel's time stamps have.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, NANOSECONDS = 1000000000, FLOWS_PER_ADDRESS = 50000, FIRST_PORT = 10000, PORT = 9 };
enum { PAUSE = 20000 };
enum { BUFFER = 64 << 20, SNAPSHOT = 128, TUNNELS = 1 << 16, SAMPLES = 1 << 22, IPV6_IN_IPV6 = 41 };

struct frame {
  struct ethhdr link;
  struct ip6_hdr header;
  struct udphdr udp;
  int64_t sent;
  uint64_t flow;
} __attribute__((packed));

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static int packet_socket(const char *interface, int protocol) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) die("packet socket");
  int size = BUFFER;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  struct sockaddr_ll here = {
    .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = if_nametoindex(interface)};
  if (here.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0) die(interface);
  return fd;
}

static struct frame frames[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr headers[BATCH];

static void address_flow(struct frame *frame, uint64_t flow, uint64_t first_node, uint64_t nodes) {
  uint64_t node = first_node + flow % nodes, number = flow / nodes;
  frame->header.ip6_src.s6_addr32[3] = htonl(0x10000 + number / FLOWS_PER_ADDRESS);
  frame->header.ip6_dst.s6_addr16[3] = htons(node);
  frame->udp.source = htons(FIRST_PORT + number % FLOWS_PER_ADDRESS);
  frame->flow = flow;
}

static int send_flows(char **arguments) {
  int fd = packet_socket(arguments[0], 0);
  int on = 1;
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  struct frame template = {.link.h_proto = htons(ETH_P_IPV6)};
  unsigned mac[6];
  if (sscanf(arguments[1], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6) die("MAC");
  for (int i = 0; i < 6; i++) template.link.h_dest[i] = mac[i];
  template.link.h_source[0] = 2;
  size_t payload = sizeof template - sizeof template.link - sizeof template.header;
  template.header.ip6_flow = htonl(6u << 28);
  template.header.ip6_plen = template.udp.len = htons(payload);
  template.header.ip6_nxt = IPPROTO_UDP;
  template.header.ip6_hlim = 64;
  inet_pton(AF_INET6, "2001:db8:c::", &template.header.ip6_src);
  inet_pton(AF_INET6, "2001:db8:8000::1", &template.header.ip6_dst);
  template.udp.dest = htons(PORT);
  // Nobody verifies it; 0 alone would be wrong (RFC 8200 section 8.1).
  template.udp.check = htons(1);
  uint64_t first = strtoull(arguments[2], NULL, 10), count = strtoull(arguments[3], NULL, 10);
  uint64_t node = strtoull(arguments[4], NULL, 10), nodes = strtoull(arguments[5], NULL, 10);
  double rate = atof(arguments[6]), seconds = atof(arguments[7]);
  if (count == 0 || nodes == 0) die("COUNT and NODES");
  for (int i = 0; i < BATCH; i++) {
    frames[i] = template;
    vectors[i] = (struct iovec){.iov_base = &frames[i], .iov_len = sizeof frames[i]};
    headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  // Strides of a prime that does not divide COUNT visit every flow, in an order that no cache likes.
  uint64_t stride = 7919, next = 0;
  while (count % stride == 0) stride += 2;
  // At a bounded rate it sleeps between packets: what it would burn, those that are measured would wait for.
  prctl(PR_SET_TIMERSLACK, 1ul);
  int64_t began = now(CLOCK_REALTIME), start = now(CLOCK_MONOTONIC), elapsed = 0;
  uint64_t sent = 0, failed = 0;
  while (seconds > 0 ? elapsed < seconds * NANOSECONDS : sent < count) {
    uint64_t due = rate > 0 ? (uint64_t)(rate * elapsed / NANOSECONDS) : UINT64_MAX;
    if (due > sent) {
      unsigned batch = due - sent < BATCH ? due - sent : BATCH;
      if (seconds == 0 && count - sent < batch) batch = count - sent;
      int64_t moment = now(CLOCK_REALTIME);
      for (unsigned i = 0; i < batch; i++) {
        address_flow(&frames[i], first + next, node, nodes);
        frames[i].sent = moment;
        next = (next + stride) % count;
      }
      for (unsigned done = 0; done < batch;) {
        int more = sendmmsg(fd, headers + done, batch - done, 0);
        // A full backlog behind the interface is a lost packet, not a reason to stop.
        if (more < 0 && errno != ENOBUFS && errno != EINTR) die("sendmmsg");
        if (more < 0 && errno == ENOBUFS) failed++;
        done += more > 0 ? more : errno == ENOBUFS;
      }
      sent += batch;
    } else {
      struct timespec pause = {.tv_nsec = PAUSE};
      nanosleep(&pause, NULL);
    }
    elapsed = now(CLOCK_MONOTONIC) - start;
  }
  printf("{\"sent\": %lu, \"refused\": %lu, \"seconds\": %.6f, \"began\": %ld}\n", sent, failed,
         (double)elapsed / NANOSECONDS, began);
  return 0;
}

static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static struct {
  uint64_t count;
  int64_t last;
} tunnels[TUNNELS];

static float *samples;
static size_t sampled;

static int order(const void *a, const void *b) { return (*(float *)a > *(float *)b) - (*(float *)a < *(float *)b); }

static float share(double part) { return sampled == 0 ? 0 : samples[(size_t)(part * (sampled - 1))]; }

static void note(const uint8_t *packet, size_t length, int64_t moment) {
  struct { struct ethhdr link; struct ip6_hdr outer; struct ip6_hdr inner; struct udphdr udp; int64_t sent; }
      __attribute__((packed)) frame;
  if (length < sizeof frame) return;
  memcpy(&frame, packet, sizeof frame);
  if (frame.link.h_proto != htons(ETH_P_IPV6) || frame.outer.ip6_nxt != IPV6_IN_IPV6 || frame.udp.dest != htons(PORT))
    return;
  unsigned tunnel = ntohs(frame.outer.ip6_dst.s6_addr16[7]);
  tunnels[tunnel].count++;
  if (moment > tunnels[tunnel].last) tunnels[tunnel].last = moment;
  if (sampled < SAMPLES) samples[sampled++] = (moment - frame.sent) / 1e3f;
}

static int receive_flows(char **arguments) {
  signal(SIGTERM, stop);
  int fd = packet_socket(arguments[0], ETH_P_ALL), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  struct timeval patience = {.tv_usec = 20000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  samples = malloc(SAMPLES * sizeof *samples);
  if (samples == NULL) die("samples");
  static uint8_t data[BATCH][SNAPSHOT];
  static _Alignas(struct cmsghdr) uint8_t control[BATCH][64];
  static struct sockaddr_ll peers[BATCH];
  uint64_t received = 0;
  puts("ready");
  fflush(stdout);
  int64_t end = now(CLOCK_MONOTONIC) + (int64_t)(atof(arguments[1]) * NANOSECONDS);
  while (!stopped && now(CLOCK_MONOTONIC) < end) {
    for (int i = 0; i < BATCH; i++) {
      vectors[i] = (struct iovec){.iov_base = data[i], .iov_len = SNAPSHOT};
      headers[i].msg_hdr = (struct msghdr){
        .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &vectors[i], .msg_iovlen = 1,
        .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }
    int count = recvmmsg(fd, headers, BATCH, MSG_WAITFORONE, NULL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) die("recvmmsg");
    for (int i = 0; i < count; i++) {
      if (peers[i].sll_pkttype == PACKET_OUTGOING) continue;
      struct timespec stamp = {0};
      for (struct cmsghdr *c = CMSG_FIRSTHDR(&headers[i].msg_hdr); c != NULL; c = CMSG_NXTHDR(&headers[i].msg_hdr, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      received++;
      note(data[i], headers[i].msg_len, (int64_t)stamp.tv_sec * NANOSECONDS + stamp.tv_nsec);
    }
  }
  struct tpacket_stats lost = {0};
  socklen_t length = sizeof lost;
  getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &lost, &length);
  qsort(samples, sampled, sizeof *samples, order);
  printf("{\"received\": %lu, \"missed\": %u, \"p50\": %.1f, \"p99\": %.1f, \"worst\": %.1f, \"tunnels\": {", received,
         lost.tp_drops, share(0.5), share(0.99), share(1));
  const char *separator = "";
  for (unsigned i = 0; i < TUNNELS; i++) {
    if (tunnels[i].count == 0) continue;
    printf("%s\"%x\": {\"count\": %lu, \"last\": %ld}", separator, i, tunnels[i].count, tunnels[i].last);
    separator = ", ";
  }
  puts("}}");
  return 0;
}

int main(int count, char **arguments) {
  if (count == 10 && strcmp(arguments[1], "send") == 0) return send_flows(arguments + 2);
  if (count == 4 && strcmp(arguments[1], "receive") == 0) return receive_flows(arguments + 2);
  fprintf(stderr, "usage: %s send INTERFACE NEXT-HOP-MAC FIRST COUNT NODE NODES RATE SECONDS | "
                  "receive INTERFACE SECONDS\n", arguments[0]);
  return 2;
}
