import FlowCore
import Glibc
import LinuxNet
import MobilityWire
import NetTypes
import TerminalKit

/// Puts a `BondingPlan` into the kernel, keeps it in step with the interfaces and takes it out again.
///
/// What is ours is known by the names of the nftables tables and by the alias of the interfaces, so a start after a crash
/// finds it and changes what differs; packets go on meanwhile, and connections keep their marks.
final class BondingKernel {
  let plan: BondingPlan
  private let netfilter: NetfilterSocket
  private let conntrack: ConntrackSocket
  private let tables: RouteNetlink
  let choice: BackEndChoice
  private let logical: any LogicalInterface
  /// Of the back end that we do not use; an earlier run may have used it.
  private let other: any LogicalInterface
  private let slaves: SlaveKeeper

  private let keeper: SelectionKeeper

  private(set) var selections = Selections()
  /// What the device table in the kernel was made for.
  private var installed: BondingPlan.Links?
  /// What rules of replaced device tables have counted, by comment.
  private var earlierCounts: [String: NftCounter] = [:]

  /// Replacements of the device table, since the start.
  private(set) var linkChanges: UInt64 = 0
  /// Interfaces that could not be made slaves, since the start.
  private(set) var refusedSlaves: UInt64 = 0

  init(_ plan: BondingPlan, stateDirectory: String) throws(LinuxError) {
    self.plan = plan
    netfilter = try NetfilterSocket()
    conntrack = try ConntrackSocket()
    tables = try RouteNetlink()
    choice = try BackEndChoice(plan, try tables.links(), tables)
    (logical, other) = Self.makers(plan, tables, choice)
    slaves = try SlaveKeeper(directory: stateDirectory, interface: plan.interface)
    keeper = try SelectionKeeper(directory: stateDirectory, interface: plan.interface)
  }

  /// Whether the kernel would take our tables and interfaces; changes nothing. Gives the interfaces there are, and the back
  /// end that a run would use.
  static func check(_ plan: BondingPlan) throws(LinuxError) -> ([Link], BackEndChoice) {
    let netfilter = try NetfilterSocket()
    try netfilter.check(plan.trial)
    try netfilter.check(plan.policy(Selections()))
    let tables = try RouteNetlink()
    let links = try tables.links()
    let choice = try BackEndChoice(plan, links, tables)
    if try !makers(plan, tables, choice).used.exists(links) { _ = try plan.linkLayerAddress(links) }
    return (links, choice)
  }

  private static func makers(
    _ plan: BondingPlan, _ tables: RouteNetlink, _ choice: BackEndChoice
  ) -> (used: any LogicalInterface, other: any LogicalInterface) {
    let (pair, driver) = (VirtualPair(plan: plan, tables: tables), BondingDriver(plan: plan, tables: tables))
    return choice.backEnd == .bonding ? (driver, pair) : (pair, driver)
  }

  // MARK: Putting in and taking out

  /// The policy first, then the interfaces: the first packet already finds it.
  func install() throws(LinuxError) -> LinkFollowing {
    if try other.delete() > 0 { _ = try slaves.restore() }
    let meanings = Set(plan.slaves.map(plan.meaning))
    let earlier = Set(try netfilter.rules(of: plan.policyTable).compactMap(\.comment).filter(BondingPlan.isMeaning))
    if earlier == meanings {
      selections = keeper.earlier(plan)
    } else {
      try keeper.clear()
      // Marks and queues of a run with another numbering of slaves would send flows the wrong way.
      try remove(plan.policyTable)
      if choice.backEnd == .bonding { _ = try logical.delete() }
      _ = try releaseFlows()
    }
    _ = try slaves.restore(except: Set(plan.slaves.map(\.name)))
    try netfilter.commit(plan.policy(selections))
    return try followLinks()
  }

  /// Takes out everything of ours, gives the slaves back, and takes our bits off the marks of connections.
  func remove() throws(LinuxError) -> RemovalResult {
    var tables = 0
    for table in [plan.deviceTable, plan.policyTable] where try remove(table) { tables += 1 }
    let interfaces = try logical.delete() + other.delete()
    installed = nil
    try keeper.clear()
    return RemovalResult(
      tables: tables, interfaces: interfaces, restoredSlaves: try slaves.restore(), releasedFlows: try releaseFlows())
  }

  @discardableResult
  private func remove(_ table: NftTable) throws(LinuxError) -> Bool {
    guard try netfilter.tableExists(table) else { return false }
    try netfilter.commit(.removal(of: table))
    return true
  }

  /// What came out of `followLinks`.
  struct LinkFollowing {
    /// Interfaces that could not be made slaves.
    var refusals: [LinuxError] = []
    /// Slaves that have got carrier since the last time, and their interfaces' indices.
    var arrived: [BondingPlan.Links.SlaveLink] = []
  }

  /// Makes the kernel agree with the interfaces that are there: present ones of ours are slaves, and the flows of one
  /// without carrier use another. A logical interface that somebody has deleted is made again.
  func followLinks() throws(LinuxError) -> LinkFollowing {
    var following = LinkFollowing()
    let before = try tables.links()
    let address = try plan.linkLayerAddress(before)
    let isNew = try !logical.exists(before)
    if isNew { try logical.create(address, before) }
    var refused: Set<String> = []
    for link in before where plan.slaves.contains(where: { $0.name == link.name }) {
      do throws(LinuxError) {
        if let obstacle = BondingHost.obstacle(link, before, of: plan.interface, choice.backEnd) {
          throw LinuxError("make slave of", link.name, code: EBUSY, advice: obstacle)
        }
        try logical.adopt(link, as: address, slaves)
      } catch {
        // One that has gone meanwhile is not worth more than a log line, because its event is on the way.
        refused.insert(link.name)
        following.refusals.append(error)
        refusedSlaves += 1
      }
    }

    let links = try tables.links()
    try logical.adjust(links, address)
    guard var state = plan.state(of: links, without: refused) else { return following }
    state.linkLayerAddress = address
    if state != installed {
      try keepCounts()
      try logical.follow(state, after: installed)
      try netfilter.commit(plan.devices(state))
      linkChanges += 1
      // A logical interface that comes up solicits by all slaves of that moment.
      if let installed, !isNew {
        following.arrived = state.usable.filter { !installed.usable.contains($0) }
      }
      installed = state
    }
    if isNew { try logical.activate(links) }
    return following
  }

  /// Sends a Router Solicitation on a slave. Gives false when the slave has no carrier any more, or when the logical
  /// interface has no link-local address yet: the kernel solicits by all slaves when it has one.
  func solicit(on slave: String) throws(LinuxError) -> Bool {
    guard let link = installed?.usable.first(where: { $0.slave.name == slave }),
      let source = try addresses().first(where: { $0.address.isLinkLocal })?.address,
      let address = try tables.link(named: plan.interface).linkLayerAddress
    else { return false }
    try RouterSolicitations.send(on: link, from: source, address)
    return true
  }

  /// The index of the logical interface, while it has to be told of routers on point-to-point slaves.
  var interfaceWithoutAddresses: UInt32? { installed.flatMap { $0.hasPointToPoint ? $0.interface : nil } }

  /// A Router Advertisement has come to the logical interface. A router on a point-to-point slave does not name its
  /// link-layer address, neither there nor when it is asked, but the logical interface needs one to send to it. Gives true
  /// when it has got a neighbour entry for that; one that works already stays.
  func learn(_ packet: AccessLinkSocket.Packet) throws(LinuxError) -> Bool {
    guard let installed, packet.source == VirtualPair.gatewayAddress,
      let (envelope, message) = try? ICMPv6Message.decode(packet: packet.bytes),
      case .routerAdvertisement(let advertisement) = message, advertisement.sourceLinkLayerAddress == nil
    else { return false }
    let known = try tables.neighbours(interface: installed.interface).first { $0.address == envelope.source }
    if let known, known.linkLayerAddress != nil, ![.failed, .incomplete].contains(known.state) { return false }
    try tables.run(
      Neighbour(
        interface: installed.interface, address: envelope.source, linkLayerAddress: VirtualPair.gatewayAddress,
        state: .stale
      ).replacement)
    return true
  }

  // MARK: Selections

  /// Puts the flows that match on a slave, or with nil takes the selection back.
  func select(_ selector: FlowSelector, _ slave: BondingPlan.Slave?) throws(LinuxError) {
    var changed = selections
    changed[selector] = slave
    try netfilter.commit(plan.policy(changed))
    selections = changed
    try keeper.store(selector, slave)
  }

  // MARK: Flows

  /// The connections that have been seen on the logical interface.
  func flows() throws(LinuxError) -> [LogicalFlow] {
    let own = Set(try addresses().map(\.address))
    return try conntrack.entries(markedUnder: plan.markMask).map { entry in
      let first = FlowSixTuple(
        source: entry.source, destination: entry.destination, flowLabel: 0,
        transport: TransportProtocol(rawValue: entry.transport), sourcePort: entry.ports?.source ?? 0,
        destinationPort: entry.ports?.destination ?? 0)
      let selected = selections.slave(for: own.contains(entry.source) ? first : first.reversed)
      let mark = selected?.mark ?? entry.mark & plan.markMask
      return LogicalFlow(
        source: entry.source, destination: entry.destination,
        protocol: TransportProtocol(rawValue: entry.transport).description,
        sourcePort: entry.ports?.source, destinationPort: entry.ports?.destination,
        slave: installed?.slave(forMark: mark)?.name, arrivedOn: plan.slave(ofMark: entry.mark)?.name,
        isSelected: selected != nil, mark: hexadecimal(entry.mark & plan.markMask),
        remainingSeconds: Int(entry.timeout.components.seconds))
    }
  }

  private func releaseFlows() throws(LinuxError) -> Int { try conntrack.release(markedUnder: plan.markMask) }

  // MARK: State

  /// Usable addresses of the logical interface.
  func addresses() throws(LinuxError) -> [InterfaceAddress] {
    guard let index = installed?.interface else { return [] }
    return try tables.addresses().filter { $0.interface == index && !$0.isTentative && !$0.isDuplicate }
  }

  func status() throws(LinuxError) -> BondingStatus {
    let links = try tables.links()
    let counts = try counts()
    let flows = try conntrack.entries(markedUnder: plan.markMask)
    let interface = links.first { $0.name == plan.interface }
    let slaves = plan.slaves.map { slave in
      let arrived = counts[plan.arrivalComment(slave)] ?? NftCounter()
      let chosen = counts[plan.departureComment(slave)] ?? NftCounter()
      let fallen = counts[plan.defaultComment(slave)] ?? NftCounter()
      return BondingStatus.Slave(
        name: slave.name, number: slave.number, mark: hexadecimal(slave.mark),
        isPresent: links.contains { $0.name == slave.name },
        // As the rules in the kernel have it, not as it has become since.
        hasCarrier: installed?.usable.contains { $0.slave == slave } ?? false,
        isDefault: installed?.defaultSlave?.slave == slave,
        flows: flows.count { plan.slave(ofMark: $0.mark) == slave }, downlinkPackets: arrived.packets,
        downlinkOctets: arrived.octets, uplinkPackets: chosen.packets + fallen.packets,
        uplinkOctets: chosen.octets + fallen.octets)
    }
    return BondingStatus(
      interface: BondingStatus.Interface(
        name: plan.interface, backend: choice.backEnd, backendReason: choice.reason, isUp: interface?.isUp ?? false,
        linkLayerAddress: interface?.linkLayerAddress, mtu: interface?.mtu,
        addresses: try addresses().map(\.address)),
      slaves: slaves,
      selections: selections.inOrder.map { Selection(selector: $0.selector, slave: $0.slave.name) },
      counters: [
        "link-changes": linkChanges, "refused-slaves": refusedSlaves,
        "packets-to-all-slaves": counts[BondingPlan.duplicationComment]?.packets ?? 0,
        "packets-without-slave": counts[BondingPlan.dropComment]?.packets ?? 0,
      ])
  }

  /// Of the rules of the device table and of the tables before it, by comment.
  private func counts() throws(LinuxError) -> [String: NftCounter] {
    guard installed != nil else { return earlierCounts }
    return try netfilter.rules(of: plan.deviceTable).reduce(into: earlierCounts) { counts, rule in
      guard let comment = rule.comment, let counter = rule.counter else { return }
      counts[comment, default: NftCounter()].packets += counter.packets
      counts[comment, default: NftCounter()].octets += counter.octets
    }
  }

  private func keepCounts() throws(LinuxError) { earlierCounts = try counts() }
}
