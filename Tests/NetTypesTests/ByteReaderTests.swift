import NetTypes
import Testing

private struct OutOfHeader: Error, Equatable {}
private struct OutOfOption: Error, Equatable { var offset: Int }

@Suite struct ByteReaderTests {
  @Test("Integers, addresses and octets in network order, with the offset of the next read")
  func reads() throws {
    var writer = ByteWriter()
    let address = IPv6Address(high: 0x2001_0db8_0000_0001, low: 0x0203_0405_0607_0809)
    writer.write(UInt8(0xfe))
    writer.write(UInt16(0xfedc))
    writer.write(UInt32(0xfedc_ba98))
    writer.write(UInt64(0xfedc_ba98_7654_3210))
    writer.write(address)
    writer.write(LinkLayerAddress.fixedGateway)
    writer.write([1, 2, 3])
    writer.writeZeros(2)
    #expect(writer.count == 42)

    var reader = ByteReader(writer.bytes, orThrow: OutOfHeader())
    #expect(try reader.uint8() == 0xfe)
    #expect(try reader.uint16() == 0xfedc)
    #expect(try reader.uint32() == 0xfedc_ba98)
    #expect(try reader.uint64() == 0xfedc_ba98_7654_3210)
    #expect(reader.offset == 15)
    #expect(try reader.ipv6Address() == address)
    #expect(try reader.linkLayerAddress() == .fixedGateway)
    #expect(try Array(reader.octets(2)) == [1, 2])
    try reader.skip(1)
    #expect(reader.remaining == 2 && !reader.isAtEnd)
    #expect(Array(reader.rest()) == [0, 0])
    #expect(reader.isAtEnd && reader.rest().isEmpty)
  }

  @Test("A read past the end throws, moves nothing, and reads again after that", arguments: 0...15)
  func pastTheEnd(count: Int) throws {
    var reader = ByteReader([UInt8](repeating: 7, count: count), orThrow: OutOfHeader())
    #expect(throws: OutOfHeader()) { try reader.ipv6Address() }
    if count < 8 { #expect(throws: OutOfHeader()) { try reader.uint64() } }
    if count < 6 { #expect(throws: OutOfHeader()) { try reader.linkLayerAddress() } }
    if count < 4 { #expect(throws: OutOfHeader()) { try reader.uint32() } }
    if count < 2 { #expect(throws: OutOfHeader()) { try reader.uint16() } }
    #expect(throws: OutOfHeader()) { try reader.octets(count + 1) }
    #expect(throws: OutOfHeader()) { try reader.octets(-1) }
    #expect(throws: OutOfHeader()) { try reader.skip(.max) }
    #expect(reader.offset == 0 && reader.remaining == count)
    try reader.skip(count)
    #expect(throws: OutOfHeader()) { try reader.uint8() }
  }

  @Test("A narrower reader has its own end and error, and the outer one's offsets")
  func narrower() throws {
    // A slice whose indices do not start at 0: offsets still count from its first octet.
    let slice = [UInt8](0..<20)[4...]
    var reader = ByteReader(slice, orThrow: OutOfHeader())
    try reader.skip(2)
    var option = try reader.take(3, orThrow: OutOfOption(offset: 2))
    #expect(reader.offset == 5 && option.offset == 2 && option.remaining == 3)
    #expect(try option.uint16() == 0x0607)
    #expect(throws: OutOfOption(offset: 2)) { try option.uint16() }
    #expect(Array(option.rest()) == [8])
    #expect(try reader.uint8() == 9)
    #expect(throws: OutOfHeader()) { try reader.take(11, orThrow: OutOfOption(offset: 6)) }
    #expect(Array(reader.rest()) == [UInt8](10..<20))
  }

  @Test("Length and checksum are filled in later")
  func backPatching() {
    var writer = ByteWriter()
    writer.write(UInt8(1))
    writer.write(UInt32(0))
    writer.overwrite(UInt8(0xab), at: 1)
    writer.overwrite(UInt16(0xcdef), at: 2)
    #expect(writer.bytes == [1, 0xab, 0xcd, 0xef, 0])
  }
}
