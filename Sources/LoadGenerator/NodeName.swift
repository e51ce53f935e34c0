import MobilityWire
import NetTypes

/// The names of the generated nodes. A node is found in a message without decoding it, at a cost that does not matter
/// beside the system calls.
enum NodeName {
  static func linkLayerAddress(_ number: Int) -> LinkLayerAddress {
    LinkLayerAddress(bytes: [0x02, 0x10] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) })
      ?? .fixedGateway
  }

  /// The node that a PBU or a PBA is about: hexadecimal digits 5 to 12 of its MN-ID, which gateways derive from the
  /// link-layer address.
  static func number(in payload: ArraySlice<UInt8>) -> Int? {
    // Behind the fixed part of either message.
    var at = payload.startIndex + 12
    while at + 1 < payload.endIndex {
      if payload[at] == MobilityOptionType.pad1.rawValue {
        at += 1
        continue
      }
      // Type, length, subtype, digits.
      if payload[at] == MobilityOptionType.mobileNodeIdentifier.rawValue, at + 15 <= payload.endIndex {
        return payload[at + 7..<at + 15].reduce(0 as Int?) { number, digit in
          guard let number, let value = hexadecimal(digit) else { return nil }
          return number << 4 | value
        }
      }
      at += 2 + Int(payload[at + 1])
    }
    return nil
  }

  private static func hexadecimal(_ digit: UInt8) -> Int? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(digit - UInt8(ascii: "a")) + 10
    default: nil
    }
  }
}
