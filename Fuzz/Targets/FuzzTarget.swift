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
  /// The octets are a RADIUS accounting packet; and the attributes of one whose authenticator is right.
  case accounting
  /// The octets are a remote attachment trigger; and the body of one whose code is right.
  case remoteTrigger = "remote-trigger"
  /// The octets are what happens on the control socket of a hostapd.
  case hostapd
  /// The octets are a datagram of nl80211.
  case station

  /// - Parameter trace: told what happens, so that a finding can be understood.
  public func run(_ input: [UInt8], trace: ((String) -> Void)? = nil) throws(FuzzFailure) {
    switch self {
    case .decoder: try fuzzDecoder(input)
    case .anchor: try FuzzedAnchor.run(input, trace)
    case .gateway: try FuzzedGateway.run(input, trace)
    case .dissector: try fuzzDissector(input)
    case .accounting: try fuzzAccounting(input)
    case .remoteTrigger: try fuzzRemoteTrigger(input)
    case .hostapd: try FuzzedHostapd.run(input, trace)
    case .station: try fuzzStation(input)
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
