/// What the engine counts. Every reason to refuse or to leave a packet alone has a counter of its own.
public struct FlowCounters: Hashable, Sendable {
  /// Packets that came by the queue.
  public var queuedPackets: UInt64 = 0
  public var flowsAdded: UInt64 = 0
  /// Of those added: the ones that continue another under a new flow label, on its tunnel.
  public var flowsContinued: UInt64 = 0
  public var flowsRestored: UInt64 = 0
  public var flowsMovedByOperator: UInt64 = 0
  public var flowsMovedByBinding: UInt64 = 0
  public var flowsMovedByOutage: UInt64 = 0
  /// Of those moved with many others: diverted before their elements were rewritten.
  public var flowsDiverted: UInt64 = 0
  public var flowsMovedByCongestion: UInt64 = 0
  public var flowsMovedByQuality: UInt64 = 0
  /// From paths that something outside has called degraded.
  public var flowsMovedByTrigger: UInt64 = 0
  /// Moves that a trigger wanted and that the limits of the flow did not allow.
  public var movesHeldBack: UInt64 = 0
  /// Times that a tunnel became congested.
  public var tunnelsCongested: UInt64 = 0
  /// Of those: no flow could go elsewhere.
  public var congestionWithoutWay: UInt64 = 0
  public var externalTriggers: UInt64 = 0
  public var flowsRemovedIdle: UInt64 = 0
  public var flowsRemovedByOperator: UInt64 = 0
  public var flowsRemovedWithoutTunnel: UInt64 = 0
  /// Packets of a flow that got its element while they waited in the queue.
  public var packetsOfKnownFlows: UInt64 = 0
  public var icmpErrorsMatched: UInt64 = 0
  /// ICMPv6 errors about no flow that we know: default binding.
  public var icmpErrorsUnmatched: UInt64 = 0
  public var laterFragments: UInt64 = 0
  public var malformedTruncated: UInt64 = 0
  public var malformedNotIPv6: UInt64 = 0
  public var malformedTooManyExtensionHeaders: UInt64 = 0
  /// No active binding covers the destination.
  public var packetsWithoutBinding: UInt64 = 0
  public var packetsWithoutTunnel: UInt64 = 0
  public var refusedTableFull: UInt64 = 0
  /// Elements that the kernel did not take; their flows stay on the default binding.
  public var refusedByKernel: UInt64 = 0
  /// Transactions that had to be tried change by change.
  public var transactionsSplit: UInt64 = 0
  public var restoredFlowsRefused: UInt64 = 0
  /// Standing orders of an earlier run beyond the limit of now.
  public var restoredSelectorsRefused: UInt64 = 0
  /// Commands about any number of flows, trials included.
  public var bulkCommands: UInt64 = 0
  /// Flows for which such a command could not be carried out.
  public var bulkFlowsRefused: UInt64 = 0
  /// Times that somebody else removed our table.
  public var kernelTableLost: UInt64 = 0
  public var commandsRefused: UInt64 = 0
  public var anchorSnapshots: UInt64 = 0
  public var anchorEvents: UInt64 = 0
  public var anchorLost: UInt64 = 0
  /// Commands that had to wait until the anchor had made a gateway serve the flow's prefix, and how that ended.
  public var prefixesAsked: UInt64 = 0
  public var prefixesGranted: UInt64 = 0
  public var prefixesRefused: UInt64 = 0
  public var prefixesUnanswered: UInt64 = 0
  public var flowsMovedByPolicy: UInt64 = 0
  /// Moves that the policy wanted of flows that had used up theirs.
  public var policyMovesLimited: UInt64 = 0
  public var policiesLoaded: UInt64 = 0
  /// Prefixes that gateways were asked to serve because the policy prefers them, and how that ended.
  public var policyPrefixesAsked: UInt64 = 0
  public var policyPrefixesGranted: UInt64 = 0
  public var policyPrefixesRefused: UInt64 = 0
  /// Too many were open already.
  public var policyPrefixesNotAsked: UInt64 = 0

  public init() {}

  /// For `show counters`.
  public var named: [String: UInt64] {
    [
      "queued-packets": queuedPackets,
      "flows-added": flowsAdded,
      "flows-continued": flowsContinued,
      "flows-restored": flowsRestored,
      "flows-moved-by-operator": flowsMovedByOperator,
      "flows-moved-by-binding": flowsMovedByBinding,
      "flows-moved-by-outage": flowsMovedByOutage,
      "flows-diverted": flowsDiverted,
      "flows-moved-by-congestion": flowsMovedByCongestion,
      "flows-moved-by-quality": flowsMovedByQuality,
      "flows-moved-by-trigger": flowsMovedByTrigger,
      "moves-held-back": movesHeldBack,
      "tunnels-congested": tunnelsCongested,
      "congestion-without-way": congestionWithoutWay,
      "external-triggers": externalTriggers,
      "flows-removed-idle": flowsRemovedIdle,
      "flows-removed-by-operator": flowsRemovedByOperator,
      "flows-removed-without-tunnel": flowsRemovedWithoutTunnel,
      "packets-of-known-flows": packetsOfKnownFlows,
      "icmp-errors-matched": icmpErrorsMatched,
      "icmp-errors-unmatched": icmpErrorsUnmatched,
      "later-fragments": laterFragments,
      "malformed-truncated": malformedTruncated,
      "malformed-not-ipv6": malformedNotIPv6,
      "malformed-too-many-extension-headers": malformedTooManyExtensionHeaders,
      "packets-without-binding": packetsWithoutBinding,
      "packets-without-tunnel": packetsWithoutTunnel,
      "refused-table-full": refusedTableFull,
      "refused-by-kernel": refusedByKernel,
      "transactions-split": transactionsSplit,
      "restored-flows-refused": restoredFlowsRefused,
      "restored-selectors-refused": restoredSelectorsRefused,
      "bulk-commands": bulkCommands,
      "bulk-flows-refused": bulkFlowsRefused,
      "kernel-table-lost": kernelTableLost,
      "commands-refused": commandsRefused,
      "anchor-snapshots": anchorSnapshots,
      "anchor-events": anchorEvents,
      "anchor-lost": anchorLost,
      "prefixes-asked": prefixesAsked,
      "prefixes-granted": prefixesGranted,
      "prefixes-refused": prefixesRefused,
      "prefixes-unanswered": prefixesUnanswered,
      "flows-moved-by-policy": flowsMovedByPolicy,
      "policy-moves-limited": policyMovesLimited,
      "policies-loaded": policiesLoaded,
      "policy-prefixes-asked": policyPrefixesAsked,
      "policy-prefixes-granted": policyPrefixesGranted,
      "policy-prefixes-refused": policyPrefixesRefused,
      "policy-prefixes-not-asked": policyPrefixesNotAsked,
    ]
  }
}
