import LinuxNet
import NetTypes

/// How the logical interface comes about.
enum BackEnd: String, Hashable, Sendable, Codable {
  /// A veth pair and nftables chains of family netdev.
  case veth
  /// The kernel's bonding driver.
  case bonding
  /// The one that an earlier run has used, or else `bonding` where the kernel has the driver, or else `veth`.
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
  /// What to do about that.
  static let remedy = "load the module with `modprobe bonding`, or set backend to veth or auto"

  private static let noDriver = "this kernel has no bonding driver"

  /// `earlier`: the kind of the logical interface that an earlier run has left.
  init(
    _ configured: BackEnd, slaves: Int, earlier: String?, hasDriver: () throws(LinuxError) -> Bool
  ) throws(LinuxError) {
    switch configured {
    case .veth: (backEnd, reason) = (.veth, "configured")
    case .bonding:
      (backEnd, reason) = (.bonding, "configured")
      if earlier != Bond.kind, try !hasDriver() { obstacle = Self.noDriver }
    case .auto:
      if earlier == VirtualPair.kind || earlier == Bond.kind {
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
    try self.init(plan.backEnd, slaves: plan.slaves.count, earlier: earlier) { () throws(LinuxError) in
      try tables.hasBondingDriver()
    }
  }

  /// nil when it can work.
  var problem: HostProblem? {
    obstacle.map { HostProblem(.fatal, keyPath: "backend", message: "\($0); \(Self.remedy)") }
  }
}
