import DatapathModel
import NetTypes

/// The clocks, read once by the shell for each event: activity is monotonic, creation times are wall time.
public struct FlowMoment: Hashable, Sendable {
  /// Since an arbitrary start; never goes back.
  public var monotonic: Duration
  public var secondsSince1970: UInt32
  /// For rules of the policy with a time of day; without it they do not match.
  public var localTime: LocalTime?

  public init(monotonic: Duration, secondsSince1970: UInt32, localTime: LocalTime? = nil) {
    self.monotonic = monotonic
    self.secondsSince1970 = secondsSince1970
    self.localTime = localTime
  }

  var monotonicSeconds: UInt32 { UInt32(clamping: monotonic.components.seconds) }
  /// Modulo 2^32, 49 days: for differences.
  var milliseconds: UInt32 {
    let (seconds, attoseconds) = monotonic.components
    return UInt32(truncatingIfNeeded: seconds &* 1_000 &+ attoseconds / 1_000_000_000_000_000)
  }
}

/// Everything that can happen to a Flow Manager.
public enum FlowEvent: Sendable {
  /// At start, before anything else: what an earlier run left in the kernel.
  case kernelState(flows: [KernelFlow], chains: [TunnelIdentifier])
  /// The kernel has no table of ours any more, though it had one.
  case kernelTableLost
  /// At start: the standing orders that an earlier run had stored.
  case selectors([FlowSelectorEntry])
  case anchorSnapshot(AnchorSnapshot)
  case anchorEvent(AnchorEvent)
  /// The anchor's socket has closed; what it was asked is not answered any more.
  case anchorLost
  /// Answer to the `askAnchor` effect with that identifier. What it says has come as an `anchorEvent` before.
  case anchorAnswer(AnchorQuestion, AnchorAnswer)
  /// `nextDeadline` has come.
  case deadlineReached
  /// At start and whenever the policy file was read anew.
  case policy(FlowPolicy)
  /// What one read of the queue brought.
  case queuedPackets([QueuedPacket])
  case command(CommandToken, FlowCommand)
  /// Element counters, all (the poll for idle flows) or those of some flows.
  case counters([KernelCounter])
  /// What the queues of tunnels say: all tunnels, by identifier.
  case tunnelReadings([TunnelReading])
  /// `FlowManagerEngine.refusal(of:)` had nothing against it.
  case externalTrigger(ExternalTrigger)
  /// Outcome of the `apply` effect with that identifier.
  case kernelOutcome(TransactionIdentifier, KernelOutcome)
}

/// What the shell must do, in this order.
public enum FlowEffect: Hashable, Sendable {
  /// All in one kernel transaction; the shell answers every one with `.kernelOutcome`.
  case apply(TransactionIdentifier, [FlowMapChange])
  /// Accepts a queued packet, with this mark; nil leaves its mark alone.
  case verdict(PacketToken, mark: UInt32?)
  /// Drops a queued packet.
  case drop(PacketToken)
  case reply(CommandToken, Result<FlowReply, FlowRefusal>)
  /// Have the anchor make a gateway serve prefixes; answered by `.anchorAnswer`.
  case askAnchor(AnchorQuestion, ServePrefixesRequest)
  /// Read the counters of these flows; answered by `.counters`.
  case readCounters([FlowIdentifier])
  case notify(FlowNotification)
  /// Keep a standing order over a restart; comes before the answer to its command.
  case storeSelector(FlowSelectorEntry)
  case forgetSelector(UInt32)
}

public struct TransactionIdentifier: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What the kernel said to an `apply` effect: all of it, or none.
public enum KernelOutcome: Hashable, Sendable {
  case applied
  case refused(String)
}

/// The number of a packet in the kernel's queue.
public struct PacketToken: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct QueuedPacket: Hashable, Sendable {
  public var token: PacketToken
  /// What the packet carries already; bits outside our mask belong to others.
  public var mark: UInt32
  public var dissection: Result<Dissection, DissectionError>
  /// Of the whole packet, in octets.
  public var length: Int
  /// Differentiated services code point (RFC 2474), as `PacketDissector.dscp` reads it.
  public var dscp: UInt8?

  public init(
    token: PacketToken, mark: UInt32, dissection: Result<Dissection, DissectionError>, length: Int, dscp: UInt8? = nil
  ) {
    self.token = token
    self.mark = mark
    self.dissection = dissection
    self.length = length
    self.dscp = dscp
  }
}

/// A flow as the kernel's map holds it.
public struct KernelFlow: Hashable, Sendable {
  public var identifier: FlowIdentifier
  public var tuple: FlowSixTuple
  public var tunnel: TunnelIdentifier
  public var createdAt: UInt32
  public var isPinned: Bool
  public var placer: FlowPlacer
  /// Differentiated services code point of its first packet; nil: not known.
  public var dscp: UInt8?
  public var count: TrafficCount

  public init(
    identifier: FlowIdentifier, tuple: FlowSixTuple, tunnel: TunnelIdentifier, createdAt: UInt32,
    isPinned: Bool = false, placer: FlowPlacer = .unknown, dscp: UInt8? = nil, count: TrafficCount
  ) {
    self.identifier = identifier
    self.tuple = tuple
    self.tunnel = tunnel
    self.createdAt = createdAt
    self.isPinned = isPinned
    self.placer = placer
    self.dscp = dscp
    self.count = count
  }
}

public struct KernelCounter: Hashable, Sendable {
  public var flow: FlowIdentifier
  public var count: TrafficCount

  public init(flow: FlowIdentifier, count: TrafficCount) {
    self.flow = flow
    self.count = count
  }
}

/// One step in the kernel's table. `set` of a flow that has an element replaces it: within a transaction no packet sees
/// the flow without one.
public enum FlowMapChange: Hashable, Sendable {
  /// The rules, for this mark mask and these home prefixes; keeps the elements. Creates the table when there is none.
  case ruleset(FlowRuleset)
  /// The chain that marks packets for a tunnel; those that a diversion is about, for another one.
  case setTunnelChain(TunnelIdentifier, mark: UInt32, mask: UInt32, diversions: [TunnelDiversion])
  case removeTunnelChain(TunnelIdentifier)
  case set(KernelFlow, replacing: Bool)
  case remove(FlowSixTuple)
}

public struct FlowRuleset: Hashable, Sendable {
  public var markMask: UInt32
  /// Sorted.
  public var homePrefixes: [IPv6Prefix]

  public init(markMask: UInt32, homePrefixes: [IPv6Prefix]) {
    self.markMask = markMask
    self.homePrefixes = homePrefixes
  }
}

// MARK: Commands

/// Names a question to the anchor.
public struct AnchorQuestion: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public enum AnchorAnswer: Hashable, Sendable {
  case granted
  /// The anchor's words.
  case refused(String)
}

/// Names a command of an operator, so that its answer finds the way back.
public struct CommandToken: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public enum FlowReference: Hashable, Sendable {
  case identifier(FlowIdentifier)
  /// Must choose exactly one flow.
  case selector(FlowSelector)
  /// Any number of flows.
  case all(FlowFilter)

  var meansSeveral: Bool { if case .all = self { true } else { false } }
}

/// What an operator can order (paper annex A.1). `target` is a gateway name or a tunnel number.
public enum FlowCommand: Hashable, Sendable {
  /// A selector that leaves nothing open makes a flow; any other becomes a standing order for new flows.
  case add(FlowSelector, target: String)
  /// A trial changes nothing and is answered with a report, as is a command about any number of flows.
  case move(FlowReference, target: String, isTrial: Bool = false)
  case remove(FlowReference, isTrial: Bool = false)
  /// A pinned flow is moved by nothing but an operator or an outage of its tunnel; false undoes it.
  case pin(FlowReference, Bool)
  case removeSelector(UInt32)
}

public enum FlowReply: Hashable, Sendable {
  case flow(Flow)
  case selector(FlowSelectorEntry)
  case report(FlowOrderReport)
}

/// Why a command was not carried out; the text says what to do next.
public struct FlowRefusal: Error, Hashable, Sendable {
  public enum Reason: String, Hashable, Sendable, Codable, CaseIterable {
    case noSuchFlow = "no-such-flow"
    case ambiguousFlow = "ambiguous-flow"
    case flowExists = "flow-exists"
    case noSuchSelector = "no-such-selector"
    case noSuchNode = "no-such-node"
    case noBinding = "no-binding"
    case noSuchTunnel = "no-such-tunnel"
    /// The gateway does not serve the flow's prefix, and the anchor could not bring it to do so.
    case prefixNotServed = "prefix-not-served"
    /// The anchor is not there to ask.
    case anchorAway = "anchor-away"
    case anchorTimeout = "anchor-timeout"
    case limitReached = "limit-reached"
    case kernelRefused = "kernel-refused"
  }

  public var reason: Reason
  public var message: String
}

/// For subscribers of the control socket and the log.
public enum FlowNotification: Hashable, Sendable {
  case flowAdded(Flow)
  case flowMoved(Flow, from: TunnelIdentifier, cause: MoveCause)
  case flowRemoved(Flow, cause: RemovalCause)
  /// An operator has pinned the flow or undone it.
  case flowPinned(Flow)
  /// An access of a node carries traffic now. `isFound`: it did so before we began to listen.
  case accessAttached(AnchorBinding, isFound: Bool)
  /// It does not any more.
  case accessDetached(AnchorBinding, cause: String?)
  /// The kernel did not take a change; its words.
  case kernelRefused(String)
  case tunnel(TunnelChange)

  public enum MoveCause: String, Hashable, Sendable, Codable {
    case operatorRequest = "operator-request"
    /// The binding that carried it is gone or changed.
    case bindingLost = "binding-lost"
    /// The gateway that carried it does not answer heartbeats any more.
    case gatewayUnreachable = "gateway-unreachable"
    /// It was the fastest on a congested tunnel.
    case congestion
    /// It was served worse than before.
    case quality
    /// Something outside has called its path degraded.
    case externalTrigger = "external-trigger"
    /// The policy, or what it looks at, has changed.
    case policy
  }

  public enum RemovalCause: String, Hashable, Sendable, Codable {
    case idle
    case operatorRequest = "operator-request"
    /// No tunnel of the node can carry it any more.
    case bindingLost = "binding-lost"
    case kernelRefused = "kernel-refused"
  }
}
