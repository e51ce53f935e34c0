import MobilityWire
import NetTypes

extension MobilityMessage {
  /// The fixed part of the message: keys and values of the reference vectors.
  var fields: JSONObject {
    switch self {
    case .bindingRefreshRequest: [:]
    case .bindingUpdate(let update):
      [
        "sequence": .int(update.sequence), "flags": .array(update.flags.letters),
        "flagsHex": .hex(update.flags.rawValue),
        "lifetime": .int(update.lifetime.rawValue),
        "lifetimeSeconds": .int(update.lifetime.duration.components.seconds),
      ]
    case .bindingAcknowledgement(let acknowledgement):
      [
        "status": .int(acknowledgement.status.rawValue), "flags": .array(acknowledgement.flags.letters),
        "flagsHex": .hex(acknowledgement.flags.rawValue), "sequence": .int(acknowledgement.sequence),
        "lifetime": .int(acknowledgement.lifetime.rawValue),
        "lifetimeSeconds": .int(acknowledgement.lifetime.duration.components.seconds),
      ]
    case .bindingError(let error):
      ["status": .int(error.status), "homeAddress": .text(error.homeAddress)]
    case .heartbeat(let heartbeat):
      [
        "response": .bool(heartbeat.isResponse), "unsolicited": .bool(heartbeat.flags.contains(.unsolicited)),
        "sequence": .int(heartbeat.sequence),
      ]
    case .bindingRevocation(let revocation): revocation.fields
    case .updateNotification(let notification):
      [
        "sequence": .int(notification.sequence), "reason": .int(notification.reason.rawValue),
        "ackRequested": .bool(notification.flags.contains(.acknowledge)),
        "retransmission": .bool(notification.flags.contains(.retransmission)),
      ]
    case .updateNotificationAcknowledgement(let acknowledgement):
      ["sequence": .int(acknowledgement.sequence), "status": .int(acknowledgement.status.rawValue)]
    }
  }
}

extension BindingRevocation {
  fileprivate var fields: JSONObject {
    var fields: JSONObject =
      switch kind {
      case .indication(let trigger): ["revocationType": .integer(1), "trigger": .int(trigger.rawValue)]
      case .acknowledgement(let status): ["revocationType": .integer(2), "status": .int(status.rawValue)]
      }
    fields.append("sequence", .int(sequence))
    fields.append("P", .bool(flags.contains(.proxyBinding)))
    fields.append("V", .bool(flags.contains(.ipv4HomeAddressBinding)))
    fields.append("G", .bool(flags.contains(.global)))
    return fields
  }
}

extension BindingUpdateFlags {
  /// Most significant bit first; undefined bits show in the hexadecimal value only.
  fileprivate var letters: [JSONValue] { letters(of: "AHLKMRPFTBSD") }
}

extension BindingAcknowledgementFlags {
  /// As those of the Binding Update.
  fileprivate var letters: [JSONValue] { letters(of: "KRPTBSD") }
}

extension RawRepresentable where RawValue: FixedWidthInteger & UnsignedInteger {
  /// `names`: of the most significant bit and those below it.
  fileprivate func letters(of names: String) -> [JSONValue] {
    names.enumerated().compactMap { index, letter in
      rawValue & (1 << (RawValue.bitWidth - 1 - index)) == 0 ? nil : .text(letter)
    }
  }
}

extension JSONValue {
  /// `0x` and all digits of the field.
  static func hex(_ value: some FixedWidthInteger & UnsignedInteger) -> JSONValue {
    let digits = String(value, radix: 16)
    return .string("0x" + String(repeating: "0", count: type(of: value).bitWidth / 4 - digits.count) + digits)
  }
}
