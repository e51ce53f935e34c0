import MobilityWire
import NetTypes

/// The binding update list with the lookups that events need: by attachment, by node (answers name the node) and by
/// access link (a link goes down with everybody on it).
struct BindingUpdateList: Sendable {
  private var entries: [AttachmentKey: BindingUpdateListEntry] = [:]
  /// A node has few interfaces: a sorted array each.
  private var keysOfNode: [MobileNodeIdentifier: [AttachmentKey]] = [:]
  private var addressesOnLink: [String: Set<LinkLayerAddress>] = [:]
  /// Bindings with each anchor that has some.
  private var bindingsAtAnchor: [IPv6Address: Int] = [:]

  var count: Int { entries.count }

  /// Assigning stores or replaces an entry under its own key; nil removes it. The node of an entry never changes: a new
  /// identity is a new session and thus a new entry.
  subscript(key: AttachmentKey) -> BindingUpdateListEntry? {
    get { entries[key] }
    set {
      let old = entries[key]
      entries[key] = newValue
      switch (old, newValue) {
      case (nil, let new?): index(new)
      case (let old?, nil): unindex(old)
      case (nil, nil), (_?, _?): break
      }
      if let old, old.binding != nil { countBinding(-1, at: old.anchorAddress) }
      if let newValue, newValue.binding != nil { countBinding(1, at: newValue.anchorAddress) }
    }
  }

  /// Attachments of a node, sorted.
  func keys(of node: MobileNodeIdentifier) -> [AttachmentKey] { keysOfNode[node] ?? [] }

  /// Attachments on a link, sorted.
  func keys(onLink link: String) -> [AttachmentKey] {
    (addressesOnLink[link] ?? []).sorted().map { AttachmentKey(link: link, linkLayerAddress: $0) }
  }

  /// Bindings with an anchor.
  func bindings(at anchor: IPv6Address) -> Int { bindingsAtAnchor[anchor] ?? 0 }

  /// Anchors with a binding.
  var anchors: Set<IPv6Address> { Set(bindingsAtAnchor.keys) }

  /// All attachments, sorted.
  var sortedKeys: [AttachmentKey] { entries.keys.sorted() }

  private mutating func countBinding(_ change: Int, at anchor: IPv6Address) {
    let count = bindings(at: anchor) + change
    bindingsAtAnchor[anchor] = count == 0 ? nil : count
  }

  private mutating func index(_ entry: BindingUpdateListEntry) {
    var keys = keysOfNode[entry.identity.node] ?? []
    keys.insert(entry.key, at: keys.firstIndex { entry.key < $0 } ?? keys.endIndex)
    keysOfNode[entry.identity.node] = keys
    addressesOnLink[entry.key.link, default: []].insert(entry.key.linkLayerAddress)
  }

  private mutating func unindex(_ entry: BindingUpdateListEntry) {
    var keys = keysOfNode[entry.identity.node] ?? []
    keys.removeAll { $0 == entry.key }
    keysOfNode[entry.identity.node] = keys.isEmpty ? nil : keys
    var addresses = addressesOnLink[entry.key.link] ?? []
    addresses.remove(entry.key.linkLayerAddress)
    addressesOnLink[entry.key.link] = addresses.isEmpty ? nil : addresses
  }
}
