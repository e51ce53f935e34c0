import CLinuxNet
import Glibc
import NetTypes

/// A network interface.
public struct Link: Hashable, Sendable {
  public var index: UInt32
  public var name: String
  /// Octets.
  public var mtu: UInt32
  /// IFF_* of if.h.
  public var flags: UInt32
  public var linkLayerAddress: LinkLayerAddress?
  /// The text of `ip link set dev X alias`; ours starts with `flowmob:`.
  public var alias: String?
  /// "veth", "ip6tnl", ...; nil for hardware.
  public var kind: String?
  /// The parameters of an `ip6tnl` device.
  public var tunnel: IPv6Tunnel?
  /// Index of the bond, bridge or the like that it belongs to.
  public var master: UInt32?

  /// Switched on by the administrator.
  public var isUp: Bool { flags & UInt32(IFF_UP) != 0 }
  /// Up, and the other end is there.
  public var hasCarrier: Bool { isUp && flags & Self.lowerUp != 0 }

  /// Two ends and no link-layer addresses: PPP, a modem that carries bare IP packets, a TUN device.
  public var isPointToPoint: Bool { linkLayerAddress == nil && flags & UInt32(IFF_POINTOPOINT) != 0 }

  /// Takes all multicast frames, not only those of joined groups.
  public var receivesAllMulticast: Bool { flags & UInt32(IFF_ALLMULTI) != 0 }

  /// IFF_LOWER_UP, which glibc's net/if.h leaves out.
  private static let lowerUp: UInt32 = 1 << 16

  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWLINK || message.type == RTM_DELLINK,
      let header = message.header(as: ifinfomsg.self)
    else { return nil }
    index = UInt32(bitPattern: header.ifi_index)
    flags = header.ifi_flags
    name = ""
    mtu = 0
    for attribute in message.attributes(after: ifinfomsg.self) {
      switch Int(attribute.type) {
      case IFLA_IFNAME: name = attribute.string
      case IFLA_MTU: mtu = attribute.uint32 ?? 0
      case IFLA_ADDRESS: linkLayerAddress = attribute.linkLayerAddress
      case IFLA_IFALIAS: alias = attribute.string
      case IFLA_MASTER: master = attribute.uint32
      case IFLA_LINKINFO:
        kind = attribute.nested[UInt16(IFLA_INFO_KIND)]?.string
        if kind == IPv6Tunnel.kind, let data = attribute.nested[UInt16(IFLA_INFO_DATA)] {
          tunnel = IPv6Tunnel(data.nested)
        }
      default: break
      }
    }
  }
}

/// What a `ip6tnl` device does (RFC 2473): IPv6 in IPv6 between two addresses, without the encapsulation limit option,
/// traffic class and flow label copied from the inner header.
public struct IPv6Tunnel: Hashable, Sendable {
  public var local: IPv6Address
  public var remote: IPv6Address
  /// Of the outer header.
  public var hopLimit: UInt8 = 64

  public static let kind = "ip6tnl"
  static let flags = UInt32(IP6_TNL_F_IGN_ENCAP_LIMIT | IP6_TNL_F_USE_ORIG_TCLASS | IP6_TNL_F_USE_ORIG_FLOWLABEL)

  public init(local: IPv6Address, remote: IPv6Address) {
    self.local = local
    self.remote = remote
  }

  init?(_ attributes: NetlinkAttributes) {
    guard let local = attributes[UInt16(IFLA_IPTUN_LOCAL)]?.ipv6Address,
      let remote = attributes[UInt16(IFLA_IPTUN_REMOTE)]?.ipv6Address
    else { return nil }
    self.init(local: local, remote: remote)
    hopLimit = attributes[UInt16(IFLA_IPTUN_TTL)]?.uint8 ?? 0
  }
}

/// Changes of one interface; nil leaves a property as it is.
public struct LinkChange: Hashable, Sendable {
  public var up: Bool?
  public var mtu: UInt32?
  public var linkLayerAddress: LinkLayerAddress?
  public var alias: String?
  /// Take all multicast frames, not only those of joined groups.
  public var allMulticast: Bool?
  /// Index of the bond, bridge or the like to belong to from now on; 0 is none.
  public var master: UInt32?
  /// The kernel makes no link-local address by itself (addr_gen_mode none).
  public var withoutLinkLocalAddress = false

  public init(
    up: Bool? = nil, mtu: UInt32? = nil, linkLayerAddress: LinkLayerAddress? = nil, alias: String? = nil,
    allMulticast: Bool? = nil, master: UInt32? = nil, withoutLinkLocalAddress: Bool = false
  ) {
    self.up = up
    self.mtu = mtu
    self.linkLayerAddress = linkLayerAddress
    self.alias = alias
    self.allMulticast = allMulticast
    self.master = master
    self.withoutLinkLocalAddress = withoutLinkLocalAddress
  }
}

extension KernelRequest {
  /// Changes an interface. The kernel switches it on before it looks at `withoutLinkLocalAddress`: ask for that first.
  public static func changeLink(index: UInt32, name: String, _ change: LinkChange) -> KernelRequest {
    var header = ifinfomsg()
    header.ifi_index = Int32(bitPattern: index)
    func set(_ flag: UInt32, _ wanted: Bool?) {
      guard let wanted else { return }
      if wanted { header.ifi_flags |= flag }
      header.ifi_change |= flag
    }
    set(UInt32(IFF_UP), change.up)
    set(UInt32(IFF_ALLMULTI), change.allMulticast)
    var message = NetlinkMessage(type: UInt16(RTM_NEWLINK), header: header)
    if let mtu = change.mtu { message.attribute(UInt16(IFLA_MTU), mtu) }
    if let address = change.linkLayerAddress { message.attribute(UInt16(IFLA_ADDRESS), bytes: address.bytes) }
    if let master = change.master { message.attribute(UInt16(IFLA_MASTER), master) }
    if let alias = change.alias { message.attribute(UInt16(IFLA_IFALIAS), bytes: Array(alias.utf8)) }
    if change.withoutLinkLocalAddress {
      message.nested(UInt16(IFLA_AF_SPEC)) {
        $0.nested(UInt16(AF_INET6)) {
          $0.attribute(UInt16(IFLA_INET6_ADDR_GEN_MODE), UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue))
        }
      }
    }
    return KernelRequest(message, "change interface", name)
  }

  /// Creates an `ip6tnl` device. EEXIST also when another device has the same pair of addresses.
  public static func createTunnel(name: String, _ tunnel: IPv6Tunnel, mtu: UInt32) -> KernelRequest {
    var message = NetlinkMessage(
      type: UInt16(RTM_NEWLINK), flags: [.create, .exclusive], header: ifinfomsg())
    message.attribute(UInt16(IFLA_IFNAME), name)
    message.attribute(UInt16(IFLA_MTU), mtu)
    message.nested(UInt16(IFLA_LINKINFO)) {
      $0.attribute(UInt16(IFLA_INFO_KIND), IPv6Tunnel.kind)
      $0.nested(UInt16(IFLA_INFO_DATA)) {
        $0.attribute(UInt16(IFLA_IPTUN_LOCAL), tunnel.local)
        $0.attribute(UInt16(IFLA_IPTUN_REMOTE), tunnel.remote)
        $0.attribute(UInt16(IFLA_IPTUN_TTL), tunnel.hopLimit)
        $0.attribute(UInt16(IFLA_IPTUN_ENCAP_LIMIT), UInt8(0))
        $0.attribute(UInt16(IFLA_IPTUN_FLAGS), IPv6Tunnel.flags)
        $0.attribute(UInt16(IFLA_IPTUN_PROTO), UInt8(IPPROTO_IPV6))
      }
    }
    return KernelRequest(message, "create ip6tnl device", "\(name) \(tunnel.local) -> \(tunnel.remote)")
  }

  /// Creates a pair of connected virtual Ethernet interfaces.
  public static func createVirtualPair(name: String, peer: String, peerNamespace: Int32? = nil) -> KernelRequest {
    var message = NetlinkMessage(
      type: UInt16(RTM_NEWLINK), flags: [.create, .exclusive], header: ifinfomsg())
    message.attribute(UInt16(IFLA_IFNAME), name)
    message.nested(UInt16(IFLA_LINKINFO)) {
      $0.attribute(UInt16(IFLA_INFO_KIND), "veth")
      $0.nested(UInt16(IFLA_INFO_DATA)) {
        $0.nested(UInt16(VETH_INFO_PEER)) {
          $0.append(header: ifinfomsg())
          $0.attribute(UInt16(IFLA_IFNAME), peer)
          if let peerNamespace { $0.attribute(UInt16(IFLA_NET_NS_FD), peerNamespace) }
        }
      }
    }
    return KernelRequest(message, "create veth pair", "\(name), \(peer)")
  }

  public static func deleteLink(index: UInt32, name: String) -> KernelRequest {
    var header = ifinfomsg()
    header.ifi_index = Int32(bitPattern: index)
    return KernelRequest(
      NetlinkMessage(type: UInt16(RTM_DELLINK), header: header), "delete interface", name, tolerated: [ENODEV])
  }
}
