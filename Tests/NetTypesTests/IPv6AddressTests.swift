import Foundation
import NetTypes
import Testing

@Suite struct IPv6AddressTests {
  @Test(
    "RFC 5952 text",
    arguments: [
      ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
      ("2001:DB8::A", "2001:db8::a"),
      ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
      ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
      ("0:0:0:0:0:0:0:0", "::"),
      ("::1", "::1"),
      ("1::", "1::"),
      ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
      ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
      ("0:0:3:0:0:6:0:0", "::3:0:0:6:0:0"),
      ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
      ("::ffff:c000:201", "::ffff:192.0.2.1"),
      ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
      ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
      ("fe80::200:5eff:fe00:5213", "fe80::200:5eff:fe00:5213"),
    ])
  func canonicalText(text: String, canonical: String) throws {
    let address = try #require(IPv6Address(text))
    #expect(address.description == canonical)
    #expect(IPv6Address(canonical) == address)
    #expect(address.groups.count == 8)
    #expect(IPv6Address(bytes: address.bytes) == address)
  }

  @Test(
    "Text that is no address",
    arguments: [
      "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1::2", "1:::2", ":1::2",
      "1::2:", "12345::", "g::", "::1%eth0", "::1/64", " ::1", "::1 ", "1.2.3.4", "::1.2.3", "::1.2.3.4.5",
      "::256.1.1.1", "::1.2.3.04", "::1.2..4", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::+1", "::-1",
      "::0x1", "::１", "[::1]",
    ])
  func notAnAddress(text: String) {
    #expect(IPv6Address(text) == nil)
  }

  @Test("Octets: sixteen, in network order")
  func octets() throws {
    let address = IPv6Address(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff)
    #expect(
      address.bytes == [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff])
    #expect(IPv6Address(bytes: address.bytes + [9]) == address)
    #expect(IPv6Address(bytes: address.bytes.dropLast()) == nil)
  }

  @Test("Kinds of addresses")
  func kinds() throws {
    func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text)) }
    #expect(try address("febf:ffff::1").isLinkLocal)
    #expect(try !address("fec0::1").isLinkLocal)
    #expect(try address("ff02::1") == .allNodes && IPv6Address.allNodes.isMulticast)
    #expect(try address("ff02::2") == .allRouters)
    #expect(try address("::1").isLoopback)
    #expect(try address("::ffff:1.2.3.4").isIPv4Mapped)
    #expect(try !address("::fffe:1.2.3.4").isIPv4Mapped)
    for text in ["::", "::1", "fe80::1", "ff0e::1"] { #expect(try !address(text).isRoutableUnicast) }
    for text in ["2001:db8::1", "fd00::1"] { #expect(try address(text).isRoutableUnicast) }
    #expect(try address("2001:db8::2:aabb:ccdd").solicitedNodeAddress == address("ff02::1:ffbb:ccdd"))
    #expect(try address("ff02::1:ffbb:ccdd").isSolicitedNode)
    #expect(try !address("ff02::1:feff:ccdd").isSolicitedNode && !IPv6Address.allNodes.isSolicitedNode)
  }

  @Test("Order is numeric, JSON is text")
  func orderAndJSON() throws {
    let low = IPv6Address(high: 1, low: .max)
    let high = IPv6Address(high: 2, low: 0)
    #expect(low < high && !(high < low) && IPv6Address(high: 1, low: 0) < low)
    let data = try JSONEncoder().encode(["a": high])
    #expect(String(decoding: data, as: UTF8.self) == #"{"a":"0:0:0:2::"}"#)
    #expect(try JSONDecoder().decode([String: IPv6Address].self, from: data) == ["a": high])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([IPv6Address].self, from: Data(#"["::1/64"]"#.utf8))
    }
  }
}
