import DaemonKit
import FlowCore
import Foundation
import LinuxNet
import NetTypes
import Synchronization
import Testing

@testable import BondingPolicy

@Suite("bonding-policy: plan and configuration")
struct BondingPlanTests {
  private func configuration(_ slaves: [String]) -> BondingConfiguration {
    var configuration = BondingConfiguration()
    configuration.slaves = slaves
    return configuration
  }

  @Test("The shipped example is read")
  func example() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../examples/bonding-policy.yaml")
    let loaded = try BondingConfiguration.load(path: file.path)
    #expect(loaded.value == configuration(["if1", "if2"]))
  }

  @Test("Problems of meaning are found with their key")
  func problems() {
    var wrong = configuration(["if1", "lif0p", "if1", "a-lif"])
    wrong.markMask = 0x0030_0000
    wrong.linkLayerAddress = LinkLayerAddress(rawValue: 0x3333_0000_0001)
    #expect(wrong.problems.map(\.keyPath) == ["slaves[1]", "slaves[2]", "link-layer-address", "mark-mask"])
    wrong = configuration(["if1"])
    wrong.interface = "a-name-that-is-"
    #expect(wrong.problems.map(\.keyPath) == ["interface"])
  }

  @Test("A flow leaves by the slave of its mark, by the default slave while that has no carrier")
  func choice() {
    let plan = BondingPlan(configuration(["if1", "if2", "if3"]))
    #expect(plan.slaves.map(\.mark) == [0x0010_0000, 0x0020_0000, 0x0030_0000])
    #expect(plan.slave(ofMark: 0xf020_00ff)?.name == "if2")
    #expect(plan.slave(ofMark: 0xf000_00ff) == nil)
    func links(_ carriers: [Bool]) -> BondingPlan.Links {
      BondingPlan.Links(
        interface: 9, peer: 10,
        slaves: zip(plan.slaves, carriers).map { slave, carrier in
          BondingPlan.Links.SlaveLink(slave: slave, index: slave.number, hasCarrier: carrier)
        })
    }
    func leaves(_ carriers: [Bool]) -> [String?] {
      ([0] + plan.slaves.map(\.mark)).map { links(carriers).slave(forMark: $0)?.name }
    }
    #expect(leaves([true, true, true]) == ["if1", "if1", "if2", "if3"])
    #expect(leaves([true, false, true]) == ["if1", "if1", "if1", "if3"])
    #expect(leaves([false, true, true]) == ["if2", "if2", "if2", "if3"])
    #expect(leaves([false, false, false]) == [nil, nil, nil, nil])
  }

  @Test("The selection with more fields wins; a port beats any other single field; ports are of TCP, UDP and SCTP")
  func selections() throws {
    let plan = BondingPlan(configuration(["if1", "if2", "if3"]))
    let prefix = try #require(IPv6Prefix("2001:db8:c::/64"))
    let (source, destination) = (
      try #require(IPv6Address("2001:db8:a::1")), try #require(IPv6Address("2001:db8:c::2"))
    )
    func flow(_ transport: TransportProtocol, _ port: UInt16) -> FlowSixTuple {
      FlowSixTuple(
        source: source, destination: destination, flowLabel: 0, transport: transport, sourcePort: port,
        destinationPort: 9001)
    }
    var selections = Selections()
    #expect(selections.slave(for: flow(.udp, 7001)) == nil)
    selections[FlowSelector(transport: .udp)] = plan.slaves[0]
    selections[FlowSelector(sourcePort: 7001)] = plan.slaves[1]
    selections[FlowSelector(destination: prefix, sourcePort: 7001)] = plan.slaves[2]
    #expect(selections.slave(for: flow(.udp, 7001))?.name == "if3")
    #expect(selections.slave(for: flow(.udp, 7002))?.name == "if1")
    selections[FlowSelector(destination: prefix, sourcePort: 7001)] = nil
    #expect(selections.slave(for: flow(.udp, 7001))?.name == "if2")
    #expect(selections.slave(for: flow(.tcp, 7001))?.name == "if2")
    #expect(selections.slave(for: flow(.esp, 7001)) == nil)
    #expect(selections.ports.map(\.port) == [7001])
    #expect(FlowSelector().problem != nil && FlowSelector(sourcePort: 0).problem != nil)
    #expect(FlowSelector(transport: .icmpv6, sourcePort: 1).problem?.contains("icmpv6") == true)
    #expect(FlowSelector(transport: .icmpv6).problem == nil)
  }

  @Test("What leaves by a point-to-point slave, by default or as a copy, carries its mark; else marks stay as they are")
  func marks() {
    let plan = BondingPlan(configuration(["if1", "ppp0"]))
    func rules(pointToPoint: Bool) -> [BondingPlan.DepartureRule] {
      plan.departures(
        BondingPlan.Links(
          interface: 9, peer: 10,
          slaves: plan.slaves.map {
            BondingPlan.Links.SlaveLink(
              slave: $0, index: $0.number, hasCarrier: true, isPointToPoint: pointToPoint && $0.name == "ppp0")
          }))
    }
    func mark(_ slave: Int) -> [NftExpression] { NftExpression.mergeMark(plan.slaves[slave].mark, mask: plan.markMask) }
    let (copy, send) = (NftExpression.duplicate(toInterface: 2), NftExpression.forward(toInterface: 1))
    let marked = rules(pointToPoint: true)
    #expect(marked.map(\.comment) == ["to all slaves", "to if1", "to ppp0", "to if1 by default"])
    let all = mark(1) + copy + mark(0) + send
    #expect(Array(marked[0].expressions.suffix(all.count)) == all)
    #expect(marked[3].expressions == [.counter] + mark(0) + send)
    let plain = rules(pointToPoint: false)
    #expect(Array(plain[0].expressions.suffix((copy + send).count + 1)) == [.counter] + copy + send)
    #expect(plain[3].expressions == [.counter] + send)
  }

  @Test("Ports and other selections have bounds of their own")
  func bounds() throws {
    let slave = try #require(BondingPlan(configuration(["if1"])).slaves.first)
    var selections = Selections()
    for port in 1...UInt16(Selections.maximumPorts) { selections[FlowSelector(sourcePort: port)] = slave }
    #expect(!selections.hasRoom(for: FlowSelector(sourcePort: 60_000)))
    #expect(selections.hasRoom(for: FlowSelector(sourcePort: 1)))
    for port in 1...UInt16(Selections.maximumSelectors) { selections[FlowSelector(destinationPort: port)] = slave }
    #expect(!selections.hasRoom(for: FlowSelector(transport: .udp)))
  }

  @Test("auto takes what an earlier run has made, else the bonding driver where there is one, else veth; and says why")
  func backEnds() throws {
    func choice(
      _ configured: BackEnd, slaves: Int = 2, earlier: String? = nil, hasDriver: Bool
    ) throws -> BackEndChoice {
      try BackEndChoice(configured, slaves: slaves, earlier: earlier) { hasDriver }
    }
    #expect(try choice(.auto, hasDriver: true).backEnd == .bonding)
    #expect(try choice(.auto, hasDriver: false).backEnd == .veth)
    #expect(try choice(.auto, slaves: 16, hasDriver: true).reason.contains("15 slaves at most"))
    #expect(try choice(.auto, earlier: "veth", hasDriver: true).backEnd == .veth)
    #expect(try choice(.auto, earlier: "bond", hasDriver: false).backEnd == .bonding)
    #expect(try choice(.veth, earlier: "bond", hasDriver: true).backEnd == .veth)
    for earlier in [nil, "bond", "veth"] {
      let choice = try BackEndChoice(.auto, slaves: 2, pointToPoint: "ppp0", earlier: earlier) { true }
      #expect(choice.backEnd == .veth && choice.reason.contains("ppp0"))
    }
    #expect(try choice(.bonding, earlier: "veth", hasDriver: true).problem == nil)
    #expect(try choice(.bonding, earlier: "veth", hasDriver: false).problem?.keyPath == "backend")
    var tooMany = configuration((1...16).map { "if\($0)" })
    tooMany.backEnd = .bonding
    tooMany.markMask = 0x0fff_0000
    #expect(tooMany.problems.map(\.keyPath) == ["backend"])
  }

  @Test("Solicitations are sent three times, four seconds apart, on each slave")
  func solicitations() {
    var solicitations = RouterSolicitations()
    #expect(solicitations.deadline == nil)
    solicitations.begin("if2", at: .seconds(100))
    solicitations.begin("if1", at: .seconds(102))
    #expect(solicitations.due(at: .seconds(99)).isEmpty)
    #expect(solicitations.due(at: .seconds(102)) == ["if1", "if2"])
    #expect(solicitations.deadline == .seconds(106))
    #expect(solicitations.due(at: .seconds(105)).isEmpty)
    #expect(solicitations.due(at: .seconds(106)) == ["if1", "if2"])
    #expect(solicitations.due(at: .seconds(110)) == ["if1", "if2"])
    #expect(solicitations.deadline == nil)
  }
}

@Suite("bonding-policy in private namespaces", .enabled(if: geteuid() == 0))
struct BondingPolicySystemTests {
  /// Packets back and forth, one at a time, until it is ended.
  private final class Stream: Sendable {
    private let state = Mutex((isEnding: false, exchanged: UInt64(0), failure: (any Error)?.none))
    private let ended = DispatchSemaphore(value: 0)

    init(from sender: TestSocket, through peer: TestSocket) {
      Thread.detachNewThread { [self] in
        do {
          while !state.withLock({ $0.isEnding }) {
            try sender.exchange(with: peer, count: 1)
            state.withLock { $0.exchanged += 1 }
          }
        } catch {
          state.withLock { $0.failure = error }
        }
        ended.signal()
      }
    }

    var exchanged: UInt64 { state.withLock { $0.exchanged } }

    /// Gives the number of packets; throws when one got lost.
    func end() throws -> UInt64 {
      state.withLock { $0.isEnding = true }
      ended.wait()
      return try state.withLock { state in
        if let failure = state.failure { throw failure }
        return state.exchanged
      }
    }
  }

  /// A terminal whose logical interface has got its address from the gateways.
  private func attach(_ bed: BondingTestbed, _ backEnd: BackEnd) throws -> BondingProgram {
    let program = try BondingProgram(on: bed, backEnd)
    // The first solicitation reaches both gateways, so that both know of the terminal.
    var heard = [0, 0]
    try program.wait("solicitations on both links") {
      for gateway in heard.indices { heard[gateway] += try bed.solicitations(gateway) }
      return heard.allSatisfy { $0 > 0 }
    }
    for gateway in heard.indices { try bed.advertise(gateway) }
    let address = try #require(IPv6Address(BondingTestbed.terminalAddress))
    try program.wait("address of the logical interface") {
      try program.ask("show", as: BondingStatus.self).interface.addresses.contains(address)
    }
    return program
  }

  private static let hasBondingDriver = (try? RouteNetlink().hasBondingDriver()) == true
  /// Those that this kernel can do; the guest of the testbed can do all.
  private static let backEnds: [BackEnd] = hasBondingDriver ? [.veth, .bonding] : [.veth]

  @Test(
    "The uplink follows the downlink, flow by flow, across moves, selections, carrier loss and a crash",
    arguments: backEnds)
  func follow(_ backEnd: BackEnd) throws {
    let bed = try BondingTestbed()
    var program = try attach(bed, backEnd)
    let (mobile, fixed) = (BondingTestbed.terminalAddress, BondingTestbed.correspondentAddress)
    try bed.correspondent.command("ping", ["-c", "3", "-i", "0.1", "-W", "1", mobile])
    try bed.terminal.command("ping", ["-c", "3", "-i", "0.1", "-W", "1", fixed])

    let mobileUDP = try bed.terminal.run { try TestSocket.udp(local: (mobile, 7001), remote: (fixed, 9001)) }
    let fixedUDP = try bed.correspondent.run { try TestSocket.udp(local: (fixed, 9001), remote: (mobile, 7001)) }
    let mobileControl = try bed.terminal.run { try TestSocket.udp(local: (mobile, 7002), remote: (fixed, 9002)) }
    let fixedControl = try bed.correspondent.run { try TestSocket.udp(local: (fixed, 9002), remote: (mobile, 7002)) }
    let listener = try bed.correspondent.run { try TestSocket.listener((fixed, 9003)) }
    let mobileTCP = try bed.terminal.run { try TestSocket.tcp(local: (mobile, 7003), remote: (fixed, 9003)) }
    let fixedTCP = try listener.accepted()

    /// Exchanges packets and gives how many uplink packets each gateway has forwarded meanwhile.
    func uplinks(_ count: Int) throws -> (udp: [UInt64], control: [UInt64], tcp: [UInt64]) {
      let before = try BondingTestbed.Flow.all.map(bed.uplink)
      try fixedUDP.exchange(with: mobileUDP, count: count)
      try mobileControl.exchange(with: fixedControl, count: count)
      try fixedTCP.exchange(with: mobileTCP, count: count)
      let differences = try zip(BondingTestbed.Flow.all.map(bed.uplink), before).map { zip($0, $1).map { $0 - $1 } }
      return (differences[0], differences[1], differences[2])
    }
    func slave(_ port: UInt16) throws -> String? {
      try program.ask("list", as: LogicalFlows.self).flows
        .first { $0.sourcePort == port || $0.destinationPort == port }?.slave
    }
    func hasCarrier(_ slave: Int) throws -> Bool {
      try program.ask("show", as: BondingStatus.self).slaves[slave].hasCarrier
    }

    var seen = try uplinks(5)
    #expect(seen.udp == [5, 0])
    #expect(seen.control == [5, 0])
    #expect(seen.tcp[0] >= 5 && seen.tcp[1] == 0)

    // One flow's downlink moves in the middle of a stream: nothing is lost, its uplink moves, the others stay.
    let before = try bed.uplink(.udp)
    var stream = Stream(from: fixedUDP, through: mobileUDP)
    try program.wait("a running stream") { stream.exchanged > 50 }
    try bed.moveDownlink(of: .udp, to: 1)
    let moved = stream.exchanged
    try program.wait("a stream after the move") { stream.exchanged > moved + 50 }
    let exchanged = try stream.end()
    let after = try bed.uplink(.udp)
    #expect(after[0] - before[0] > 50 && after[1] - before[1] >= 50)
    #expect(after[0] + after[1] - before[0] - before[1] == exchanged)
    try bed.moveDownlink(of: .tcp, to: 1)
    seen = try uplinks(5)
    #expect(seen.udp == [0, 5])
    #expect(seen.control == [5, 0])
    #expect(seen.tcp[0] == 0 && seen.tcp[1] >= 5)
    #expect(try slave(7001) == "if2")
    #expect(try slave(7002) == "if1")
    #expect(try slave(7003) == "if2")

    // The operator overrides, and takes it back.
    #expect(try program.ask("select", "--port", "7001", "--slave", "if1", as: Selection.self).slave == "if1")
    #expect(try slave(7001) == "if1")
    seen = try uplinks(3)
    #expect(seen.udp == [3, 0])
    #expect(seen.tcp[0] == 0)
    let selected = FlowSelector(sourcePort: 7001)
    #expect(try program.ask("unselect", "--port", "7001", as: SelectedFlows.self).selector == selected)
    #expect(try uplinks(3).udp == [0, 3])
    #expect(throws: CommandFailed.self) { try program.ask("unselect", "--port", "7001", as: SelectedFlows.self) }

    // By any fields of the 6-tuple: of two that match, the one with more fields wins.
    _ = try program.ask("select", "--protocol", "udp", "--slave", "if1", as: Selection.self)
    #expect(try uplinks(3).udp == [3, 0])
    let exact = ["--protocol", "udp", "--source", mobile, "--source-port", "7001", "--destination", fixed]
    _ = try program.ask(["select"] + exact + ["--destination-port", "9001", "--slave", "if2"], as: Selection.self)
    seen = try uplinks(3)
    #expect(seen.udp == [0, 3])
    #expect(seen.control == [3, 0])
    #expect(try slave(7001) == "if2" && slave(7002) == "if1")
    let listed = try program.ask("show", as: BondingStatus.self).selections
    #expect(listed.map(\.slave) == ["if2", "if1"])
    _ = try program.ask(["unselect"] + exact + ["--destination-port", "9001"], as: SelectedFlows.self)
    #expect(try uplinks(3).udp == [3, 0])
    _ = try program.ask("unselect", "--protocol", "udp", as: SelectedFlows.self)
    #expect(try uplinks(3).udp == [0, 3])

    // Killed: flows go on. Started again in the middle of a stream: nothing lost, nothing on the other slave, and
    // selections are still there.
    _ = try program.ask("select", "--port", "7002", "--slave", "if2", as: Selection.self)
    #expect(program.end(SIGKILL) == SIGKILL)
    seen = try uplinks(5)
    #expect(seen.udp == [0, 5])
    #expect(seen.control == [0, 5])
    let beforeRestart = try bed.uplink(.udp)
    stream = Stream(from: fixedUDP, through: mobileUDP)
    program = try BondingProgram(on: bed, backEnd)
    let exchangedMeanwhile = try stream.end()
    #expect(exchangedMeanwhile > 10)
    #expect(try bed.uplink(.udp) == [beforeRestart[0], beforeRestart[1] + exchangedMeanwhile])
    #expect(
      try program.ask("show", as: BondingStatus.self).selections == [
        Selection(selector: FlowSelector(sourcePort: 7002), slave: "if2")
      ])

    // A slave loses carrier: its flows use the other, whether they were selected or followed; later they come back.
    try bed.moveDownlink(of: .udp, to: 0)
    try bed.moveDownlink(of: .tcp, to: 0)
    #expect(try uplinks(3).control == [0, 3])
    _ = try bed.solicitations(1)
    try bed.gateways[1].ip("link set acc down")
    try program.wait("no carrier on if2") { try !hasCarrier(1) }
    #expect(try slave(7002) == "if1")
    seen = try uplinks(3)
    #expect(seen.udp == [3, 0])
    #expect(seen.control == [3, 0])
    try bed.gateways[1].configure("acc", ["\(LinkLayerAddress.fixedGateway.linkLocalAddress)/64"])
    try bed.gateways[1].ip("-6 route add 2001:db8:a::/64 dev acc")
    try program.wait("carrier on if2") { try hasCarrier(1) }
    #expect(try uplinks(3).control == [0, 3])
    // The gateway hears of the terminal again.
    try program.wait("a solicitation on if2") { try bed.solicitations(1) > 0 }
    #expect(try program.ask("show", as: BondingStatus.self).counters["router-solicitations-sent"] ?? 0 > 0)

    // The default slave loses carrier: everything uses the other.
    try bed.moveDownlink(of: .udp, to: 1)
    try bed.moveDownlink(of: .control, to: 1)
    try bed.moveDownlink(of: .tcp, to: 1)
    try bed.gateways[0].ip("link set acc down")
    try program.wait("no carrier on if1") { try !hasCarrier(0) }
    #expect(try program.ask("show", as: BondingStatus.self).slaves.map(\.isDefault) == [false, true])
    seen = try uplinks(3)
    #expect(seen.udp == [0, 3])
    #expect(seen.control == [0, 3])

    // A slave disappears, and an orderly end leaves nothing behind.
    try bed.terminal.ip("link delete if1")
    try program.wait("if1 absent") { try !program.ask("show", as: BondingStatus.self).slaves[0].isPresent }
    #expect(try uplinks(3).udp == [0, 3])
    #expect(program.end(SIGTERM) == 0)
    try expectNothingLeft(in: bed.terminal)
  }

  @Test("cleanup gives the slaves back after a crash", arguments: backEnds)
  func cleanup(_ backEnd: BackEnd) throws {
    let bed = try BondingTestbed()
    let before = try slaves(of: bed.terminal)
    let program = try BondingProgram(on: bed, backEnd)
    #expect(throws: CommandFailed.self) { try program.work("cleanup", as: RemovalResult.self) }
    let status = try program.ask("show", as: BondingStatus.self)
    #expect(try slaves(of: bed.terminal).allSatisfy { $0.address == status.interface.linkLayerAddress })
    #expect(program.end(SIGKILL) == SIGKILL)
    let removed = try program.work("cleanup", as: RemovalResult.self)
    #expect(removed.tables == 2 && removed.restoredSlaves == ["if1", "if2"])
    #expect(removed.interfaces == (backEnd == .veth ? 2 : 1))
    try expectNothingLeft(in: bed.terminal)
    #expect(try slaves(of: bed.terminal) == before)
    let nothing = RemovalResult(tables: 0, interfaces: 0, restoredSlaves: [], releasedFlows: 0)
    #expect(try program.work("cleanup", as: RemovalResult.self) == nothing)
  }

  @Test("Another back end takes over what a killed one has left", .enabled(if: hasBondingDriver))
  func changeOfBackEnd() throws {
    let bed = try BondingTestbed()
    let before = try slaves(of: bed.terminal)
    for backEnd in [BackEnd.veth, .bonding, .auto, .veth] {
      let program = try BondingProgram(on: bed, backEnd)
      let interface = try program.ask("show", as: BondingStatus.self).interface
      #expect(interface.backend == (backEnd == .veth ? .veth : .bonding))
      #expect(try program.ask("show", as: BondingStatus.self).slaves.allSatisfy(\.hasCarrier))
      #expect(program.end(SIGKILL) == SIGKILL)
    }
    let program = try BondingProgram(on: bed, .veth)
    #expect(program.end(SIGTERM) == 0)
    try expectNothingLeft(in: bed.terminal)
    #expect(try slaves(of: bed.terminal) == before)
  }

  @Test("Without the bonding driver `bonding` is refused by key and `auto` takes veth", .disabled(if: hasBondingDriver))
  func withoutDriver() throws {
    let bed = try BondingTestbed()
    let program = try BondingProgram(on: bed, .auto)
    let interface = try program.ask("show", as: BondingStatus.self).interface
    #expect(interface.backend == .veth && interface.backendReason.contains("no bonding driver"))
    #expect(program.end(SIGTERM) == 0)
    try String(contentsOfFile: program.configuration, encoding: .utf8)
      .replacing("backend: auto", with: "backend: bonding")
      .write(toFile: program.configuration, atomically: true, encoding: .utf8)
    for command in ["check", "doctor", "run"] {
      let refusal = #expect(throws: CommandFailed.self) {
        try bed.terminal.command(BondingProgram.binary, [command, "-c", program.configuration])
      }
      let said = try #require(refusal).description
      #expect(said.contains("no bonding driver") && said.contains("modprobe bonding"), "\(said)")
      #expect(said.contains("bonding-policy.yaml:2:") == (command != "doctor"), "\(said)")
    }
  }

  @Test("An interface of somebody else is not touched")
  func foreign() throws {
    let bed = try BondingTestbed()
    try bed.terminal.ip("link add lif0 type veth peer name other")
    #expect(throws: CommandFailed.self) { try BondingProgram(on: bed) }
    #expect(try bed.terminal.run { try RouteNetlink().link(named: "lif0").alias } == nil)
    #expect(try bed.terminal.command("nft", ["list", "ruleset", "netdev"]).isEmpty)
  }

  @Test("An interface that belongs to a bridge, one without link-layer address, and one that is away are told apart")
  func unfit() throws {
    let bed = try BondingTestbed()
    func configuration(_ slaves: [String]) -> BondingConfiguration {
      var configuration = BondingConfiguration()
      configuration.slaves = slaves
      return configuration
    }
    let plan = BondingPlan(configuration(["if1", "ppp0", "if2", "away"]))
    try bed.terminal.ip("link add br0 type bridge")
    try bed.terminal.ip("link set if1 master br0")
    try bed.terminal.ip("tuntap add dev ppp0 mode tun")
    let links = try bed.terminal.run { try RouteNetlink().links() }
    let problems = BondingHost.problems(plan, links, .bonding)
    #expect(problems.map(\.keyPath) == ["slaves[0]", "slaves[1]", "slaves[3]"])
    #expect(problems.map(\.severity) == [.fatal, .fatal, .warning])
    #expect(problems[1].message.contains("set backend to veth"))
    #expect(BondingHost.problems(plan, links, .veth).map(\.keyPath) == ["slaves[0]", "slaves[3]"])
    // A point-to-point link has no address to give to the others.
    let behind = BondingPlan(configuration(["ppp0", "if2"]))
    #expect(try behind.linkLayerAddress(links) == links.first { $0.name == "if2" }?.linkLayerAddress)
    let refusal = #expect(throws: LinuxError.self) {
      try BondingPlan(configuration(["ppp0"])).linkLayerAddress(links)
    }
    #expect(refusal?.advice?.contains("set link-layer-address") == true)
    #expect(problems[0].message.contains("bridge br0") && problems[0].message.contains("nomaster"))
    #expect(throws: CommandFailed.self) { try BondingProgram(on: bed) }
    #expect(try bed.terminal.run { try RouteNetlink().links() }.allSatisfy { $0.name != "lif0" })
  }

  @Test("create writes the configuration and makes the interface; run takes over; doctor finds nothing wrong")
  func create() throws {
    let bed = try BondingTestbed()
    try FileManager.default.createDirectory(at: bed.directory, withIntermediateDirectories: true)
    let file = bed.directory.appendingPathComponent("created.yaml").path
    let binary = BondingProgram.binary
    // `create` takes the default state directory.
    let state = URL(fileURLWithPath: BondingConfiguration().stateDirectory)
    defer {
      let files = (try? FileManager.default.contentsOfDirectory(at: state, includingPropertiesForKeys: nil)) ?? []
      for file in files where file.lastPathComponent.hasPrefix("bonding-policy-fmlif") {
        try? FileManager.default.removeItem(at: file)
      }
    }
    func create(_ slaves: String) throws -> String {
      try bed.terminal.command(binary, ["create", "fmlif", "--slaves", slaves, "-c", file])
    }
    #expect(throws: CommandFailed.self) { try create("if1,if1") }
    #expect(!FileManager.default.fileExists(atPath: file))
    #expect(try create("if1,if2").contains("fmlif is there with if1, if2, back end veth"))
    let names = try bed.terminal.run { try RouteNetlink().links() }.map(\.name)
    #expect(names.contains("fmlif") && names.contains("fmlifp"))
    #expect(throws: CommandFailed.self) { try create("if1") }
    let doctor = try bed.terminal.command(binary, ["doctor", "-c", file])
    #expect(!doctor.contains("PROBLEM"), "\(doctor)")
    _ = try bed.terminal.command(binary, ["cleanup", "-c", file])
    try expectNothingLeft(in: bed.terminal)
  }

  private struct SlaveState: Equatable {
    var name: String
    var address: LinkLayerAddress?
    var disableIPv6: String
    var receivesAllMulticast: Bool
  }

  private func slaves(of terminal: TestNamespace) throws -> [SlaveState] {
    try terminal.run {
      try RouteNetlink().links().filter { $0.name.hasPrefix("if") }.map { link in
        SlaveState(
          name: link.name, address: link.linkLayerAddress,
          disableIPv6: try KernelParameter.ipv6(interface: link.name, "disable_ipv6").read(),
          receivesAllMulticast: link.receivesAllMulticast)
      }
    }
  }

  private func expectNothingLeft(in terminal: TestNamespace) throws {
    #expect(try terminal.command("nft", ["list", "ruleset"]).isEmpty)
    #expect(try terminal.run { try RouteNetlink().links() }.allSatisfy { !$0.name.hasPrefix("lif0") })
    #expect(try terminal.run { try ConntrackSocket().entries(markedUnder: .max) }.isEmpty)
    #expect(try slaves(of: terminal).allSatisfy { $0.disableIPv6 == "0" && !$0.receivesAllMulticast })
  }
}
