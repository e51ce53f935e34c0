import DaemonKit
import Datapath
import MobilityWire
import NetTypes
import PMIPCore

// Configuration options that both ends of the protocol have, so that they are called and explained the same.

extension ConfigurationOption {
  public static func revocation(
    _ property: any WritableKeyPath<Root, RevocationTimers> & Sendable
  ) -> ConfigurationOption {
    .option(
      "revocation", property, .revocationTimers,
      help: "Binding Revocation Indications of ours (RFC 5846 section 11).")
  }

  public static func flowMobilityOptionType(
    _ property: any WritableKeyPath<Root, UInt8?> & Sendable
  ) -> ConfigurationOption {
    .option(
      "option-type", property, .flowMobilityOption,
      help: "Type of the flow-mob option, which carries the prefixes of a node's other interfaces.")
  }

  public static func sharedPrefixesIndicator(
    _ property: any WritableKeyPath<Root, HandoffIndicator> & Sendable
  ) -> ConfigurationOption {
    .option(
      "shared-prefixes-indicator", property, .handoffIndicator,
      help: "Handoff Indicator that asks for the prefixes of the node's other bindings (RFC 7864: 6).")
  }

  public static func encapsulation(
    _ property: any WritableKeyPath<Root, EncapsulationChoice> & Sendable
  ) -> ConfigurationOption {
    .option(
      "encapsulation", property, .word(["auto": .auto, "ip6tnl": .ip6tnl, "srv6": .srv6]),
      help:
        "ip6tnl: a device per tunnel. srv6: routes only, same bytes on the wire. auto: ip6tnl where the kernel has it.")
  }

  /// How a peer is asked whether it is there; the keys of a section `heartbeat`.
  public static func heartbeat(
    interval: any WritableKeyPath<Root, Duration> & Sendable, missingAllowed: any WritableKeyPath<Root, Int> & Sendable
  ) -> [ConfigurationOption] {
    [
      .option(
        "interval", interval, .duration(in: .zero ... .seconds(3_600)),
        help: "HEARTBEAT_INTERVAL while there are bindings with the peer, 30s to 1h suggested; 0s: none."),
      .option(
        "missing-allowed", missingAllowed, .integer(0...100),
        help: "MISSING_HEARTBEATS_ALLOWED: with one more the peer counts as unreachable."),
    ]
  }

  /// Where a peer's implementation leaves the standards.
  public static func tolerate(
    _ property: any WritableKeyPath<Root, PeerDeviations> & Sendable, _ known: [PeerDeviation]
  ) -> ConfigurationOption {
    .option(
      "tolerate", property, .peerDeviations(known),
      help: "Where its implementation leaves the standards and is used all the same; see Peer deviations.")
  }
}

extension OptionType where Value == RevocationTimers {
  fileprivate static var revocationTimers: OptionType {
    .mapping(
      OptionTable(
        initial: RevocationTimers(),
        [
          .option(
            "initial-delay", \.initialDelay, .duration(in: .milliseconds(500) ... .seconds(60)),
            help: "InitMINDelayBRIs: wait for the first answer; doubled for each further one."),
          .option(
            "maximum-delay", \.maximumDelay, .duration(in: .milliseconds(500) ... .seconds(60)),
            help: "MAX_BRACK_TIMEOUT: the wait doubles up to this."),
          .option(
            "maximum-retries", \.maximumRetries, .integer(0...10),
            help: "BRIMaxRetriesNumber: then the bindings end without an answer."),
        ]))
  }
}

extension OptionType where Value == PeerDeviations {
  fileprivate static func peerDeviations(_ known: [PeerDeviation]) -> OptionType {
    OptionType<[PeerDeviation]>.list(of: .word(of: known), count: 0...known.count).mapped {
      PeerDeviations($0)
    } back: {
      $0.list
    }
  }
}

extension OptionType where Value == UInt8? {
  /// Type of the flow-mob option; `none` switches it off.
  fileprivate static var flowMobilityOption: OptionType {
    OptionType<UInt8>.codePoint(
      "an unassigned option type", plural: "option types", names: ["none": 0], range: 71...255
    )
    .mapped {
      .some($0 == 0 ? nil : $0)
    } back: {
      $0 ?? 0
    }
  }
}

extension OptionType where Value == HandoffIndicator {
  fileprivate static var handoffIndicator: OptionType {
    OptionType<UInt8>.integer(1...255).mapped {
      HandoffIndicator(rawValue: $0)
    } back: {
      $0.rawValue
    }
  }
}
