import DaemonKit
import LinuxNet
import NetTypes
import TerminalKit

/// Whether interfaces of the host can be what the configuration wants of them.
enum BondingHost {
  /// Problems with the keys of the configuration when this back end is used; changes nothing.
  static func problems(_ plan: BondingPlan, _ links: [Link], _ backEnd: BackEnd) -> [HostProblem] {
    var problems: [HostProblem] = []
    let kinds = [VirtualPair.kind, Bond.kind]
    if let other = links.first(where: { $0.name == plan.interface || $0.name == plan.peer }),
      !kinds.contains(other.kind ?? "") || other.alias != VirtualPair.alias
    {
      problems.append(
        HostProblem(
          .fatal, keyPath: "interface",
          message: "\(other.name) is there already and is not ours (\(other.kind ?? "hardware")); choose another name, "
            + "or delete it with `ip link delete \(other.name)`"))
    }
    for (index, slave) in plan.slaves.enumerated() {
      let key = "slaves[\(index)]"
      guard let link = links.first(where: { $0.name == slave.name }) else {
        problems.append(
          HostProblem(
            .warning, keyPath: key,
            message: "there is no interface \(slave.name) yet (`ip link`); it becomes a slave when it comes"))
        continue
      }
      if let obstacle = obstacle(link, links, of: plan.interface, backEnd) {
        problems.append(HostProblem(.fatal, keyPath: key, message: obstacle))
      }
    }
    return problems
  }

  /// Why an interface cannot be a slave of the logical interface; nil when it can, or is one.
  static func obstacle(_ link: Link, _ links: [Link], of interface: String, _ backEnd: BackEnd) -> String? {
    if let master = link.master {
      let other = links.first { $0.index == master }
      if other?.name == interface { return nil }
      return "\(link.name) belongs to the \(other?.kind ?? "interface") \(other?.name ?? "with index \(master)"); "
        + "release it with `ip link set \(link.name) nomaster`"
    }
    if link.isPointToPoint {
      return backEnd == .bonding
        ? "\(link.name) is a point-to-point link, which the bonding driver does not take; set backend to veth or auto"
        : nil
    }
    if link.linkLayerAddress == nil {
      return "\(link.name) has no Ethernet address; slaves are Ethernet, Wi-Fi and point-to-point interfaces"
    }
    return nil
  }
}

extension LoadedConfiguration<BondingConfiguration> {
  /// Refuses, with file and key, what the host or other software does not allow.
  func checkHost() throws {
    let plan = BondingPlan(value)
    let tables = try RouteNetlink()
    let links = try tables.links()
    let choice = try BackEndChoice(plan, links, tables).tried()
    try report(
      try plan.claims.collisions() + BondingHost.problems(plan, links, choice.backEnd)
        + [choice.problem].compactMap(\.self))
  }
}
