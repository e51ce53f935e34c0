import CLinuxNet
import Glibc
import NetTypes

/// An IPv6 route.
public struct Route: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case unicast, local
    /// Dropped, the sender gets Destination Unreachable.
    case unreachable
    /// Dropped silently.
    case blackhole
    /// This table has no answer; the next rule is asked.
    case `throw`
    /// Any other RTN_*.
    case other(UInt8)
  }

  /// A lightweight tunnel: the route itself encapsulates or decapsulates.
  public enum Encapsulation: Hashable, Sendable {
    /// H.Encaps.Red of RFC 8986 section 5.2 with these segments. With one segment there is no routing header: plain
    /// IPv6 in IPv6.
    case segments([IPv6Address])
    /// End.DT6 of RFC 8986 section 4.6: the inner packet is looked up in this table.
    case decapsulate(table: UInt32)
    /// Anything else, by LWTUNNEL_ENCAP_* number.
    case other(UInt16)
  }

  public var destination: IPv6Prefix
  /// Only packets from here (a source-specific route; CONFIG_IPV6_SUBTREES). nil: any source.
  public var source: IPv6Prefix?
  public var table: UInt32
  /// RTPROT_*: whose route it is.
  public var protocolNumber: UInt8
  /// Smaller wins.
  public var metric: UInt32
  public var kind: Kind
  /// Index of the output interface.
  public var interface: UInt32?
  public var gateway: IPv6Address?
  public var encapsulation: Encapsulation?
  /// Octets; nil: that of the interface.
  public var mtu: UInt32?

  /// RTPROT_RA: of a Router Advertisement.
  public static let advertisedProtocol: UInt8 = 9
  public static let mainTable: UInt32 = 254
  public static let localTable: UInt32 = 255
  /// What the kernel takes for a route without metric (IP6_RT_PRIO_USER).
  public static let defaultMetric: UInt32 = 1_024

  public init(
    to destination: IPv6Prefix, from source: IPv6Prefix? = nil, table: UInt32 = Route.mainTable,
    protocolNumber: UInt8, metric: UInt32 = Route.defaultMetric, kind: Kind = .unicast, interface: UInt32? = nil,
    gateway: IPv6Address? = nil, encapsulation: Encapsulation? = nil, mtu: UInt32? = nil
  ) {
    self.destination = destination
    self.source = source
    self.table = table
    self.protocolNumber = protocolNumber
    self.metric = metric
    self.kind = kind
    self.interface = interface
    self.gateway = gateway
    self.encapsulation = encapsulation
    self.mtu = mtu
  }
}

// MARK: Requests

extension Route {
  /// Installs the route; in one step takes the place of one with the same destination, source, table and metric.
  public var replacement: KernelRequest {
    KernelRequest(message(RTM_NEWROUTE, [.create, .replace]), "set route", .route(self))
  }

  /// Installs the route; EEXIST when there is one with the same destination, source, table and metric.
  public var addition: KernelRequest {
    KernelRequest(message(RTM_NEWROUTE, [.create, .exclusive]), "add route", .route(self))
  }

  /// Removes the route with this destination, source, table, metric and protocol; with interface and gateway only if
  /// these match too. Removing what is not there succeeds.
  public var removal: KernelRequest {
    var key = self
    key.encapsulation = nil
    key.mtu = nil
    return KernelRequest(
      key.message(RTM_DELROUTE, []), "remove route", .route(self), tolerated: [ESRCH, ENOENT, ENODEV])
  }

  private func message(_ type: Int, _ flags: NetlinkFlags) -> NetlinkMessage {
    var header = rtmsg()
    header.rtm_family = UInt8(AF_INET6)
    header.rtm_dst_len = UInt8(destination.length)
    header.rtm_src_len = UInt8(source?.length ?? 0)
    header.rtm_table = table < 256 ? UInt8(table) : UInt8(RT_TABLE_UNSPEC.rawValue)
    header.rtm_protocol = protocolNumber
    header.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
    header.rtm_type = kind.number
    var message = NetlinkMessage(type: UInt16(type), flags: flags, header: header)
    if destination.length > 0 { message.attribute(UInt16(RTA_DST.rawValue), destination.address) }
    if let source, source.length > 0 { message.attribute(UInt16(RTA_SRC.rawValue), source.address) }
    message.attribute(UInt16(RTA_TABLE.rawValue), table)
    message.attribute(UInt16(RTA_PRIORITY.rawValue), metric)
    if let interface { message.attribute(UInt16(RTA_OIF.rawValue), interface) }
    if let gateway { message.attribute(UInt16(RTA_GATEWAY.rawValue), gateway) }
    if let mtu {
      message.nested(UInt16(RTA_METRICS.rawValue)) { $0.attribute(UInt16(RTAX_MTU), mtu) }
    }
    encapsulation?.append(to: &message)
    return message
  }
}

extension Route.Encapsulation {
  fileprivate func append(to message: inout NetlinkMessage) {
    switch self {
    case .segments(let segments):
      message.nested(UInt16(RTA_ENCAP.rawValue)) {
        $0.attribute(UInt16(SEG6_IPTUNNEL_SRH), bytes: Self.tunnelParameters(segments))
      }
      message.attribute(UInt16(RTA_ENCAP_TYPE.rawValue), UInt16(LWTUNNEL_ENCAP_SEG6.rawValue))
    case .decapsulate(let table):
      message.nested(UInt16(RTA_ENCAP.rawValue)) {
        $0.attribute(UInt16(SEG6_LOCAL_ACTION), UInt32(SEG6_LOCAL_ACTION_END_DT6))
        $0.attribute(UInt16(SEG6_LOCAL_TABLE), table)
      }
      message.attribute(UInt16(RTA_ENCAP_TYPE.rawValue), UInt16(LWTUNNEL_ENCAP_SEG6_LOCAL.rawValue))
    case .other(let number):
      message.attribute(UInt16(RTA_ENCAP_TYPE.rawValue), number)
    }
  }

  /// `struct seg6_iptunnel_encap`: the mode, then a segment routing header (RFC 8754 section 2) with the segments in
  /// reverse order. The kernel wants it whole even where the reduced form sends none.
  private static func tunnelParameters(_ segments: [IPv6Address]) -> [UInt8] {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: UInt32(SEG6_IPTUN_MODE_ENCAP_RED)) { bytes.append(contentsOf: $0) }
    let last = UInt8(clamping: segments.count - 1)
    bytes += [0, UInt8(clamping: segments.count * 2), 4, last, last, 0, 0, 0]
    for segment in segments.reversed() { bytes += segment.bytes }
    return bytes
  }

  fileprivate init?(type: UInt16, _ attributes: NetlinkAttributes) {
    switch UInt32(type) {
    case LWTUNNEL_ENCAP_SEG6.rawValue:
      // Mode (4 octets), segment routing header (8 octets), segments.
      guard let bytes = attributes[UInt16(SEG6_IPTUNNEL_SRH)]?.payload,
        bytes.loadPrefix(as: UInt32.self) == UInt32(SEG6_IPTUN_MODE_ENCAP_RED)
      else {
        self = .other(type)
        return
      }
      var rest = bytes.dropFirst(12)
      var segments: [IPv6Address] = []
      while let segment = IPv6Address(bytes: rest) {
        segments.append(segment)
        rest = rest.dropFirst(16)
      }
      self = .segments(segments.reversed())
    case LWTUNNEL_ENCAP_SEG6_LOCAL.rawValue:
      guard attributes[UInt16(SEG6_LOCAL_ACTION)]?.uint32 == UInt32(SEG6_LOCAL_ACTION_END_DT6),
        let table = attributes[UInt16(SEG6_LOCAL_TABLE)]?.uint32
      else {
        self = .other(type)
        return
      }
      self = .decapsulate(table: table)
    default: self = .other(type)
    }
  }
}

// MARK: Reading

extension Route {
  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE,
      let header = message.header(as: rtmsg.self), header.rtm_family == AF_INET6,
      header.rtm_flags & UInt32(RTM_F_CLONED) == 0
    else { return nil }
    let attributes = message.attributes(after: rtmsg.self)
    func prefix(_ type: rtattr_type_t, _ length: UInt8) -> IPv6Prefix? {
      IPv6Prefix(attributes[UInt16(type.rawValue)]?.ipv6Address ?? .unspecified, length: Int(length))
    }
    guard let destination = prefix(RTA_DST, header.rtm_dst_len) else { return nil }
    self.destination = destination
    source = header.rtm_src_len > 0 ? prefix(RTA_SRC, header.rtm_src_len) : nil
    table = attributes[UInt16(RTA_TABLE.rawValue)]?.uint32 ?? UInt32(header.rtm_table)
    protocolNumber = header.rtm_protocol
    metric = attributes[UInt16(RTA_PRIORITY.rawValue)]?.uint32 ?? 0
    kind = Kind(number: header.rtm_type)
    // The kernel puts routes that drop on the loopback interface, whatever was asked for.
    interface = kind.drops ? nil : attributes[UInt16(RTA_OIF.rawValue)]?.uint32
    gateway = attributes[UInt16(RTA_GATEWAY.rawValue)]?.ipv6Address
    if let type = attributes[UInt16(RTA_ENCAP_TYPE.rawValue)]?.uint16 {
      let nested = attributes[UInt16(RTA_ENCAP.rawValue)]?.nested ?? NetlinkAttributes([])
      encapsulation = Encapsulation(type: type, nested)
    }
    mtu = attributes[UInt16(RTA_METRICS.rawValue)]?.nested[UInt16(RTAX_MTU)]?.uint32
  }
}

extension Route.Kind {
  /// RTN_*.
  var number: UInt8 {
    switch self {
    case .unicast: UInt8(RTN_UNICAST)
    case .local: UInt8(RTN_LOCAL)
    case .unreachable: UInt8(RTN_UNREACHABLE)
    case .blackhole: UInt8(RTN_BLACKHOLE)
    case .throw: UInt8(RTN_THROW)
    case .other(let number): number
    }
  }

  init(number: UInt8) {
    self =
      [.unicast, .local, .unreachable, .blackhole, .throw].first { $0.number == number } ?? .other(number)
  }

  /// Has no output interface of its own.
  var drops: Bool {
    switch self {
    case .unreachable, .blackhole, .throw: true
    case .other(let number): number == UInt8(RTN_PROHIBIT)
    case .unicast, .local: false
    }
  }
}

extension Route: CustomStringConvertible {
  /// In the manner of `ip -6 route`.
  public var description: String {
    var text: String
    switch kind {
    case .unicast: text = ""
    case .local: text = "local "
    case .unreachable: text = "unreachable "
    case .blackhole: text = "blackhole "
    case .throw: text = "throw "
    case .other(let number): text = "type \(number) "
    }
    text += destination.length == 0 ? "default" : destination.description
    if let source { text += " from \(source)" }
    switch encapsulation {
    case .segments(let segments):
      text += " encap seg6 mode encap.red segs " + segments.map(\.description).joined(separator: ",")
    case .decapsulate(let inner): text += " encap seg6local action End.DT6 table \(inner)"
    case .other(let type): text += " encap type \(type)"
    case nil: break
    }
    if let gateway { text += " via \(gateway)" }
    if let interface { text += " dev \(interface)" }
    return text + " table \(table) metric \(metric) proto \(protocolNumber)"
  }
}
