/// What an anchor has counted since it started. One counter for each reason, in a fixed order.
public struct LMACounters: Hashable, Sendable {
  /// The raw values are the public names.
  public enum Name: String, CaseIterable, Hashable, Sendable {
    // Messages.
    case bindingUpdatesReceived = "binding-updates-received"
    case bindingErrorsReceived = "binding-errors-received"
    /// Of a type that no peer has reason to send to an anchor.
    case strayMessages = "stray-messages"
    case acknowledgementsSent = "acknowledgements-sent"

    // Accepted registrations; the kinds exclude each other.
    case acceptedInitial = "accepted-initial"
    case acceptedRefresh = "accepted-refresh"
    case acceptedHandover = "accepted-handover"
    case acceptedDeregistration = "accepted-deregistration"
    /// Acknowledgements with a Redirect option (RFC 6463).
    case redirected = "redirected"

    // Rejected registrations, one for each status.
    case rejectedReasonUnspecified = "rejected-reason-unspecified"
    case rejectedInsufficientResources = "rejected-insufficient-resources"
    case rejectedSequenceNumberOutOfWindow = "rejected-sequence-number-out-of-window"
    case rejectedProxyRegistrationNotEnabled = "rejected-proxy-registration-not-enabled"
    case rejectedNotLMAForThisMobileNode = "rejected-not-lma-for-this-mobile-node"
    case rejectedGatewayNotAuthorized = "rejected-gateway-not-authorized"
    case rejectedNotAuthorizedForPrefix = "rejected-not-authorized-for-home-network-prefix"
    case rejectedTimestampMismatch = "rejected-timestamp-mismatch"
    case rejectedTimestampLower = "rejected-timestamp-lower-than-previous-accepted"
    case rejectedMissingPrefix = "rejected-missing-home-network-prefix-option"
    case rejectedPrefixSetDoesNotMatch = "rejected-prefix-set-does-not-match"
    case rejectedMissingIdentifier = "rejected-missing-mobile-node-identifier-option"
    case rejectedMissingHandoffIndicator = "rejected-missing-handoff-indicator-option"
    case rejectedMultipathBinding = "rejected-multipath-binding"
    case rejectedMissingAccessTechnology = "rejected-missing-access-technology-type-option"

    // Why status 128 or 130 was given.
    case duplicateOption = "duplicate-option"
    case allZeroPrefixNotAlone = "all-zero-prefix-not-alone"
    /// Access technology type 0.
    case reservedAccessTechnology = "reserved-access-technology-type"
    case limitBindings = "limit-bindings"
    case limitBindingsPerNode = "limit-bindings-per-node"
    case limitPrefixesPerRequest = "limit-prefixes-per-request"
    case limitPendingRegistrations = "limit-pending-registrations"
    case prefixesExhausted = "prefixes-exhausted"
    case tunnelsExhausted = "tunnels-exhausted"
    case datapathFailed = "datapath-failed"
    /// `fallback: refuse` of a redirection.
    case redirectionImpossible = "redirection-impossible"

    // Deviations of gateways that were met and, as configured, accepted (`PeerDeviation`).
    case toleratedNULPaddedIdentifier = "tolerated-mn-id-nul-padding"
    case toleratedHostPrefixLength = "tolerated-hnp-length-128"
    case toleratedHostByteOrderTimestamp = "tolerated-timestamp-host-byte-order"
    case toleratedReservedAccessTechnology = "tolerated-att-zero"
    case toleratedSameSequence = "tolerated-same-sequence-on-retransmission"

    // Messages without an answer.
    case ignoredNotProxyRegistration = "ignored-not-proxy-registration"
    case ignoredNotAnchorAddress = "ignored-not-anchor-address"
    case ignoredSourceNotUnicast = "ignored-source-not-unicast"
    case ignoredCareOfAddressNotRoutable = "ignored-care-of-address-not-routable"
    case ignoredDeregistrationWithoutSession = "ignored-deregistration-without-session"
    case ignoredDeregistrationNotCurrentGateway = "ignored-deregistration-not-current-gateway"
    /// Not newer than a request of the same attachment that is still being worked on.
    case ignoredOlderThanPending = "ignored-older-than-pending"
    /// Replaced, while it was held, by a newer and different request of the same attachment.
    case ignoredSuperseded = "ignored-superseded"

    // Registrations that were held.
    case retransmissionsAbsorbed = "retransmissions-absorbed"
    case registrationsQueued = "registrations-queued"
    case registrationsWaited = "registrations-waited"
    case waitsEndedByDeregistration = "waits-ended-by-deregistration"
    case waitsEndedOtherwise = "waits-ended-otherwise"
    case waitsTimedOut = "waits-timed-out"

    // Bindings.
    case bindingsExpired = "bindings-expired"
    case bindingsDeletedAfterDelay = "bindings-deleted-after-delay"
    case bindingsDeletedByOperator = "bindings-deleted-by-operator"
    case bindingsRevived = "bindings-revived"
    case operatorDeletionsUnknown = "operator-deletions-unknown"
    case defaultAttachmentsMoved = "default-attachments-moved"
    /// Paths of a gateway with several uplinks, RFC 8278.
    case pathsReplaced = "paths-replaced"
    case pathsRefreshedInBulk = "paths-refreshed-in-bulk"
    case offLinkPrefixesLeftOut = "off-link-prefixes-left-out"

    // Update Notifications (RFC 7077), Flow Mobility Initiates (RFC 7864) among them.
    case notificationsSent = "update-notifications-sent"
    case notificationsRetransmitted = "update-notifications-retransmitted"
    case notificationsAcknowledged = "update-notifications-acknowledged"
    /// Status 128 and more.
    case notificationsRefused = "update-notifications-refused"
    /// Given up after MAX_UPDATE_NOTIFICATION_RETRANSMIT_COUNT.
    case notificationsUnanswered = "update-notifications-unanswered"
    /// Binding Error status 2 came instead of an acknowledgement.
    case notificationsUnsupported = "update-notifications-unsupported"
    /// No outstanding notification of that number, gateway and node.
    case unmatchedNotificationAcknowledgements = "unmatched-update-notification-acknowledgements"
    case limitOutstandingNotifications = "limit-outstanding-notifications"
    case flowMobilityInitiatesSent = "flow-mobility-initiates-sent"
    case flowMobilityAcknowledged = "flow-mobility-acknowledged"
    /// Questions for prefixes at a gateway (`serve-prefixes`) that were refused, for whatever reason.
    case servicesRefused = "serve-prefixes-refused"

    // Heartbeats (RFC 5847).
    case heartbeatRequestsSent = "heartbeat-requests-sent"
    case heartbeatRequestsReceived = "heartbeat-requests-received"
    case heartbeatResponsesSent = "heartbeat-responses-sent"
    case heartbeatResponsesReceived = "heartbeat-responses-received"
    /// Late, duplicated or forged.
    case heartbeatResponsesUnmatched = "heartbeat-responses-unmatched"
    /// From an address that is no gateway's, or to one that is not ours.
    case heartbeatsFromStrangers = "heartbeats-from-strangers"
    case heartbeatsUnsupported = "heartbeats-unsupported"
    case gatewayPathsFailed = "gateway-paths-failed"
    case gatewayPathsRecovered = "gateway-paths-recovered"
    case gatewaysRestarted = "gateways-restarted"
    case bindingsLostByGateway = "bindings-lost-by-gateway"
    case bindingsUnreachable = "bindings-unreachable"

    // Binding revocation (RFC 5846).
    case revocationIndicationsSent = "revocation-indications-sent"
    case revocationRetransmissions = "revocation-retransmissions"
    case revocationsAccepted = "revocations-accepted"
    case revocationsRefused = "revocations-refused"
    case revocationsUnanswered = "revocations-unanswered"
    case revocationsUnsupported = "revocations-unsupported"
    /// Not sent: the gateway has no revocation, too many wait for an answer, or the old gateway of a handover still has
    /// the same prefixes for another attachment.
    case revocationsLeftOut = "revocations-left-out"
    /// Late, duplicated or forged.
    case revocationAcknowledgementsUnmatched = "revocation-acknowledgements-unmatched"
    case revocationIndicationsReceived = "revocation-indications-received"
    case revocationAcknowledgementsSent = "revocation-acknowledgements-sent"
    /// From an address that is no gateway's, or to one that is not ours.
    case revocationsFromStrangers = "revocations-from-strangers"
    case bindingsRevoked = "bindings-revoked"
    case operatorRevocationsUnknown = "operator-revocations-unknown"

    // Data plane and persistence.
    case datapathRemovalsFailed = "datapath-removals-failed"
    case datapathOutcomesUnknown = "datapath-outcomes-unknown"
    case recordsRestored = "records-restored"
    case recordsExpired = "records-expired"
    case recordsConflicting = "records-conflicting"
  }

  private var values = [UInt64](repeating: 0, count: Name.allCases.count)

  public init() {}

  public internal(set) subscript(name: Name) -> UInt64 {
    get { values[name.position] }
    set { values[name.position] = newValue }
  }

  /// Every counter, zero ones too, in the order of `Name`.
  public var list: [(name: String, value: UInt64)] { Name.allCases.map { ($0.rawValue, self[$0]) } }

  mutating func count(_ name: Name) { values[name.position] += 1 }
}

extension LMACounters.Name {
  /// Among `allCases`. Every message counts something: no table of names is searched for it.
  fileprivate var position: Int {
    // An enumeration without payloads is stored as the number of its case, in one octet up to 256 cases.
    Int(unsafeBitCast(self, to: UInt8.self))
  }
}
