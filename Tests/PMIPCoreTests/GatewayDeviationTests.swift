import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: anchors that leave the standards")
struct GatewayDeviationTests {
  typealias Ladder = GatewayLadder

  private static func configuration(_ tolerated: PeerDeviations) -> MAGConfiguration {
    var configuration = Ladder.configuration
    configuration.anchors = [AnchorPolicy(address: Ladder.anchor, tolerated: tolerated)]
    return configuration
  }

  /// The anchor answers the first PBU like this.
  private static func attached(
    _ tolerated: PeerDeviations, answered change: (inout BindingAcknowledgement) -> Void
  ) -> Ladder {
    var ladder = Ladder(configuration(tolerated))
    ladder.attach()
    ladder.answer(changing: change)
    return ladder
  }

  private static func tolerated(_ ladder: Ladder) -> UInt64 {
    ladder.gateway.counters.named.filter { $0.name.hasPrefix("tolerated-") }.reduce(0) { $0 + $1.value }
  }

  struct Answer: Sendable, CustomTestStringConvertible {
    var deviation: PeerDeviation
    /// What the strict gateway counts.
    var strict: MAGCounters.Counter
    var counter: MAGCounters.Counter
    var variant = ""
    var state: AttachmentSummary.State = .registering
    var change: @Sendable (inout BindingAcknowledgement) -> Void
    var testDescription: String { "\(deviation.rawValue) \(variant)" }
  }

  private static func leaveOut(
    _ isUnwanted: @escaping @Sendable (MobilityOption) -> Bool
  ) -> @Sendable (inout BindingAcknowledgement) -> Void {
    { $0.options = MobilityOptions($0.options.filter { !isUnwanted($0) }) }
  }

  private static func replace(
    _ replacement: @escaping @Sendable (MobilityOption) -> MobilityOption
  ) -> @Sendable (inout BindingAcknowledgement) -> Void {
    { $0.options = MobilityOptions($0.options.map(replacement)) }
  }

  static let cases = [
    Answer(
      deviation: .missingProxyFlag, strict: .notProxyAcknowledgements, counter: .toleratedMissingProxyFlag,
      change: { $0.flags = [] }),
    Answer(
      deviation: .missingHandoffOptions, strict: .acknowledgementsWithoutHandoffOptions,
      counter: .toleratedMissingHandoffOptions, variant: "(HI)",
      change: leaveOut { if case .handoffIndicator = $0 { true } else { false } }),
    Answer(
      deviation: .missingHandoffOptions, strict: .acknowledgementsWithoutHandoffOptions,
      counter: .toleratedMissingHandoffOptions, variant: "(ATT)",
      change: leaveOut { if case .accessTechnologyType = $0 { true } else { false } }),
    Answer(
      deviation: .missingTimestamp, strict: .acknowledgementsWithoutTimestamp, counter: .toleratedMissingTimestamp,
      change: leaveOut { if case .timestamp = $0 { true } else { false } }),
    Answer(
      deviation: .nulPaddedIdentifier, strict: .unmatchedAcknowledgements, counter: .toleratedNULPaddedIdentifier,
      change: replace {
        guard case .mobileNodeIdentifier(let node) = $0 else { return $0 }
        let padding = [UInt8](repeating: 0, count: 63 - node.identifier.count)
        return .mobileNodeIdentifier(MobileNodeIdentifier(subtype: 1, identifier: node.identifier + padding))
      }),
    Answer(
      deviation: .reservedAccessTechnology, strict: .contradictingAcknowledgements,
      counter: .toleratedReservedAccessTechnology, state: .refused,
      change: replace { if case .accessTechnologyType = $0 { .accessTechnologyType(.reserved) } else { $0 } }),
  ]

  @Test("Strict: no service and a counter; tolerated: served and counted", arguments: cases)
  func served(answer: Answer) {
    let strict = Self.attached(.none, answered: answer.change)
    #expect(strict.state == answer.state)
    #expect(strict.count(answer.strict) == 1 && strict.datapath == DatapathSnapshot() && Self.tolerated(strict) == 0)

    let lenient = Self.attached([answer.deviation], answered: answer.change)
    #expect(lenient.state == .registered)
    #expect(lenient.gateway.attachments.first?.prefixes == [Ladder.prefix])
    #expect(lenient.count(answer.counter) == 1 && Self.tolerated(lenient) == 1)

    // A switch opens nothing else, and a conforming answer is no deviation.
    let others = PeerDeviations(
      PeerDeviation.allCases.filter { $0 != answer.deviation && $0 != .hostByteOrderTimestamp })
    #expect(Self.attached(others, answered: answer.change).state == answer.state)
    let conforming = Self.attached([answer.deviation]) { _ in }
    #expect(conforming.state == .registered && Self.tolerated(conforming) == 0)
  }

  @Test("The deviations of one anchor are not tolerated from another")
  func perAnchor() {
    var configuration = Ladder.configuration
    configuration.anchors = [AnchorPolicy(address: "2001:db8:1::2", tolerated: [.missingProxyFlag])]
    var ladder = Ladder(configuration)
    ladder.attach()
    ladder.answer { $0.flags = [] }
    #expect(ladder.state == .registering && ladder.count(.notProxyAcknowledgements) == 1)
  }

  @Test("hnp-length-128: a host prefix is taken at its word; tolerated, the /64, and named with 128 in return")
  func hostPrefixLength() {
    let host = IPv6Prefix.host(Ladder.prefix.address)
    let strict = Ladder.registered(Self.configuration(.none), prefixes: [host])
    #expect(strict.gateway.attachments.first?.prefixes == [host])

    var ladder = Ladder.registered(Self.configuration([.hostPrefixLength]), prefixes: [host])
    #expect(ladder.gateway.attachments.first?.prefixes == [Ladder.prefix])
    #expect(ladder.count(.toleratedHostPrefixLength) == 1)
    ladder.advance(by: .seconds(260))
    #expect(ladder.lastPBU?.options.handoffIndicator == .noChange && ladder.lastPBU?.namedPrefixes == [host])
    ladder.answer(prefixes: [host])
    #expect(ladder.state == .registered && ladder.datapath.downlinks.count == 1)
  }

  @Test("timestamp-host-byte-order: so sent; an echo in either order is ours, another one is not")
  func hostByteOrder() throws {
    var strict = Ladder()
    strict.attach()
    let sent = try #require(strict.lastPBU?.options.timestamp)
    #expect(sent == strict.moment.wallClock)
    func echo(_ timestamp: NTPTimestamp) -> (inout BindingAcknowledgement) -> Void {
      Self.replace { if case .timestamp = $0 { .timestamp(timestamp) } else { $0 } }
    }
    strict.answer(changing: echo(sent.byteSwapped))
    #expect(strict.state == .registering && strict.count(.unmatchedAcknowledgements) == 1)

    for echoed in [sent, sent.byteSwapped] {
      var ladder = Ladder(Self.configuration([.hostByteOrderTimestamp]))
      ladder.attach()
      #expect(ladder.lastPBU?.options.timestamp == sent.byteSwapped)
      ladder.answer(changing: echo(NTPTimestamp(rawValue: sent.rawValue + 1).byteSwapped))
      #expect(ladder.state == .registering && ladder.count(.unmatchedAcknowledgements) == 1)
      ladder.answer(changing: echo(echoed))
      #expect(ladder.state == .registered)
      #expect(ladder.count(.toleratedHostByteOrderTimestamp) == (echoed == sent ? 1 : 2))
    }
  }

  @Test("same-sequence-on-retransmission: kept, with a fresh timestamp; an answer to any transmission is taken")
  func sameSequence() throws {
    func retransmitted(_ tolerated: PeerDeviations) throws -> (Ladder, BindingUpdate, BindingUpdate) {
      var ladder = Ladder(Self.configuration(tolerated))
      ladder.attach()
      let first = try #require(ladder.lastPBU)
      ladder.advance(by: .milliseconds(1_500))
      return (ladder, first, try #require(ladder.lastPBU))
    }
    let (strict, original, next) = try retransmitted(.none)
    #expect(next.sequence == original.sequence &+ 1 && strict.count(.toleratedSameSequence) == 0)

    for answersFirst in [true, false] {
      var (ladder, first, second) = try retransmitted([.sameSequenceOnRetransmission])
      #expect(first.sequence == second.sequence && ladder.count(.toleratedSameSequence) == 1)
      #expect(try #require(first.options.timestamp) < #require(second.options.timestamp))
      ladder.answer(to: answersFirst ? first : second)
      #expect(ladder.state == .registered && ladder.count(.retransmissions) == 1)
      // The next request has the next number.
      ladder.advance(by: .seconds(262))
      #expect(ladder.lastPBU?.sequence == first.sequence &+ 1)
    }
    // 135 gives a new number; from then on that one is kept.
    var (ladder, first, _) = try retransmitted([.sameSequenceOnRetransmission])
    let adopted = ladder.answer(.sequenceNumberOutOfWindow, sequence: first.sequence &+ 500)
    #expect(adopted.updates.map(\.sequence) == [first.sequence &+ 501])
    #expect(ladder.advance(by: .seconds(6)).updates.map(\.sequence) == [first.sequence &+ 501])
  }

  @Test("no-dynamic-prefix: the prefixes of the node map are proposed; refused, they are proposed again later")
  func noDynamicPrefix() {
    func ladder(_ tolerated: PeerDeviations) -> Ladder {
      var configuration = Self.configuration(tolerated)
      configuration.nodes[0].homeNetworkPrefixes = [Ladder.prefix]
      return Ladder(configuration)
    }
    var strict = ladder(.none)
    strict.attach()
    #expect(strict.lastPBU?.asksForAnyPrefix == true && Self.tolerated(strict) == 0)

    var lenient = ladder([.noDynamicPrefix])
    lenient.attach()
    #expect(lenient.lastPBU?.namedPrefixes == [Ladder.prefix] && lenient.count(.toleratedNoDynamicPrefix) == 1)
    #expect(lenient.answer(.notAuthorizedForHomeNetworkPrefix).updates.isEmpty)
    #expect(lenient.state == .refused)
    #expect(lenient.advance(by: .seconds(32)).updates.map(\.namedPrefixes) == [[Ladder.prefix]])
    lenient.answer()
    #expect(lenient.state == .registered)
    lenient.restart()
    lenient.advance(by: .seconds(5))
    #expect(lenient.answer(.notAuthorizedForHomeNetworkPrefix).updates.isEmpty)
    #expect(lenient.state == .refused)
    // An interface without prefixes in the map can only ask.
    lenient.attach(Ladder.secondMAC, on: "lte0")
    #expect(lenient.lastPBU?.asksForAnyPrefix == true)
  }

  @Test("A refusal is one whatever lifetime it carries", arguments: [0, 75] as [UInt16])
  func lifetimeOfRefusal(lifetime: UInt16) {
    let ladder = {
      var ladder = Ladder()
      ladder.attach()
      ladder.answer(.insufficientResources) { $0.lifetime = BindingLifetime(rawValue: lifetime) }
      return ladder
    }()
    #expect(ladder.state == .refused && ladder.datapath == DatapathSnapshot() && Self.tolerated(ladder) == 0)
  }

  @Test("Configuration: each anchor once, prefixes only where they are used")
  func problems() {
    var configuration = Self.configuration([.noDynamicPrefix])
    configuration.nodes[0].homeNetworkPrefixes = [Ladder.prefix]
    #expect(configuration.problems().isEmpty)
    configuration.anchors += [AnchorPolicy(address: Ladder.anchor), AnchorPolicy(address: "ff02::1")]
    configuration.nodes[0].homeNetworkPrefixes = ["fe80::/64"]
    configuration.nodes[1].homeNetworkPrefixes = .init(repeating: Ladder.prefix, count: 17)
    configuration.nodes[2].anchorAddress = "2001:db8:1::9"
    configuration.nodes[2].homeNetworkPrefixes = [Ladder.prefix]
    #expect(
      configuration.problems().map(\.keyPath) == [
        "anchors[1].address", "anchors[2].address", "node-map[0]", "node-map[1]", "node-map[2]",
      ])
  }
}
