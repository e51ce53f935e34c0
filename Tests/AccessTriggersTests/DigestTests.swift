import TestSupport
import Testing

@testable import AccessTriggers

@Suite("Digests")
struct DigestTests {
  @Test(
    "MD5: the test suite of RFC 1321 appendix A.5",
    arguments: [
      ("", "d41d8cd98f00b204e9800998ecf8427e"),
      ("a", "0cc175b9c0f1b6a831c399e269772661"),
      ("abc", "900150983cd24fb0d6963f7d28e17f72"),
      ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
      ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
      ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
      (
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "57edf4a22be3c955ac49da2e2107b67a"
      ),
    ])
  func md5(text: String, digest: String) throws {
    #expect(MD5.digest(of: Array(text.utf8)) == (try octets(digest)))
  }

  @Test(
    "HMAC-SHA-256: test cases 1, 2, 3 and 6 of RFC 4231",
    arguments: [
      (
        [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
    ])
  func hmac(key: [UInt8], message: [UInt8], code: String) throws {
    #expect(HMACSHA256.code(of: message, key: key) == (try octets(code)))
  }

  @Test("Every octet counts in a comparison")
  func comparison() {
    let code: [UInt8] = [1, 2, 3, 4]
    #expect(code.equalsInConstantTime([1, 2, 3, 4]))
    for index in code.indices {
      for bit in 0..<8 {
        var other = code
        other[index] ^= 1 << bit
        #expect(!code.equalsInConstantTime(other))
      }
    }
    #expect(!code.equalsInConstantTime([1, 2, 3]))
  }
}
