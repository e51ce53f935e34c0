import NetTypes
import Testing

@testable import DaemonKit

private enum Kind: Hashable, Sendable { case interfaces, logical }

private struct Peer: Hashable, Sendable {
  var name = ""
  var address = IPv6Address.unspecified
}

private struct Sample: Hashable, Sendable {
  var address = IPv6Address.unspecified
  var kind = Kind.interfaces
  var isEnabled = true
  var timeout = Duration.seconds(10)
  var bindings = 8
  var mask: UInt32 = 0x0fff_0000
  var technology: UInt8 = 4
  var prefixes: [IPv6Prefix] = []
  var peers: [Peer] = []
  var hardware: LinkLayerAddress?
  var interface = "core0"

  static let table = OptionTable(
    initial: Sample(),
    [
      .option("address", \.address, .ipv6Address, required: true, help: "Our address."),
      .option("kind", \.kind, .word(["interfaces": .interfaces, "logical": .logical]), help: "Kind."),
      .option("enabled", \.isEnabled, .boolean, help: "Switch."),
      .section(
        "timers", help: "Timers.",
        [.option("timeout", \.timeout, .duration(in: .seconds(1) ... .seconds(3_600)), help: "Wait.")]),
      .option("bindings", \.bindings, .integer(1...100), help: "Bound."),
      .option("mark-mask", \.mask, .markMask, help: "Mask."),
      .option(
        "technology", \.technology,
        .codePoint("an access technology", plural: "technologies", names: ["wlan": 4, "ethernet": 3], range: 1...255),
        help: "Technology."),
      .option("prefixes", \.prefixes, .list(of: .prefix, count: 0...2), help: "Prefixes."),
      .option(
        "peers", \.peers,
        .list(
          of: .mapping(
            OptionTable(
              initial: Peer(),
              [
                .option("name", \.name, .text("a name"), required: true, help: "Name."),
                .option("address", \.address, .ipv6Address, required: true, help: "Address."),
              ])), count: 0...4), help: "Peers."),
      .option("hardware", \.hardware, .optional(.linkLayerAddress), help: "MAC."),
      .option("interface", \.interface, .interfaceName, help: "Interface."),
    ])
}

private func errors(
  _ text: String, check: (Sample) -> [SemanticProblem] = { _ in [] }
) -> [String] {
  do throws(ConfigurationErrors) {
    _ = try Sample.table.parse(text, file: "a.yaml", check: check)
    return []
  } catch {
    return error.errors.map(\.description)
  }
}

@Suite("Configuration errors")
struct ConfigurationErrorTests {
  @Test(
    "Each class of error says where, which key, what is wrong, what was expected and the nearest known thing",
    arguments: [
      ("adress: ::1", "a.yaml:2:1: adress: unknown key; did you mean 'address'?"),
      (
        "zzz: 1",
        "a.yaml:2:1: zzz: unknown key; expected one of address, kind, enabled, timers, bindings, mark-mask, technology, "
          + "prefixes, peers, hardware, interface"
      ),
      ("timers: {timeuot: 10s}", "a.yaml:2:10: timers.timeuot: unknown key; did you mean 'timeout'?"),
      ("address: ::2", "a.yaml:2:1: address: duplicate key, first given on line 1; expected each key once"),
      (
        "kind: logicl",
        "a.yaml:2:7: kind: unknown value 'logicl'; expected one of interfaces, logical; did you mean 'logical'?"
      ),
      ("kind: [logical]", "a.yaml:2:7: kind: is a list; expected one of interfaces, logical"),
      ("kind:", "a.yaml:2:1: kind: has no value; expected one of interfaces, logical"),
      ("enabled: yes", "a.yaml:2:10: enabled: 'yes' is not a boolean; expected true or false; did you mean 'true'?"),
      (
        "timers: {timeout: 10}",
        "a.yaml:2:19: timers.timeout: '10' has no unit; expected a duration with a unit (ms, s, m, h) from 1s to 1h; "
          + "did you mean '10s'?"
      ),
      (
        "timers: {timeout: 10sec}",
        "a.yaml:2:19: timers.timeout: '10sec' has the unknown unit 'sec'; expected a duration with a unit (ms, s, m, h) "
          + "from 1s to 1h; did you mean '10s'?"
      ),
      (
        "timers: {timeout: 1.5s}",
        "a.yaml:2:19: timers.timeout: '1.5s' is not a whole number of a unit; expected a duration with a unit "
          + "(ms, s, m, h) from 1s to 1h"
      ),
      (
        "timers: {timeout: 2h}",
        "a.yaml:2:19: timers.timeout: 2h is out of range; expected a duration with a unit (ms, s, m, h) from 1s to 1h"
      ),
      ("timers: 10s", "a.yaml:2:9: timers: '10s' is a single value; expected a mapping with the keys timeout"),
      ("bindings: many", "a.yaml:2:11: bindings: 'many' is not a whole number; expected a whole number from 1 to 100"),
      ("bindings: 101", "a.yaml:2:11: bindings: 101 is out of range; expected a whole number from 1 to 100"),
      (
        "bindings: 99999999999999999999999",
        "a.yaml:2:11: bindings: 99999999999999999999999 is out of range; expected a whole number from 1 to 100"
      ),
      (
        "mark-mask: 0x0f0f0000",
        "a.yaml:2:12: mark-mask: 0xf0f0000 does not fit; expected a mask of contiguous bits such as 0x0fff0000"
      ),
      (
        "technology: wlna",
        "a.yaml:2:13: technology: unknown name 'wlna'; expected an access technology (wlan, ethernet, or a number from "
          + "1 to 255); did you mean 'wlan'?"
      ),
      (
        "prefixes: [2001:db8::1/48]",
        "a.yaml:2:12: prefixes[0]: '2001:db8::1/48' has bits set behind /48; expected an IPv6 prefix, address/length; "
          + "did you mean '2001:db8::/48'?"
      ),
      (
        "prefixes: ['2001:db8::']",
        "a.yaml:2:12: prefixes[0]: '2001:db8::' has no prefix length; expected an IPv6 prefix, address/length; did you "
          + "mean '2001:db8::/64'?"
      ),
      (
        "prefixes: [2001:db8::/129]",
        "a.yaml:2:12: prefixes[0]: '129' is not a prefix length, 0 to 128; expected an IPv6 prefix, address/length"
      ),
      (
        "prefixes: 2001:db8::/48",
        "a.yaml:2:11: prefixes: '2001:db8::/48' is a single value; expected a list of IPv6 prefixes; did you mean "
          + "'[2001:db8::/48]'?"
      ),
      (
        "prefixes: [a::/64, b::/64, c::/64]",
        "a.yaml:2:11: prefixes: has 3 elements; expected at most 2 IPv6 prefixes"
      ),
      ("peers: [{name: mag1}]", "a.yaml:2:9: peers[0].address: missing required key; expected an IPv6 address"),
      (
        "peers: [mag1]",
        "a.yaml:2:9: peers[0]: 'mag1' is a single value; expected a mapping with the keys name, address"
      ),
      (
        "hardware: 02:00:00:00:01",
        "a.yaml:2:11: hardware: '02:00:00:00:01' is not a link-layer address; expected a link-layer address such as "
          + "02:00:00:00:00:01"
      ),
      (
        "interface: an-interface-name",
        "a.yaml:2:12: interface: 'an-interface-name' is no interface name; expected an interface name of 1 to 15 "
          + "characters"
      ),
    ])
  func errorTexts(line: String, expected: String) {
    #expect(errors("address: ::1\n" + line) == [expected])
  }

  @Test("A missing required key is reported at the mapping that lacks it")
  func missing() {
    #expect(errors("") == ["a.yaml:1:1: address: missing required key; expected an IPv6 address"])
    #expect(errors("# nothing\n") == ["a.yaml:1:1: address: missing required key; expected an IPv6 address"])
    #expect(
      errors("kind: logical") == ["a.yaml:1:1: address: missing required key; expected an IPv6 address"])
  }

  @Test("An address with a length is told from something that is no address")
  func addresses() {
    #expect(
      errors("address: 2001:db8::1/64") == [
        "a.yaml:1:10: address: '2001:db8::1/64' is a prefix; expected an IPv6 address; did you mean '2001:db8::1'?"
      ])
    #expect(
      errors("address: 10.0.0.1") == [
        "a.yaml:1:10: address: '10.0.0.1' is not an IPv6 address; expected an IPv6 address"
      ])
  }

  @Test("All errors come at once, in the order of the file")
  func allAtOnce() {
    let text = """
      kind: logicl
      timers:
        timeout: 10
        timeout: 10x
        timout: 1s
      peers:
        - name: mag1
          name: mag2
      "kind": interfaces
      """
    #expect(
      errors(text) == [
        "a.yaml:1:1: address: missing required key; expected an IPv6 address",
        "a.yaml:4:3: timers.timeout: duplicate key, first given on line 3; expected each key once",
        "a.yaml:4:12: timers.timeout: '10x' has the unknown unit 'x'; expected a duration with a unit (ms, s, m, h) "
          + "from 1s to 1h",
        "a.yaml:5:3: timers.timout: unknown key; did you mean 'timeout'?",
        "a.yaml:7:5: peers[0].address: missing required key; expected an IPv6 address",
        "a.yaml:8:5: peers[0].name: duplicate key, first given on line 7; expected each key once",
        "a.yaml:9:1: kind: duplicate key, first given on line 1; expected each key once",
      ])
  }

  @Test("What is no YAML is reported with its place")
  func noYAML() {
    #expect(
      errors("address: ::1\n\tkind: logical") == [
        "a.yaml:2:1: not valid YAML: a tab; expected spaces for indentation"
      ])
    #expect(errors("address: [::1") == ["a.yaml:1:11: not valid YAML: did not find expected node content"])
    #expect(
      errors("- a\n- b").first?.hasPrefix("a.yaml:1:1: is a list; expected a mapping with the keys address") == true)
    #expect(errors("address: ::1\n---\naddress: ::2").first?.hasPrefix("a.yaml:2:1: not valid YAML: ") == true)
  }

  @Test("A problem of meaning gets the line of its key, or of the nearest thing around it")
  func semanticProblems() {
    let text = """
      address: ::1
      peers:
        - {name: mag1, address: "::2"}
        - {name: mag2, address: "::2"}
      """
    let found = errors(text) { sample in
      #expect(sample.peers.count == 2)
      return [
        SemanticProblem(keyPath: "peers[1].address", message: "is that of peers[0]"),
        SemanticProblem(keyPath: "peers[0].port", message: "is missing"),
        SemanticProblem(keyPath: "timers.timeout", message: "is too long for this"),
      ]
    }
    #expect(
      found == [
        "a.yaml: timers.timeout: is too long for this", "a.yaml:3:5: peers[0].port: is missing",
        "a.yaml:4:27: peers[1].address: is that of peers[0]",
      ])
  }

  @Test("Checks of meaning run beside misspelt keys, but only judge what the file says; not after unreadable values")
  func semanticProblemsBesideOthers() {
    let check: (Sample) -> [SemanticProblem] = { _ in
      [SemanticProblem(keyPath: "address", message: "is bad"), SemanticProblem(keyPath: "bindings", message: "is bad")]
    }
    #expect(
      errors("address: ::1\nbindngs: 3", check: check) == [
        "a.yaml:1:10: address: is bad", "a.yaml:2:1: bindngs: unknown key; did you mean 'bindings'?",
      ])
    #expect(errors("address: ::1\nbindings: x", check: check).count == 1)
  }

  @Test("A file that is not there is an error without a line")
  func noFile() {
    #expect {
      try Sample.table.load(path: "/nonexistent/a.yaml")
    } throws: { error in
      "\(error)" == "/nonexistent/a.yaml: cannot be read: No such file or directory; expected a configuration file"
    }
  }

  @Test("Values, defaults, hexadecimal numbers and quoted text are read; the effective text reads back the same")
  func roundTrip() throws {
    let text = """
      address: 2001:DB8::1
      kind: "logical"
      enabled: false
      timers: {timeout: 1500ms}
      bindings: 0x10
      technology: 200
      prefixes: [2001:db8:1::/64]
      peers:
        - {name: "null", address: "::2"}
      hardware: 02-00-00-00-00-01
      """
    let loaded = try Sample.table.parse(text, file: "a.yaml")
    var expected = Sample()
    expected.address = try #require(IPv6Address("2001:db8::1"))
    expected.kind = .logical
    expected.isEnabled = false
    expected.timeout = .milliseconds(1_500)
    expected.bindings = 16
    expected.technology = 200
    expected.prefixes = [try #require(IPv6Prefix("2001:db8:1::/64"))]
    expected.peers = [Peer(name: "null", address: try #require(IPv6Address("::2")))]
    expected.hardware = LinkLayerAddress(rawValue: 0x0200_0000_0001)
    #expect(loaded.value == expected)
    let effective = try Sample.table.text(loaded.value)
    #expect(try Sample.table.parse(effective, file: "effective").value == expected)
  }

  @Test("The explanation names each key with kind, default and help")
  func explanation() {
    let text = Sample.table.explanation
    #expect(text.hasPrefix("address:\n    Our address.\n    an IPv6 address; required\n"))
    #expect(
      text.contains("  timeout:\n      Wait.\n      a duration with a unit (ms, s, m, h) from 1s to 1h; default 10s\n"))
    #expect(text.contains("peers:  (list; keys of each element below)\n"))
    #expect(text.contains("hardware:\n    MAC.\n    a link-layer address such as 02:00:00:00:00:01; default none\n"))
  }
}

@Suite("Nearest name")
struct NearestNameTests {
  @Test(
    "Distances",
    arguments: [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("abc", "", 3)])
  func distances(a: String, b: String, expected: Int) {
    #expect(NearestName.editDistance(Array(a), Array(b)) == expected)
  }

  @Test("Only near names are suggested, whatever their case")
  func find() {
    #expect(NearestName.find("Adresses", among: ["gateways", "addresses"]) == "addresses")
    #expect(NearestName.find("colour", among: ["gateways", "addresses"]) == nil)
  }
}

@Suite("Duration text")
struct DurationTextTests {
  @Test(
    "Durations are written in the largest whole unit",
    arguments: [
      (Duration.zero, "0s"), (.milliseconds(300), "300ms"), (.milliseconds(1_500), "1500ms"), (.seconds(90), "90s"),
      (.seconds(120), "2m"), (.seconds(7_200), "2h"),
    ])
  func format(duration: Duration, text: String) {
    #expect(DurationText.format(duration) == text)
    #expect(DurationText.duration(text) == duration)
  }

  @Test("What overflows is no duration", arguments: ["9223372036854775807h", "99999999999999999999s", "s", "", "-1s"])
  func refused(text: String) {
    #expect(DurationText.duration(text) == nil)
  }
}
