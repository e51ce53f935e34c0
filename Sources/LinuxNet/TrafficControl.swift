import CLinuxNet

/// Number of a queueing discipline or class, `major:minor`, hexadecimal as `tc` writes it.
public struct TrafficControlHandle: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The parent of a root queueing discipline.
  public static let root = Self(rawValue: 0xffff_ffff)

  /// `1:10`; `1:` is the queueing discipline itself.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = Self.number(parts[0]), major > 0,
      let minor = parts[1].isEmpty ? 0 : Self.number(parts[1])
    else { return nil }
    rawValue = UInt32(major) << 16 | UInt32(minor)
  }

  private static func number(_ text: Substring) -> UInt16? {
    text.allSatisfy(\.isHexDigit) ? UInt16(text, radix: 16) : nil
  }

  public var description: String {
    let minor = rawValue & 0xffff
    return String(rawValue >> 16, radix: 16) + ":" + (minor == 0 ? "" : String(minor, radix: 16))
  }
}

/// What a queueing discipline or a class has counted.
public struct TrafficControlStatistics: Hashable, Sendable {
  /// Sent.
  public var octets: UInt64
  public var packets: UInt64
  /// Waiting packets and octets.
  public var queueLength: UInt32
  public var backlog: UInt32
  /// Modulo 2^32.
  public var drops: UInt32
  public var overlimits: UInt32

  /// The nested attributes of TCA_STATS2; nil when one is missing or shorter than its structure.
  init?(_ attributes: NetlinkAttributes) {
    guard let basic = attributes[UInt16(TCA_STATS_BASIC)]?.payload, let octets = basic.loadPrefix(as: UInt64.self),
      let packets = basic.dropFirst(MemoryLayout<UInt64>.size).loadPrefix(as: UInt32.self),
      let queue = attributes[UInt16(TCA_STATS_QUEUE)]?.structure(as: gnet_stats_queue.self)
    else { return nil }
    self.octets = octets
    // Beside it when there are more than 32 bits tell.
    self.packets = attributes[UInt16(TCA_STATS_PKT64)]?.uint64 ?? UInt64(packets)
    queueLength = queue.qlen
    backlog = queue.backlog
    drops = queue.drops
    overlimits = queue.overlimits
  }
}

/// A queueing discipline, or a class of one.
public struct TrafficControlRecord: Hashable, Sendable {
  /// Index.
  public var interface: UInt32
  public var handle: TrafficControlHandle
  public var parent: TrafficControlHandle
  /// "tbf", "htb", "noqueue", ...
  public var kind: String
  public var statistics: TrafficControlStatistics

  /// `clsact`, at which filters of what an interface sends and receives hang.
  static let filterPoint = "clsact"

  public var isFilterPoint: Bool { kind == Self.filterPoint }

  /// That of the device itself, and one that queues: `noqueue` counts nothing.
  public var isCountingRoot: Bool { parent == .root && kind != "noqueue" }

  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWQDISC || message.type == RTM_NEWTCLASS, let header = message.header(as: tcmsg.self),
      header.tcm_ifindex > 0
    else { return nil }
    let attributes = message.attributes(after: tcmsg.self)
    guard let kind = attributes[UInt16(TCA_KIND)]?.string,
      let statistics = attributes[UInt16(TCA_STATS2)].flatMap({ TrafficControlStatistics($0.nested) })
    else { return nil }
    interface = UInt32(header.tcm_ifindex)
    handle = TrafficControlHandle(rawValue: header.tcm_handle)
    parent = TrafficControlHandle(rawValue: header.tcm_parent)
    self.kind = kind
    self.statistics = statistics
  }
}

extension RouteNetlink {
  /// The queueing disciplines of all interfaces.
  public func queueingDisciplines() throws(LinuxError) -> [TrafficControlRecord] {
    let message = NetlinkMessage(type: UInt16(RTM_GETQDISC), header: tcmsg())
    return try socket.dump(message, "read", "queueing disciplines", TrafficControlRecord.init)
  }

  /// The classes of one interface; none when it has none, or is gone.
  public func trafficClasses(interface: UInt32) throws(LinuxError) -> [TrafficControlRecord] {
    var header = tcmsg()
    header.tcm_ifindex = Int32(bitPattern: interface)
    let message = NetlinkMessage(type: UInt16(RTM_GETTCLASS), header: header)
    return try socket.dump(message, "read", "traffic classes", TrafficControlRecord.init)
  }
}
