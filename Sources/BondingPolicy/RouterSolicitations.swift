import LinuxNet
import MobilityWire
import NetTypes

/// Router Solicitations on slaves that have got carrier while the logical interface stayed up: the kernel sees no new
/// link and sends none, but the gateway on that link waits for one. RFC 4861 sections 6.3.7 and 10.
struct RouterSolicitations {
  static let interval: Duration = .seconds(4)
  static let maximum = 3

  private struct Pending {
    var remaining: Int
    var next: Duration
  }
  private var pending: [String: Pending] = [:]

  /// When `due` has something to give.
  var deadline: Duration? { pending.values.map(\.next).min() }

  /// The slave has got carrier: the first is due at once.
  mutating func begin(_ slave: String, at now: Duration) {
    pending[slave] = Pending(remaining: Self.maximum, next: now)
  }

  /// The slaves on which one is to be sent now, in the order of their names.
  mutating func due(at now: Duration) -> [String] {
    let due = pending.filter { $0.value.next <= now }.keys.sorted()
    for slave in due {
      guard let state = pending[slave] else { continue }
      pending[slave] = state.remaining > 1 ? Pending(remaining: state.remaining - 1, next: now + Self.interval) : nil
    }
    return due
  }

  /// A solicitation of the logical interface, sent on a slave. On a point-to-point link there are no link-layer addresses
  /// to tell.
  static func send(on slave: BondingPlan.Links.SlaveLink, from source: IPv6Address, _ address: LinkLayerAddress)
    throws(LinuxError)
  {
    let message = ICMPv6Message.routerSolicitation(
      RouterSolicitation(options: slave.isPointToPoint ? [] : [.sourceLinkLayerAddress(address)]))
    let socket = try AccessLinkSocket(interface: slave.index, name: slave.slave.name)
    try socket.send(message.packet(source: source, destination: allRouters), to: allRoutersLinkLayer)
  }

  /// `ff02::2`.
  private static let allRouters = IPv6Address(high: 0xff02_0000_0000_0000, low: 2)
  /// The group address of `ff02::2` (RFC 2464 section 7).
  private static let allRoutersLinkLayer = LinkLayerAddress(rawValue: 0x3333_0000_0002)
}
