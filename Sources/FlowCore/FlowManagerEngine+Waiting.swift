import DatapathModel
import NetTypes

// Commands that wait for the anchor.
extension FlowManagerEngine {
  /// A command that waits until a gateway serves the prefix of its flow.
  struct WaitingCommand: Sendable {
    let command: FlowCommand
    let token: CommandToken
    let deadline: Duration

    init(_ command: FlowCommand, _ token: CommandToken, _ now: FlowMoment) {
      self.command = command
      self.token = token
      deadline = now.monotonic + FlowManagerEngine.anchorAnswerTimeout
    }
  }

  /// What the anchor must do before `target` can carry the flow; nil: nothing that it could do.
  func service(
    for tuple: FlowSixTuple, _ target: String, current: TunnelIdentifier?
  ) throws(FlowRefusal) -> ServePrefixesRequest? {
    let owner = try owner(of: tuple)
    guard case .failure(let refusal) = choose(target, owner.prefix, owner.node, current: current),
      refusal.reason == .prefixNotServed,
      let binding = mirror.activeBindings(of: owner.node).first(where: { $0.isNamed(target) })
    else { return nil }
    return ServePrefixesRequest(binding: binding.id, prefixes: [owner.prefix])
  }

  mutating func ask(
    _ request: ServePrefixesRequest, _ command: WaitingCommand, _ work: inout Work
  ) throws(FlowRefusal) {
    guard !mirror.isStale else {
      throw FlowRefusal(
        reason: .anchorAway,
        message: "the gateway does not serve \(list(request.prefixes.map(\.description))) yet, and the anchor, which "
          + "could change that, is away; try again when it is back")
    }
    guard waiting.count < Self.maximumWaitingCommands else {
      throw FlowRefusal(
        reason: .limitReached,
        message: "\(Self.maximumWaitingCommands) commands wait for the anchor already; try again in a moment")
    }
    counters.prefixesAsked += 1
    let question = AnchorQuestion(rawValue: nextQuestion)
    nextQuestion += 1
    waiting[question] = command
    work.effects.append(.askAnchor(question, request))
  }

  mutating func take(
    _ answer: AnchorAnswer, to question: AnchorQuestion, _ now: FlowMoment, _ work: inout Work
  ) {
    guard let command = waiting.removeValue(forKey: question) else {
      return takeTriggerAnswer(answer, to: question, &work)
    }
    switch answer {
    case .granted:
      counters.prefixesGranted += 1
      carryOut(command.command, command.token, mayAsk: false, now, &work)
    case .refused(let reason):
      counters.prefixesRefused += 1
      refuse(command.token, .prefixNotServed, "the anchor: \(reason)\(stays(command))", &work)
    }
  }

  mutating func giveUp(
    _ question: AnchorQuestion, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    guard let command = waiting.removeValue(forKey: question) else { return }
    counters.prefixesUnanswered += 1
    refuse(command.token, reason, message + stays(command), &work)
  }

  func stays(_ command: WaitingCommand) -> String {
    guard case .move(.identifier(let identifier), _) = command.command, let flow = table.flow(identifier) else {
      return ""
    }
    let gateway = mirror.tunnels[flow.tunnel].map { "\($0.gateway) (tunnel \(flow.tunnel))" } ?? "tunnel \(flow.tunnel)"
    return "; flow \(identifier) stays on \(gateway)"
  }
}
