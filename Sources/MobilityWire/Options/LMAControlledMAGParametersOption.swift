import NetTypes

//  LMA-Controlled MAG Parameters option, RFC 8127 section 3. Type 62, alignment 4n+2; in PBAs.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 62   |  Length = n   |
//  +-------------------------------+---------------+---------------+
//  |  Sub-options (n octets)  ...
//
//  Binding Re-registration Control, RFC 8127 section 3.1.1.
//  +---------------+---------------+-------------------------------+
//  |    Type 1     |  Length = 6   | Re-registration Start Time    |
//  +---------------+---------------+-------------------------------+
//  |  Initial Retransmission Time  |  Maximum Retransmission Time  |
//  +-------------------------------+-------------------------------+
//
//  Heartbeat Control, RFC 8127 section 3.1.2.
//  +---------------+---------------+-------------------------------+
//  |    Type 2     |  Length = 6   |      Heartbeat Interval       |
//  +---------------+---------------+-------------------------------+
//  |     Retransmission Delay      |  Maximum Retransmissions      |
//  +-------------------------------+-------------------------------+

/// Timers that an anchor sets at its gateways (RFC 8127 section 3).
struct LMAControlledMAGParametersOption: MobilityOptionBody {
  /// In wire order.
  var subOptions: [LMAControlledMAGSubOption]
}

/// One group of timers, RFC 8127 section 3.1.
public enum LMAControlledMAGSubOption: Hashable, Sendable, Codable {
  /// `startTime`: before the end of the lifetime, units of 4 s; the retransmission times in seconds.
  case reregistration(startTime: UInt16, initialRetransmission: UInt16, maximumRetransmission: UInt16)
  /// `interval` and `retransmissionDelay` in seconds.
  case heartbeat(interval: UInt16, retransmissionDelay: UInt16, maximumRetransmissions: UInt16)
  /// Kept and re-encoded unchanged.
  case unknown(type: UInt8, data: [UInt8])
}

extension LMAControlledMAGParametersOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    subOptions = []
    while var element = try SubOptionElement(decoding: &body) {
      subOptions.append(try LMAControlledMAGSubOption(type: element.type, decoding: &element.body))
    }
  }

  func encode(into writer: inout ByteWriter) { for option in subOptions { option.encode(into: &writer) } }
}

extension LMAControlledMAGSubOption {
  private enum Number {
    static let reregistration: UInt8 = 1
    static let heartbeat: UInt8 = 2
  }

  init(type: UInt8, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    switch type {
    case Number.reregistration:
      self = .reregistration(
        startTime: try body.uint16(), initialRetransmission: try body.uint16(),
        maximumRetransmission: try body.uint16())
    case Number.heartbeat:
      self = .heartbeat(
        interval: try body.uint16(), retransmissionDelay: try body.uint16(), maximumRetransmissions: try body.uint16())
    default: self = .unknown(type: type, data: Array(body.rest()))
    }
    guard body.isAtEnd else { throw body.failure }
  }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .reregistration(let startTime, let initialRetransmission, let maximumRetransmission):
      writer.writeElement(Number.reregistration) {
        for value in [startTime, initialRetransmission, maximumRetransmission] { $0.write(value) }
      }
    case .heartbeat(let interval, let retransmissionDelay, let maximumRetransmissions):
      writer.writeElement(Number.heartbeat) {
        for value in [interval, retransmissionDelay, maximumRetransmissions] { $0.write(value) }
      }
    case .unknown(let type, let data): writer.writeElement(type) { $0.write(data) }
    }
  }
}
