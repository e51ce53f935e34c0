import MobilityWire
import NetTypes

/// Bounds that the standards set, and those this suite sets where they are silent. Defaults of configurable values
/// stand with the configuration types.
enum ProtocolConstants {
  /// Lifetimes travel in units of 4 s in 16 bits (RFC 6275 section 6.1.7).
  static let lifetimeUnit = Duration.seconds(4)
  static let maximumLifetime = Duration.seconds(262_140)

  /// A Mobility Header is at most 2,048 octets long (RFC 6275 section 6.1.1). With the longest identifiers (255
  /// octets each) and every other option of a PBA there is room for this many options of 24 octets: home network
  /// prefixes and off-link prefixes together.
  static let maximumPrefixesPerAcknowledgement = 60

  /// Mobility option types up to here are assigned by IANA.
  static let lastAssignedOptionType: UInt8 = 70

  /// Between messages of one kind to or about different peers or nodes when all of them need one: after a restart or a
  /// change of configuration.
  static let pacing: Duration = .milliseconds(10)

  /// After this long a neighbour that was probed and has gone is known to be gone: MAX_UNICAST_SOLICIT (3) times
  /// RETRANS_TIMER (1 s) of RFC 4861 section 10, and as much again as the news may take.
  static let presenceCheck: Duration = .seconds(5)

  /// What an anchor answers to a gateway that asks for a link-local address: the one that RFC 6543 reserves for
  /// exactly this, so it cannot be the node's own and is the same on every access link.
  static let gatewayLinkLocalAddress = LinkLayerAddress.fixedGateway.linkLocalAddress
}
