import NetTypes

/// The key of the map from flows to tunnels, as registers and as set fields:
///
///     saddr (16) . daddr (16) [. flow label (4)] . protocol (1 + 3) . port (2 + 2) . port (2 + 2)
///
/// Words 0...10 or 0...11; the rest of the register file stays free for data.
public struct NftFlowKey: Hashable, Sendable {
  /// Where a protocol keeps what the port fields of the key hold.
  public enum Ports: Hashable, Sendable {
    /// The first four octets of the transport header: ports, or the halves of an ESP SPI.
    case leading
    /// ICMPv6 echo: the identifier as source port, 0 as destination port.
    case echoIdentifier
    /// Both 0.
    case none
  }

  /// Where the protocol of the key comes from.
  public enum ProtocolField: Hashable, Sendable {
    /// Behind all extension headers.
    case transport
    /// The Next Header field of the IPv6 header: the same in packets without extension headers, and loaded in less time.
    case nextHeader
  }

  public var hasFlowLabel: Bool

  public init(hasFlowLabel: Bool) { self.hasFlowLabel = hasFlowLabel }

  /// For `NftSet.key`. The `nft` tool knows at most five fields in a key, so beside a flow label the two ports are
  /// declared as one field.
  public var fields: [NftField] {
    hasFlowLabel
      ? [.ipv6Address, .ipv6Address, .flowLabel, .transportProtocol, .portPair]
      : [.ipv6Address, .ipv6Address, .transportProtocol, .port, .port]
  }

  /// Loads the key of a packet into the words from 0 on. Look it up with `key: .word(0)`.
  public func load(_ ports: Ports, _ protocolField: ProtocolField = .transport) -> [NftExpression] {
    var expressions = [IPv6Field.addresses.load(into: .word(0))]
    var word = 8
    if hasFlowLabel {
      expressions.append(IPv6Field.firstWord.load(into: .word(word)))
      expressions.append(
        .bitwise(
          .word(word), into: .word(word), mask: NftExpression.networkOrder(UInt32(0x000f_ffff)), xor: [0, 0, 0, 0]))
      word += 1
    }
    switch protocolField {
    case .transport: expressions.append(.metaLoad(.transportProtocol, into: .word(word)))
    case .nextHeader: expressions.append(IPv6Field.nextHeader.load(into: .word(word)))
    }
    let (source, destination) = (NftRegister.word(word + 1), NftRegister.word(word + 2))
    let zero = [UInt8](repeating: 0, count: NftRegister.width)
    switch ports {
    case .leading:
      expressions.append(.payloadLoad(base: .transport, offset: 0, length: 2, into: source))
      expressions.append(.payloadLoad(base: .transport, offset: 2, length: 2, into: destination))
    case .echoIdentifier:
      expressions.append(.payloadLoad(base: .transport, offset: 4, length: 2, into: source))
      expressions.append(.immediate(zero, into: destination))
    case .none:
      expressions.append(.immediate(zero, into: source))
      expressions.append(.immediate(zero, into: destination))
    }
    return expressions
  }

  /// The key of an element. `label` is left out when the key has none.
  public func bytes(
    source: IPv6Address, destination: IPv6Address, label: UInt32, transport: UInt8, sourcePort: UInt16,
    destinationPort: UInt16
  ) -> [UInt8] {
    var key = NftKey()
    key.append(source)
    key.append(destination)
    if hasFlowLabel { key.append(label & 0x000f_ffff) }
    key.append(transport)
    key.append(sourcePort)
    key.append(destinationPort)
    return key.bytes
  }
}

/// Carries the mark of a fragmented packet's first fragment, the only one with ports, to the later ones: a dynamic map
/// saddr . daddr . identification (RFC 8200 section 4.5) → mark.
///
/// The kernel keeps the whole mark word in the map, because a rule cannot merge two registers before Linux 6.14.
/// Fragments that overtake their first fragment are not found and go on unmarked.
public struct NftFragmentMap: Hashable, Sendable {
  public var name: String
  /// RFC 8200 gives reassembly 60 seconds.
  public var timeout: Duration
  /// Fragmented packets under way at once; further ones are not recorded.
  public var maximumElements: UInt32

  public init(name: String, timeout: Duration = .seconds(60), maximumElements: UInt32 = 65_536) {
    self.name = name
    self.timeout = timeout
    self.maximumElements = maximumElements
  }

  private static let fragmentHeader: UInt8 = 44

  public var set: NftSet {
    NftSet(
      name: name, key: [.ipv6Address, .ipv6Address, .fragmentIdentification], value: .data(.mark), hasTimeout: true,
      defaultTimeout: timeout, isDynamic: true, maximumElements: maximumElements)
  }

  /// For a rule that stands before the flow lookup: a later fragment takes the recorded mark. Ends the rule for packets
  /// that are not later fragments and for those not found; append a verdict to keep the marked ones from the rest.
  public var restoreMark: [NftExpression] {
    matchOffset(.notEqual) + loadKey + [
      .lookup(set: name, key: .word(0), into: .word(0), inverted: false),
      .metaSet(.mark, from: .word(0)),
    ]
  }

  /// Matches first fragments.
  public var matchFirst: [NftExpression] { matchOffset(.equal) }

  /// For a rule that stands behind the flow lookup: a first fragment with a mark under `mask` records its mark. Ends the
  /// rule when there is no room.
  public func recordMark(mask: UInt32) -> [NftExpression] {
    matchOffset(.equal) + NftExpression.matchMark(0, mask: mask, .notEqual) + loadKey + [
      .metaLoad(.mark, into: .word(9)),
      .dynamicSet(.update, set: name, key: .word(0), data: .word(9), timeout: nil),
    ]
  }

  /// Matches packets with a fragment header whose offset is (not) zero. The lower three bits are flags.
  private func matchOffset(_ comparison: NftExpression.Comparison) -> [NftExpression] {
    [
      .extensionHeaderLoad(type: Self.fragmentHeader, offset: 2, length: 2, into: .word(0)),
      .bitwise(.word(0), into: .word(0), mask: [0xff, 0xf8], xor: [0, 0]),
      .compare(.word(0), comparison, [0, 0]),
    ]
  }

  private var loadKey: [NftExpression] {
    [
      IPv6Field.sourceAddress.load(into: .word(0)),
      IPv6Field.destinationAddress.load(into: .word(4)),
      .extensionHeaderLoad(type: Self.fragmentHeader, offset: 4, length: 4, into: .word(8)),
    ]
  }
}
