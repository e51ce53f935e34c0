import MobilityWire
import NetTypes

/// One of several ways from a gateway to its anchors, RFC 8278: each is a path of every attachment.
public struct Uplink: Hashable, Sendable, Codable {
  /// Name of the interface; tells which uplink has gone or come back.
  public var interface: String
  /// Proxy-CoA of this path.
  public var address: IPv6Address
  /// If-Label: type of the uplink, for the anchor's policy.
  public var label: UInt8
  /// If-ATT.
  public var accessTechnology: AccessTechnologyType

  public init(interface: String, address: IPv6Address, label: UInt8, accessTechnology: AccessTechnologyType) {
    self.interface = interface
    self.address = address
    self.label = label
    self.accessTechnology = accessTechnology
  }
}
