import DaemonKit
import DatapathModel
import FlowCore
import LinuxNet
import NetTypes

// What tunnels carry, and what others tell of them.
extension FlowManagerDaemon {
  /// Reading queues takes at most one part in this many of our time.
  static let tunnelShare = 50
  static let tunnelTopic = "tunnels"

  func readTunnels() {
    let start = SystemClock.monotonic
    let tunnels = engine.mirror.tunnels.values.sorted { $0.id < $1.id }
    if !tunnels.isEmpty,
      let readings = reading({ () throws(LinuxError) in
        try queues.read(tunnels, marked: try kernel.chainCounters().tunnels)
      })
    {
      handle(.tunnelReadings(readings))
    }
    let length = SystemClock.monotonic - start
    nextTunnelReading = start + max(configuration.flows.congestion.interval, length * Self.tunnelShare)
  }

  func serveTriggers() {
    control.handleSubscription("subscribe tunnels", topic: Self.tunnelTopic, NoArguments.self) {
      [unowned self] _, _ in tunnels
    }
    control.handle("trigger", TriggerArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      let trigger = try arguments.trigger()
      if let refusal = engine.refusal(of: trigger) { throw ControlError(refusal) }
      handle(.externalTrigger(trigger))
      armTimer()
      return DegradationsDocument(engine, now: Self.now.monotonic)
    }
    control.handle("show degraded", NoArguments.self) { [unowned self] _, _ in
      DegradationsDocument(engine, now: Self.now.monotonic)
    }
  }

  func publish(_ change: TunnelChange) {
    let name: String
    let document: TunnelEventDocument
    switch change {
    case .congested(let tunnel):
      name = "tunnel-congested"
      document = TunnelEventDocument(tunnel, engine)
    case .relieved(let tunnel):
      name = "tunnel-relieved"
      document = TunnelEventDocument(tunnel, engine)
    case .withoutWay(let tunnel):
      name = "tunnel-without-way"
      document = TunnelEventDocument(tunnel, engine)
    case .degraded(let path, let reason):
      name = "path-degraded"
      document = TunnelEventDocument(gateway: path.gateway, node: path.node, reason: reason)
    case .restored(let path):
      name = "path-restored"
      document = TunnelEventDocument(gateway: path.gateway, node: path.node)
    }
    log.notice("\(document.text(name))")
    guard control.hasSubscribers(topic: Self.tunnelTopic) else { return }
    control.publish(name, topic: Self.tunnelTopic, document)
  }
}
