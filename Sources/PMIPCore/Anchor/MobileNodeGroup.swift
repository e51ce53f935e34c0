import MobilityWire
import NetTypes

/// All bindings of one node: an entry of the paper's flow-mob list (section 3.2.2). In order of registration, so the
/// first is the oldest; small, because `bindings-per-node` bounds it.
struct MobileNodeGroup: Sendable {
  private(set) var bindings: [BindingIdentifier] = []

  mutating func add(_ binding: BindingIdentifier) { bindings.append(binding) }
  mutating func remove(_ binding: BindingIdentifier) { bindings.removeAll { $0 == binding } }
}
