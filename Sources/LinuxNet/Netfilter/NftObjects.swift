/// Address family of a table.
public enum NftFamily: UInt8, Hashable, Sendable {
  /// IPv4 and IPv6 alike.
  case inet = 1
  /// Packets of single interfaces, before and behind all network protocols; its chains are `NftDeviceChain`s.
  case netdev = 5
  case ipv6 = 10

  /// As the `nft` tool writes it.
  public var name: String {
    switch self {
    case .inet: "inet"
    case .netdev: "netdev"
    case .ipv6: "ip6"
    }
  }
}

/// Name and family of a table; everything else lives in one.
public struct NftTable: Hashable, Sendable, CustomStringConvertible {
  public var family: NftFamily
  public var name: String

  public init(family: NftFamily = .ipv6, name: String) {
    self.family = family
    self.name = name
  }

  public var description: String { "nft table \(family.name) \(name)" }
}

/// How a base chain hangs on the packet path.
public struct NftBaseChain: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable {
    case filter
    /// In the output hook: a packet whose mark changed is routed again.
    case route
  }

  /// The numbers are those of `enum nf_inet_hooks`.
  public enum Hook: UInt32, Hashable, Sendable {
    case prerouting = 0
    case input, forward, output, postrouting
  }

  public var kind: Kind
  public var hook: Hook
  /// Lower runs earlier. Known places: raw -300, conntrack -200, mangle -150, filter 0.
  public var priority: Int32

  public static let manglePriority: Int32 = -150

  public init(kind: Kind = .filter, hook: Hook, priority: Int32) {
    self.kind = kind
    self.hook = hook
    self.priority = priority
  }
}

/// Type and length of one field of a key. The number is the data type that the `nft` tool uses when it prints the key;
/// the kernel does not look at it.
public struct NftField: Hashable, Sendable {
  public var dataType: UInt32
  /// 1...16 octets.
  public var octets: Int

  public init(dataType: UInt32, octets: Int) {
    self.dataType = dataType
    self.octets = octets
  }

  public static let ipv6Address = NftField(dataType: 8, octets: 16)
  public static let transportProtocol = NftField(dataType: 12, octets: 1)
  public static let port = NftField(dataType: 13, octets: 2)
  /// Two ports with their padding but the last. `nft` prints a link-layer address: 4000 and 5000 are
  /// `0f:a0:00:00:13:88`.
  public static let portPair = NftField(dataType: 9, octets: 6)
  public static let mark = NftField(dataType: 19, octets: 4)
  /// Two of them, as the value of a map.
  public static let markPair = NftField(dataType: 19 << 6 | 19, octets: 8)
  public static let icmpv6Type = NftField(dataType: 29, octets: 1)
  /// `nft` has no type of 4 octets in network order that prints as a number; the nearest is an IPv4 address.
  public static let flowLabel = NftField(dataType: 7, octets: 4)
  public static let fragmentIdentification = NftField(dataType: 7, octets: 4)
}

/// A set or a map.
public struct NftSet: Hashable, Sendable {
  public enum Value: Hashable, Sendable {
    case none
    case verdict
    case data(NftField)
  }

  public var name: String
  /// The fields of the key; several are concatenated. At most 64 octets with padding.
  public var key: [NftField]
  public var value: Value
  /// Elements may carry a timeout, and leave when it has passed.
  public var hasTimeout: Bool
  /// Timeout of elements that do not bring their own.
  public var defaultTimeout: Duration?
  /// How often expired elements are swept; nil leaves it to the kernel.
  public var sweepInterval: Duration?
  /// Rules may add elements (`NftExpression.dynamicSet`).
  public var isDynamic: Bool
  /// Every element counts the packets and octets that hit it.
  public var countsHits: Bool
  /// The kernel refuses further elements with ENFILE; nil for no bound.
  public var maximumElements: UInt32?

  public init(
    name: String, key: [NftField], value: Value = .none, hasTimeout: Bool = false, defaultTimeout: Duration? = nil,
    sweepInterval: Duration? = nil, isDynamic: Bool = false, countsHits: Bool = false, maximumElements: UInt32? = nil
  ) {
    self.name = name
    self.key = key
    self.value = value
    self.hasTimeout = hasTimeout
    self.defaultTimeout = defaultTimeout
    self.sweepInterval = sweepInterval
    self.isDynamic = isDynamic
    self.countsHits = countsHits
    self.maximumElements = maximumElements
  }

  /// Octets of the key in registers, every field padded to a word.
  public var keyOctets: Int { key.reduce(0) { $0 + NftRegister.words(forOctets: $1.octets) * NftRegister.width } }
}

/// Packets and octets that a rule or an element saw.
public struct NftCounter: Hashable, Sendable {
  public var packets: UInt64
  public var octets: UInt64

  public init(packets: UInt64 = 0, octets: UInt64 = 0) {
    self.packets = packets
    self.octets = octets
  }
}

/// An element of a set or map, as given to the kernel or read from it.
public struct NftElement: Hashable, Sendable {
  public enum Value: Hashable, Sendable {
    case verdict(NftVerdict)
    case data([UInt8])
  }

  /// The whole key with padding; build it with `NftKey`.
  public var key: [UInt8]
  public var value: Value?
  /// Millisecond resolution; nil takes the set's default.
  public var timeout: Duration?
  /// Time left of the timeout. Given when adding, the element starts with just that; nil starts with the full timeout.
  public var expiration: Duration?
  /// Opaque, at most 256 octets.
  public var userData: [UInt8]
  /// Given when adding to a set that counts: where the counter starts, so that a moved flow keeps its counts.
  public var counter: NftCounter?

  public init(
    key: [UInt8], value: Value? = nil, timeout: Duration? = nil, expiration: Duration? = nil, userData: [UInt8] = [],
    counter: NftCounter? = nil
  ) {
    self.key = key
    self.value = value
    self.timeout = timeout
    self.expiration = expiration
    self.userData = userData
    self.counter = counter
  }
}

/// A rule read from the kernel.
public struct NftRuleRecord: Hashable, Sendable {
  public var chain: String
  public var handle: UInt64
  public var comment: String?
  /// Sum of the counters in the rule; nil when it has none.
  public var counter: NftCounter?
}

/// A chain read from the kernel.
public struct NftChainRecord: Hashable, Sendable {
  public var name: String
  public var handle: UInt64
  /// nil for a regular chain and for a chain of family netdev.
  public var base: NftBaseChain?
  /// Rules and elements that refer to it, and its own rules.
  public var uses: UInt32
}
