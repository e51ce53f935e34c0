/// Rates and shares as people read them.
enum RateText {
  /// Octets a second as bits a second.
  static func bits(_ octets: UInt64) -> String {
    let bits = octets.multipliedReportingOverflow(by: 8)
    guard !bits.overflow else { return "-" }
    for (unit, size) in [("Gbit/s", UInt64(1_000_000_000)), ("Mbit/s", 1_000_000), ("kbit/s", 1_000)]
    where bits.partialValue >= size {
      return "\(bits.partialValue / size).\(bits.partialValue % size * 10 / size) \(unit)"
    }
    return "\(bits.partialValue) bit/s"
  }

  /// Thousandths as per cent.
  static func share(_ thousandths: some BinaryInteger) -> String { "\(thousandths / 10).\(thousandths % 10) %" }
}
