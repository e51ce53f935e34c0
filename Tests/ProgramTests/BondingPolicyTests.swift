import DaemonKit
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
  private func attach(_ bed: BondingTestbed) throws -> BondingProgram {
    let program = try BondingProgram(on: bed)
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

  @Test("The uplink follows the downlink, flow by flow, across moves, selections, carrier loss and a crash")
  func follow() throws {
    let bed = try BondingTestbed()
    var program = try attach(bed)
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
    #expect(try program.ask("unselect", "--port", "7001", as: SelectedPort.self).port == 7001)
    #expect(try uplinks(3).udp == [0, 3])
    #expect(throws: CommandFailed.self) { try program.ask("unselect", "--port", "7001", as: SelectedPort.self) }

    // Killed: flows go on. Started again in the middle of a stream: nothing lost, nothing on the other slave, and
    // selections are still there.
    _ = try program.ask("select", "--port", "7002", "--slave", "if2", as: Selection.self)
    #expect(program.end(SIGKILL) == SIGKILL)
    seen = try uplinks(5)
    #expect(seen.udp == [0, 5])
    #expect(seen.control == [0, 5])
    let beforeRestart = try bed.uplink(.udp)
    stream = Stream(from: fixedUDP, through: mobileUDP)
    program = try BondingProgram(on: bed)
    let exchangedMeanwhile = try stream.end()
    #expect(exchangedMeanwhile > 10)
    #expect(try bed.uplink(.udp) == [beforeRestart[0], beforeRestart[1] + exchangedMeanwhile])
    #expect(
      try program.ask("show", as: BondingStatus.self).selections == [Selection(port: 7002, slave: "if2")])

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
    #expect(try program.ask("show", as: BondingStatus.self).counters["routerSolicitationsSent"] ?? 0 > 0)

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

  @Test("cleanup gives the slaves back after a crash")
  func cleanup() throws {
    let bed = try BondingTestbed()
    let before = try slaves(of: bed.terminal)
    let program = try BondingProgram(on: bed)
    #expect(throws: CommandFailed.self) { try program.work("cleanup", as: RemovalResult.self) }
    let status = try program.ask("show", as: BondingStatus.self)
    #expect(try slaves(of: bed.terminal).allSatisfy { $0.address == status.interface.linkLayerAddress })
    #expect(program.end(SIGKILL) == SIGKILL)
    let removed = try program.work("cleanup", as: RemovalResult.self)
    #expect(removed.tables == 2 && removed.interfaces == 2 && removed.restoredSlaves == ["if1", "if2"])
    try expectNothingLeft(in: bed.terminal)
    #expect(try slaves(of: bed.terminal) == before)
    let nothing = RemovalResult(tables: 0, interfaces: 0, restoredSlaves: [], releasedFlows: 0)
    #expect(try program.work("cleanup", as: RemovalResult.self) == nothing)
  }

  @Test("An interface of somebody else is not touched")
  func foreign() throws {
    let bed = try BondingTestbed()
    try bed.terminal.ip("link add lif0 type veth peer name other")
    #expect(throws: CommandFailed.self) { try BondingProgram(on: bed) }
    #expect(try bed.terminal.run { try RouteNetlink().link(named: "lif0").alias } == nil)
    #expect(try bed.terminal.command("nft", ["list", "ruleset", "netdev"]).isEmpty)
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
