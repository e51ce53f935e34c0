import NetTypes
import Testing

@Suite struct InternetChecksumTests {
  @Test("The example of RFC 1071 section 3")
  func example() {
    var checksum = InternetChecksum()
    checksum.add([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7].span)
    #expect(checksum.value == ~0xddf2)
  }

  @Test("An odd last octet counts as the high half of a word")
  func odd() {
    var odd = InternetChecksum()
    odd.add([0x12, 0x34, 0x56].span)
    var even = InternetChecksum()
    even.add([0x12, 0x34, 0x56, 0x00].span)
    #expect(odd.value == even.value && odd.value == ~0x6834)
  }

  @Test("heartbeat-request of the reference vectors: the field in place gives 0")
  func verification() throws {
    let source = try #require(IPv6Address("2001:db8:2::1"))
    let destination = try #require(IPv6Address("2001:db8:1::1"))
    var message: [UInt8] = [0x3b, 0x01, 0x0d, 0x00, 0x5a, 0xe7, 0, 0, 0, 0, 0, 7, 1, 2, 0, 0]
    func value() -> UInt16 {
      InternetChecksum.value(of: message.span, source: source, destination: destination, nextHeader: 135)
    }
    #expect(value() == 0)
    message[4] = 0
    message[5] = 0
    #expect(value() == 0x5ae7)
    message[15] = 1
    #expect(value() == 0x5ae6)
  }

  @Test("A sum of all ones is a checksum of 0, and stays 0")
  func computedZero() {
    var checksum = InternetChecksum()
    checksum.add([0xff, 0xff].span)
    #expect(checksum.value == 0)
    #expect(InternetChecksum().value == 0xffff)
  }

  @Test("Carries of a long message and a length above 16 bits are folded in")
  func carries() {
    var checksum = InternetChecksum(source: .unspecified, destination: .unspecified, length: 0x1_0002, nextHeader: 58)
    checksum.add([UInt8](repeating: 0xff, count: 65_538).span)
    // One's complement: every 0xffff is a zero, which leaves 1 + 2 + 58.
    #expect(checksum.value == ~61)
  }
}
