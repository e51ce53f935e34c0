// The kernel and glibc interfaces that Swift's Glibc module lacks, as one module: several modules that include kernel
// and glibc headers in different orders do not build together. netinet/in.h and net/if.h stand first, so that the
// kernel's headers leave out what glibc has defined already. _GNU_SOURCE is not defined here, because SwiftGlibc is
// built without it; what needs it is a small function in CLinuxNet.c.
#ifndef CLINUXNET_H
#define CLINUXNET_H

#include <netinet/in.h>
#include <net/if.h>
#include <net/ethernet.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include <linux/capability.h>
#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/gen_stats.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/lwtunnel.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/seg6.h>
#include <linux/seg6_genl.h>
#include <linux/seg6_iptunnel.h>
#include <linux/seg6_local.h>
#include <linux/sock_diag.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/tc_act/tc_vlan.h>
#include <linux/veth.h>

/// recvmmsg(2) into buffers of its own: up to `capacity` datagrams of at most `datagram_size` octets each, with their
/// peer address and control messages.
struct cnet_batch;

/// NULL with errno set when there is no memory.
struct cnet_batch *_Nullable cnet_batch_create(unsigned capacity, size_t datagram_size);
void cnet_batch_free(struct cnet_batch *_Nonnull batch);
/// Number of datagrams received, or -1 with errno set. `flags` as in recvmmsg(2).
int cnet_batch_receive(struct cnet_batch *_Nonnull batch, int fd, int flags);
/// The first octet of datagram `index` of the last receive.
const uint8_t *_Nonnull cnet_batch_data(const struct cnet_batch *_Nonnull batch, unsigned index);
size_t cnet_batch_length(const struct cnet_batch *_Nonnull batch, unsigned index);
/// Whether the datagram was longer than `datagram_size`.
int cnet_batch_truncated(const struct cnet_batch *_Nonnull batch, unsigned index);
/// Peer address of an AF_INET6 socket.
struct sockaddr_in6 cnet_batch_source(const struct cnet_batch *_Nonnull batch, unsigned index);
/// Peer address of an AF_PACKET socket.
struct sockaddr_ll cnet_batch_link_source(const struct cnet_batch *_Nonnull batch, unsigned index);
/// Destination address and interface of an IPV6_PKTINFO control message; -1 when there is none.
int cnet_batch_packet_info(
    const struct cnet_batch *_Nonnull batch, unsigned index, struct in6_addr *_Nonnull destination,
    unsigned *_Nonnull interface);

/// sendmsg(2) of one datagram to `destination` with IPV6_PKTINFO: `source` as source address (none when it is `::`)
/// and `interface` as output interface (0: the kernel's choice).
ssize_t cnet_send_from(
    int fd, const void *_Nonnull data, size_t length, const struct sockaddr_in6 *_Nonnull destination,
    const struct in6_addr *_Nonnull source, unsigned interface, int flags);

/// sendmmsg(2) from buffers of its own: up to `capacity` datagrams of at most `datagram_size` octets each.
struct cnet_outbox;

/// NULL with errno set when there is no memory.
struct cnet_outbox *_Nullable cnet_outbox_create(unsigned capacity, size_t datagram_size);
void cnet_outbox_free(struct cnet_outbox *_Nonnull outbox);
/// Fills datagram `index`, addressed as by `cnet_send_from`. `length` must not exceed `datagram_size`.
void cnet_outbox_put(
    struct cnet_outbox *_Nonnull outbox, unsigned index, const void *_Nonnull data, size_t length,
    const struct sockaddr_in6 *_Nonnull destination, const struct in6_addr *_Nonnull source, unsigned interface);
/// Sends `count` datagrams from `first` on. The number sent, or -1 with errno set when not even the first was.
int cnet_outbox_send(struct cnet_outbox *_Nonnull outbox, int fd, unsigned first, unsigned count, int flags);

/// Datagrams that the kernel did not queue: the receive buffer was full, or the checksum was wrong. -1 with errno set.
int64_t cnet_receive_drops(int fd);

/// Index of the interface `name` in the network namespace of the socket `fd`; -1 with errno set when there is none.
int cnet_interface_index(int fd, const char *_Nonnull name);

/// IPV6_RECVPKTINFO, whose name glibc shows only under _GNU_SOURCE.
int cnet_receive_packet_info(int fd);

/// ICMP6_FILTER that lets nothing in, for sockets that only send.
int cnet_icmp6_block_all(int fd);

/// sync_file_range(2): the disk begins to write what was written to the file since `offset`; nobody waits for it.
void cnet_start_writeback(int fd, int64_t offset);

/// unshare(2) and setns(2). They change the calling thread only.
int cnet_unshare(int flags);
int cnet_setns(int fd, int type);
/// CLONE_NEWNET.
extern const int cnet_clone_newnet;

/// The effective capabilities of the calling thread, as a bit set of CAP_* numbers; 0 when they cannot be read.
uint64_t cnet_effective_capabilities(void);

#endif
