import DatapathModel
import FlowCore
import LinuxNet

/// Reads the queues of tunnels: the root queueing discipline of a tunnel's device, or the class that the operator names.
final class TunnelQueues {
  private let socket: RouteNetlink
  private let settings: [String: TunnelSettings]
  /// Asked again when a device is not in a dump: it may have been made anew, with another index.
  private var indices: [String: UInt32] = [:]

  init(_ tunnels: [TunnelSettings]) throws(LinuxError) {
    socket = try RouteNetlink()
    settings = Dictionary(tunnels.map { ($0.gateway, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// One reading for each of `tunnels`. `marked` is what our chains have counted: it stands in where no queue counts.
  func read(
    _ tunnels: [AnchorTunnel], marked: [TunnelIdentifier: TrafficCount]
  ) throws(LinuxError) -> [TunnelReading] {
    let places = tunnels.map { place(of: $0) }
    let disciplines = try socket.queueingDisciplines()
    var roots: [UInt32: TrafficControlRecord] = [:]
    for record in disciplines where record.isCountingRoot { roots[record.interface] = record }
    let interfaces = Set(disciplines.map(\.interface))
    var classes: [UInt32: [TrafficControlRecord]] = [:]
    var readings: [TunnelReading] = []
    for (tunnel, place) in zip(tunnels, places) {
      var reading = TunnelReading(tunnel: tunnel.id, queue: nil, capacity: settings[tunnel.gateway]?.capacity)
      if let interface = place.interface.flatMap({ index(of: $0, among: interfaces) }) {
        if let wanted = place.trafficClass {
          if classes[interface] == nil { classes[interface] = try socket.trafficClasses(interface: interface) }
          let record =
            classes[interface]?.first { $0.handle == wanted }
            ?? disciplines.first { $0.interface == interface && $0.handle == wanted }
          reading.queue = record.map { QueueReading($0.statistics) }
        } else {
          reading.queue = roots[interface].map { QueueReading($0.statistics) }
        }
      }
      if reading.queue == nil, let count = marked[tunnel.id] {
        reading.queue = QueueReading(packets: count.packets, octets: count.octets, drops: 0, backlog: 0)
      }
      readings.append(reading)
    }
    return readings
  }

  private func place(of tunnel: AnchorTunnel) -> (interface: String?, trafficClass: TrafficControlHandle?) {
    let named = settings[tunnel.gateway]
    return (named?.interface ?? tunnel.interface, named?.trafficClass)
  }

  private func index(of name: String, among present: Set<UInt32>) -> UInt32? {
    if let known = indices[name], present.contains(known) { return known }
    indices[name] = (try? socket.link(named: name))?.index
    return indices[name]
  }
}

extension QueueReading {
  init(_ statistics: TrafficControlStatistics) {
    self.init(
      packets: statistics.packets, octets: statistics.octets, drops: statistics.drops, backlog: statistics.backlog)
  }
}
