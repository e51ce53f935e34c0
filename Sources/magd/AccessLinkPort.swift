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
  private var malformed: UInt64 = 0

  init(name: String) { self.name = name }

  var malformedPackets: UInt64 { malformed }

  /// Takes over a new interface of this name.
  ///
  /// With a fixed link-layer and link-local address (RFC 5213 section 9.3, RFC 6543) every gateway looks the same to a
  /// node, so its default router survives a handover. Other link-local addresses are removed: a node must see only one.
  func open(_ link: Link, fixedLinkLayer: LinkLayerAddress, fixedLinkLocal: IPv6Address, kernel: RouteNetlink) throws {
    self.link = link
    // A gateway learns no routes from the link that it serves.
    try KernelParameter.ipv6(interface: name, "accept_ra").write("0")
    if !fixedLinkLocal.isUnspecified {
      var change = LinkChange(withoutLinkLocalAddress: true)
      if link.linkLayerAddress != fixedLinkLayer { change.linkLayerAddress = fixedLinkLayer }
      try kernel.run(.changeLink(index: link.index, name: name, change))
      let present = try kernel.addresses().filter { $0.interface == link.index && $0.address.isLinkLocal }
      for other in present where other.address != fixedLinkLocal { try kernel.run(other.removal) }
      if !present.contains(where: { $0.address == fixedLinkLocal }) {
        // Without duplicate address detection: every gateway of the domain has this address, by design.
        let address = InterfaceAddress(
          interface: link.index, address: fixedLinkLocal, prefixLength: 64, withoutDetection: true)
        try kernel.run(address.addition)
      }
    }
    socket = try AccessLinkSocket(interface: link.index, name: name)
  }

  /// Takes what `open` has added off the interfaces that exist.
  static func removeAddress(_ address: IPv6Address, from names: [String]) throws(LinuxError) {
    let kernel = try RouteNetlink()
    let indexes = try kernel.links().filter { names.contains($0.name) }.map(\.index)
    for present in try kernel.addresses() where present.address == address && indexes.contains(present.interface) {
      try kernel.run(present.removal)
    }
  }

  func update(_ link: Link) { self.link = link }

  /// Gives up the interface; it is gone.
  func close() {
    link = nil
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

  func send(_ plan: AdvertisementPlan) throws(LinuxError) {
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
