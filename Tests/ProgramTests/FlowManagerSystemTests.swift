import DaemonKit
import Foundation
import Testing

@Suite("flow-manager with real packets", .serialized, .enabled(if: FlowManagerDomain.isPossible, "needs root"))
struct FlowManagerSystemTests {
  @Test("Flows are classified, moved and survive kill -9 with their numbers; nothing is lost", .timeLimit(.minutes(1)))
  func lifeOfFlows() throws {
    let domain = try FlowManagerDomain()
    try domain.startDaemon()
    let (a, b, c) = (try domain.flow(port: 4_001), try domain.flow(port: 4_002), try domain.flow(port: 4_003))
    let (first, second) = (try domain.receiver(interface: "m1"), try domain.receiver(interface: "m2"))

    // Both flows begin on the default binding.
    try domain.send(a, 1)
    try domain.send(b, 1)
    #expect(domain.receive(first, 2) == [4_001: 1, 4_002: 1])
    try domain.send(a, 19)
    try domain.send(b, 19)
    #expect(domain.receive(first, 38) == [4_001: 19, 4_002: 19])
    var flows = try domain.call("list", as: FlowsReply.self).flows
    #expect(flows.map(\.sourcePort) == [4_001, 4_002])
    #expect(flows.allSatisfy { $0.tunnel == 1 && $0.gateway == "mag1" && $0.node == "mn1@example.net" })
    #expect(flows.allSatisfy { $0.packets == 20 }, "the kernel's map finds every packet after the first")
    let counters = try domain.call("show counters", as: CountersReply.self).counters
    #expect(counters["queued-packets"] == 2 && counters["packets-passed-undecided"] == 0)

    // One moves, the other stays, nothing is lost.
    let flowA = try #require(flows.first).id
    _ = try domain.call("move", MoveCommand(flow: flowA, to: "mag2"), as: Ignored.self)
    try domain.send(a, 20)
    try domain.send(b, 20)
    #expect(domain.receive(second, 20) == [4_001: 20])
    #expect(domain.receive(first, 20) == [4_002: 20])
    flows = try domain.call("list", as: FlowsReply.self).flows
    #expect(flows.map(\.tunnel) == [2, 1])
    #expect(flows.map(\.packets) == [40, 40], "a moved flow keeps its count")
    #expect(throws: ControlClientError.self) {
      _ = try domain.call("move", MoveCommand(flow: flowA, to: "mag9"), as: Ignored.self)
    }

    // kill -9: established flows do not notice; a new one passes on the default binding.
    domain.stopDaemon(SIGKILL)
    for flow in [a, b, c] { try domain.send(flow, 20) }
    #expect(domain.receive(second, 20) == [4_001: 20])
    #expect(domain.receive(first, 40) == [4_002: 20, 4_003: 20])

    // The same flows with the same numbers.
    try domain.startDaemon()
    let restored = try domain.call("list", as: FlowsReply.self).flows
    #expect(restored.map(\.id) == flows.map(\.id))
    #expect(restored.map(\.createdAt) == flows.map(\.createdAt))
    #expect(restored.map(\.flowLabel) == flows.map(\.flowLabel))
    #expect(restored.map(\.tunnel) == [2, 1])
    #expect(restored.map(\.packets) == [60, 60])
    try domain.send(c, 1)
    #expect(domain.receive(first, 1) == [4_003: 1])
    try domain.wait("the new flow has a new number") {
      try domain.call("list", as: FlowsReply.self).flows.map(\.id) == flows.map(\.id) + [3]
    }

    // The anchor restarts: nobody notices.
    try domain.restartAnchor()
    try domain.send(a, 20)
    #expect(domain.receive(second, 20) == [4_001: 20])
    #expect(try domain.call("list", as: FlowsReply.self).flows.map(\.tunnel) == [2, 1, 1])

    // A firewall flushes all rules: ours come back, with every flow.
    _ = try domain.atAnchor("nft flush ruleset")
    try domain.wait("the table is there again") {
      try domain.call("show counters", as: CountersReply.self).counters["kernel-table-lost"] == 1
    }
    try domain.send(a, 20)
    #expect(domain.receive(second, 20) == [4_001: 20])

    // Its access goes: the flow moves back at once.
    domain.anchor.remove(StandInAnchor.binding(2))
    try domain.wait("the flow is back on tunnel 1") {
      try domain.call("list", as: FlowsReply.self).flows.first?.tunnel == 1
    }
    try domain.send(a, 20)
    #expect(domain.receive(first, 20) == [4_001: 20])
  }

  @Test(
    "Fragments follow their first one; ICMPv6 echo is a flow; the nft tool can print the table", .timeLimit(.minutes(1))
  )
  func fragmentsAndEcho() throws {
    let domain = try FlowManagerDomain()
    try domain.startDaemon()
    let (first, second) = (try domain.receiver(interface: "m1"), try domain.receiver(interface: "m2"))
    let a = try domain.flow(port: 4_001)
    try domain.send(a, 1)
    #expect(domain.receive(first, 1) == [4_001: 1])
    _ = try domain.call("move", MoveCommand(flow: 1, to: "mag2"), as: Ignored.self)

    let before = try receivedOctets(domain, "m1")
    try domain.send(a, 5, octets: 4_000)
    #expect(domain.receive(second, 5) == [4_001: 5])
    // Neighbour discovery may go on meanwhile; a later fragment alone is larger than all of that.
    #expect(try receivedOctets(domain, "m1") < before + 1_000, "no fragment went the default way")

    _ = try domain.atCorrespondent("ping -c 3 -i 0.2 -W 2 \(FlowManagerDomain.node)")
    let echo = try domain.call("list", as: FlowsReply.self).flows.filter { $0.protocol == "icmpv6" }
    #expect(echo.count == 1)
    #expect(echo.first?.packets == 3, "identifier and zero are the key in the kernel as in the dissector")

    let listing = try domain.atAnchor("nft list table ip6 flowmob_test")
    #expect(listing.contains("flow 1 since"))
    #expect(throws: FlowManagerDomain.Failure.self, "cleanup is refused while the daemon runs") {
      _ = try domain.atAnchor("\(FlowManagerDomain.program) cleanup -c \(domain.directory)/fm.yaml")
    }
    domain.stopDaemon(SIGTERM)
    _ = try domain.atAnchor("\(FlowManagerDomain.program) cleanup -c \(domain.directory)/fm.yaml")
    #expect(try domain.atAnchor("nft list tables") == "")
  }

  @Test(
    "Commands about many flows; pins and standing orders survive kill -9; only the group may use the socket",
    .timeLimit(.minutes(1)))
  func bulk() throws {
    let domain = try FlowManagerDomain()
    try domain.startDaemon()
    let (first, second) = (try domain.receiver(interface: "m1"), try domain.receiver(interface: "m2"))
    let ports: [UInt16] = [4_001, 4_002, 4_003]
    let flows = try ports.map { try domain.flow(port: $0) }
    for flow in flows { try domain.send(flow, 1) }
    #expect(domain.receive(first, 3).count == 3)
    let manager = "\(FlowManagerDomain.program)"
    let socket = "--socket \(domain.directory)/fm.sock"
    #expect(
      try domain.atAnchor("\(manager) move --node mn1@example.net --to mag2 \(socket)") == "3 of 3 flows moved\n")
    for flow in flows { try domain.send(flow, 1) }
    #expect(domain.receive(second, 3).count == 3)
    _ = try domain.atAnchor("\(manager) pin 2 \(socket)")
    _ = try domain.atAnchor("\(manager) add --protocol udp --source-port 4004 --to mag2 \(socket)")
    #expect(try domain.atAnchor("nft list map ip6 flowmob_test flows").contains("pinned"))
    let misspelt = try #require(throws: FlowManagerDomain.Failure.self) {
      try domain.atAnchor("\(manager) list --node mn1 \(socket)")
    }
    #expect(misspelt.description.contains("did you mean mn1@example.net?"))
    #expect(throws: ControlClientError.self) { try domain.call("?", as: Ignored.self) }

    domain.stopDaemon(SIGKILL)
    try domain.startDaemon()
    #expect(try domain.atAnchor("\(manager) list --pinned --json \(socket)").contains(#""id" : 2"#))
    try domain.send(try domain.flow(port: 4_004), 1)
    #expect(domain.receive(second, 1) == [4_004: 1], "the standing order is there again")
    #expect(try domain.atAnchor("\(manager) history mn1@example.net \(socket)").contains("found at start"))
    let stranger = try #require(throws: FlowManagerDomain.Failure.self) {
      try domain.atAnchor("setpriv --reuid 65534 --regid 65534 --clear-groups \(manager) list \(socket)")
    }
    #expect(stranger.description.contains("members of its group"))
  }

  @Test("A list of many flows shows what their counters are now", .timeLimit(.minutes(1)))
  func manyCounters() throws {
    let domain = try FlowManagerDomain()
    try domain.startDaemon()
    let ports = Array(UInt16(5_000)..<5_200)
    let flows = try ports.map { try domain.flow(port: $0) }
    let receiver = try domain.receiver(interface: "m1")
    for flow in flows { try domain.send(flow, 1) }
    #expect(domain.receive(receiver, ports.count).count == ports.count)
    for flow in flows { try domain.send(flow, 2) }
    #expect(domain.receive(receiver, 2 * ports.count).values.allSatisfy { $0 == 2 })
    let listed = try domain.call("list", as: FlowsReply.self).flows
    #expect(listed.map(\.sourcePort) == ports && listed.allSatisfy { $0.packets == 3 })

    // A daemon that stops in good order leaves the keys to the next one.
    let keys = URL(filePath: "\(domain.directory)/state/flow-manager.flows")
    domain.stopDaemon(SIGTERM)
    let saved = try Data(contentsOf: keys)
    try domain.startDaemon()
    #expect(!FileManager.default.fileExists(atPath: keys.path))
    #expect(try domain.call("list", as: FlowsReply.self).flows.map(\.id) == listed.map(\.id))
    // Keys that are not those of all flows are not enough.
    try domain.send(try domain.flow(port: 6_000), 1)
    #expect(domain.receive(receiver, 1).count == 1)
    domain.stopDaemon(SIGKILL)
    try saved.write(to: keys)
    try domain.startDaemon()
    #expect(try domain.call("list", as: FlowsReply.self).flows.count == ports.count + 1)
  }

  @Test("A table of that name that is not ours is left alone", .timeLimit(.minutes(1))) func foreignTable() throws {
    let domain = try FlowManagerDomain()
    _ = try domain.atAnchor("nft add table ip6 flowmob_test && nft add chain ip6 flowmob_test theirs")
    for command in ["check", "cleanup", "run"] {
      let failure = try #require(throws: FlowManagerDomain.Failure.self) {
        _ = try domain.atAnchor("\(FlowManagerDomain.program) \(command) -c \(domain.directory)/fm.yaml")
      }
      #expect(failure.description.contains("it was not made by flow-manager"))
    }
    #expect(try domain.atAnchor("nft list tables") == "table ip6 flowmob_test\n")
  }

  private struct Ignored: Decodable {}

  private func receivedOctets(_ domain: FlowManagerDomain, _ interface: String) throws -> Int {
    struct Link: Decodable {
      struct Statistics: Decodable {
        struct Direction: Decodable { var bytes: Int }
        var rx: Direction
      }
      var stats64: Statistics
    }
    let text = try domain.atNode("ip -s -j link show \(interface)")
    return try JSONDecoder().decode([Link].self, from: Data(text.utf8)).first?.stats64.rx.bytes ?? -1
  }
}
