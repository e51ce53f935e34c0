import DaemonKit
import NetTypes
import Testing

@Suite("JSON of state files")
struct JSONWriterTests {
  private func text(_ body: (inout JSONWriter) -> Void) -> String {
    // Every one of them has to make room for itself.
    var writer = JSONWriter(capacity: 1)
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test(
    "Numbers of any length",
    arguments: [
      0, 1, 9, 10, 42, 99, 100, 101, 999, 1_000, 1_005, 65_535, 100_000, UInt64.max / 10, UInt64.max - 1, .max,
    ])
  func number(_ value: UInt64) {
    #expect(text { $0.write(value) } == "\(value)")
  }

  @Test("Octets: every value, and none")
  func octets() {
    #expect(text { $0.write([UInt8]()) } == "[]")
    let all = Array(UInt8.min ... .max)
    #expect(text { $0.write(all) } == "[\(all.map(String.init).joined(separator: ","))]")
  }

  @Test("Prefixes and words")
  func prefixes() throws {
    let prefix = try #require(IPv6Prefix("2001:db8:100::/64"))
    #expect(text { $0.write([prefix, .everything]) } == #"["2001:db8:100::/64","::/0"]"#)
    #expect(text { $0.write(plain: "logical") } == #""logical""#)
    #expect(text { $0.write(true) } == "true")
  }
}
