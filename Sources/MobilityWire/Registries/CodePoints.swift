/// Numbers that IANA has not assigned and both ends agree on by configuration.
public struct CodePoints: Hashable, Sendable, Codable {
  /// Option type of the paper's flow-mob option; nil: not used. Must be unassigned (71...255).
  public var flowMobilityOption: UInt8?
  public init(flowMobilityOption: UInt8? = 250) { self.flowMobilityOption = flowMobilityOption }
}
