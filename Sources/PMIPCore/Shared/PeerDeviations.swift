import MobilityWire
import NetTypes

/// A way in which known implementations of the protocol leave the standards. Strict is the default; each is tolerated
/// only from a peer whose configuration names it, and counted as `tolerated-…` whenever it is met.
///
/// What needs no switch, because the standards allow it: options that are not aligned (RFC 6275 section 6.2 binds the
/// sender), a PBU without a Timestamp option (RFC 5213 section 5.5), a greater sequence number on a retransmission
/// (RFC 6275 section 11.8), any lifetime in a PBA that refuses (RFC 6275 section 6.1.8).
///
/// The raw values are the words of the configuration.
public enum PeerDeviation: String, CaseIterable, Hashable, Sendable, Codable {
  /// The NAI of the Mobile Node Identifier option ends in NUL octets, filling a fixed field (63 octets are seen). They
  /// are not part of the identifier (RFC 4283 section 3); an answer of ours repeats them, a request has none.
  case nulPaddedIdentifier = "mn-id-nul-padding"
  /// Prefix length 128 in a Home Network Prefix option that means the /64 of the address. We write it so, too.
  case hostPrefixLength = "hnp-length-128"
  /// Timestamps with the least significant octet first. We write them so, too.
  case hostByteOrderTimestamp = "timestamp-host-byte-order"
  /// Access technology type 0, which is reserved (RFC 5213 section 8.5).
  case reservedAccessTechnology = "att-zero"
  /// A request is repeated with the sequence number, and the timestamp, that it had. An anchor answers it once more;
  /// a gateway keeps the number for an anchor that expects it.
  case sameSequenceOnRetransmission = "same-sequence-on-retransmission"

  // Only anchors.
  /// A PBA without the P flag.
  case missingProxyFlag = "pba-without-p-flag"
  /// A PBA without the Handoff Indicator or the Access Technology Type option.
  case missingHandoffOptions = "pba-without-hi-att"
  /// A PBA without the Timestamp option that the PBU had: matched by sequence number alone.
  case missingTimestamp = "timestamp-absent"
  /// The anchor assigns nothing by itself: the gateway proposes the prefixes that its node map has.
  case noDynamicPrefix = "no-dynamic-prefix"

  /// What a gateway may be tolerated to do.
  public static let ofGateways: [PeerDeviation] = [
    .nulPaddedIdentifier, .hostPrefixLength, .hostByteOrderTimestamp, .reservedAccessTechnology,
    .sameSequenceOnRetransmission,
  ]
  /// What an anchor may be tolerated to do: everything.
  public static let ofAnchors = allCases

  fileprivate var bit: UInt16 {
    switch self {
    case .nulPaddedIdentifier: 1 << 0
    case .hostPrefixLength: 1 << 1
    case .hostByteOrderTimestamp: 1 << 2
    case .reservedAccessTechnology: 1 << 3
    case .sameSequenceOnRetransmission: 1 << 4
    case .missingProxyFlag: 1 << 5
    case .missingHandoffOptions: 1 << 6
    case .missingTimestamp: 1 << 7
    case .noDynamicPrefix: 1 << 8
    }
  }
}

/// A set of deviations: those that are tolerated from a peer, or those that a message shows.
public struct PeerDeviations: Hashable, Sendable, ExpressibleByArrayLiteral {
  private var bits: UInt16 = 0

  public init(_ deviations: some Sequence<PeerDeviation>) { for deviation in deviations { insert(deviation) } }
  public init(arrayLiteral deviations: PeerDeviation...) { self.init(deviations) }

  /// Strict: nothing.
  public static let none: PeerDeviations = []

  public var isEmpty: Bool { bits == 0 }
  public func contains(_ deviation: PeerDeviation) -> Bool { bits & deviation.bit != 0 }
  public mutating func insert(_ deviation: PeerDeviation) { bits |= deviation.bit }
  /// In the order of the cases.
  public var list: [PeerDeviation] { isEmpty ? [] : PeerDeviation.allCases.filter(contains) }
}

extension PeerDeviations: Codable {
  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode([PeerDeviation].self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(list)
  }
}

extension MobileNodeIdentifier {
  /// Without the NUL octets at the end of an NAI; nil when there are none, or nothing else.
  var withoutPadding: MobileNodeIdentifier? {
    guard subtype == 1, identifier.last == 0, let end = identifier.lastIndex(where: { $0 != 0 }) else { return nil }
    return MobileNodeIdentifier(subtype: subtype, identifier: Array(identifier[...end]))
  }
}

extension HomeNetworkPrefixOption {
  /// The option that was meant by a prefix length of 128; nil for any other.
  var asSlash64: HomeNetworkPrefixOption? {
    guard prefixLength == 128, !isAllZero else { return nil }
    return HomeNetworkPrefixOption(.slash64(address), offLink: offLink)
  }

  /// How a peer with `hostPrefixLength` writes this; other lengths than 64 stay.
  var asHost: HomeNetworkPrefixOption {
    guard prefixLength == 64, !isAllZero else { return self }
    return HomeNetworkPrefixOption(offLink: offLink, prefixLength: 128, address: address)
  }
}

extension NTPTimestamp {
  /// Read, or written, in the other byte order.
  var byteSwapped: NTPTimestamp { NTPTimestamp(rawValue: rawValue.byteSwapped) }

  /// Read in the other byte order, if that gives a time nearer to `clock`: a peer that was repaired is understood too.
  func byteSwapped(ifNearerTo clock: NTPTimestamp) -> NTPTimestamp? {
    byteSwapped.distance(to: clock) < distance(to: clock) ? byteSwapped : nil
  }
}
