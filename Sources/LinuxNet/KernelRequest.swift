/// One netlink request with the words for its failure, so that many can go out in one batch and each refusal still
/// names its object.
public struct KernelRequest: Hashable, Sendable {
  /// What a request is about. Put into words only when it fails: most do not, and a registration must not pay for it.
  enum Subject: Hashable, Sendable {
    case named(String)
    case route(Route)
  }

  public var message: NetlinkMessage
  /// A verb phrase: "replace route".
  public var operation: String
  private var subject: Subject
  /// errno values that mean that the wanted state is there already: ESRCH for deletions, EEXIST for additions.
  public var tolerated: Set<Int32>

  public init(_ message: NetlinkMessage, _ operation: String, _ object: String, tolerated: Set<Int32> = []) {
    self.init(message, operation, .named(object), tolerated: tolerated)
  }

  init(_ message: NetlinkMessage, _ operation: String, _ subject: Subject, tolerated: Set<Int32> = []) {
    self.message = message
    self.operation = operation
    self.subject = subject
    self.tolerated = tolerated
  }

  /// What it is done to.
  public var object: String {
    switch subject {
    case .named(let name): name
    case .route(let route): route.description
    }
  }
}
