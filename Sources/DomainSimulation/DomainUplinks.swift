import MobilityWire
import NetTypes
import PMIPCore
import SeededRandom

// Gateways with several uplinks (RFC 8278): each is a line of its own to the anchor, with its own address.
extension DomainSimulation {
  /// Where a line ends.
  struct Port: Hashable {
    var host: Host
    var uplink: Int
  }

  static func address(of host: Host, uplink: Int = 0) -> IPv6Address {
    guard host > 0 else { return anchorAddress }
    return IPv6Address(high: anchorAddress.high, low: UInt64(uplink) << 32 + UInt64(0x10 + host))
  }

  static func uplink(_ number: Int, of host: Host) -> Uplink {
    Uplink(
      interface: uplinkName(number), address: address(of: host, uplink: number), label: UInt8(10 * (number + 1)),
      accessTechnology: number == 0 ? .ethernet : .eutran)
  }

  private static func uplinkName(_ number: Int) -> String { "up\(number)" }

  func uplinkCount(of host: Host) -> Int {
    host == 0 ? 1 : max(1, gateways[host - 1].configuration.uplinks.count)
  }

  func carriesMessages(_ port: Port) -> Bool {
    !hosts[port.host].isCutOff && !hosts[port.host].cutUplinks.contains(port.uplink)
  }

  /// One of several lines carries nothing for a while. Mostly the interface has no carrier, and the gateway hears of it.
  func loseUplink() {
    let candidates = hosts.indices.filter { uplinkCount(of: $0) > 1 }
    guard let host = candidates.randomElement(using: &random) else { return }
    let uplink = Int.random(in: 0..<uplinkCount(of: host), using: &random)
    guard hosts[host].cutUplinks.insert(uplink).inserted else { return }
    note("uplink \(uplink) of mag\(host) carries nothing")
    if random.chance(0.8) {
      hosts[host].downUplinks.insert(uplink)
      tell(host, uplink, isUp: false)
    }
    schedule(.uplinkReturn(Port(host: host, uplink: uplink)), after: random.milliseconds(200...10_000))
  }

  func uplinkReturns(_ port: Port) {
    guard hosts[port.host].cutUplinks.remove(port.uplink) != nil else { return }
    note("uplink \(port.uplink) of mag\(port.host) is back")
    if hosts[port.host].downUplinks.remove(port.uplink) != nil { tell(port.host, port.uplink, isUp: true) }
  }

  /// What a gateway that starts finds out about its interfaces.
  func tellDownUplinks(_ host: Host) {
    for uplink in hosts[host].downUplinks.sorted() { tell(host, uplink, isUp: false) }
  }

  private func tell(_ host: Host, _ uplink: Int, isUp: Bool) {
    guard hosts[host].isUp else { return }
    if isUp { hosts[host].knownDownUplinks.remove(uplink) } else { hosts[host].knownDownUplinks.insert(uplink) }
    gatewayEvent(host, .uplinkChanged(Self.uplinkName(uplink), isUp: isUp))
  }
}
