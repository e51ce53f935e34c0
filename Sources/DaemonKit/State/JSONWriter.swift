import NetTypes

/// JSON, octet by octet. For records that are stored a hundred thousand times a second, where the generic encoder would
/// cost more than all the rest of a registration. It checks nothing: the caller writes the punctuation.
public struct JSONWriter: ~Copyable {
  private var storage: UnsafeMutableBufferPointer<UInt8>
  private var count = 0

  private static let quote = UInt8(ascii: "\"")
  /// Of UInt64.max.
  private static let maximumDigits = 20

  public init(capacity: Int = 1_024) { storage = .allocate(capacity: capacity) }

  deinit { storage.deallocate() }

  /// What was written, as a copy.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(rebasing: storage[..<count])) }

  /// Adds what was written to `octets`.
  func append(to octets: inout [UInt8]) { octets.append(contentsOf: UnsafeBufferPointer(rebasing: storage[..<count])) }

  /// Starts over.
  mutating func removeAll() { count = 0 }

  /// Makes room for so many octets more.
  private mutating func reserve(_ octets: Int) {
    guard count + octets > storage.count else { return }
    let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(storage.count * 2, count + octets))
    _ = larger.update(fromContentsOf: storage[..<count])
    storage.deallocate()
    storage = larger
  }

  /// There must be room.
  private mutating func append(_ octet: UInt8) {
    storage[count] = octet
    count += 1
  }

  private mutating func append(_ octets: UnsafeBufferPointer<UInt8>) {
    reserve(octets.count)
    _ = storage[count...].update(fromContentsOf: octets)
    count += octets.count
  }

  /// Punctuation and keys.
  public mutating func write(literally text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  public mutating func write(_ number: UInt64) {
    reserve(Self.maximumDigits)
    let end = count + Self.maximumDigits
    var start = end
    var rest = number
    // Two digits with each division: a record has four times of twenty digits.
    while rest >= 10 {
      let pair = UInt8(truncatingIfNeeded: rest % 100)
      rest /= 100
      start -= 2
      storage[start] = UInt8(ascii: "0") + pair / 10
      storage[start + 1] = UInt8(ascii: "0") + pair % 10
    }
    if rest > 0 || start == end {
      start -= 1
      storage[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest)
    }
    while start < end {
      append(storage[start])
      start += 1
    }
  }

  public mutating func write(_ value: Bool) { write(literally: value ? "true" : "false") }

  /// A string that needs no escapes.
  public mutating func write(plain text: String) {
    var text = text
    text.withUTF8 { octets in
      reserve(octets.count + 2)
      append(Self.quote)
      append(octets)
      append(Self.quote)
    }
  }

  public mutating func write(_ address: IPv6Address) {
    reserve(IPv6Address.maximumTextLength + 2)
    append(Self.quote)
    appendText(of: address)
    append(Self.quote)
  }

  /// There must be room.
  private mutating func appendText(of address: IPv6Address) {
    count += address.write(to: UnsafeMutableBufferPointer(rebasing: storage[count...]))
  }

  /// A list of numbers.
  public mutating func write(_ octets: [UInt8]) {
    // Three digits and a comma each, and the brackets.
    reserve(octets.count * 4 + 2)
    append(UInt8(ascii: "["))
    for (index, octet) in octets.enumerated() {
      if index > 0 { append(UInt8(ascii: ",")) }
      if octet >= 100 { append(UInt8(ascii: "0") + octet / 100) }
      if octet >= 10 { append(UInt8(ascii: "0") + octet / 10 % 10) }
      append(UInt8(ascii: "0") + octet % 10)
    }
    append(UInt8(ascii: "]"))
  }

  public mutating func write(_ prefixes: [IPv6Prefix]) {
    write(list: prefixes) { writer, prefix in
      writer.reserve(IPv6Address.maximumTextLength + 2)
      writer.append(Self.quote)
      writer.appendText(of: prefix.address)
      writer.append(UInt8(ascii: "/"))
      writer.write(UInt64(prefix.length))
      writer.reserve(1)
      writer.append(Self.quote)
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
    writer.removeAll()
    writer.write(literally: "{\"key\":")
    writer.write(plain: key)
    writer.write(literally: ",\"record\":")
    record.write(to: &writer)
    writer.write(literally: "}\n")
    storeWritten(key: key)
  }
}
