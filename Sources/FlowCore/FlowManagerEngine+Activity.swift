import DatapathModel
import NetTypes

// Counters of the elements.
extension FlowManagerEngine {
  mutating func take(_ readings: [KernelCounter], _ now: FlowMoment, _ work: inout Work) {
    let idleSeconds = UInt32(clamping: configuration.idleTimeout.components.seconds)
    for reading in readings {
      guard let slot = table.slot(of: reading.flow) else { continue }
      table.setReading(reading.count, at: now, of: slot)
      if now.monotonicSeconds &- table[slot].lastActive >= idleSeconds {
        counters.flowsRemovedIdle += 1
        remove(slot, cause: .idle, command: nil, &work)
        continue
      }
      lookAgain(slot, &work)
    }
  }
}
