import CAllocationMeter
import PMIPCore

/// The largest piece of memory that one event asks for, by kind of event, in a large cache against a small one.
struct Allocations {
  var bindings = 1_000_000
  /// Large enough for every table to have its full segments.
  var baseline = 20_000

  private static let eventsOfAKind = 200

  func measure() throws -> [Figure] {
    let small = try largest(at: baseline)
    let large = try largest(at: bindings)
    return zip(small, large).map { small, large in
      Figure(
        name: "\(large.event) at \(bindings) bindings", value: Double(large.octets), unit: .octets,
        bound: Double(max(small.octets, Self.segment)))
    }
  }

  /// No matter how large the cache is, an event may ask for a segment of a table.
  private static let segment = 144 << 10

  private func largest(at size: Int) throws -> [(event: String, octets: Int)] {
    var domain = SyntheticDomain()
    var result: [(event: String, octets: Int)] = []
    func measure(_ event: String, _ count: Int = Self.eventsOfAKind, _ body: (Int) throws -> Void) rethrows {
      var octets = 0
      for number in 0..<count {
        try body(number)
        octets = max(octets, allocation_meter_largest())
      }
      result.append((event, octets))
    }
    func receive(_ datagram: SyntheticDomain.Datagram) throws {
      allocation_meter_reset()
      try domain.receive(datagram)
    }
    func handle(_ event: LMAEvent) throws {
      allocation_meter_reset()
      try domain.handle(event)
    }
    try measure("first registration", size) { _ in try receive(try domain.nextRegistration()) }
    // Spread over the cache.
    let step = size / Self.eventsOfAKind / 8
    func node(_ kind: Int, _ number: Int) -> Int { (number * 8 + kind) * step }
    try measure("refresh") { try receive(try domain.refresh(of: node(0, $0))) }
    try measure("handover") { try receive(try domain.handover(of: node(1, $0))) }
    try measure("refused registration") { try receive(try domain.refusedRegistration(of: node(2, $0))) }
    try measure("de-registration") { try receive(try domain.deregistration(of: node(3, $0))) }
    domain.pass(.seconds(60))
    try measure("deletion after the delay", 4) { _ in try handle(.deadlineReached) }
    try measure("deletion by the operator") {
      try handle(.deleteBinding(BindingIdentifier(rawValue: UInt32(node(4, $0) + 1))))
    }
    try measure("configuration with renamed gateways", 1) { _ in
      try handle(.configurationChanged(domain.renamedGateways))
    }
    try measure("announcement of renamed gateways") { _ in try handle(.deadlineReached) }
    domain.pass(.seconds(3_600))
    try measure("expiry") { _ in try handle(.deadlineReached) }

    let counters = domain.anchor.counters
    let events = UInt64(Self.eventsOfAKind)
    try domain.require(
      counters[.acceptedRefresh] == events && counters[.acceptedHandover] == events
        && counters[.acceptedDeregistration] == events && counters[.bindingsDeletedAfterDelay] == events
        && counters[.bindingsDeletedByOperator] == events && counters[.rejectedGatewayNotAuthorized] == events
        && counters[.bindingsExpired] > events)
    return result
  }
}
