import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: configuration problems")
struct AnchorConfigurationTests {
  typealias Lab = AnchorLab

  struct Case: Sendable, CustomTestStringConvertible {
    var keyPath: String
    /// A part of the message.
    var says: String
    var change: @Sendable (inout LMAConfiguration) -> Void
    var testDescription: String { "\(keyPath): \(says)" }
  }

  static let cases = [
    Case(keyPath: "addresses", says: "at least one") { $0.addresses = [] },
    Case(keyPath: "addresses[1]", says: "not a routable unicast") { $0.addresses.append(address("fe80::1")) },
    Case(keyPath: "addresses[1]", says: "addresses[0]") { $0.addresses.append(Lab.anchorAddress) },
    Case(keyPath: "redirections[0].from", says: "not one of `addresses`") {
      $0.redirections = [Redirection(from: Lab.stranger, to: [Lab.anchorAddress])]
    },
    Case(keyPath: "redirections[0].to[0]", says: "not one of `addresses`") {
      $0.redirections = [Redirection(from: Lab.anchorAddress, to: [Lab.stranger])]
    },
    Case(keyPath: "redirections[0].to[0]", says: "is redirected itself") {
      $0.redirections = [Redirection(from: Lab.anchorAddress, to: [Lab.anchorAddress])]
    },
    Case(keyPath: "redirections[0].to", says: "no address") {
      $0.redirections = [Redirection(from: Lab.anchorAddress, to: [])]
    },
    Case(keyPath: "redirections[1].from", says: "already") {
      $0.addresses.append(Lab.stranger)
      $0.redirections = [Redirection](repeating: Redirection(from: Lab.anchorAddress, to: [Lab.stranger]), count: 2)
    },
    Case(keyPath: "redirections[0].maximum-sessions", says: "out of range") {
      $0.addresses.append(Lab.stranger)
      $0.redirections = [Redirection(from: Lab.anchorAddress, to: [Lab.stranger], maximumSessions: 0)]
    },
    Case(keyPath: "gateways[1].name", says: "gateways[0]") { $0.gateways[1].name = "mag1" },
    Case(keyPath: "gateways[0].name", says: "empty") { $0.gateways[0].name = "" },
    Case(keyPath: "gateways[1].address", says: "gateways[0]") { $0.gateways[1].address = Lab.mag1 },
    Case(keyPath: "gateways[1].address", says: "not a routable unicast") { $0.gateways[1].address = .allNodes },
    Case(keyPath: "gateways[0].address", says: "this anchor") { $0.gateways[0].address = Lab.anchorAddress },
    Case(keyPath: "prefix-pools[1].prefix", says: "overlaps 2001:db8:100::/62 of prefix-pools[0]") {
      $0.prefixPools.append(PrefixPool(prefix: Lab.thirdPrefix))
    },
    Case(keyPath: "prefix-pools[0].prefix", says: "contains 2001:db8:1::1") {
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:1::/48"))]
    },
    Case(keyPath: "prefix-pools[0].prefix", says: "not a prefix of routable") {
      $0.prefixPools = [PrefixPool(prefix: prefix("ff00::/16"))]
    },
    Case(keyPath: "prefix-pools[0].assigned-length", says: "expected 62 to 128") {
      $0.prefixPools[0].assignedLength = 61
    },
    Case(keyPath: "prefix-pools[0].assigned-length", says: "at most 128") { $0.prefixPools[0].assignedLength = 129 },
    Case(keyPath: "prefix-pools[0].quarantine", says: "out of range") { $0.prefixPools[0].quarantine = .seconds(-1) },
    Case(keyPath: "nodes[1].id", says: "nodes[0]") { $0.nodes[1].identifier = Lab.mn1 },
    Case(keyPath: "nodes[0].id", says: "empty") { $0.nodes[0].identifier = MobileNodeIdentifier(nai: "") },
    Case(keyPath: "nodes[0].reserved-prefixes[0]", says: "in no pool") {
      $0.nodes[0].reservedPrefixes = [prefix("2001:db8:f00::/64")]
    },
    Case(keyPath: "nodes[0].reserved-prefixes[0]", says: "another length") {
      $0.nodes[0].reservedPrefixes = [prefix("2001:db8:100::/63")]
    },
    Case(keyPath: "nodes[1].reserved-prefixes[1]", says: "nodes[0].reserved-prefixes[0]") {
      $0.nodes[0].reservedPrefixes = [Lab.firstPrefix]
      $0.nodes[1].reservedPrefixes = [Lab.secondPrefix, Lab.firstPrefix]
    },
    Case(keyPath: "nodes[0].gateways[1]", says: "'mag9'") { $0.nodes[0].gateways = ["mag1", "mag9"] },
    Case(keyPath: "timers.min-delay-before-bce-delete", says: "out of range") {
      $0.timers.minDelayBeforeBCEDelete = .seconds(-1)
    },
    Case(keyPath: "timers.max-delay-before-new-bce-assign", says: "out of range") {
      $0.timers.maxDelayBeforeNewBCEAssign = .seconds(61)
    },
    Case(keyPath: "timers.timestamp-validity-window", says: "out of range") {
      $0.timers.timestampValidityWindow = .zero
    },
    Case(keyPath: "timers.maximum-lifetime", says: "expected 4.0 seconds to 262140.0 seconds") {
      $0.timers.maximumLifetime = .seconds(3)
    },
    Case(keyPath: "limits.bindings", says: "expected 1 to 16777216") { $0.limits.bindings = 0 },
    Case(keyPath: "limits.bindings-per-node", says: "expected 1 to 64") { $0.limits.bindingsPerNode = 65 },
    Case(keyPath: "limits.prefixes-per-request", says: "expected 1 to 60") { $0.limits.prefixesPerRequest = 61 },
    Case(keyPath: "limits.pending-registrations", says: "out of range") { $0.limits.pendingRegistrations = 0 },
    Case(keyPath: "flow-mobility.option-type", says: "expected 71 to 255") { $0.codePoints.flowMobilityOption = 22 },
    Case(keyPath: "flow-mobility.shared-prefixes-indicator", says: "6 (RFC 7864)") {
      $0.sharedPrefixesIndicator = .unknown
    },
  ]

  @Test("The configuration of the tests has none")
  func none() {
    #expect(Lab.configuration().problems() == [])
  }

  @Test("Each problem, with its key", arguments: cases)
  func problem(_ test: Case) {
    let problems = Lab.configuration(test.change).problems()
    #expect(problems.contains { $0.keyPath == test.keyPath && $0.message.contains(test.says) }, "\(problems)")
  }

  @Test("All at once, in the order of the file")
  func allAtOnce() {
    let problems = Lab.configuration {
      $0.limits.bindings = 0
      $0.addresses = []
      $0.timers.maximumLifetime = .zero
    }.problems()
    #expect(problems.map(\.keyPath) == ["addresses", "timers.maximum-lifetime", "limits.bindings"])
  }

  @Test("The defaults are those of RFC 5213 section 9.1")
  func defaults() {
    let timers = LMATimers()
    #expect(timers.minDelayBeforeBCEDelete == .milliseconds(10_000))
    #expect(timers.maxDelayBeforeNewBCEAssign == .milliseconds(1_500))
    #expect(timers.timestampValidityWindow == .milliseconds(300))
    #expect(ProtocolConstants.maximumLifetime == BindingLifetime(rawValue: .max).duration)
  }
}
