import MobilityWire
import NetTypes

/// The binding update list with the lookups that events need: by attachment, by node (answers name the node) and by
/// access link (a link goes down with everybody on it).
struct BindingUpdateList: Sendable {
  private var entries: [AttachmentKey: BindingUpdateListEntry] = [:]
  /// A node has few interfaces: a sorted array each.
  private var keysOfNode: [MobileNodeIdentifier: [AttachmentKey]] = [:]
  private var keysOnLink: [String: Set<AttachmentKey>] = [:]
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
    (keysOnLink[link] ?? []).sorted()
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
    keysOnLink[entry.key.link, default: []].insert(entry.key)
  }

  private mutating func unindex(_ entry: BindingUpdateListEntry) {
    var keys = keysOfNode[entry.identity.node] ?? []
    keys.removeAll { $0 == entry.key }
    keysOfNode[entry.identity.node] = keys.isEmpty ? nil : keys
    keysOnLink[entry.key.link]?.remove(entry.key)
    if keysOnLink[entry.key.link]?.isEmpty == true { keysOnLink[entry.key.link] = nil }
  }
}
