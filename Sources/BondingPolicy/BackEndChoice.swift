import LinuxNet
import NetTypes

/// How the logical interface comes about.
enum BackEnd: String, Hashable, Sendable, Codable {
  /// A veth pair and nftables chains of family netdev.
  case veth
  /// The kernel's bonding driver.
  case bonding
  /// `veth` where one of the slaves is a point-to-point link; else the one that an earlier run has used, or else `bonding`
  /// where the kernel has the driver, or else `veth`.
  case auto
}

/// Which back end a run uses, and why.
struct BackEndChoice: Hashable {
  /// Never `auto`.
  var backEnd: BackEnd
  /// For the operator.
  var reason: String
  /// Why it cannot work on this host.
  var obstacle: String?
  /// The first slave that is a point-to-point link.
  private var pointToPoint: String?
  /// What to do about that.
  var remedy = "load the module with `modprobe bonding`, or set backend to veth or auto"

  private static let noDriver = "this kernel has no bonding driver"

  /// `pointToPoint`: the first slave that is a point-to-point link. `earlier`: the kind of the logical interface that an
  /// earlier run has left.
  init(
    _ configured: BackEnd, slaves: Int, pointToPoint: String? = nil, earlier: String?,
    hasDriver: () throws(LinuxError) -> Bool
  ) throws(LinuxError) {
    switch configured {
    case .veth: (backEnd, reason) = (.veth, "configured")
    case .bonding:
      (backEnd, reason) = (.bonding, "configured")
      if earlier != Bond.kind, try !hasDriver() { obstacle = Self.noDriver }
    case .auto:
      if let pointToPoint {
        (backEnd, reason) = (.veth, "the bonding driver does not take the point-to-point link \(pointToPoint)")
      } else if earlier == VirtualPair.kind || earlier == Bond.kind {
        (backEnd, reason) = (earlier == Bond.kind ? .bonding : .veth, "an earlier run has made it so")
      } else if slaves > Int(Bond.maximumQueue) {
        (backEnd, reason) = (.veth, "the bonding driver chooses among \(Bond.maximumQueue) slaves at most")
      } else if try hasDriver() {
        (backEnd, reason) = (.bonding, "this kernel has the bonding driver")
      } else {
        (backEnd, reason) = (.veth, Self.noDriver)
      }
    }
  }

  /// Looks at the host; changes nothing there.
  init(_ plan: BondingPlan, _ links: [Link], _ tables: RouteNetlink) throws(LinuxError) {
    let earlier = links.first { $0.name == plan.interface && $0.alias == VirtualPair.alias }?.kind
    let pointToPoint = plan.slaves.first { slave in links.contains { $0.name == slave.name && $0.isPointToPoint } }
    try self.init(
      plan.backEnd, slaves: plan.slaves.count, pointToPoint: pointToPoint?.name, earlier: earlier
    ) { () throws(LinuxError) in
      try tables.hasBondingDriver()
    }
    self.pointToPoint = pointToPoint?.name
  }

  /// With what else the kernel lacks for the back end as its obstacle: it tries, in a namespace for that alone.
  func tried() -> BackEndChoice {
    guard obstacle == nil else { return self }
    let actions: [TrafficAction]
    switch backEnd {
    case .bonding: actions = [.queue(1)]
    case .veth, .auto:
      guard pointToPoint != nil else { return self }
      actions = [.pushEthernet(destination: .fixedGateway, source: .fixedGateway), .popEthernet]
    }
    guard let refusal = TrafficAction.missing(for: actions) else { return self }
    var choice = self
    choice.obstacle =
      "the kernel lacks traffic control for it (\(refusal.operation) \(refusal.object): \(refusal.reason))"
    choice.remedy =
      "load the modules \(Self.modules(for: actions)), or "
      + (backEnd == .bonding ? "set backend to veth" : "take slaves with link-layer addresses only")
    return choice
  }

  static func modules(for actions: [TrafficAction]) -> String {
    "sch_ingress, cls_fw and \(Set(actions.map(\.module)).sorted().joined(separator: ", "))"
  }

  /// nil when it can work.
  var problem: HostProblem? {
    obstacle.map { HostProblem(.fatal, keyPath: "backend", message: "\($0); \(remedy)") }
  }
}
