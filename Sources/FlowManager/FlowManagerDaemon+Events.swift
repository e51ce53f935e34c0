import DaemonKit
import DatapathModel
import FlowCore
import LinuxNet
import Logging

// What subscribers and the log are told.
extension FlowManagerDaemon {
  func publish(_ notification: FlowNotification) {
    switch notification {
    case .flowAdded(let flow):
      log.debug("flow \(flow.identifier) added on tunnel \(flow.tunnel): \(flow.tuple)")
      publish("flow-added", flow)
    case .flowMoved(let flow, let from, let cause):
      log.debug(
        "flow \(flow.identifier) moved from tunnel \(from) to \(flow.tunnel) (\(cause.rawValue)): \(flow.tuple)")
      movesToLog.add(flow, from: from, cause) { line in log.info("\(line)") }
      publish("flow-moved", flow, from: from, cause: cause.rawValue)
    case .flowRemoved(let flow, let cause):
      log.debug("flow \(flow.identifier) removed (\(cause.rawValue)): \(flow.tuple)")
      publish("flow-removed", flow, cause: cause.rawValue)
    case .flowPinned(let flow):
      log.info("flow \(flow.identifier) \(flow.isPinned ? "pinned to" : "unpinned from") tunnel \(flow.tunnel)")
      publish(flow.isPinned ? "flow-pinned" : "flow-unpinned", flow)
    case .accessAttached(let binding, let isFound):
      log.debug("\(binding.node) \(isFound ? "found" : "attached") at \(binding.gateway), tunnel \(binding.tunnel)")
      if !isFound { publish("access-attached", binding) }
    case .accessDetached(let binding, let cause):
      log.debug("\(binding.node) detached from \(binding.gateway), tunnel \(binding.tunnel): \(cause ?? "gone")")
      publish("access-detached", binding, cause: cause)
    case .kernelRefused(let reason):
      refusals.say(at: SystemClock.monotonic) { more in log.error("the kernel refused a change: \(reason)\(more)") }
    case .tunnel(let change): publish(change)
    }
  }

  private func publish(_ event: String, _ flow: Flow, from: TunnelIdentifier? = nil, cause: String? = nil) {
    guard control.hasSubscribers(topic: Self.topic) else { return }
    let now = Self.now
    let document = FlowDocument(flow, in: engine, now: now)
    control.publish(
      event, topic: Self.topic,
      EventDocument(at: now.secondsSince1970, node: document.node, flow: document, from: from, cause: cause))
  }

  private func publish(_ event: String, _ binding: AnchorBinding, cause: String? = nil) {
    guard control.hasSubscribers(topic: Self.topic) else { return }
    control.publish(
      event, topic: Self.topic,
      EventDocument(at: Self.now.secondsSince1970, node: binding.node, binding: binding, cause: cause))
  }
}

/// Moves that follow each other and have the same tunnels and cause make one line of the log: an outage moves thousands of
/// flows at once.
struct MoveSummary {
  private var first: Flow?
  private var from = TunnelIdentifier.drop
  private var cause = FlowNotification.MoveCause.policy
  private var count = 0

  mutating func add(
    _ flow: Flow, from: TunnelIdentifier, _ cause: FlowNotification.MoveCause, _ log: (String) -> Void
  ) {
    if let first, first.tunnel == flow.tunnel, self.from == from, self.cause == cause {
      count += 1
      return
    }
    end(log)
    (first, self.from, self.cause, count) = (flow, from, cause, 1)
  }

  mutating func end(_ log: (String) -> Void) {
    guard let flow = first else { return }
    first = nil
    let way = "moved from tunnel \(from) to \(flow.tunnel) (\(cause.rawValue))"
    log(
      count == 1 ? "flow \(flow.identifier) \(way): \(flow.tuple)" : "\(count) flows, \(flow.identifier) first, \(way)")
  }
}
