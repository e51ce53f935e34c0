import NetTypes

//  Binding Refresh Request, RFC 6275 section 6.1.2. MH type 0.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +-------------------------------+
//                                  |           Reserved            |
//  +-------------------------------+-------------------------------+
//  |                       Mobility Options                        |

/// Binding Refresh Request, RFC 6275 section 6.1.2: asks for a new Binding Update.
public struct BindingRefreshRequest: Hashable, Sendable {
  public var options: MobilityOptions

  public init(options: MobilityOptions = MobilityOptions()) { self.options = options }
}

extension BindingRefreshRequest: MobilityMessageBody {
  static let fixedPartEnd = 8

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    try body.skip(2)
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) { writer.write(UInt16(0)) }

  var message: MobilityMessage { .bindingRefreshRequest(self) }
}
