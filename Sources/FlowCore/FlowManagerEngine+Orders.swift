import DatapathModel
import NetTypes

// Commands about many flows: what can be done at once is one list of steps, what must wait for the anchor is asked for
// once for each prefix, and one answer tells what has become of all.
extension FlowManagerEngine {
  /// A command about many flows whose answer gathers.
  struct FlowOrder: Sendable {
    var report: FlowOrderReport
    let target: String
    let deadline: Duration
    /// Steps and questions without an answer.
    var pending = 0
    /// Not asked yet.
    var questions: ArraySlice<(request: ServePrefixesRequest, flows: [FlowIdentifier])> = []
  }

  /// Questions of one order to the anchor at a time; an anchor serves other subscribers as well.
  static let questionsOfOrder = 32

  mutating func moveAll(
    _ slots: [FlowTable.Slot], to target: String, isTrial: Bool, _ token: CommandToken, _ now: FlowMoment,
    _ work: inout Work
  ) throws(FlowRefusal) {
    guard mirror.tunnels.values.contains(where: { $0.isNamed(target) }) else { throw noSuchTunnel(target) }
    begin(slots, target: target, isTrial: isTrial, token, now)
    var questions: [IPv6Prefix: [FlowIdentifier]] = [:]
    var requests: [(IPv6Prefix, ServePrefixesRequest)] = []
    for slot in slots {
      let flow = table[slot]
      do throws(FlowRefusal) {
        let owner = try owner(of: flow.tuple)
        switch try way(to: target, for: owner) {
        case .open(let tunnels) where tunnels.contains(flow.tunnel): orders[token]?.report.already += 1
        case .open(let tunnels):
          guard let tunnel = tunnels.first else { continue }
          if isTrial {
            orders[token]?.report.done += 1
            orders[token]?.report.list(flow, to: tunnel)
          } else {
            moveOrdered(slot, to: tunnel, token, &work)
          }
        case .toAsk(let binding, let tunnel):
          if isTrial {
            orders[token]?.report.toAsk += 1
            orders[token]?.report.list(flow, to: tunnel, asksAnchor: true)
          } else {
            if questions[owner.prefix] == nil {
              requests.append((owner.prefix, ServePrefixesRequest(binding: binding, prefixes: [owner.prefix])))
            }
            questions[owner.prefix, default: []].append(flow.identifier)
          }
        }
      } catch {
        orders[token]?.report.refuse(flow.identifier, error)
      }
    }
    orders[token]?.questions = requests.map { ($0.1, questions[$0.0] ?? []) }[...]
    askFurther(token, &work)
    finish(token, &work)
  }

  mutating func removeAll(
    _ slots: [FlowTable.Slot], isTrial: Bool, _ token: CommandToken, _ now: FlowMoment, _ work: inout Work
  ) {
    begin(slots, isTrial: isTrial, token, now)
    for slot in slots {
      if isTrial {
        orders[token]?.report.done += 1
        orders[token]?.report.list(table[slot], to: nil)
      } else {
        counters.flowsRemovedByOperator += 1
        orders[token]?.pending += 1
        remove(slot, cause: .operatorRequest, command: token, &work)
      }
    }
    finish(token, &work)
  }

  mutating func pinAll(
    _ slots: [FlowTable.Slot], _ isPinned: Bool, _ token: CommandToken, _ now: FlowMoment, _ work: inout Work
  ) {
    begin(slots, isTrial: false, token, now)
    for slot in slots {
      if table[slot].isPinned == isPinned {
        orders[token]?.report.already += 1
      } else {
        orders[token]?.pending += 1
        pin(slot, isPinned, token, &work)
      }
    }
    finish(token, &work)
  }

  // MARK: Steps

  private mutating func begin(
    _ slots: [FlowTable.Slot], target: String = "", isTrial: Bool, _ token: CommandToken, _ now: FlowMoment
  ) {
    var report = FlowOrderReport(isTrial: isTrial)
    report.chosen = slots.count
    counters.bulkCommands += 1
    orders[token] = FlowOrder(report: report, target: target, deadline: now.monotonic + Self.anchorAnswerTimeout)
  }

  private enum Way {
    /// Tunnels to the target that serve the prefix.
    case open([TunnelIdentifier])
    /// The anchor can be asked to make the gateway of this binding serve it.
    case toAsk(binding: UInt32, TunnelIdentifier)
  }

  private mutating func way(
    to target: String, for owner: (prefix: IPv6Prefix, node: NodeIndex)
  ) throws(FlowRefusal) -> Way {
    let named = candidates(for: owner.prefix, of: owner.node).filter { $0.isNamed(target) }
    let serving = named.filter(\.servesPrefix).map(\.tunnel)
    if !serving.isEmpty { return .open(serving) }
    guard let way = named.first else {
      // The words of a command about one flow.
      return .open([try choose(target, owner.prefix, owner.node, current: nil).get()])
    }
    guard !mirror.isStale else { throw anchorAway([owner.prefix]) }
    return .toAsk(binding: way.binding, way.tunnel)
  }

  private mutating func moveOrdered(
    _ slot: FlowTable.Slot, to tunnel: TunnelIdentifier, _ token: CommandToken, _ work: inout Work
  ) {
    counters.flowsMovedByOperator += 1
    orders[token]?.pending += 1
    let placement = Placement(tunnel: tunnel, placer: .operatorRequest)
    move(slot, to: placement, cause: .operatorRequest, command: token, &work)
  }

  private mutating func askFurther(_ token: CommandToken, _ work: inout Work) {
    while let order = orders[token], let next = order.questions.first {
      let asked = waiting.values.count { $0.token == token }
      guard asked < Self.questionsOfOrder else { return }
      guard waiting.count < Self.maximumWaitingCommands else {
        // Without a question of its own nothing would bring the order on.
        if asked == 0 { giveUpQuestions(token, tooManyWaiting) }
        return
      }
      orders[token]?.questions.removeFirst()
      orders[token]?.pending += 1
      ask(next.request, WaitingCommand(.part(next.flows), token, deadline: order.deadline), &work)
    }
  }

  /// An answer about the flows of one prefix.
  mutating func take(
    _ outcome: Result<Void, FlowRefusal>, for flows: [FlowIdentifier], of token: CommandToken, _ work: inout Work
  ) {
    guard let target = orders[token]?.target else { return }
    orders[token]?.pending -= 1
    for identifier in flows {
      do throws(FlowRefusal) {
        try outcome.get()
        let slot = try find(.identifier(identifier))
        let owner = try owner(of: table[slot].tuple)
        let current = table[slot].tunnel
        let tunnel = try choose(target, owner.prefix, owner.node, current: current).get()
        if tunnel == current {
          orders[token]?.report.already += 1
        } else {
          moveOrdered(slot, to: tunnel, token, &work)
        }
      } catch {
        orders[token]?.report.refuse(identifier, error)
      }
    }
    if case .failure(let refusal) = outcome, refusal.reason == .anchorAway || refusal.reason == .anchorTimeout {
      giveUpQuestions(token, refusal)
    }
    askFurther(token, &work)
    finish(token, &work)
  }

  private mutating func giveUpQuestions(_ token: CommandToken, _ refusal: FlowRefusal) {
    for question in orders[token]?.questions ?? [] {
      for flow in question.flows { orders[token]?.report.refuse(flow, refusal) }
    }
    orders[token]?.questions = []
  }

  private mutating func finish(_ token: CommandToken, _ work: inout Work) {
    guard let order = orders[token], order.pending == 0, order.questions.isEmpty else { return }
    orders[token] = nil
    counters.bulkFlowsRefused += UInt64(order.report.refused.values.reduce(0, +))
    work.effects.append(.reply(token, .success(.report(order.report))))
  }

  // MARK: Answers to commands

  /// A change of `flow` is in the kernel.
  mutating func answer(_ command: CommandToken?, _ flow: Flow, _ work: inout Work) {
    guard let command else { return }
    guard orders[command] != nil else { return work.effects.append(.reply(command, .success(.flow(flow)))) }
    orders[command]?.pending -= 1
    orders[command]?.report.done += 1
    finish(command, &work)
  }

  /// The kernel has refused a change of `flow`.
  mutating func answer(
    _ command: CommandToken?, _ flow: FlowIdentifier, kernelRefused message: String, _ work: inout Work
  ) {
    guard let command else { return }
    guard orders[command] != nil else { return refuse(command, .kernelRefused, message, &work) }
    orders[command]?.pending -= 1
    orders[command]?.report.refuse(flow, FlowRefusal(reason: .kernelRefused, message: message))
    finish(command, &work)
  }
}

extension AnchorTunnel {
  /// By the gateway's name or the tunnel's number.
  func isNamed(_ target: String) -> Bool { gateway == target || id.description == target }
}
