/// Why a message cannot be put on the wire. All of these are faults of the sender's own making.
public enum EncodeError: Error, Hashable, Sendable {
  /// The message would take `octets`, above `MobilityHeader.maximumOctets`.
  case messageTooLong(octets: Int)
  /// The data of an option would take `octets`, above the 255 that its Length octet can say.
  case optionTooLong(MobilityOptionType, octets: Int)
  /// A flow-mob option, but `CodePoints` gives it no type.
  case flowMobilityWithoutCodePoint
  /// An unknown option with the type of Pad1 or PadN.
  case paddingAsOption(MobilityOptionType)
  /// A field of an option, or a list in it, holds what the wire has no room for.
  case fieldOutOfRange(MobilityOptionType)
}

extension EncodeError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .messageTooLong(let octets):
      "message of \(octets) octets; a Mobility Header holds \(MobilityHeader.maximumOctets): send fewer options"
    case .optionTooLong(let type, let octets):
      "\(type) with \(octets) octets of data; an option holds 255"
    case .flowMobilityWithoutCodePoint:
      "flow-mob option without a type: configure its code point"
    case .paddingAsOption(let type):
      "\(type) given as an option: padding is placed by the encoder"
    case .fieldOutOfRange(let type):
      "\(type) with a field out of its range: see the ranges of its type"
    }
  }
}
