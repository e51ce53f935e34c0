import DaemonKit
import DatapathModel
import FlowCore

/// What a tunnel carries, in `show tunnels`.
struct TunnelLoadDocument: Codable, Hashable {
  /// `normal`, `rising`, `congested` or `cooling`.
  var state: CongestionDetector.State
  /// Octets a second.
  var rate: UInt64
  /// Octets a second; absent when nobody has said or measured it.
  var capacity: UInt64?
  /// false: as configured.
  var isCapacityMeasured: Bool?
  /// Thousandths of the capacity.
  var utilisation: UInt64?
  /// Thousandths of the offered packets, over the last seconds.
  var dropRatio: UInt32
  /// In all, modulo 2^32.
  var drops: UInt32
  /// Waiting octets.
  var backlog: UInt32
  /// Congested, and none of its flows can go elsewhere.
  var isWithoutWay: Bool

  init(_ load: TunnelLoad) {
    state = load.detector.state
    rate = load.detector.rate
    capacity = load.capacity
    isCapacityMeasured = load.capacity == nil ? nil : load.configuredCapacity == nil
    utilisation = load.utilisation
    dropRatio = load.detector.dropRatio
    drops = load.detector.reading?.drops ?? 0
    backlog = load.detector.reading?.backlog ?? 0
    isWithoutWay = load.isWithoutWay
  }
}

extension TunnelLoadDocument {
  /// RATE, CAPACITY, USE, DROPPED, BACKLOG and STATE of the table of tunnels.
  var columns: [String?] {
    [
      RateText.bits(rate), capacity.map { RateText.bits($0) + (isCapacityMeasured == true ? " measured" : "") },
      utilisation.map { RateText.share($0) }, RateText.share(dropRatio), "\(backlog)",
      state.rawValue + (isWithoutWay ? ", no way out" : ""),
    ]
  }
}

/// Answer of `trigger` and `show degraded`.
struct DegradationsDocument: Codable {
  var degraded: [Path]

  struct Path: Codable, Hashable {
    /// Gateway name or tunnel number, as given.
    var gateway: String
    var node: String?
    var reason: String
    /// Until it counts as restored.
    var seconds: Int64
  }

  init(_ engine: FlowManagerEngine, now: Duration) {
    degraded = engine.degradations.map { path, degradation in
      Path(
        gateway: path.gateway, node: path.node, reason: degradation.reason,
        seconds: max(0, (degradation.until - now).components.seconds))
    }
  }

  var text: String {
    var table = TextTable(["GATEWAY", "NODE", "SECONDS", "REASON"], right: ["SECONDS"])
    for path in degraded { table.add([path.gateway, path.node ?? "all", "\(path.seconds)", path.reason]) }
    return degraded.isEmpty ? "no path is degraded" : table.text
  }
}

/// Arguments of `trigger`.
struct TriggerArguments: Codable, Hashable {
  /// Gateway name or tunnel number.
  var gateway: String
  /// Absent: the path of all nodes.
  var node: String?
  /// `degraded` or `restored`.
  var state: String
  var reason: String?
  /// How long a path is degraded, 1 to 604800; absent: 60.
  var seconds: Int64?

  static let defaultLifetime: Int64 = 60

  func trigger() throws(ControlError) -> ExternalTrigger {
    guard let state = ExternalTrigger.State(rawValue: state) else {
      throw ControlError(code: ControlError.invalidArguments, message: "state is degraded or restored, not '\(state)'")
    }
    let lifetime = Duration.seconds(seconds ?? Self.defaultLifetime)
    guard ExternalTrigger.lifetimeRange.contains(lifetime) else {
      throw ControlError(code: ControlError.invalidArguments, message: "seconds is from 1 to 604800")
    }
    let reason = reason ?? ""
    guard reason.utf8.count <= ExternalTrigger.maximumReasonLength else {
      throw ControlError(
        code: ControlError.invalidArguments,
        message: "the reason has more than \(ExternalTrigger.maximumReasonLength) octets")
    }
    return ExternalTrigger(
      path: ExternalTrigger.Path(gateway: gateway, node: node), state: state, reason: reason, lifetime: lifetime)
  }
}

/// Data of the events of `subscribe tunnels`.
struct TunnelEventDocument: Codable {
  var tunnel: TunnelIdentifier?
  var gateway: String
  var node: String?
  var reason: String?
  var load: TunnelLoadDocument?

  init(gateway: String, node: String?, reason: String? = nil) {
    self.gateway = gateway
    self.node = node
    self.reason = reason
  }

  init(_ tunnel: TunnelIdentifier, _ engine: FlowManagerEngine) {
    self.tunnel = tunnel
    gateway = engine.mirror.tunnels[tunnel]?.gateway ?? "?"
    load = engine.load(of: tunnel).map(TunnelLoadDocument.init)
  }

  func text(_ name: String) -> String {
    var text = "\(name): \(gateway)"
    if let tunnel { text += " (tunnel \(tunnel))" }
    if let node { text += ", node \(node)" }
    if let reason, !reason.isEmpty { text += ", \(reason)" }
    if let load {
      text += ", \(RateText.bits(load.rate)), \(RateText.share(load.dropRatio)) dropped, \(load.backlog) octets wait"
    }
    return text
  }
}
