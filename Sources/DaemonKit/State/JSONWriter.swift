import NetTypes

/// JSON, octet by octet. For records that are stored a hundred thousand times a second, where the generic encoder would
/// cost more than all the rest of a registration. It checks nothing: the caller writes the punctuation.
public struct JSONWriter {
  public private(set) var bytes: [UInt8] = []

  public init(capacity: Int = 768) { bytes.reserveCapacity(capacity) }

  /// Punctuation and keys.
  public mutating func write(literally text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  public mutating func write(_ number: some UnsignedInteger & FixedWidthInteger) {
    var rest = UInt64(number)
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }

  public mutating func write(_ value: Bool) { write(literally: value ? "true" : "false") }

  /// A string that needs no escapes.
  public mutating func write(plain text: String) {
    quoted { $0.append(contentsOf: text.utf8) }
  }

  public mutating func write(_ address: IPv6Address) {
    quoted { address.write(to: &$0) }
  }

  public mutating func write(_ prefix: IPv6Prefix) {
    bytes.append(UInt8(ascii: "\""))
    prefix.address.write(to: &bytes)
    bytes.append(UInt8(ascii: "/"))
    write(UInt(prefix.length))
    bytes.append(UInt8(ascii: "\""))
  }

  public mutating func write<Element>(list: some Sequence<Element>, _ element: (inout Self, Element) -> Void) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for item in list {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      element(&self, item)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  private mutating func quoted(_ body: (inout [UInt8]) -> Void) {
    bytes.append(UInt8(ascii: "\""))
    body(&bytes)
    bytes.append(UInt8(ascii: "\""))
  }
}

/// A record that writes its own JSON. What it writes must decode to the same record.
public protocol JSONWritable: Codable {
  func write(to writer: inout JSONWriter)
}

extension StateFile where Record: JSONWritable {
  /// Remembers a new or changed record.
  ///
  /// - Parameter key: without characters that JSON escapes.
  public func store(_ record: Record, key: String) {
    var writer = JSONWriter()
    writer.write(literally: "{\"key\":")
    writer.write(plain: key)
    writer.write(literally: ",\"record\":")
    record.write(to: &writer)
    writer.write(literally: "}\n")
    store(line: writer.bytes, key: key)
  }
}
