import NetTypes

/// Decisions read from the octets of an input; behind its end every decision is the first choice.
struct FuzzInput {
  private var rest: ArraySlice<UInt8>

  init(_ octets: [UInt8]) { rest = octets[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func octet() -> UInt8 { rest.popFirst() ?? 0 }
  mutating func uint16() -> UInt16 { UInt16(octet()) << 8 | UInt16(octet()) }
  mutating func flag() -> Bool { octet() & 1 == 1 }

  /// One in 16: for what would drown everything else if it were frequent.
  mutating func seldom() -> Bool { octet() & 0xf == 0xf }

  mutating func octets(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// `choices` is not empty.
  mutating func choose<Value>(_ choices: [Value]) -> Value { choices[Int(octet()) % choices.count] }

  mutating func chooseIfAny<Value>(_ choices: [Value]) -> Value? { choices.isEmpty ? nil : choose(choices) }

  /// Changes up to three octets.
  mutating func mutate(_ octets: inout [UInt8]) {
    for _ in 0..<(1 + Int(octet() % 3)) where !octets.isEmpty {
      octets[Int(uint16()) % octets.count] ^= octet()
    }
  }
}
