/// One netlink request with the words for its failure, so that many can go out in one batch and each refusal still
/// names its object.
public struct KernelRequest: Hashable, Sendable {
  public var message: NetlinkMessage
  /// A verb phrase: "replace route".
  public var operation: String
  public var object: String
  /// errno values that mean that the wanted state is there already: ESRCH for deletions, EEXIST for additions.
  public var tolerated: Set<Int32>

  public init(_ message: NetlinkMessage, _ operation: String, _ object: String, tolerated: Set<Int32> = []) {
    self.message = message
    self.operation = operation
    self.object = object
    self.tolerated = tolerated
  }
}
