import NetTypes

/// JSON, octet by octet. For records that are stored a hundred thousand times a second, where the generic encoder would
/// cost more than all the rest of a registration. It checks nothing: the caller writes the punctuation.
public struct JSONWriter {
  public private(set) var bytes: [UInt8] = []

  private static let quote = UInt8(ascii: "\"")
  /// Of UInt64.max.
  private static let maximumDigits = 20

  public init(capacity: Int = 768) { bytes.reserveCapacity(capacity) }

  /// Punctuation and keys.
  public mutating func write(literally text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  public mutating func write(_ number: UInt64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.maximumDigits) { digits in
      var rest = number
      var start = digits.count
      repeat {
        start -= 1
        digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
    }
  }

  public mutating func write(_ value: Bool) { write(literally: value ? "true" : "false") }

  /// A string that needs no escapes.
  public mutating func write(plain text: String) {
    bytes.append(Self.quote)
    bytes.append(contentsOf: text.utf8)
    bytes.append(Self.quote)
  }

  public mutating func write(_ address: IPv6Address) {
    bytes.append(Self.quote)
    address.write(to: &bytes)
    bytes.append(Self.quote)
  }

  /// A list of numbers.
  public mutating func write(_ octets: [UInt8]) {
    write(list: octets) { $0.write(UInt64($1)) }
  }

  public mutating func write(_ prefixes: [IPv6Prefix]) {
    write(list: prefixes) { writer, prefix in
      writer.bytes.append(Self.quote)
      prefix.address.write(to: &writer.bytes)
      writer.write(literally: "/")
      writer.write(UInt64(prefix.length))
      writer.bytes.append(Self.quote)
    }
  }

  private mutating func write<Element>(list: [Element], _ element: (inout Self, Element) -> Void) {
    write(literally: "[")
    var isFirst = true
    for item in list {
      if !isFirst { write(literally: ",") }
      isFirst = false
      element(&self, item)
    }
    write(literally: "]")
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
