#define _GNU_SOURCE
#include "CLinuxNet.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CONTROL_SIZE = 128 };
_Static_assert(
    CONTROL_SIZE >= CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)),
    "room for packet info and one integer");

struct slot {
  struct iovec vector;
  union {
    struct sockaddr_in6 in6;
    struct sockaddr_ll link;
  } source;
  _Alignas(struct cmsghdr) unsigned char control[CONTROL_SIZE];
};

struct cnet_batch {
  unsigned capacity;
  /// Headers that the last receive may have changed.
  unsigned used;
  size_t datagram_size;
  struct mmsghdr *headers;
  struct slot *slots;
  uint8_t *data;
};

void cnet_batch_free(struct cnet_batch *batch) {
  free(batch->headers);
  free(batch->slots);
  free(batch->data);
  free(batch);
}

struct cnet_batch *cnet_batch_create(unsigned capacity, size_t datagram_size) {
  struct cnet_batch *batch = calloc(1, sizeof *batch);
  if (batch == NULL) return NULL;
  batch->capacity = capacity;
  batch->used = capacity;
  batch->datagram_size = datagram_size;
  batch->headers = calloc(capacity, sizeof *batch->headers);
  batch->slots = calloc(capacity, sizeof *batch->slots);
  batch->data = calloc(capacity, datagram_size);
  if (batch->headers == NULL || batch->slots == NULL || batch->data == NULL) {
    cnet_batch_free(batch);
    errno = ENOMEM;
    return NULL;
  }
  for (unsigned i = 0; i < capacity; i++) {
    batch->slots[i].vector.iov_base = batch->data + i * datagram_size;
    batch->slots[i].vector.iov_len = datagram_size;
  }
  return batch;
}

int cnet_batch_receive(struct cnet_batch *batch, int fd, int flags) {
  // The kernel overwrites the lengths: what it has used is made fresh.
  for (unsigned i = 0; i < batch->used; i++) {
    struct slot *slot = &batch->slots[i];
    memset(&slot->source, 0, sizeof slot->source);
    batch->headers[i].msg_hdr = (struct msghdr){
      .msg_name = &slot->source,
      .msg_namelen = sizeof slot->source,
      .msg_iov = &slot->vector,
      .msg_iovlen = 1,
      .msg_control = slot->control,
      .msg_controllen = sizeof slot->control,
    };
    batch->headers[i].msg_len = 0;
  }
  int count = recvmmsg(fd, batch->headers, batch->capacity, flags, NULL);
  // An error may come after the kernel has written to one more.
  unsigned used = (count > 0 ? (unsigned)count : 0) + 1;
  batch->used = used < batch->capacity ? used : batch->capacity;
  return count;
}

const uint8_t *cnet_batch_data(const struct cnet_batch *batch, unsigned index) {
  return batch->data + index * batch->datagram_size;
}

size_t cnet_batch_length(const struct cnet_batch *batch, unsigned index) {
  return batch->headers[index].msg_len;
}

int cnet_batch_truncated(const struct cnet_batch *batch, unsigned index) {
  return (batch->headers[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

struct sockaddr_in6 cnet_batch_source(const struct cnet_batch *batch, unsigned index) {
  return batch->slots[index].source.in6;
}

struct sockaddr_ll cnet_batch_link_source(const struct cnet_batch *batch, unsigned index) {
  return batch->slots[index].source.link;
}

int cnet_batch_packet_info(
    const struct cnet_batch *batch, unsigned index, struct in6_addr *destination, unsigned *interface) {
  struct msghdr *header = &batch->headers[index].msg_hdr;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO) continue;
    if (c->cmsg_len < CMSG_LEN(sizeof(struct in6_pktinfo))) continue;
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    *destination = info.ipi6_addr;
    *interface = info.ipi6_ifindex;
    return 0;
  }
  return -1;
}

ssize_t cnet_send_from(
    int fd, const void *data, size_t length, const struct sockaddr_in6 *destination, const struct in6_addr *source,
    unsigned interface, int flags) {
  _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
  struct iovec vector = {.iov_base = (void *)data, .iov_len = length};
  struct msghdr header = {
    .msg_name = (void *)destination,
    .msg_namelen = sizeof *destination,
    .msg_iov = &vector,
    .msg_iovlen = 1,
    .msg_control = control,
    .msg_controllen = sizeof control,
  };
  struct in6_pktinfo info = {.ipi6_addr = *source, .ipi6_ifindex = interface};
  struct cmsghdr *c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_IPV6;
  c->cmsg_type = IPV6_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(c), &info, sizeof info);
  return sendmsg(fd, &header, flags);
}

enum { PACKET_INFO_SPACE = CMSG_SPACE(sizeof(struct in6_pktinfo)) };

struct outgoing {
  struct iovec vector;
  struct sockaddr_in6 destination;
  _Alignas(struct cmsghdr) unsigned char control[PACKET_INFO_SPACE];
};

struct cnet_outbox {
  size_t datagram_size;
  struct mmsghdr *headers;
  struct outgoing *slots;
  uint8_t *data;
};

void cnet_outbox_free(struct cnet_outbox *outbox) {
  free(outbox->headers);
  free(outbox->slots);
  free(outbox->data);
  free(outbox);
}

struct cnet_outbox *cnet_outbox_create(unsigned capacity, size_t datagram_size) {
  struct cnet_outbox *outbox = calloc(1, sizeof *outbox);
  if (outbox == NULL) return NULL;
  outbox->datagram_size = datagram_size;
  outbox->headers = calloc(capacity, sizeof *outbox->headers);
  outbox->slots = calloc(capacity, sizeof *outbox->slots);
  outbox->data = calloc(capacity, datagram_size);
  if (outbox->headers == NULL || outbox->slots == NULL || outbox->data == NULL) {
    cnet_outbox_free(outbox);
    errno = ENOMEM;
    return NULL;
  }
  for (unsigned i = 0; i < capacity; i++) {
    struct outgoing *slot = &outbox->slots[i];
    slot->vector.iov_base = outbox->data + i * datagram_size;
    outbox->headers[i].msg_hdr = (struct msghdr){
      .msg_name = &slot->destination,
      .msg_namelen = sizeof slot->destination,
      .msg_iov = &slot->vector,
      .msg_iovlen = 1,
      .msg_control = slot->control,
      .msg_controllen = sizeof slot->control,
    };
  }
  return outbox;
}

void cnet_outbox_put(
    struct cnet_outbox *outbox, unsigned index, const void *data, size_t length,
    const struct sockaddr_in6 *destination, const struct in6_addr *source, unsigned interface) {
  struct outgoing *slot = &outbox->slots[index];
  memcpy(slot->vector.iov_base, data, length);
  slot->vector.iov_len = length;
  slot->destination = *destination;
  struct in6_pktinfo info = {.ipi6_addr = *source, .ipi6_ifindex = interface};
  struct cmsghdr *c = CMSG_FIRSTHDR(&outbox->headers[index].msg_hdr);
  c->cmsg_level = IPPROTO_IPV6;
  c->cmsg_type = IPV6_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(c), &info, sizeof info);
}

int cnet_outbox_send(struct cnet_outbox *outbox, int fd, unsigned first, unsigned count, int flags) {
  return sendmmsg(fd, outbox->headers + first, count, flags);
}

int64_t cnet_receive_drops(int fd) {
  uint32_t numbers[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof numbers;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers, &length) != 0) return -1;
  return numbers[SK_MEMINFO_DROPS];
}

int cnet_interface_index(int fd, const char *name) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
  return ioctl(fd, SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : -1;
}

int cnet_receive_packet_info(int fd) {
  int on = 1;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

int cnet_icmp6_block_all(int fd) {
  struct icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
}

void cnet_start_writeback(int fd, int64_t offset) {
  // Only a hint: whether it was done, fsync(2) tells.
  (void)sync_file_range(fd, offset, 0, SYNC_FILE_RANGE_WRITE);
}

int cnet_unshare(int flags) { return unshare(flags); }
int cnet_setns(int fd, int type) { return setns(fd, type); }
const int cnet_clone_newnet = CLONE_NEWNET;

uint64_t cnet_effective_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return (uint64_t)data[1].effective << 32 | data[0].effective;
}
