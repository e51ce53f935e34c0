/// "xn+y": the type octet of an option stands `multiple * n + remainder` octets behind the start of the Mobility Header.
public struct OptionAlignment: Hashable, Sendable {
  /// A power of two.
  public var multiple: Int
  public var remainder: Int

  public init(multiple: Int, remainder: Int = 0) {
    self.multiple = multiple
    self.remainder = remainder
  }

  public static let none = OptionAlignment(multiple: 1)

  /// Octets of padding from `offset` to the next aligned one; below `multiple`.
  func distance(from offset: Int) -> Int {
    (remainder - offset) & (multiple - 1)
  }
}
