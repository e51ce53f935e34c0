import CLinuxNet
import NetTypes
import Testing

@testable import LinuxNet

@Suite("Stations of nl80211")
struct WirelessStationTests {
  private let address = LinkLayerAddress(rawValue: 0x0200_0000_0101)

  /// As the kernel writes it; `set` of the flag AUTHORIZED, nil: without flags.
  private func octets(authorized: Bool?) -> [UInt8] {
    var message = NetlinkMessage(
      type: 30, header: genlmsghdr(cmd: UInt8(NL80211_CMD_NEW_STATION.rawValue), version: 1, reserved: 0))
    message.attribute(UInt16(NL80211_ATTR_IFINDEX.rawValue), UInt32(7))
    message.attribute(UInt16(NL80211_ATTR_MAC.rawValue), bytes: address.bytes)
    message.nested(UInt16(NL80211_ATTR_STA_INFO.rawValue)) { information in
      guard let authorized else { return }
      let flag = UInt32(1) << NL80211_STA_FLAG_AUTHORIZED.rawValue
      information.attribute(
        UInt16(NL80211_STA_INFO_STA_FLAGS.rawValue),
        structure: nl80211_sta_flag_update(mask: flag, set: authorized ? flag : 0))
    }
    return message.bytes
  }

  private func station(_ octets: [UInt8]) -> WirelessStation? {
    guard case .new(let station)? = StationEvent.events(in: octets, family: 30).first else { return nil }
    return station
  }

  @Test("Several messages in a datagram; those of another family or of another command are no stations")
  func commands() {
    var gone = octets(authorized: nil)
    gone[16] = UInt8(NL80211_CMD_DEL_STATION.rawValue)
    var other = gone
    other[16] = UInt8(NL80211_CMD_CONNECT.rawValue)
    let events = StationEvent.events(in: octets(authorized: true) + other + gone, family: 30)
    #expect(events.count == 2)
    if case .removed(let station)? = events.last {
      #expect(station.address == address)
    } else {
      Issue.record("\(events)")
    }
    #expect(StationEvent.events(in: gone, family: 31).isEmpty)
  }

  @Test("Interface, address, and whether the station has shown the key", arguments: [true, false, nil])
  func decoding(authorized: Bool?) throws {
    let decoded = try #require(station(octets(authorized: authorized)))
    #expect(decoded.interface == 7 && decoded.address == address)
    #expect(decoded.isAuthorized == authorized ?? true)
  }

  @Test("Cut anywhere it is no station, or one without its flags")
  func truncation() {
    let whole = octets(authorized: false)
    for count in 0..<whole.count {
      var part = Array(whole[..<count])
      // The kernel's length is right even for what it leaves out.
      if count >= 4 {
        part[0] = UInt8(count)
        part[1] = 0
      }
      if let decoded = station(part) { #expect(decoded.interface == 7 && decoded.address == address) }
    }
  }
}
