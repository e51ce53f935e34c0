import MobilityWire

/// One of the paths between a gateway with several uplinks and its anchor, RFC 8278.
public struct GatewayPath: Hashable, Sendable, Codable {
  /// Whose path it is, whatever Proxy-CoA it has.
  public var gateway: MAGIdentifier
  /// BID: 1...254, unique for a gateway.
  public var binding: UInt8
  /// If-Label: type of the uplink, for policy.
  public var label: UInt8
  /// If-ATT: technology of the uplink.
  public var accessTechnology: AccessTechnologyType

  /// BID of the option: 8 bits, of which 0 and 255 are reserved.
  public static let bindings: ClosedRange<UInt8> = 1...254

  public init(gateway: MAGIdentifier, binding: UInt8, label: UInt8, accessTechnology: AccessTechnologyType) {
    self.gateway = gateway
    self.binding = binding
    self.label = label
    self.accessTechnology = accessTechnology
  }

  /// From the options of a message; nil without a usable pair of MAG Multipath Binding and MAG Identifier.
  init?(_ options: MobilityOptions) {
    guard let multipath = options.magMultipathBinding, let gateway = options.magIdentifier,
      Self.bindings.contains(multipath.binding)
    else { return nil }
    self.init(
      gateway: gateway, binding: multipath.binding, label: multipath.interfaceLabel,
      accessTechnology: multipath.interfaceTechnology)
  }
}
