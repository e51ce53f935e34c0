import CLinuxNet
import Glibc
import NetTypes

/// A station of a wireless interface of this host, as the kernel knows it (nl80211).
public struct WirelessStation: Hashable, Sendable {
  /// Index of the access point's interface.
  public var interface: UInt32
  public var address: LinkLayerAddress
  /// It has shown the key and may send; false after mere association. A driver that does not say: true.
  public var isAuthorized: Bool

  /// - Parameter message: of the family nl80211.
  init?(_ message: ReceivedNetlinkMessage) {
    let attributes = message.attributes(after: genlmsghdr.self)
    guard let interface = attributes[UInt16(NL80211_ATTR_IFINDEX.rawValue)]?.uint32,
      let address = attributes[UInt16(NL80211_ATTR_MAC.rawValue)]?.linkLayerAddress
    else { return nil }
    self.interface = interface
    self.address = address
    let information = attributes[UInt16(NL80211_ATTR_STA_INFO.rawValue)]?.nested
    let flags = information?[UInt16(NL80211_STA_INFO_STA_FLAGS.rawValue)]?.structure(as: nl80211_sta_flag_update.self)
    let authorized = UInt32(1) << NL80211_STA_FLAG_AUTHORIZED.rawValue
    isAuthorized = flags.map { $0.mask & authorized == 0 || $0.set & authorized != 0 } ?? true
  }
}

public enum StationEvent: Hashable, Sendable {
  case new(WirelessStation)
  case removed(WirelessStation)

  /// - Parameter family: number of nl80211.
  init?(_ message: ReceivedNetlinkMessage, family: UInt16) {
    guard message.type == family, let command = message.header(as: genlmsghdr.self)?.cmd,
      let station = WirelessStation(message)
    else { return nil }
    switch UInt32(command) {
    case NL80211_CMD_NEW_STATION.rawValue: self = .new(station)
    case NL80211_CMD_DEL_STATION.rawValue: self = .removed(station)
    default: return nil
    }
  }

  /// Of one received datagram.
  package static func events(in datagram: [UInt8], family: UInt16) -> [StationEvent] {
    ReceivedNetlinkMessage.messages(in: datagram[...]).compactMap { StationEvent($0, family: family) }
  }
}

/// Reports stations that come to and leave the access points of this host.
public final class StationMonitor {
  private let events: NetlinkSocket
  private let tables: NetlinkSocket
  private let family: UInt16

  /// To be watched for reading; call `receive` then.
  public var descriptor: Int32 { events.descriptor.rawValue }

  /// Throws ENOENT when the kernel has no nl80211 (cfg80211 is not loaded).
  public init() throws(LinuxError) {
    tables = try NetlinkSocket(protocolNumber: NETLINK_GENERIC)
    events = try NetlinkSocket(protocolNumber: NETLINK_GENERIC)
    let family = try GenericNetlinkFamily(named: NL80211_GENL_NAME, tables)
    self.family = family.number
    guard let group = family.groups[NL80211_MULTICAST_GROUP_MLME] else {
      throw LinuxError("find netlink group", NL80211_MULTICAST_GROUP_MLME, code: ENOENT)
    }
    try events.join(group: group)
  }

  /// Hands over what is waiting. `.overrun`: events are lost, and `stations` says who is there.
  public func receive(_ body: (StationEvent) -> Void) throws(LinuxError) -> NetlinkSocket.EventResult {
    try events.receiveEvents { message in
      if let event = StationEvent(message, family: family) { body(event) }
    }
  }

  /// The stations of one interface.
  public func stations(of interface: UInt32) throws(LinuxError) -> [WirelessStation] {
    var message = NetlinkMessage(
      type: family,
      header: genlmsghdr(cmd: UInt8(NL80211_CMD_GET_STATION.rawValue), version: 0, reserved: 0))
    message.attribute(UInt16(NL80211_ATTR_IFINDEX.rawValue), interface)
    return try tables.dump(message, "read stations of", "interface \(interface)") { WirelessStation($0) }
  }
}
