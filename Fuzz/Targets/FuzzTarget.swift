/// What can be run on arbitrary octets. None of them may trap, whatever the octets are.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// The octets are a Mobility Header.
  case decoder
  /// The octets are a list of events for an anchor.
  case anchor
  /// The octets are a list of events for a gateway.
  case gateway
  /// The octets are an IPv6 packet, and an ICMPv6 message.
  case dissector

  /// - Parameter trace: told what happens, so that a finding can be understood.
  public func run(_ input: [UInt8], trace: ((String) -> Void)? = nil) throws(FuzzFailure) {
    switch self {
    case .decoder: try fuzzDecoder(input)
    case .anchor: try FuzzedAnchor.run(input, trace)
    case .gateway: try FuzzedGateway.run(input, trace)
    case .dissector: try fuzzDissector(input)
    }
  }
}

/// An invariant does not hold.
public struct FuzzFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
}

func require(_ holds: Bool, _ text: @autoclosure () -> String) throws(FuzzFailure) {
  if !holds { throw FuzzFailure(description: text()) }
}
