import DaemonKit
import Glibc
import LinuxNet
import NetTypes

/// What a slave was like before it became one.
struct SlaveRecord: Codable, Hashable {
  var name: String
  /// Of the interface that was taken; another index is another interface of that name.
  var index: UInt32
  /// What we gave it.
  var givenLinkLayerAddress: LinkLayerAddress?
  var linkLayerAddress: LinkLayerAddress?
  /// Value of the sysctl.
  var disableIPv6: String
  var receivesAllMulticast: Bool
  var isUp: Bool
  /// It was given to the bonding driver.
  var isEnslaved: Bool?
  /// Only of a point-to-point link.
  var pointToPoint: PointToPoint?

  struct PointToPoint: Codable, Hashable {
    /// Value of the sysctl.
    var acceptsAdvertisements: String
    /// It had `clsact`, at which filters hang.
    var hadFilterPoint: Bool
    /// What we gave it.
    var filter: Filter
  }

  /// Of the packets that get no Ethernet header.
  struct Filter: Codable, Hashable {
    var mark: UInt32
    var mask: UInt32
  }
}

/// Makes interfaces slaves and gives them back.
///
/// A slave has the logical interface's link-layer address, no IPv6 of its own, and takes all multicast frames: its
/// hardware does not know which groups the logical interface has joined; the bonding driver tells only the active slave.
/// A point-to-point link has no link-layer address, and needs IPv6 to be there at all (IPV6CP), so it keeps its link-local
/// address, but takes no others from Router Advertisements; a filter takes Ethernet headers off what the logical interface
/// sends.
///
/// What it was like before goes to disk first, so a start or `cleanup` after a crash still knows it.
final class SlaveKeeper {
  private let file: StateFile<SlaveRecord>
  private let tables: RouteNetlink
  /// Name of the logical interface.
  private let interface: String
  private var records: [String: SlaveRecord]
  /// Indices of point-to-point links that have their filter.
  private var filtered: Set<UInt32> = []

  init(directory: String, interface: String) throws(LinuxError) {
    file = try StateFile(directory: directory, name: "bonding-policy-\(interface)", durability: .powerLoss)
    tables = try RouteNetlink()
    self.interface = interface
    records = Dictionary(file.takeRecords().map { ($0.name, $0) }) { first, _ in first }
  }

  /// Makes `link` a slave of the bond, which gives it its link-layer address; does nothing when it is one already. An
  /// interface that is up goes down for it.
  func enslave(_ link: Link, to bond: Link) throws(LinuxError) {
    let known = records[link.name].flatMap { $0.index == link.index && $0.isEnslaved == true ? $0 : nil }
    if known != nil, link.master == bond.index { return }
    guard let own = link.linkLayerAddress else { throw Self.withoutAddress(link) }
    let noIPv6 = try KernelParameter.ipv6(interface: link.name, "disable_ipv6").read()
    let record =
      known
      ?? SlaveRecord(
        name: link.name, index: link.index, givenLinkLayerAddress: bond.linkLayerAddress ?? own, linkLayerAddress: own,
        disableIPv6: noIPv6, receivesAllMulticast: link.receivesAllMulticast, isUp: link.isUp, isEnslaved: true)
    try remember(record)
    if link.isUp, link.master != bond.index { try apply(LinkChange(up: false), to: link) }
    if link.master != bond.index { try apply(LinkChange(master: bond.index), to: link) }
    if !link.receivesAllMulticast { try apply(LinkChange(allMulticast: true), to: link) }
  }

  /// Makes `link` a slave that nftables chains serve; does nothing when it is one already.
  func adopt(_ link: Link, as address: LinkLayerAddress) throws(LinuxError) {
    guard let own = link.linkLayerAddress else { throw Self.withoutAddress(link) }
    let disableIPv6 = KernelParameter.ipv6(interface: link.name, "disable_ipv6")
    let known = records[link.name].flatMap { $0.index == link.index && $0.givenLinkLayerAddress == own ? $0 : nil }
    let hadNoIPv6 = try disableIPv6.read()
    var record =
      known
      ?? SlaveRecord(
        name: link.name, index: link.index, givenLinkLayerAddress: address, linkLayerAddress: own,
        disableIPv6: hadNoIPv6, receivesAllMulticast: link.receivesAllMulticast, isUp: link.isUp)
    record.givenLinkLayerAddress = address
    try remember(record)

    // An interface that the operator has set down stays down, but a new slave is wanted up.
    let change = LinkChange(
      up: known == nil && !link.isUp ? true : nil, linkLayerAddress: own == address ? nil : address,
      allMulticast: link.receivesAllMulticast ? nil : true)
    if hadNoIPv6 != "1" { try disableIPv6.write("1") }
    if change != LinkChange() { try apply(change, to: link) }
  }

  /// Makes a point-to-point link a slave that nftables chains serve; does nothing when it is one already.
  func adopt(pointToPoint link: Link, _ filter: SlaveRecord.Filter) throws(LinuxError) {
    let acceptsAdvertisements = KernelParameter.ipv6(interface: link.name, "accept_ra")
    let accepted = try acceptsAdvertisements.read()
    let known = records[link.name].flatMap { $0.index == link.index && $0.pointToPoint != nil ? $0 : nil }
    if known?.pointToPoint?.filter != filter || !filtered.contains(link.index) {
      let earlier = known?.pointToPoint
      var hadFilterPoint = earlier?.hadFilterPoint
      if hadFilterPoint == nil {
        hadFilterPoint = try tables.queueingDisciplines().contains { $0.interface == link.index && $0.isFilterPoint }
      }
      try remember(
        SlaveRecord(
          name: link.name, index: link.index, disableIPv6: "0", receivesAllMulticast: link.receivesAllMulticast,
          isUp: link.isUp,
          pointToPoint: SlaveRecord.PointToPoint(
            acceptsAdvertisements: earlier?.acceptsAdvertisements ?? accepted, hadFilterPoint: hadFilterPoint == true,
            filter: filter)))
      if let earlier, earlier.filter != filter {
        try tables.run(.removeFilter(interface: link.index, name: link.name))
      }
      do {
        try tables.run(.addFilterPoint(interface: link.index, name: link.name))
        try tables.run(
          .setFilter(interface: link.index, name: link.name, mark: filter.mark, mask: filter.mask, .popEthernet))
      } catch {
        var refusal = error
        if error.code == ENOENT || error.code == EOPNOTSUPP {
          refusal.advice = "load the modules \(BackEndChoice.modules(for: [.popEthernet]))"
        }
        throw refusal
      }
      filtered.insert(link.index)
    }
    if accepted != "0" {
      try acceptsAdvertisements.write("0")
      try forgetAdvertisements(on: link)
    }
  }

  /// What Router Advertisements have given the link before it was a slave would keep packets from the logical interface.
  private func forgetAdvertisements(on link: Link) throws(LinuxError) {
    for address in try tables.addresses()
    where address.interface == link.index && address.isDynamic && !address.address.isLinkLocal {
      try tables.run(address.removal)
    }
    for route in try tables.routes(protocolNumber: Route.advertisedProtocol) where route.interface == link.index {
      try tables.run(route.removal)
    }
  }

  private func release(pointToPoint link: Link, _ given: SlaveRecord.PointToPoint) throws(LinuxError) {
    try tables.run(
      given.hadFilterPoint
        ? .removeFilter(interface: link.index, name: link.name)
        : .removeFilterPoint(interface: link.index, name: link.name))
    try KernelParameter.ipv6(interface: link.name, "accept_ra").write(given.acceptsAdvertisements)
  }

  /// Gives all slaves back but those named. Gives the names of those that were still there.
  func restore(except kept: Set<String> = []) throws(LinuxError) -> [String] {
    var restored: [String] = []
    let links = try tables.links()
    for record in records.values.sorted(by: { $0.name < $1.name }) where !kept.contains(record.name) {
      if let link = links.first(where: { $0.name == record.name && $0.index == record.index }) {
        if let given = record.pointToPoint {
          try release(pointToPoint: link, given)
          restored.append(record.name)
          try forget(record)
          continue
        }
        if let master = link.master, links.contains(where: { $0.index == master && $0.name == interface }) {
          try apply(LinkChange(master: 0), to: link)
        }
        let change = LinkChange(
          // The bonding driver leaves those that it releases down.
          up: record.isEnslaved == true ? record.isUp : link.isUp && !record.isUp ? false : nil,
          linkLayerAddress: record.linkLayerAddress == link.linkLayerAddress ? nil : record.linkLayerAddress,
          allMulticast: record.receivesAllMulticast ? nil : false)
        try apply(change, to: link)
        try KernelParameter.ipv6(interface: record.name, "disable_ipv6").write(record.disableIPv6)
        restored.append(record.name)
      }
      try forget(record)
    }
    return restored
  }

  private static func withoutAddress(_ link: Link) -> LinuxError {
    LinuxError(
      "make slave of", link.name, code: EOPNOTSUPP, advice: "it has no link-layer address; take an Ethernet interface")
  }

  private func apply(_ change: LinkChange, to link: Link) throws(LinuxError) {
    func request(_ change: LinkChange) -> KernelRequest {
      .changeLink(index: link.index, name: link.name, change)
    }
    do {
      try tables.run(request(change))
    } catch {
      // Some drivers take another address only while the interface is down.
      guard error.code == EBUSY, change.linkLayerAddress != nil, link.isUp else { throw error }
      try tables.run(request(LinkChange(up: false)))
      var again = change
      again.up = change.up ?? true
      try tables.run(request(again))
    }
  }

  private func remember(_ record: SlaveRecord) throws(LinuxError) {
    guard records[record.name] != record else { return }
    records[record.name] = record
    do {
      try file.store(record, key: record.name)
    } catch {
      throw LinuxError("encode state of", record.name, code: EINVAL)
    }
    try file.flush()
  }

  private func forget(_ record: SlaveRecord) throws(LinuxError) {
    records[record.name] = nil
    filtered.remove(record.index)
    do {
      try file.remove(key: record.name)
    } catch {
      throw LinuxError("encode removal of", record.name, code: EINVAL)
    }
    try file.flush()
  }
}
