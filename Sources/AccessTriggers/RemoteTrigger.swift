import NetTypes

/// Why a remote attachment trigger is not taken.
public enum RemoteTriggerFault: String, Error, Hashable, Sendable, CaseIterable {
  case tooShort = "too-short"
  /// More octets than the message has.
  case trailing = "trailing-octets"
  /// Other octets than `FMAT` at the start.
  case magic = "no-trigger"
  case version = "unknown-version"
  case event = "unknown-event"
  /// No access point has this key.
  case unknownKey = "unknown-key"
  case authenticator = "bad-authenticator"
  /// Outside the allowed difference between the clocks.
  case clock = "clock-skew"
  /// Not newer than what the access point has said of the station, or older than this gateway's start.
  case replayed = "replayed"
}

/// The paper's AttachmentTrigger: what an access point tells the gateway about a station (paper, section 4.1).
///
/// ```
///  0         1         2         3         4         5         6         7
///  +---------+---------+---------+---------+---------+---------+---------+---------+
///  |  'F'       'M'       'A'       'T'    | version | event   |     reserved      |
///  +---------+---------+---------+---------+---------+---------+---------+---------+
///  |               key id                  |            microseconds               |
///  +---------+---------+---------+---------+---------+---------+---------+---------+
///  |         since 1970-01-01T00:00Z       |               station                 |
///  +---------+---------+---------+---------+---------+---------+---------+---------+
///  |      station      |    HMAC-SHA-256 of all octets before it, 32 octets ...
///  +---------+---------+
/// ```
///
/// Numbers are in network order. Version 1; event 1: up, 2: down, 3: inactive. The gateway answers what it takes with
/// the same message, 128 added to the event and the code made anew.
public struct RemoteTrigger: Hashable, Sendable {
  public enum Event: UInt8, Hashable, Sendable, CaseIterable {
    case up = 1
    case down = 2
    case inactive = 3
  }

  static let magic: [UInt8] = Array("FMAT".utf8)
  static let version: UInt8 = 1
  static let acknowledgement: UInt8 = 0x80
  static let bodyLength = 26
  /// Octets.
  public static let length = bodyLength + HMACSHA256.length

  public var event: Event
  public var keyIdentifier: UInt32
  /// Microseconds since 1970-01-01T00:00Z.
  public var time: UInt64
  public var station: LinkLayerAddress

  public init(event: Event, keyIdentifier: UInt32, time: UInt64, station: LinkLayerAddress) {
    self.event = event
    self.keyIdentifier = keyIdentifier
    self.time = time
    self.station = station
  }

  /// - Parameter key: the key of that number; nil: there is none.
  public static func decode(
    _ datagram: [UInt8], key: (UInt32) -> [UInt8]?
  ) throws(RemoteTriggerFault) -> RemoteTrigger {
    var reader = ByteReader(datagram, orThrow: RemoteTriggerFault.tooShort)
    guard Array(try reader.octets(magic.count)) == magic else { throw .magic }
    guard try reader.uint8() == version else { throw .version }
    let event = try reader.uint8()
    try reader.skip(2)
    let keyIdentifier = try reader.uint32()
    let time = try reader.uint64()
    let station = try reader.linkLayerAddress()
    let code = try reader.octets(HMACSHA256.length)
    guard reader.isAtEnd else { throw .trailing }
    guard let key = key(keyIdentifier) else { throw .unknownKey }
    guard code.equalsInConstantTime(HMACSHA256.code(of: datagram[..<bodyLength], key: key)) else {
      throw .authenticator
    }
    guard let event = Event(rawValue: event) else { throw .event }
    return RemoteTrigger(event: event, keyIdentifier: keyIdentifier, time: time, station: station)
  }

  public func encode(key: [UInt8]) -> [UInt8] { encode(event.rawValue, key: key) }

  /// What the gateway answers.
  public func acknowledgement(key: [UInt8]) -> [UInt8] { encode(event.rawValue | Self.acknowledgement, key: key) }

  private func encode(_ event: UInt8, key: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(capacity: Self.length)
    writer.write(Self.magic)
    writer.write(Self.version)
    writer.write(event)
    writer.writeZeros(2)
    writer.write(keyIdentifier)
    writer.write(time)
    writer.write(station)
    writer.write(HMACSHA256.code(of: writer.bytes, key: key))
    return writer.bytes
  }
}
