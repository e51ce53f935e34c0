/// An array for what may become very long: it never moves its elements to a larger place, so the last `append` of a
/// million costs what the first did.
///
/// Elements stand in segments of equal length. Only the list of segments grows as an array does: at ten million elements
/// a third of a megabyte is moved.
struct SegmentedArray<Element> {
  private static var shift: Int { 8 }
  private static var segmentLength: Int { 1 << shift }

  private var segments: [[Element]] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> Element {
    // Yielded, not returned: who looks at one field of a large element shall not copy all of it.
    _read { yield segments[index >> Self.shift][index & (Self.segmentLength - 1)] }
    _modify { yield &segments[index >> Self.shift][index & (Self.segmentLength - 1)] }
  }

  mutating func append(_ element: Element) {
    if count & (Self.segmentLength - 1) == 0 {
      segments.append([])
      // Small arrays stay small.
      if segments.count > 1 { segments[segments.count - 1].reserveCapacity(Self.segmentLength) }
    }
    segments[segments.count - 1].append(element)
    count += 1
  }

  @discardableResult
  mutating func removeLast() -> Element {
    let element = segments[segments.count - 1].removeLast()
    count -= 1
    if count & (Self.segmentLength - 1) == 0 { segments.removeLast() }
    return element
  }

  /// Removes the element; the last one takes its place.
  @discardableResult
  mutating func swapRemove(at index: Int) -> Element {
    let last = removeLast()
    guard index < count else { return last }
    let removed = self[index]
    self[index] = last
    return removed
  }
}

extension SegmentedArray: Sendable where Element: Sendable {}

extension SegmentedArray: RandomAccessCollection {
  var startIndex: Int { 0 }
  var endIndex: Int { count }
}
