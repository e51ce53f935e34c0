import MobilityWire
import NetTypes

// Anchors that leave the standards, as `AnchorPolicy.tolerated` says. What they send is turned into what the standards
// say before anything else looks at it, and what they want to read is written last.
extension MobileAccessGateway {
  /// What a conforming anchor would have sent; nil: it lacks what it must have, which is counted.
  mutating func conforming(
    _ received: BindingAcknowledgement, from anchor: IPv6Address, at clock: NTPTimestamp
  ) -> BindingAcknowledgement? {
    var result = received
    if !received.isProxyRegistration {
      guard tolerates(.missingProxyFlag, of: anchor) else {
        counters.count(.notProxyAcknowledgements)
        return nil
      }
      result.flags.insert(.proxyRegistration)
    }
    if received.options.handoffIndicator == nil || received.options.accessTechnologyType == nil {
      guard tolerates(.missingHandoffOptions, of: anchor) else {
        counters.count(.acknowledgementsWithoutHandoffOptions)
        return nil
      }
    }
    guard !directory.deviations(of: anchor).isEmpty else { return result }
    result.options = MobilityOptions(received.options.compactMap { conforming($0, from: anchor, at: clock) })
    return result
  }

  /// nil for an option that says nothing.
  private mutating func conforming(
    _ option: MobilityOption, from anchor: IPv6Address, at clock: NTPTimestamp
  ) -> MobilityOption? {
    switch option {
    case .mobileNodeIdentifier(let padded):
      guard let node = padded.withoutPadding, tolerates(.nulPaddedIdentifier, of: anchor) else { return option }
      return .mobileNodeIdentifier(node)
    case .homeNetworkPrefix(let host):
      guard let prefix = host.asSlash64, tolerates(.hostPrefixLength, of: anchor) else { return option }
      return .homeNetworkPrefix(prefix)
    case .accessTechnologyType(.reserved):
      return tolerates(.reservedAccessTechnology, of: anchor) ? nil : option
    case .timestamp(let swapped):
      guard let timestamp = swapped.byteSwapped(ifNearerTo: clock), tolerates(.hostByteOrderTimestamp, of: anchor)
      else { return option }
      return .timestamp(timestamp)
    default: return option
    }
  }

  /// An answer to a PBU with a Timestamp option has one too (RFC 5213 section 5.3.6).
  mutating func hasTimestamp(
    _ acknowledgement: BindingAcknowledgement, as transmission: OutstandingRequest.Transmission,
    from anchor: IPv6Address
  ) -> Bool {
    acknowledgement.options.timestamp != nil || transmission.timestamp == nil
      || tolerates(.missingTimestamp, of: anchor)
  }

  /// The message as the anchor reads it.
  func spoken(_ update: BindingUpdate, to anchor: IPv6Address) -> BindingUpdate {
    let tolerated = directory.deviations(of: anchor)
    guard tolerated.contains(.hostPrefixLength) || tolerated.contains(.hostByteOrderTimestamp) else { return update }
    var result = update
    result.options = MobilityOptions(
      update.options.map { option in
        switch option {
        case .homeNetworkPrefix(let prefix) where tolerated.contains(.hostPrefixLength):
          .homeNetworkPrefix(prefix.asHost)
        case .timestamp(let timestamp) where tolerated.contains(.hostByteOrderTimestamp):
          .timestamp(timestamp.byteSwapped)
        default: option
        }
      })
    return result
  }

  /// The number of the last transmission, for an anchor that wants to see it again. Status 135 has replaced it.
  mutating func repeatedSequence(of entry: BindingUpdateListEntry) -> UInt16? {
    guard let last = entry.request?.transmissions.last?.sequence, last == entry.sequence,
      tolerates(.sameSequenceOnRetransmission, of: entry.anchorAddress)
    else { return nil }
    return last
  }

  /// Asked when the deviation was met: counts it.
  private mutating func tolerates(_ deviation: PeerDeviation, of anchor: IPv6Address) -> Bool {
    guard directory.deviations(of: anchor).contains(deviation) else { return false }
    counters.count(MAGCounters.Counter(tolerated: deviation))
    return true
  }
}

extension MAGCounters.Counter {
  fileprivate init(tolerated deviation: PeerDeviation) {
    switch deviation {
    case .nulPaddedIdentifier: self = .toleratedNULPaddedIdentifier
    case .hostPrefixLength: self = .toleratedHostPrefixLength
    case .hostByteOrderTimestamp: self = .toleratedHostByteOrderTimestamp
    case .reservedAccessTechnology: self = .toleratedReservedAccessTechnology
    case .sameSequenceOnRetransmission: self = .toleratedSameSequence
    case .missingProxyFlag: self = .toleratedMissingProxyFlag
    case .missingHandoffOptions: self = .toleratedMissingHandoffOptions
    case .missingTimestamp: self = .toleratedMissingTimestamp
    case .noDynamicPrefix: self = .toleratedNoDynamicPrefix
    }
  }
}
