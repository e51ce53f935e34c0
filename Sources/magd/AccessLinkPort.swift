import LinuxNet
import MobilityWire
import NetTypes
import PMIPCore

/// One access link at run time: the interface behind the configured name, made to look like every other gateway of the
/// domain, and its packet socket.
final class AccessLinkPort {
  let name: String
  /// nil while the interface does not exist.
  private(set) var link: Link?
  private(set) var socket: AccessLinkSocket?
  /// Our link-local addresses on the interface.
  private var addresses: Set<IPv6Address> = []
  private var malformed: UInt64 = 0

  init(name: String) { self.name = name }

  var malformedPackets: UInt64 { malformed }

  /// Takes over a new interface of this name.
  ///
  /// With a fixed link-layer and link-local address (RFC 5213 section 9.3, RFC 6543) every gateway looks the same to a
  /// node, so its default router survives a handover. Other link-local addresses are removed: a node must see only one.
  /// `fixedLinkLocal` unspecified: anchors choose the address, `send` adds it.
  func open(_ link: Link, fixedLinkLayer: LinkLayerAddress, fixedLinkLocal: IPv6Address, kernel: RouteNetlink) throws {
    self.link = link
    // A gateway learns no routes from the link that it serves.
    try KernelParameter.ipv6(interface: name, "accept_ra").write("0")
    // A point-to-point link has no link-layer address to be changed.
    let isNew = link.linkLayerAddress.map { $0 != fixedLinkLayer } ?? false
    var change = LinkChange(withoutLinkLocalAddress: true)
    if isNew { change.linkLayerAddress = fixedLinkLayer }
    try kernel.run(.changeLink(index: link.index, name: name, change))
    addresses = []
    for present in try kernel.addresses() where present.interface == link.index && present.address.isLinkLocal {
      // On an interface that a predecessor of this daemon has made ready, nodes use what an anchor has chosen.
      if present.address == fixedLinkLocal || fixedLinkLocal.isUnspecified && !isNew {
        addresses.insert(present.address)
      } else {
        try kernel.run(present.removal)
      }
    }
    if !fixedLinkLocal.isUnspecified { try add(fixedLinkLocal, to: link, kernel) }
    socket = try AccessLinkSocket(interface: link.index, name: name)
  }

  /// Without duplicate address detection: every gateway of the domain has this address, by design.
  private func add(_ address: IPv6Address, to link: Link, _ kernel: RouteNetlink) throws(LinuxError) {
    guard !addresses.contains(address) else { return }
    try kernel.run(
      InterfaceAddress(interface: link.index, address: address, prefixLength: 64, withoutDetection: true).addition)
    addresses.insert(address)
  }

  /// Takes the link-local addresses of `open` and `send` off the interfaces that exist.
  static func removeAddresses(fixedLinkLocal: IPv6Address, from names: [String]) throws(LinuxError) {
    let kernel = try RouteNetlink()
    let indexes = try kernel.links().filter { names.contains($0.name) }.map(\.index)
    for present in try kernel.addresses() where indexes.contains(present.interface) {
      let isOurs = fixedLinkLocal.isUnspecified ? present.address.isLinkLocal : present.address == fixedLinkLocal
      if isOurs { try kernel.run(present.removal) }
    }
  }

  func update(_ link: Link) {
    self.link = link
    // The kernel drops the addresses of an interface that is taken down; the next advertisement adds its own again.
    if !link.hasCarrier { addresses = [] }
  }

  /// Gives up the interface; it is gone.
  func close() {
    link = nil
    addresses = []
    socket = nil
  }

  /// Hands over the solicitations of nodes; malformed ones are counted.
  func receive(_ body: (_ node: LinkLayerAddress, _ source: IPv6Address) -> Void) throws(LinuxError) {
    _ = try socket?.receive { packet in
      do {
        let (envelope, message) = try ICMPv6Message.decode(packet: packet.bytes)
        if case .routerSolicitation = message { body(packet.source, envelope.source) }
      } catch {
        malformed += 1
      }
    }
  }

  func send(_ plan: AdvertisementPlan, kernel: RouteNetlink) throws(LinuxError) {
    guard let link else { return }
    // The node asks for the link-layer address of its router, and the kernel answers.
    try add(plan.source, to: link, kernel)
    var options: [NeighborDiscoveryOption] = [.sourceLinkLayerAddress(plan.sourceLinkLayer)]
    if let mtu = plan.mtu { options.append(.mtu(mtu)) }
    options += plan.prefixes.map {
      .prefixInformation(
        PrefixInformation(
          prefix: $0.prefix, onLink: true, autonomous: true, validLifetime: $0.validLifetime,
          preferredLifetime: $0.preferredLifetime))
    }
    let advertisement = RouterAdvertisement(routerLifetime: plan.routerLifetime, options: options)
    try socket?.send(
      advertisement.packet(source: plan.source, destination: plan.destination), to: plan.destinationLinkLayer)
  }
}
