import NetTypes
import Testing

@Suite struct IPv4AddressTests {
  @Test("Text and number", arguments: [("0.0.0.0", 0), ("192.0.2.255", 0xc000_02ff), ("255.255.255.255", .max)])
  func text(text: String, value: UInt32) {
    #expect(IPv4Address(text) == IPv4Address(rawValue: value))
    #expect(IPv4Address(rawValue: value).description == text)
  }

  @Test(
    "What is no dotted quad",
    arguments: ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "+1.2.3.4", "::1"])
  func refused(text: String) { #expect(IPv4Address(text) == nil) }

  @Test("On the wire in network order")
  func wire() throws {
    var writer = ByteWriter()
    writer.write(IPv4Address(rawValue: 0xc000_0201))
    #expect(writer.bytes == [192, 0, 2, 1])
    struct Short: Error {}
    var reader = ByteReader(writer.bytes, orThrow: Short())
    #expect(try reader.ipv4Address() == IPv4Address("192.0.2.1"))
    #expect(throws: Short.self) { try reader.ipv4Address() }
  }
}
