import AccessTriggers
import NetTypes

/// As a datagram from anybody, and as identifier and attributes of a request that knows the secret: that is answered once
/// and for all, or has a fault.
func fuzzAccounting(_ input: [UInt8]) throws(FuzzFailure) {
  let secret = Array("secret".utf8)
  let client = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
  var server = AccountingServer(clients: [client: .init(secret: secret, link: "acc0")])
  _ = server.receive(input, from: client, port: 1_024, at: .zero)

  let attributes = Array(input.dropFirst().prefix(AccountingRequest.maximumLength - 20))
  let length = UInt16(20 + attributes.count)
  let head = [4, input.first ?? 0, UInt8(length >> 8), UInt8(truncatingIfNeeded: length)]
  let zeros = [UInt8](repeating: 0, count: 16)
  let request = head + MD5.digest(of: head + zeros + attributes + secret) + attributes
  let first = server.receive(request, from: client, port: 1_025, at: .seconds(1))
  guard let response = first.response else {
    try require(first.reports.isEmpty, "not answered, but reported: \(first.reports)")
    try require((try? AccountingRequest.decode(request, secret: secret)) == nil, "read, but not answered")
    return
  }
  try require(
    response.count >= 20 && response.count == Int(response[2]) << 8 | Int(response[3]) && response[1] == head[1],
    "the header of the response is wrong: \(response.prefix(20))")
  let expected = MD5.digest(of: response[..<4] + request[4..<20] + response[20...] + secret)
  try require(Array(response[4..<20]) == expected, "the response has another authenticator")
  let again = server.receive(request, from: client, port: 1_025, at: .seconds(2))
  try require(again.response == response && again.reports.isEmpty, "a repetition is answered otherwise, or counts")
}
