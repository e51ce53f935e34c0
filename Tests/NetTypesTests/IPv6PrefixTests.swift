import Foundation
import NetTypes
import Testing

@Suite struct IPv6PrefixTests {
  private func prefix(_ text: String) throws -> IPv6Prefix { try #require(IPv6Prefix(text), "\(text)") }

  @Test("Text: host bits must be zero, the length must be plain decimal")
  func text() throws {
    for text in ["::/0", "2001:db8::/32", "2001:db8::/63", "2001:db8:0:0:8000::/65", "2001:db8::1/128"] {
      #expect(try prefix(text).description == text)
    }
    for text in [
      "", "/", "::", "::/", "::/129", "::/-1", "::/+1", "::/01", "2001:db8::1/64", "::/64/64", "2001:db8::/31x",
      "::/ 64",
    ] {
      #expect(IPv6Prefix(text) == nil, "\(text)")
    }
    #expect(try JSONDecoder().decode([IPv6Prefix].self, from: Data(#"["::/0"]"#.utf8)) == [prefix("::/0")])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([IPv6Prefix].self, from: Data(#"["::1/0"]"#.utf8))
    }
  }

  @Test("Bits behind the length are cleared, whatever the length", arguments: 0...128)
  func masking(length: Int) throws {
    let ones = IPv6Address(high: .max, low: .max)
    let masked = try #require(IPv6Prefix(ones, length: length))
    #expect(masked.address.high.nonzeroBitCount + masked.address.low.nonzeroBitCount == length)
    #expect(masked.address.high.leadingZeroBitCount == (length == 0 ? 64 : 0))
    #expect(masked.contains(ones))
    #expect(masked.contains(IPv6Address.unspecified) == (length == 0))
    // The bit just behind the prefix does not matter, the last one inside does.
    func flipping(_ bit: Int) -> IPv6Address {
      bit < 64
        ? IPv6Address(high: .max ^ 1 << UInt64(63 - bit), low: .max)
        : IPv6Address(high: .max, low: .max ^ 1 << UInt64(127 - bit))
    }
    if length > 0 { #expect(!masked.contains(flipping(length - 1))) }
    if length < 128 { #expect(masked.contains(flipping(length))) }
  }

  @Test("Lengths outside 0...128 are refused")
  func lengths() {
    #expect(IPv6Prefix(.allNodes, length: -1) == nil)
    #expect(IPv6Prefix(.allNodes, length: 129) == nil)
    #expect(IPv6Prefix.host(.allNodes).description == "ff02::1/128")
    #expect(IPv6Prefix.slash64(.allNodes).description == "ff02::/64")
  }

  @Test("Containment and overlap")
  func containment() throws {
    let pool = try prefix("2001:db8:100::/40")
    #expect(try pool.contains(prefix("2001:db8:1ff:ffff::/64")))
    #expect(try !pool.contains(prefix("2001:db8:200::/64")))
    #expect(try !pool.contains(prefix("2001:db8::/32")))
    #expect(try pool.overlaps(prefix("2001:db8::/32")) && prefix("2001:db8::/32").overlaps(pool))
    #expect(try !pool.overlaps(prefix("2001:db8:200::/40")))
    #expect(pool.contains(pool))
    #expect(try prefix("::/0").contains(pool))
  }

  @Test(
    "The n-th subnet and its index are inverse",
    arguments: [0, 1, 32, 48, 56, 62, 63, 64, 65, 66, 120, 126, 127, 128],
    [0, 1, 32, 48, 56, 62, 63, 64, 65, 66, 120, 126, 127, 128])
  func subnets(length: Int, newLength: Int) throws {
    let whole = try #require(
      IPv6Prefix(IPv6Address(high: 0x2001_0db8_a5a5_5a5a, low: 0xa5a5_5a5a_c3c3_3c3c), length: length))
    let count = whole.subnetCount(length: newLength)
    guard newLength >= length else {
      #expect(count == 0 && whole.subnet(0, length: newLength) == nil)
      return
    }
    let isCapped = newLength - length >= 64
    #expect(isCapped ? count == .max : count == 1 << UInt64(newLength - length))
    for index in [0, 1, 2, 3, count / 3, count / 2, count &- 2, count &- 1] where index < count {
      let subnet = try #require(whole.subnet(index, length: newLength))
      #expect(subnet.length == newLength)
      #expect(whole.contains(subnet))
      #expect(whole.index(of: subnet) == index)
    }
    if isCapped {
      let last = try #require(whole.subnet(.max, length: newLength))
      #expect(whole.contains(last) && whole.index(of: last) == .max)
    } else {
      #expect(whole.subnet(count, length: newLength) == nil)
    }
  }

  @Test("Subnets are in ascending order and do not overlap")
  func subnetOrder() throws {
    let pool = try prefix("2001:db8:100::/60")
    let all = (0..<pool.subnetCount(length: 64)).compactMap { pool.subnet($0, length: 64) }
    #expect(all.count == 16 && all == all.sorted() && Set(all).count == 16)
    #expect(all.last?.description == "2001:db8:100:f::/64")
    #expect(pool.subnet(0, length: 129) == nil)
  }

  @Test("No index: outside, shorter, or more than 64 bits")
  func noIndex() throws {
    #expect(try prefix("2001:db8::/48").index(of: prefix("2001:db8:1::/64")) == nil)
    #expect(try prefix("2001:db8::/48").index(of: prefix("2001:db8::/32")) == nil)
    #expect(try prefix("::/0").index(of: prefix("1::/128")) == nil)
    #expect(try prefix("::/0").index(of: prefix("::ffff:ffff:ffff:ffff/128")) == .max)
    #expect(try prefix("::/0").index(of: prefix("0:0:0:1::/65")) == 2)
  }

  @Test("Equal addresses order by length")
  func order() throws {
    #expect(try prefix("2001:db8::/32") < prefix("2001:db8::/33"))
    #expect(try prefix("2001:db8::/64") < prefix("2001:db8:1::/48"))
  }
}
