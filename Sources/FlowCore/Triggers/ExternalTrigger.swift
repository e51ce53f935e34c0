import DatapathModel

/// Something outside says that a path is bad, or well again: a radio controller, a monitoring system, an operator.
public struct ExternalTrigger: Hashable, Sendable {
  public enum State: String, Hashable, Sendable, Codable {
    case degraded, restored
  }

  /// The path to a gateway, of all nodes or of one.
  public struct Path: Hashable, Sendable {
    /// Gateway name or tunnel number.
    public var gateway: String
    public var node: String?

    public init(gateway: String, node: String? = nil) {
      self.gateway = gateway
      self.node = node
    }
  }

  public static let lifetimeRange = Duration.seconds(1) ... .seconds(7 * 86_400)
  /// Octets of UTF-8.
  public static let maximumReasonLength = 200

  public var path: Path
  public var state: State
  public var reason: String
  /// A path is degraded this long, unless it is restored or degraded again before.
  public var lifetime: Duration

  public init(path: Path, state: State, reason: String, lifetime: Duration) {
    self.path = path
    self.state = state
    self.reason = reason
    self.lifetime = lifetime
  }
}

/// A path that is degraded now.
public struct Degradation: Hashable, Sendable {
  public var reason: String
  /// On the monotonic clock.
  public var until: Duration
}

/// What has happened to the paths of a tunnel or a gateway.
public enum TunnelChange: Hashable, Sendable {
  case congested(TunnelIdentifier)
  case relieved(TunnelIdentifier)
  /// Congested, and no flow on it can go elsewhere.
  case withoutWay(TunnelIdentifier)
  case degraded(ExternalTrigger.Path, reason: String)
  case restored(ExternalTrigger.Path)
}
