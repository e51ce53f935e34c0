/// What a gateway has counted since its start, one number for each reason.
public struct MAGCounters: Hashable, Sendable {
  /// In the order of a listing: attachment, messages sent, answers, data plane.
  public enum Counter: String, CaseIterable, Hashable, Sendable {
    // Attachment.
    case attachments
    case attachmentsRestored = "attachments-restored"
    /// Stored attachments that had ended, lay on no configured link, or stood twice.
    case recordsDropped = "records-dropped"
    case attachmentsRemoved = "attachments-removed"
    case unknownNodesRefused = "unknown-nodes-refused"
    /// Status 152 earlier, and no operator has attached the node since.
    case deniedNodesRefused = "denied-nodes-refused"
    /// On an interface that is no access link of ours.
    case unknownLinksIgnored = "unknown-links-ignored"
    /// Multicast or zero link-layer address.
    case invalidAddressesIgnored = "invalid-addresses-ignored"
    case attachmentLimitReached = "attachment-limit-reached"
    case unknownDetachmentsIgnored = "unknown-detachments-ignored"

    // Proxy Binding Updates sent.
    case registrationsSent = "registrations-sent"
    case refreshesSent = "refreshes-sent"
    case deregistrationsSent = "deregistrations-sent"
    case retransmissions
    case deregistrationsUnanswered = "deregistrations-unanswered"
    case bindingsExpired = "bindings-expired"

    // Proxy Binding Acknowledgements.
    case registrationsAccepted = "registrations-accepted"
    case refreshesAccepted = "refreshes-accepted"
    case deregistrationsAccepted = "deregistrations-accepted"
    /// No P flag.
    case notProxyAcknowledgements = "not-proxy-acknowledgements"
    /// An option stands twice that may stand once.
    case duplicatedOptions = "duplicated-options"
    case acknowledgementsWithoutIdentifier = "acknowledgements-without-identifier"
    /// No outstanding request of that node, number and anchor: late, duplicated or forged.
    case unmatchedAcknowledgements = "unmatched-acknowledgements"
    /// Refusal of a transmission that a newer one has followed.
    case refusalsOfOlderTransmissions = "refusals-of-older-transmissions"
    /// Handoff indicator, access technology or link-layer identifier other than sent.
    case contradictingAcknowledgements = "contradicting-acknowledgements"
    case acknowledgementsWithoutHandoffOptions = "acknowledgements-without-handoff-options"
    case acknowledgementsWithoutTimestamp = "acknowledgements-without-timestamp"
    /// Accepted, but without a usable on-link prefix or with lifetime 0.
    case uselessAcceptances = "useless-acceptances"
    /// Acceptances of one of several paths (RFC 8278).
    case pathsAccepted = "paths-accepted"
    /// The anchor has answered the multipath option with status 180, or not at all.
    case multipathUnsupported = "multipath-unsupported"
    /// Sessions that the anchor has sent to another anchor (RFC 6463).
    case redirectsFollowed = "redirects-followed"
    /// Redirect options that we had not asked for, or to an address that cannot be an anchor.
    case redirectsIgnored = "redirects-ignored"
    /// Prefixes beyond `prefixes-per-node`, dropped.
    case prefixLimitReached = "prefix-limit-reached"
    /// Prefixes that no node can have (multicast, link-local, length 0), dropped.
    case unusablePrefixes = "unusable-prefixes"
    case sequenceNumbersOutOfWindow = "status-135-sequence-number-out-of-window"
    case notEnabled = "status-152-proxy-registration-not-enabled"
    case prefixesNotAuthorized = "status-155-not-authorized-for-prefix"
    case timestampMismatches = "status-156-timestamp-mismatch"
    case timestampsTooLow = "status-157-timestamp-lower-than-previous"
    case prefixSetMismatches = "status-159-prefix-set-does-not-match"
    case otherRefusals = "status-other-refusal"

    // Update Notifications (RFC 7077), Flow Mobility Initiates (RFC 7864) among them.
    case notificationsReceived = "update-notifications-received"
    case notificationsAccepted = "update-notifications-accepted"
    /// Status 128 and more, or no answer because none was asked for.
    case notificationsRefused = "update-notifications-refused"
    case notificationAcknowledgementsSent = "update-notification-acknowledgements-sent"
    /// From an address that is no anchor of ours, or to one that is not ours.
    case notificationsOfStrangers = "update-notifications-of-strangers"
    /// No MN-ID, or an option twice that may stand once.
    case malformedNotifications = "update-notifications-malformed"
    case duplicateNotifications = "update-notifications-duplicate"
    /// Before the registration was acknowledged, or while the kernel was busy for the node: left to a retransmission.
    case earlyNotifications = "update-notifications-early"
    /// A newer list of prefixes came before.
    case overtakenNotifications = "update-notifications-overtaken"
    case flowMobilityInitiatesReceived = "flow-mobility-initiates-received"

    // Deviations of anchors that were met and, as configured, accepted (`PeerDeviation`).
    case toleratedNULPaddedIdentifier = "tolerated-mn-id-nul-padding"
    case toleratedHostPrefixLength = "tolerated-hnp-length-128"
    case toleratedHostByteOrderTimestamp = "tolerated-timestamp-host-byte-order"
    case toleratedReservedAccessTechnology = "tolerated-att-zero"
    /// Retransmissions that kept their number.
    case toleratedSameSequence = "tolerated-same-sequence-on-retransmission"
    case toleratedMissingProxyFlag = "tolerated-pba-without-p-flag"
    case toleratedMissingHandoffOptions = "tolerated-pba-without-hi-att"
    case toleratedMissingTimestamp = "tolerated-timestamp-absent"
    /// Registrations that proposed the prefixes of the node map.
    case toleratedNoDynamicPrefix = "tolerated-no-dynamic-prefix"

    // Binding Error.
    /// The anchor does not know a message type of ours.
    case unrecognizedTypeErrors = "binding-errors-unrecognized-type"
    case otherBindingErrors = "binding-errors-other"
    /// Of a type that no peer has reason to send to a gateway.
    case strayMessages = "stray-messages"

    // Heartbeats (RFC 5847).
    case heartbeatRequestsSent = "heartbeat-requests-sent"
    case heartbeatRequestsReceived = "heartbeat-requests-received"
    case heartbeatResponsesSent = "heartbeat-responses-sent"
    case heartbeatResponsesReceived = "heartbeat-responses-received"
    /// Late, duplicated or forged.
    case heartbeatResponsesUnmatched = "heartbeat-responses-unmatched"
    /// From an address that is no anchor's.
    case heartbeatsFromStrangers = "heartbeats-from-strangers"
    case heartbeatsUnsupported = "heartbeats-unsupported"
    case anchorPathsFailed = "anchor-paths-failed"
    case anchorPathsRecovered = "anchor-paths-recovered"
    case anchorsRestarted = "anchors-restarted"
    /// Registered anew because the anchor had lost the binding.
    case bindingsLostByAnchor = "bindings-lost-by-anchor"

    // Binding revocation (RFC 5846).
    case revocationIndicationsReceived = "revocation-indications-received"
    case revocationAcknowledgementsSent = "revocation-acknowledgements-sent"
    /// From an address that is no anchor's, or to one that is not ours.
    case revocationsFromStrangers = "revocations-from-strangers"
    case bindingsRevoked = "bindings-revoked"
    case revocationIndicationsSent = "revocation-indications-sent"
    case revocationRetransmissions = "revocation-retransmissions"
    case revocationsAccepted = "revocations-accepted"
    case revocationsRefused = "revocations-refused"
    case revocationsUnanswered = "revocations-unanswered"
    case revocationsUnsupported = "revocations-unsupported"
    /// Not sent: the anchor has no revocation, or too many wait for an answer.
    case revocationsLeftOut = "revocations-left-out"
    /// Late, duplicated or forged.
    case revocationAcknowledgementsUnmatched = "revocation-acknowledgements-unmatched"

    // Data plane and access link.
    case installsFailed = "installs-failed"
    case advertisementsSent = "advertisements-sent"
    case withdrawalsSent = "withdrawals-sent"
    case probesSent = "probes-sent"
    case uplinksLost = "uplinks-lost"
    case uplinksReturned = "uplinks-returned"
  }

  private var values = [UInt64](repeating: 0, count: Counter.allCases.count)
  private static let positions = [Counter: Int](
    uniqueKeysWithValues: Counter.allCases.enumerated().map { ($0.element, $0.offset) })

  public init() {}

  public subscript(counter: Counter) -> UInt64 { Self.positions[counter].map { values[$0] } ?? 0 }

  mutating func count(_ counter: Counter, by amount: Int = 1) {
    guard let position = Self.positions[counter] else { return }
    values[position] &+= UInt64(amount)
  }

  /// Names and values, in the order of the cases.
  public var named: [(name: String, value: UInt64)] {
    zip(Counter.allCases, values).map { (name: $0.rawValue, value: $1) }
  }
}
