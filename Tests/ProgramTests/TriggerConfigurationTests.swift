import DaemonKit
import FlowCore
import LinuxNet
import Testing

@testable import FlowManager

@Suite("Configuration of triggers") struct TriggerConfigurationTests {
  private static func read(_ text: String) throws(ConfigurationErrors) -> FlowManagerConfiguration {
    try FlowManagerConfiguration.table.parse(text, file: "a.yaml", check: FlowManagerConfiguration.check).value
  }

  private static func errors(_ text: String) -> String {
    do throws(ConfigurationErrors) {
      _ = try read(text)
      return ""
    } catch {
      return error.description
    }
  }

  @Test("Tunnels and thresholds are read, and written back the same") func reading() throws {
    let configuration = try Self.read(
      """
      congestion: { drop-ratio: 1.5%, drop-ratio-clear: 0.5%, pause: 5s }
      moves: { max-moves-per-minute: 2 }
      tunnels:
        - { gateway: mag1, capacity: 10mbit, interface: core0, class: "1:10" }
        - gateway: mag2
      """)
    #expect(configuration.flows.congestion.dropRatio == 15 && configuration.flows.congestion.pause == .seconds(5))
    #expect(configuration.flows.moveLimits.perMinute == 2)
    #expect(
      configuration.tunnels == [
        TunnelSettings(
          gateway: "mag1", capacity: 1_250_000, interface: "core0", trafficClass: TrafficControlHandle("1:10")),
        TunnelSettings(gateway: "mag2"),
      ])
    #expect(try Self.read(FlowManagerConfiguration.table.text(configuration)) == configuration)
  }

  @Test(
    "What cannot be meant is refused at its place",
    arguments: [
      ("congestion: { drop-ratio: 1%, drop-ratio-clear: 2% }", "congestion.drop-ratio-clear: is above drop-ratio"),
      ("congestion: { queue-delay: 10ms }", "congestion.queue-delay-clear: is above queue-delay"),
      ("tunnels: [{ gateway: a }, { gateway: a }]", "tunnels[1].gateway: 'a' is in the list already"),
      ("tunnels: [{ gateway: a, class: '1:1' }]", "tunnels[0].class: needs the interface"),
      ("tunnels: [{ gateway: a, interface: b, class: 'x' }]", "expected a class such as 1:10"),
      ("tunnels: [{ capacity: 1mbit }]", "tunnels[0].gateway: missing required key"),
    ]) func refused(text: String, words: String)
  {
    #expect(Self.errors(text).contains(words), "\(Self.errors(text))")
  }

  @Test("A poll takes at most a hundredth of the time, and comes often enough for idle flows") func pollInterval() {
    let configuration = FlowManagerConfiguration()
    #expect(configuration.pollInterval(after: .zero) == .seconds(2))
    #expect(configuration.pollInterval(after: .milliseconds(200)) == .seconds(20))
    #expect(configuration.pollInterval(after: .seconds(5)) == .seconds(75))
  }

  @Test("Triggers from outside are checked") func arguments() throws {
    var arguments = TriggerArguments(gateway: "mag1", state: "degraded", reason: "radio", seconds: nil)
    #expect(try arguments.trigger().lifetime == .seconds(60))
    arguments.seconds = 604_801
    #expect(throws: ControlError.self) { try arguments.trigger() }
    arguments.seconds = 0
    #expect(throws: ControlError.self) { try arguments.trigger() }
    arguments = TriggerArguments(gateway: "mag1", state: "bad")
    #expect(throws: ControlError.self) { try arguments.trigger() }
    arguments = TriggerArguments(
      gateway: "mag1", state: "restored", reason: String(repeating: "x", count: 201))
    #expect(throws: ControlError.self) { try arguments.trigger() }
  }
}
