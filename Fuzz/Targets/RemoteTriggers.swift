import AccessTriggers
import NetTypes

/// As a datagram from anybody, and as the body of a message that knows the key: what is accepted counts once.
func fuzzRemoteTrigger(_ input: [UInt8]) throws(FuzzFailure) {
  let key = [UInt8](0..<32)
  let sender = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
  try require((try? RemoteTrigger.decode(input) { _ in key }) == nil || input.count == RemoteTrigger.length, "length")

  let bodyLength = RemoteTrigger.length - HMACSHA256.length
  let body = Array((input + [UInt8](repeating: 0, count: bodyLength)).prefix(bodyLength))
  let signed = body + HMACSHA256.code(of: body, key: key)
  guard let message = try? RemoteTrigger.decode(signed, key: { _ in key }) else { return }
  guard let again = try? RemoteTrigger.decode(message.encode(key: key), key: { _ in key }) else {
    throw FuzzFailure(description: "what was encoded is refused")
  }
  try require(again == message, "encoding changes the message:\n\(message)\n\(again)")

  var server = RemoteTriggerServer(
    accessPoints: [message.keyIdentifier: .init(key: key, link: "acc0")], clockSkew: .seconds(30), startedAt: 0)
  let first = server.receive(signed, from: sender, at: .zero, clock: message.time)
  try require((first.report != nil) == (message.time > 0), "neither older than we are nor accepted: \(server.counters)")
  let repeated = server.receive(signed, from: sender, at: .zero, clock: message.time)
  try require(repeated.report == nil && repeated.response == first.response, "it counts twice: \(server.counters)")
}
