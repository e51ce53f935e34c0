import MobilityWire
import NetTypes

/// What is accepted can be encoded again, and then means the same.
func fuzzDecoder(_ input: [UInt8]) throws(FuzzFailure) {
  let address = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
  let decoded: DecodedMessage
  do throws(DecodeError) {
    decoded = try MobilityHeader.decode(input, source: address, destination: address, checksum: .kernelVerified)
  } catch {
    try require((0...input.count).contains(error.offset), "the fault is outside of the message: \(error)")
    try require((try? MobilityHeader.placedOptions(input)) == nil, "refused, but its options are listed")
    return
  }
  guard let placed = try? MobilityHeader.placedOptions(input) else {
    throw FuzzFailure(description: "accepted, but its options are not listed")
  }
  try require(
    placed.compactMap(\.option) == Array(decoded.message.options), "the options listed are not those of the message")

  let octets: [UInt8]
  do throws(EncodeError) {
    octets = try MobilityHeader.encode(decoded.message, source: address, destination: address)
  } catch .messageTooLong {
    // Padding that the sender had left out does not fit in any more.
    return
  } catch {
    throw FuzzFailure(description: "what was decoded cannot be encoded: \(error)")
  }
  let again: DecodedMessage
  do throws(DecodeError) {
    again = try MobilityHeader.decode(octets, source: address, destination: address)
  } catch {
    throw FuzzFailure(description: "what was encoded is refused: \(error)")
  }
  try require(again.message == decoded.message, "encoding changes the message:\n\(decoded.message)\n\(again.message)")
}
