import MobilityWire
import NetTypes

/// The binding update list with the lookups that events need: by attachment, by node (answers name the node) and by
/// access link (a link goes down with everybody on it).
struct BindingUpdateList: Sendable {
  private var entries: [AttachmentKey: BindingUpdateListEntry] = [:]
  /// A node has few interfaces: a sorted array each.
  private var keysOfNode: [MobileNodeIdentifier: [AttachmentKey]] = [:]
  private var addressesOnLink: [String: Set<LinkLayerAddress>] = [:]

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
    }
  }

  /// Attachments of a node, sorted.
  func keys(of node: MobileNodeIdentifier) -> [AttachmentKey] { keysOfNode[node] ?? [] }

  /// Attachments on a link, sorted.
  func keys(onLink link: String) -> [AttachmentKey] {
    (addressesOnLink[link] ?? []).sorted().map { AttachmentKey(link: link, linkLayerAddress: $0) }
  }

  /// All attachments, sorted.
  var sortedKeys: [AttachmentKey] { entries.keys.sorted() }

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
