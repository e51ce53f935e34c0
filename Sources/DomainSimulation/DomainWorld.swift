import NetTypes
import PMIPCore

// What happens outside the hosts of the domain: nodes move, clocks jump, lines are cut.
extension DomainSimulation {
  func isPresent(_ address: LinkLayerAddress, at place: Place) -> Bool {
    interfacesByAddress[address]?.contains { interfaces[$0].place == place } ?? false
  }

  func world() {
    for _ in 0..<Int.random(in: 1...max(3, interfaces.count / 50), using: &random) {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<58: move(Int.random(in: interfaces.indices, using: &random))
      case 58..<60: if faults.revocations { revokeByOperator() }
      case 60..<70: solicit(Int.random(in: interfaces.indices, using: &random))
      case 70..<83: traffic()
      case 83..<90:
        let host = Int.random(in: hosts.indices, using: &random)
        if faults.crashes, hosts[host].isUp { crash(host) }
      case 90..<92: if faults.crashes, flows.isUp { crashFlowManager() }
      case 92..<95: if faults.partitions { cutOff(Int.random(in: hosts.indices, using: &random)) }
      default: if faults.clockJumps { jump(Int.random(in: hosts.indices, using: &random)) }
      }
      if faults.uplinkFailures, random.chance(0.1) { loseUplink() }
    }
  }

  /// To another place, or away; the old gateway hears of it or finds out by itself.
  func move(_ index: Int) {
    let interface = interfaces[index]
    let target = random.chance(0.15) ? nil : freePlace(for: interface)
    guard target != interface.place else { return }
    interfaces[index].place = target
    note("\(interface.linkLayerAddress) goes to \(target.map { "mag\($0.gateway) \($0.link)" } ?? "nowhere")")
    if let old = interface.place, noticesDeparture(interface, at: old) {
      schedule(.departure(old, interface.linkLayerAddress, .linkDown), after: random.milliseconds(0...100))
    }
    if let target { announce(interface, at: target) }
  }

  /// A departure goes unseen only where probes will find it out.
  private func noticesDeparture(_ interface: Interface, at place: Place) -> Bool {
    let known = gateways[place.gateway - 1].attachment(of: interface.linkLayerAddress, onLink: place.link)
    return known?.linkLocalAddress == nil || random.chance(0.6)
  }

  private func announce(_ interface: Interface, at place: Place) {
    let address = interface.linkLayerAddress
    let delay = random.milliseconds(0...100)
    if random.chance(0.3) { schedule(.trigger(place, address, nil, .link), after: delay) }
    schedule(.trigger(place, address, interface.linkLocalAddress, .routerSolicitation), after: delay + .milliseconds(1))
  }

  func solicit(_ index: Int) {
    if let place = interfaces[index].place { announce(interfaces[index], at: place) }
  }

  /// Two accesses of a logical interface (one link-layer address) on one gateway need different technologies: the
  /// anchor could not tell them apart.
  private func freePlace(for interface: Interface) -> Place? {
    let gateway = Int.random(in: 1..<hosts.count, using: &random)
    let links = Self.links.filter { $0.technology == interface.accessTechnology }
    guard let link = links.randomElement(using: &random) else { return nil }
    let isTaken = (interfacesByAddress[interface.linkLayerAddress] ?? []).contains {
      interfaces[$0].accessTechnology == interface.accessTechnology && interfaces[$0].place?.gateway == gateway
    }
    return isTaken ? interface.place : Place(gateway: gateway, link: link.name)
  }

  private func jump(_ host: Host) {
    let seconds = Int.random(in: 1...3_600, using: &random)
    hosts[host].clockError = random.chance(0.5) ? .seconds(seconds) : .seconds(-seconds)
    let error = hosts[host].clockError
    note("clock of \(host) jumps by \(error)")
    schedule(.clockSet(host), after: random.milliseconds(1_000...20_000))
  }

  /// A gateway, or the anchor and so everybody.
  private func cutOff(_ host: Host) {
    note("\(host) is cut off")
    hosts[host].isCutOff = true
    schedule(.reunion(host), after: random.milliseconds(500...20_000))
  }
}
