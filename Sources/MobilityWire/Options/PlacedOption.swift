/// An element of the option area with its place, for printing and for tests that compare a message octet by octet.
public struct PlacedOption: Hashable, Sendable {
  public var type: MobilityOptionType
  /// Of the type octet, from the start of the Mobility Header.
  public var offset: Int
  /// The Length octet; nil for Pad1, which has none.
  public var length: Int?
  /// nil for Pad1 and PadN.
  public var option: MobilityOption?
}
