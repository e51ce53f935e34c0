import NetTypes
import Testing

@Suite struct LinkLayerAddressTests {
  @Test("RFC 6543: the gateway's fixed addresses belong together")
  func fixedGateway() {
    #expect(LinkLayerAddress.fixedGateway.description == "00:00:5e:00:52:13")
    #expect(LinkLayerAddress.fixedGateway.linkLocalAddress.description == "fe80::200:5eff:fe00:5213")
  }

  @Test("Modified EUI-64 inverts the universal/local bit both ways")
  func modifiedEUI64() throws {
    #expect(try #require(LinkLayerAddress("02:00:5e:10:00:01")).linkLocalAddress.description == "fe80::5eff:fe10:1")
    #expect(
      try #require(LinkLayerAddress("34-56-78-9A-BC-DE")).linkLocalAddress.description == "fe80::3656:78ff:fe9a:bcde")
    #expect(LinkLayerAddress(rawValue: .max).linkLocalAddress.description == "fe80::fdff:ffff:feff:ffff")
  }

  @Test("Text and octets")
  func text() throws {
    let address = try #require(LinkLayerAddress("0A:0b:0C-0d:0e:0f"))
    #expect(address.description == "0a:0b:0c:0d:0e:0f")
    #expect(address.bytes == [10, 11, 12, 13, 14, 15])
    #expect(LinkLayerAddress(bytes: address.bytes) == address)
    #expect(LinkLayerAddress(bytes: address.bytes.dropLast()) == nil)
    #expect(LinkLayerAddress(bytes: address.bytes + [0]) == nil)
    #expect(LinkLayerAddress(rawValue: 0xffff_0000_0000_0001).rawValue == 1)
    for text in [
      "", "0a:0b:0c:0d:0e", "0a:0b:0c:0d:0e:0f:10", "a:b:c:d:e:f", "0a:0b:0c:0d:0e:0g", "0a:0b:0c:0d:0e:+f",
      "0a0b0c0d0e0f",
      "0a:0b:0c:0d:0e: f", "0a:0b:0c:0d:0e:0f ", ":0a:0b:0c:0d:0e:0f",
    ] {
      #expect(LinkLayerAddress(text) == nil, "\(text)")
    }
  }

  @Test("The group bit")
  func multicast() throws {
    #expect(try #require(LinkLayerAddress("33:33:00:00:00:01")).isMulticast)
    #expect(!LinkLayerAddress.fixedGateway.isMulticast)
  }
}
