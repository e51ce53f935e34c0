import CSHA256

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4): 32 octets.
package enum HMACSHA256 {
  package static let length = Int(SHA256_LENGTH)

  package static func code(of message: some Collection<UInt8>, key: [UInt8]) -> [UInt8] {
    let message = Array(message)
    var digest = [UInt8](repeating: 0, count: length)
    hmac_sha256(key, key.count, message, message.count, &digest)
    return digest
  }
}

extension Collection<UInt8> {
  /// Compares all octets, however early two differ: how long it takes tells a sender nothing about the right ones.
  func equalsInConstantTime(_ other: some Collection<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return zip(self, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
