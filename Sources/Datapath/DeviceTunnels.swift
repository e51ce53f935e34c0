import DatapathModel
import Glibc
import LinuxNet
import NetTypes

/// The `ip6tnl` devices: `flm<n>` for tunnel n, with our alias.
struct DeviceTunnels {
  let netlink: RouteNetlink
  let alias: String

  static let namePrefix = "flm"

  static func name(_ tunnel: TunnelIdentifier) -> String { "\(namePrefix)\(tunnel)" }

  /// What `ensure` did.
  enum Outcome { case kept, set }

  /// Makes sure that the device is there, up, and as described.
  func ensure(_ tunnel: TunnelDescription, mtu: UInt32) throws(LinuxError) -> Outcome {
    let name = Self.name(tunnel.identifier)
    let wanted = IPv6Tunnel(local: tunnel.local, remote: tunnel.remote)
    var existing = try link(name)
    if let found = existing {
      let ours = found.alias == alias || (found.alias == nil && found.tunnel == wanted)
      guard ours else {
        throw LinuxError(
          "create ip6tnl device", name, code: EEXIST,
          advice: "an interface of this name belongs to somebody else (alias \(found.alias ?? "none")); rename it")
      }
      if found.tunnel != wanted {
        try netlink.run(.deleteLink(index: found.index, name: name))
        existing = nil
      }
    }
    if existing == nil {
      try netlink.run(.createTunnel(name: name, wanted, mtu: mtu))
      existing = try netlink.link(named: name)
    }
    guard let device = existing else { throw LinuxError("create ip6tnl device", name, code: ENODEV) }
    if device.alias == alias, device.isUp, device.mtu == mtu { return .kept }
    // The device carries routes only: it needs no address, also no link-local one. The kernel would make that one when
    // the device goes up, so this is a step of its own.
    for change in [LinkChange(mtu: mtu, alias: alias, withoutLinkLocalAddress: true), LinkChange(up: true)] {
      try netlink.run(.changeLink(index: device.index, name: name, change))
    }
    return .set
  }

  /// Removes the device of a tunnel, unless it is somebody else's.
  func remove(_ tunnel: TunnelIdentifier) throws(LinuxError) {
    let name = Self.name(tunnel)
    guard let device = try link(name), device.alias == alias else { return }
    try netlink.run(.deleteLink(index: device.index, name: name))
  }

  /// Removes devices of ours that stand in the way: those that have a wanted name but other addresses, or wanted
  /// addresses under another name (the kernel refuses a second device with the same pair). Gives their number.
  func removeConflicting(with wanted: some Collection<TunnelDescription>) throws(LinuxError) -> Int {
    let byName = Dictionary(
      wanted.map { (Self.name($0.identifier), IPv6Tunnel(local: $0.local, remote: $0.remote)) },
      uniquingKeysWith: { first, _ in first })
    let pairs = Set(byName.values)
    var removed = 0
    for device in try netlink.links() where device.alias == alias {
      guard let tunnel = device.tunnel, tunnel != byName[device.name],
        byName[device.name] != nil || pairs.contains(tunnel)
      else { continue }
      try netlink.run(.deleteLink(index: device.index, name: device.name))
      removed += 1
    }
    return removed
  }

  /// Removes all devices of ours but those in `wanted`; gives their number.
  func sweep(except wanted: some Sequence<TunnelIdentifier>) throws(LinuxError) -> Int {
    let names = Set(wanted.map(Self.name))
    var removed = 0
    for device in try netlink.links() where device.alias == alias && device.kind == IPv6Tunnel.kind {
      guard !names.contains(device.name) else { continue }
      try netlink.run(.deleteLink(index: device.index, name: device.name))
      removed += 1
    }
    return removed
  }

  /// nil when there is none.
  private func link(_ name: String) throws(LinuxError) -> Link? {
    do {
      return try netlink.link(named: name)
    } catch {
      guard error.code == ENODEV else { throw error }
      return nil
    }
  }

  /// Whether the kernel can make such devices, found out by making one and deleting it.
  func isSupported() throws(LinuxError) -> Bool {
    let name = "\(Self.namePrefix)probe"
    // Addresses of the discard prefix (RFC 6666), so that no real tunnel stands in the way.
    let discard: UInt64 = 0x0100_0000_0000_0000
    let probe = IPv6Tunnel(
      local: IPv6Address(high: discard, low: 1), remote: IPv6Address(high: discard, low: UInt64(getpid()) << 8 | 2))
    do {
      try netlink.run(.createTunnel(name: name, probe, mtu: 1_460))
    } catch {
      switch error.code {
      case EOPNOTSUPP: return false
      case EEXIST: break  // another process is probing, or died doing so: the kernel can
      default: throw error
      }
    }
    if let device = try link(name) { try netlink.run(.deleteLink(index: device.index, name: name)) }
    return true
  }
}
