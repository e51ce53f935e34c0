import Testing

@testable import DaemonKit

private struct Rates: Sendable, Equatable {
  var rate: UInt64 = 1_250_000
  var share: UInt32 = 20

  static let table = OptionTable(
    initial: Rates(),
    [
      .option("rate", \.rate, .bitRate, help: "A rate."),
      .option("share", \.share, .share(5...1_000), help: "A share."),
    ])

  static func errors(_ text: String) -> String {
    do throws(ConfigurationErrors) {
      _ = try table.parse(text, file: "a.yaml")
      return ""
    } catch {
      return error.description
    }
  }
}

@Suite("Rates and shares") struct RateOptionTests {
  @Test(
    "Rates are read in bits and kept in octets",
    arguments: [
      ("10mbit", 1_250_000), ("2500kbit", 312_500), ("1gbit", 125_000_000), ("8bit", 1), ("1000gbit", 125_000_000_000),
    ])
  func rates(text: String, octets: UInt64) throws {
    let value = try Rates.table.parse("rate: \(text)", file: "a.yaml").value
    #expect(value.rate == octets)
    #expect(try Rates.table.parse(Rates.table.text(value), file: "a.yaml").value == value)
  }

  @Test("Shares are kept in thousandths", arguments: [("2%", 20), ("0.5%", 5), ("100%", 1_000), ("12.5%", 125)])
  func shares(text: String, thousandths: UInt32) throws {
    let value = try Rates.table.parse("share: \(text)", file: "a.yaml").value
    #expect(value.share == thousandths)
    #expect(try Rates.table.text(value).contains("share: \(text)"))
  }

  @Test(
    "What is no rate or share is refused with what would have worked",
    arguments: [
      ("rate: 10", "has no unit"), ("rate: 10Mbit", "did you mean '10mbit'?"), ("rate: 10mbps", "is no unit"),
      ("rate: 7bit", "out of range"), ("rate: 2000gbit", "out of range"), ("rate: mbit", "is not a rate"),
      ("rate: 99999999999999999999bit", "is not a rate"), ("rate: 18446744073709551615gbit", "out of range"),
      ("share: 2", "did you mean '2%'?"), ("share: 0.1%", "out of range"), ("share: 101%", "out of range"),
      ("share: 0.25%", "is not a share"), ("share: .5%", "is not a share"), ("share: -1%", "is not a share"),
      ("share: 9999999999%", "is not a share"), ("share: '%'", "is not a share"),
    ]) func refused(text: String, words: String)
  {
    #expect(Rates.errors(text).contains(words), "\(Rates.errors(text))")
  }
}
