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
    let seconds = (now - last.at) / .seconds(1)
    return octets.reduce(into: [:]) { rates, entry in
      guard let before = last.octets[entry.key], entry.value >= before else { return }
      rates[entry.key] = UInt64(min(Double(entry.value - before) / seconds, 1e18))
    }
  }
}
