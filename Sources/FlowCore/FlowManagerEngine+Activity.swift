import DatapathModel
import NetTypes

// Counters of the elements.
extension FlowManagerEngine {
  mutating func take(_ readings: [KernelCounter], _ now: FlowMoment, _ work: inout Work) {
    let idleSeconds = UInt32(clamping: configuration.idleTimeout.components.seconds)
    for reading in readings {
      guard let slot = table.slot(of: reading.flow) else { continue }
      let flow = table[slot]
      table.setReading(reading.count, at: now, of: slot)
      if now.monotonicSeconds &- table[slot].lastActive >= idleSeconds {
        counters.flowsRemovedIdle += 1
        triggers.quality[reading.flow] = nil
        remove(slot, cause: .idle, command: nil, &work)
        continue
      }
      if configuration.quality.isEnabled, reading.count.octets >= flow.count.octets {
        judgeQuality(
          of: slot, octets: reading.count.octets - flow.count.octets,
          milliseconds: now.milliseconds &- flow.readAt, &work)
      }
      lookAgain(slot, &work)
    }
  }
}
