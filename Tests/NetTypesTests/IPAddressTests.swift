import Foundation
import NetTypes
import Testing

@Suite struct IPAddressTests {
  @Test("Text, octets and JSON are those of the family")
  func families() throws {
    let four = try #require(IPv4Address("192.0.2.1"))
    let six = try #require(IPv6Address("2001:db8::1"))
    #expect(IPAddress("192.0.2.1") == .v4(four) && IPAddress("2001:DB8::1") == .v6(six))
    #expect(IPAddress("192.0.2") == nil && IPAddress("") == nil)
    let both: [IPAddress] = [.v4(four), .v6(six)]
    #expect(both.map(\.description) == ["192.0.2.1", "2001:db8::1"])
    let json = try JSONEncoder().encode(both)
    #expect(String(decoding: json, as: UTF8.self) == #"["192.0.2.1","2001:db8::1"]"#)
    #expect(try JSONDecoder().decode([IPAddress].self, from: json) == both)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([IPAddress].self, from: Data(#"["a"]"#.utf8)) }
    var writer = ByteWriter()
    for address in both { writer.write(address) }
    #expect(writer.bytes == [192, 0, 2, 1] + six.bytes)
  }
}
