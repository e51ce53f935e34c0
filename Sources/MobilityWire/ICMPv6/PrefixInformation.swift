import NetTypes

//  Prefix Information option, RFC 4861 section 4.6.2. Type 3.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+-+-+-----------+
//  |   Type = 3    |  Length = 4   | Prefix Length |L|A|  Reserved |
//  +---------------+---------------+---------------+-+-+-----------+
//  |                    Valid Lifetime (seconds)                   |
//  +---------------------------------------------------------------+
//  |                  Preferred Lifetime (seconds)                 |
//  +---------------------------------------------------------------+
//  |                           Reserved                            |
//  +---------------------------------------------------------------+
//  |                      Prefix (16 octets)                       |
//  +---------------------------------------------------------------+

/// A prefix that a router advertises.
public struct PrefixInformation: Hashable, Sendable {
  public static let infinite = UInt32.max

  public var prefix: IPv6Prefix
  /// L: addresses of the prefix are on this link.
  public var onLink: Bool
  /// A: addresses may be formed from it (RFC 4862).
  public var autonomous: Bool
  /// Seconds; `infinite` for ever, 0 withdraws.
  public var validLifetime: UInt32
  /// Seconds, not above `validLifetime`.
  public var preferredLifetime: UInt32

  public init(
    prefix: IPv6Prefix, onLink: Bool = true, autonomous: Bool = true, validLifetime: UInt32, preferredLifetime: UInt32
  ) {
    self.prefix = prefix
    self.onLink = onLink
    self.autonomous = autonomous
    self.validLifetime = validLifetime
    self.preferredLifetime = preferredLifetime
  }
}

extension PrefixInformation {
  /// Octets behind Type and Length.
  static let octets = 30
  private static let onLinkFlag: UInt8 = 0x80
  private static let autonomousFlag: UInt8 = 0x40

  /// nil when the prefix length is above 128: RFC 4861 defines no fault for it, so the option is ignored.
  init?(decoding body: inout ByteReader<ICMPv6DecodeError>) throws(ICMPv6DecodeError) {
    let length = Int(try body.uint8())
    let flags = try body.uint8()
    validLifetime = try body.uint32()
    preferredLifetime = try body.uint32()
    try body.skip(4)
    guard let prefix = IPv6Prefix(try body.ipv6Address(), length: length) else { return nil }
    self.prefix = prefix
    onLink = flags & Self.onLinkFlag != 0
    autonomous = flags & Self.autonomousFlag != 0
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(UInt8(prefix.length))
    writer.write((onLink ? Self.onLinkFlag : 0) | (autonomous ? Self.autonomousFlag : 0))
    writer.write(validLifetime)
    writer.write(preferredLifetime)
    writer.writeZeros(4)
    writer.write(prefix.address)
  }
}
