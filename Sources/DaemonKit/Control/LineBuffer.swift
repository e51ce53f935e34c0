/// Cuts a stream of octets into lines. A line longer than `maximumLength` is reported once and skipped to its end, so
/// that the stream stays usable.
struct LineBuffer {
  enum Line: Equatable {
    /// Without its newline.
    case line([UInt8])
    case tooLong
  }

  let maximumLength: Int
  private var bytes: [UInt8] = []
  /// Octets before this have been given out.
  private var start = 0
  /// Octets before this hold no newline that has not been given out.
  private var scanned = 0
  private var skipping = false

  init(maximumLength: Int) { self.maximumLength = maximumLength }

  /// Given-out octets are dropped here, once per read, rather than with each line.
  mutating func append(_ new: some Sequence<UInt8>) {
    bytes.removeFirst(start)
    scanned -= start
    start = 0
    bytes.append(contentsOf: new)
  }

  /// nil until more octets come.
  mutating func next() -> Line? {
    while true {
      guard let end = bytes[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
        scanned = bytes.count
        guard skipping || bytes.count - start > maximumLength else { return nil }
        start = bytes.count
        defer { skipping = true }
        return skipping ? nil : .tooLong
      }
      defer {
        start = end + 1
        scanned = start
      }
      if skipping {
        skipping = false
        continue
      }
      return end - start > maximumLength ? .tooLong : .line(Array(bytes[start..<end]))
    }
  }
}
