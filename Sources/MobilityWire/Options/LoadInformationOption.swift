import NetTypes

//  Load Information option, RFC 6463 section 4.3. Type 48, alignment 4n; in Proxy Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 48   |  Length = 18  |           Priority            |
//  +---------------+---------------+-------------------------------+
//  |                        Sessions in Use                        |
//  +---------------------------------------------------------------+
//  |                       Maximum Sessions                        |
//  +---------------------------------------------------------------+
//  |                   Used Capacity (kbyte/s)                     |
//  +---------------------------------------------------------------+
//  |                  Maximum Capacity (kbyte/s)                   |
//  +---------------------------------------------------------------+

/// How busy an anchor is (RFC 6463 section 4.3).
public struct LoadInformation: Hashable, Sendable {
  /// Compares the anchors of one domain.
  public var priority: UInt16
  public var sessionsInUse: UInt32
  public var maximumSessions: UInt32
  /// kbyte/s.
  public var usedCapacity: UInt32
  /// kbyte/s.
  public var maximumCapacity: UInt32

  public init(
    priority: UInt16, sessionsInUse: UInt32, maximumSessions: UInt32, usedCapacity: UInt32, maximumCapacity: UInt32
  ) {
    self.priority = priority
    self.sessionsInUse = sessionsInUse
    self.maximumSessions = maximumSessions
    self.usedCapacity = usedCapacity
    self.maximumCapacity = maximumCapacity
  }
}

extension LoadInformation: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    priority = try body.uint16()
    sessionsInUse = try body.uint32()
    maximumSessions = try body.uint32()
    usedCapacity = try body.uint32()
    maximumCapacity = try body.uint32()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(priority)
    writer.write(sessionsInUse)
    writer.write(maximumSessions)
    writer.write(usedCapacity)
    writer.write(maximumCapacity)
  }
}
