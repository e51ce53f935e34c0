import DatapathModel
import LinuxNet

/// Rates of the tunnels between two readings.
struct TunnelMeter {
  private var last: (at: Duration, octets: [TunnelIdentifier: UInt64])?

  /// Octets a second since the reading before; none at the first.
  mutating func rates(_ tunnels: [TunnelsDocument.Tunnel], at now: Duration = SystemClock.monotonic)
    -> [TunnelIdentifier: UInt64]
  {
    let octets = Dictionary(tunnels.map { ($0.id, $0.octets) }, uniquingKeysWith: { _, last in last })
    defer { last = (now, octets) }
    guard let last, now > last.at else { return [:] }
    let (seconds, attoseconds) = (now - last.at).components
    let milliseconds = max(1, UInt64(seconds) * 1_000 + UInt64(attoseconds) / 1_000_000_000_000_000)
    return octets.compactMapValues { $0 }.reduce(into: [:]) { rates, entry in
      guard let before = last.octets[entry.key], entry.value >= before else { return }
      rates[entry.key] = (entry.value - before).multipliedReportingOverflow(by: 1_000).partialValue / milliseconds
    }
  }
}
