import DatapathModel
import NetTypes

// Commands that wait for the anchor.
extension FlowManagerEngine {
  /// A command that waits until a gateway serves a prefix.
  struct WaitingCommand: Sendable {
    enum Subject: Sendable {
      /// About one flow: carried out when the answer is there.
      case command(FlowCommand)
      /// Flows of an order about many that the prefix concerns.
      case part([FlowIdentifier])
    }

    let subject: Subject
    let token: CommandToken
    let deadline: Duration

    init(_ subject: Subject, _ token: CommandToken, deadline: Duration) {
      self.subject = subject
      self.token = token
      self.deadline = deadline
    }

    init(_ subject: Subject, _ token: CommandToken, _ now: FlowMoment) {
      self.init(subject, token, deadline: now.monotonic + FlowManagerEngine.anchorAnswerTimeout)
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

  mutating func askIfPossible(
    _ request: ServePrefixesRequest, _ command: WaitingCommand, _ work: inout Work
  ) throws(FlowRefusal) {
    guard !mirror.isStale else { throw anchorAway(request.prefixes) }
    guard waiting.count < Self.maximumWaitingCommands else { throw tooManyWaiting }
    ask(request, command, &work)
  }

  func anchorAway(_ prefixes: [IPv6Prefix]) -> FlowRefusal {
    FlowRefusal(
      reason: .anchorAway,
      message: "the gateway does not serve \(list(prefixes.map(\.description))) yet, and the anchor, which could "
        + "change that, is away; try again when it is back")
  }

  var tooManyWaiting: FlowRefusal {
    FlowRefusal(
      reason: .limitReached,
      message: "\(Self.maximumWaitingCommands) commands wait for the anchor already; try again in a moment")
  }

  mutating func ask(_ request: ServePrefixesRequest, _ command: WaitingCommand, _ work: inout Work) {
    counters.prefixesAsked += 1
    waiting[pose(request, &work)] = command
  }

  /// Puts a question to the anchor. Who asks keeps it, to know the answer.
  mutating func pose(_ request: ServePrefixesRequest, _ work: inout Work) -> AnchorQuestion {
    let question = AnchorQuestion(rawValue: nextQuestion)
    nextQuestion += 1
    work.effects.append(.askAnchor(question, request))
    return question
  }

  mutating func pose(_ wish: PrefixWish, _ work: inout Work) -> AnchorQuestion {
    pose(ServePrefixesRequest(binding: wish.binding, prefixes: [wish.prefix]), &work)
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
      switch command.subject {
      case .command(let subject): carryOut(subject, command.token, mayAsk: false, now, &work)
      case .part(let flows): take(.success(()), for: flows, of: command.token, &work)
      }
    case .refused(let reason):
      counters.prefixesRefused += 1
      end(command, .prefixNotServed, "the anchor: \(reason)", &work)
    }
  }

  mutating func giveUp(
    _ question: AnchorQuestion, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    guard let command = waiting.removeValue(forKey: question) else { return }
    counters.prefixesUnanswered += 1
    end(command, reason, message, &work)
  }

  private mutating func end(
    _ command: WaitingCommand, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    switch command.subject {
    case .command(let subject): refuse(command.token, reason, message + stays(subject), &work)
    case .part(let flows):
      let refusal = FlowRefusal(reason: reason, message: message)
      take(.failure(refusal), for: flows, of: command.token, &work)
    }
  }

  func stays(_ command: FlowCommand) -> String {
    guard case .move(.identifier(let identifier), _, _) = command, let flow = table.flow(identifier) else {
      return ""
    }
    let gateway = mirror.tunnels[flow.tunnel].map { "\($0.gateway) (tunnel \(flow.tunnel))" } ?? "tunnel \(flow.tunnel)"
    return "; flow \(identifier) stays on \(gateway)"
  }
}
