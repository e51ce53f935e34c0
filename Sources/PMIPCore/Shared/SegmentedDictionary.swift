/// A dictionary for what may become very large: no call costs more for a larger one, growth included, where a
/// `Dictionary` of a million entries stops for a quarter of a second to grow.
///
/// Its elements stand densely, in an order that follows from the calls made and from nothing else.
struct SegmentedDictionary<Key: Hashable, Value> {
  struct Element {
    let key: Key
    var value: Value
  }

  private(set) var elements = SegmentedArray<Element>()
  private var index = HashIndex()

  var count: Int { elements.count }
  var isEmpty: Bool { elements.isEmpty }

  subscript(key: Key) -> Value? {
    get { read(key) { $0 } }
    set {
      if let newValue { updateValue(newValue, forKey: key) } else { removeValue(forKey: key) }
    }
  }

  subscript(key: Key, default value: @autoclosure () -> Value) -> Value {
    get { self[key] ?? value() }
    _modify {
      let hash = HashIndex.hash(key)
      let position = find(key, hash) ?? add(key, value(), hash)
      yield &elements[position].value
    }
  }

  mutating func updateValue(_ value: Value, forKey key: Key) {
    let hash = HashIndex.hash(key)
    if let position = find(key, hash) {
      elements[position].value = value
    } else {
      add(key, value, hash)
    }
  }

  /// Looks at a value where it stands; nil when there is none.
  func read<Result>(_ key: Key, _ body: (Value) -> Result) -> Result? {
    if isEmpty { return nil }
    return find(key, HashIndex.hash(key)).map { body(elements[$0].value) }
  }

  /// Changes a value where it stands; nil when there is none.
  @discardableResult
  mutating func change<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
    if isEmpty { return nil }
    guard let position = find(key, HashIndex.hash(key)) else { return nil }
    return body(&elements[position].value)
  }

  @discardableResult
  mutating func removeValue(forKey key: Key) -> Value? {
    if isEmpty { return nil }
    let hash = HashIndex.hash(key)
    guard let position = find(key, hash) else { return nil }
    index.remove(position, hash)
    let last = count - 1
    if position != last { index.move(HashIndex.hash(elements[last].key), from: last, to: position) }
    return elements.swapRemove(at: position).value
  }

  private func find(_ key: Key, _ hash: HashIndex.Hash) -> Int? {
    index.first(hash) { elements[$0].key == key }
  }

  @discardableResult
  private mutating func add(_ key: Key, _ value: Value, _ hash: HashIndex.Hash) -> Int {
    elements.append(Element(key: key, value: value))
    index.insert(count - 1, hash)
    return count - 1
  }
}

extension SegmentedDictionary.Element: Sendable where Key: Sendable, Value: Sendable {}
extension SegmentedDictionary: Sendable where Key: Sendable, Value: Sendable {}
