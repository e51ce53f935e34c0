import Glibc
import LinuxNet
import NetTypes
import Testing

/// System tests make private network namespaces, which takes root.
let isRoot = geteuid() == 0
let needsRoot: Comment = "needs root: makes network namespaces"

func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text)) }
func prefix(_ text: String) throws -> IPv6Prefix { try #require(IPv6Prefix(text)) }

/// Polls `condition` until it holds; false when it does not within `limit`.
func eventually(within limit: Duration = .seconds(5), _ condition: () throws -> Bool) rethrows -> Bool {
  let end = SystemClock.monotonic + limit
  while SystemClock.monotonic < end {
    if try condition() { return true }
    usleep(2_000)
  }
  return try condition()
}

/// Two interfaces "left" and "right" in one namespace, connected, up, with carrier.
func makePair(_ netlink: RouteNetlink) throws -> (left: Link, right: Link) {
  try netlink.run(.createVirtualPair(name: "left", peer: "right"))
  for name in ["left", "right"] {
    let link = try netlink.link(named: name)
    try netlink.run(.changeLink(index: link.index, name: name, LinkChange(up: true)))
  }
  return (try netlink.link(named: "left"), try netlink.link(named: "right"))
}
