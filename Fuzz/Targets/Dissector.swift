import FlowCore
import MobilityWire
import NetTypes

/// Any octets as a packet from the kernel's queue, and as an ICMPv6 message on an access link.
func fuzzDissector(_ input: [UInt8]) throws(FuzzFailure) {
  if case .flow(let tuple)? = try? PacketDissector.dissect(input.span.bytes) {
    try require(tuple.reversed.reversed.source == tuple.source, "a flow reversed twice is another one")
  }
  let node = ICMPv6Envelope(
    source: IPv6Address(high: 0xfe80_0000_0000_0000, low: 1), destination: .allNodes, hopLimit: 255)
  guard let message = try? ICMPv6Message.decode(input, in: node, checksum: .kernelVerified) else { return }
  let octets = message.encode(source: node.source, destination: node.destination)
  let again: ICMPv6Message
  do throws(ICMPv6DecodeError) {
    again = try ICMPv6Message.decode(octets, in: node)
  } catch {
    throw FuzzFailure(description: "what was encoded is refused: \(error)")
  }
  try require(again == message, "encoding changes the message:\n\(message)\n\(again)")
}
