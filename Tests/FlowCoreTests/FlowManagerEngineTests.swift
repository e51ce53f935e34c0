import DatapathModel
import NetTypes
import SeededRandom
import Testing

@testable import FlowCore

@Suite("Flow Manager engine") struct FlowManagerEngineTests {
  typealias World = FlowWorld

  /// Two gateways, both serve both prefixes of the node.
  static func attached(_ configure: (inout FlowManagerEngine.Configuration) -> Void = { _ in }) -> World {
    var world = World(configure)
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2)])))
    return world
  }

  @Test("A snapshot makes the rules and a chain for each tunnel") func snapshot() {
    let world = Self.attached()
    #expect(world.ruleset == FlowRuleset(markMask: World.mask, homePrefixes: world.engine.mirror.homePrefixes))
    #expect(world.chains == [World.one: 0x1_0000, World.two: 0x2_0000])
    #expect(world.transactions == 1)
    #expect(!world.engine.mirror.isStale)
  }

  @Test("A first packet makes an element, then passes with the default binding's mark; foreign bits stay")
  func firstPacket() {
    var world = Self.attached()
    #expect(world.packet(.flow(World.tuple(80)), mark: 0xf002_0007) == 0xf001_0007)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    #expect(world.packet(.flow(World.tuple(81, to: World.mn1Second))) == 0x2_0000)
    #expect(world.map[World.tuple(80)]?.count == TrafficCount(packets: 1, octets: 100))
    // A second packet of the flow that was in the queue already.
    #expect(world.packet(.flow(World.tuple(80))) == 0x1_0000)
    #expect(world.engine.counters.flowsAdded == 2)
    #expect(world.engine.counters.packetsOfKnownFlows == 1)
    #expect(world.isConsistent)
  }

  @Test("The packets of one read share a transaction, and two of one flow an element") func batch() {
    var world = Self.attached()
    let before = world.transactions
    world.handle(
      .queuedPackets(
        [80, 81, 80].enumerated().map {
          QueuedPacket(
            token: PacketToken(rawValue: UInt32($0)), mark: 0, dissection: .success(.flow(World.tuple(UInt16($1)))),
            length: 40)
        }))
    #expect(world.transactions == before + 1)
    #expect(world.map.count == 2)
    #expect(world.map[World.tuple(80)]?.count == TrafficCount(packets: 2, octets: 80))
    #expect((0..<3).allSatisfy { world.verdicts[$0] == .some(0x1_0000) })
  }

  @Test("Without a binding, and for what is no flow, packets pass unmarked and are counted") func unmarked() {
    var world = Self.attached()
    let elsewhere = IPv6Address(high: 0x2001_0db8_0100_0009, low: 1)
    #expect(world.packet(.flow(World.tuple(80, to: elsewhere))) == nil)
    #expect(
      world.packet(.laterFragment(FragmentKey(source: elsewhere, destination: World.mn1, identification: 1))) == nil)
    for (index, error) in [DissectionError.notIPv6(version: 4), .tooManyExtensionHeaders, .truncated(.ipv6, octets: 3)]
      .enumerated()
    {
      let token = PacketToken(rawValue: UInt32(100 + index))
      world.handle(.queuedPackets([QueuedPacket(token: token, mark: 1, dissection: .failure(error), length: 3)]))
      #expect(world.verdicts[token.rawValue] == .some(nil))
    }
    let counters = world.engine.counters
    #expect(counters.packetsWithoutBinding == 1)
    #expect(counters.laterFragments == 1)
    #expect(
      [counters.malformedNotIPv6, counters.malformedTooManyExtensionHeaders, counters.malformedTruncated] == [1, 1, 1])
    #expect(world.map.isEmpty)
  }

  @Test("A binding that awaits deletion carries no traffic") func awaitingDeletion() {
    var world = World()
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1, state: "awaiting-deletion")])))
    #expect(world.packet(.flow(World.tuple(80))) == nil)
    #expect(world.engine.counters.packetsWithoutBinding == 1)
  }

  @Test("An ICMPv6 error takes the tunnel of the flow it is about") func icmpError() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
    var about = World.tuple(80)
    about.flowLabel = 0
    #expect(world.packet(.icmpError(flow: about)) == 0x2_0000)
    about.sourcePort = 79
    #expect(world.packet(.icmpError(flow: about)) == nil)
    #expect(world.packet(.icmpError(flow: nil)) == nil)
    #expect(world.engine.counters.icmpErrorsMatched == 1)
    #expect(world.engine.counters.icmpErrorsUnmatched == 2)
  }

  @Test("With 5-tuples the label does not tell flows apart") func fiveTuple() {
    var world = Self.attached { $0.key = .fiveTuple }
    var relabelled = World.tuple(80)
    relabelled.flowLabel = 1
    world.packet(.flow(World.tuple(80)))
    world.packet(.flow(relabelled))
    #expect(world.engine.table.count == 1)
    #expect(world.engine.counters.packetsOfKnownFlows == 1)
  }

  @Test("A TCP connection that changes its flow label stays on its tunnel; other transports are new flows")
  func labelChange() {
    for (transport, mark) in [(TransportProtocol.tcp, UInt32(0x2_0000)), (.udp, 0x1_0000)] {
      var world = Self.attached()
      var tuple = World.tuple(80)
      tuple.transport = transport
      world.packet(.flow(tuple))
      _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
      tuple.flowLabel ^= 1
      #expect(world.packet(.flow(tuple)) == mark)
      #expect(world.engine.table.count == 2)
      #expect(world.engine.counters.flowsContinued == (transport == .tcp ? 1 : 0))
      #expect(world.isConsistent)
    }
  }

  // MARK: Commands

  @Test("move: to a gateway by name, to a tunnel by number, and back; one element replaced each time")
  func move() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    world.packet(.flow(World.tuple(81)))
    let flow = FlowReference.identifier(FlowIdentifier(rawValue: 1))
    for (target, tunnel) in [("mag2", World.two), ("1", World.one), ("2", World.two), ("2", World.two)] {
      guard case .success(.flow(let moved))? = world.command(.move(flow, target: target)) else {
        Issue.record("move to \(target)")
        return
      }
      #expect(moved.tunnel == tunnel)
      #expect(world.tunnel(of: World.tuple(80)) == tunnel)
      #expect(world.tunnel(of: World.tuple(81)) == World.one, "the other flow stays")
      #expect(world.isConsistent)
    }
    #expect(world.engine.counters.flowsMovedByOperator == 3, "to where it is already is no move")
  }

  @Test("move is refused with the tunnels that the node has") func moveRefused() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    let flow = FlowReference.identifier(FlowIdentifier(rawValue: 1))
    #expect(
      world.refusal(.move(flow, target: "mag3"))
        == "mn1@example.net has no tunnel to 'mag3'; it has mag1 (tunnel 1), mag2 (tunnel 2)")
    #expect(world.refusal(.move(.identifier(FlowIdentifier(rawValue: 9)), target: "mag2")).contains("no flow 9"))
    #expect(world.engine.counters.commandsRefused == 2)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
  }

  @Test("A move that the kernel refuses is undone and answered") func moveKernelRefuses() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    world.refuses = { if case .set = $0 { true } else { false } }
    let text = world.refusal(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
    #expect(text == "the kernel does not take the move, the flow stays: No space left on device")
    #expect(world.isConsistent)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
  }

  @Test("Flows are named by 6-tuple fields, when these name one") func reference() {
    var world = Self.attached()
    for port in [UInt16(80), 81] { world.packet(.flow(World.tuple(port))) }
    let destination = IPv6Prefix.host(World.mn1)
    #expect(
      world.refusal(.remove(.selector(FlowSelector(destination: destination))))
        == "2 flows have destination \(World.mn1): 1, 2; name one by its id, or say --all")
    #expect(world.refusal(.remove(.selector(FlowSelector(sourcePort: 81)))) == "")
    #expect(world.refusal(.remove(.selector(FlowSelector(sourcePort: 81)))).contains("no flow with source-port 81"))
    #expect(world.map.keys.map(\.sourcePort) == [80])
    #expect(world.isConsistent)
  }

  @Test("add: a full 6-tuple makes a flow before its first packet") func addFlow() {
    var world = Self.attached()
    let tuple = World.tuple(80)
    let selector = FlowSelector(
      source: .host(tuple.source), destination: .host(tuple.destination), flowLabel: tuple.flowLabel, transport: .tcp,
      sourcePort: 80, destinationPort: 5_000)
    #expect(world.refusal(.add(selector, target: "mag2")) == "")
    #expect(world.tunnel(of: tuple) == World.two)
    #expect(world.refusal(.add(selector, target: "mag1")).contains("this is flow 1"))
    #expect(world.packet(.flow(tuple)) == 0x2_0000)
  }

  @Test("add: an open selector sends new flows to its gateway, old ones stay") func addSelector() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    #expect(world.refusal(.add(FlowSelector(transport: .tcp), target: "mag9")).contains("mag1 (tunnel 1), mag2"))
    #expect(world.refusal(.add(FlowSelector(transport: .tcp), target: "mag2")) == "")
    #expect(world.packet(.flow(World.tuple(81))) == 0x2_0000)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    #expect(world.refusal(.removeSelector(1)) == "")
    #expect(world.refusal(.removeSelector(1)).contains("no selector 1"))
    #expect(world.packet(.flow(World.tuple(82))) == 0x1_0000)
  }

  // MARK: Limits and refusals

  @Test("A full table leaves new flows on the default binding") func tableFull() {
    var world = Self.attached { $0.maximumFlows = 2 }
    for port in UInt16(80)...83 { world.packet(.flow(World.tuple(port))) }
    #expect(world.map.count == 2)
    #expect(world.engine.counters.refusedTableFull == 2)
    world.command(.remove(.identifier(FlowIdentifier(rawValue: 1)))).map { _ in }
    #expect(world.packet(.flow(World.tuple(83))) == 0x1_0000)
  }

  @Test("An element that the kernel refuses does not take the others of its read with it") func elementRefused() {
    var world = Self.attached()
    world.refuses = { if case .set(let flow, _) = $0 { flow.tuple.sourcePort == 81 } else { false } }
    world.handle(
      .queuedPackets(
        [80, 81, 82].map {
          QueuedPacket(
            token: PacketToken(rawValue: UInt32($0)), mark: 0, dissection: .success(.flow(World.tuple($0))), length: 1)
        }))
    #expect(Set(world.map.keys.map(\.sourcePort)) == [80, 82])
    #expect(world.verdicts == [80: 0x1_0000, 81: nil, 82: 0x1_0000])
    #expect(world.engine.counters.refusedByKernel == 1)
    #expect(world.isConsistent)
  }

  @Test("Flows without a packet between polls for the idle timeout go; others stay") func idle() {
    var world = Self.attached()
    for port in [UInt16(80), 81] { world.packet(.flow(World.tuple(port))) }
    for _ in 0..<4 {
      world.clock += .seconds(75)
      world.countPacket(World.tuple(80))
      world.pollCounters()
    }
    #expect(world.map.keys.map(\.sourcePort) == [80])
    #expect(world.engine.counters.flowsRemovedIdle == 1)
    #expect(world.engine.table.sorted.first?.count.packets == 5)
    #expect(world.isConsistent)
  }

  // MARK: Bindings come and go

  @Test("Outage of an access of a logical interface: its flows move at once, in one transaction, others stay")
  func outage() {
    var world = World()
    world.handle(
      .anchorSnapshot(
        World.snapshot([World.logicalBinding(1, isDefault: true), World.logicalBinding(2, isDefault: false)])))
    for port in UInt16(80)...89 { world.packet(.flow(World.tuple(port))) }
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
    let before = world.transactions
    var gone = World.logicalBinding(1, isDefault: true)
    gone.state = "awaiting-deletion"
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: gone))))
    #expect(world.transactions == before + 1)
    #expect(world.lastTransaction.count == 9)
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.engine.counters.flowsMovedByBinding == 9)
    world.handle(.anchorEvent(.bindingRemoved(AnchorBindingChange(binding: gone, cause: "deregistered"))))
    world.handle(.anchorEvent(.tunnelRemoved(World.tunnel(1))))
    #expect(world.chains == [World.two: 0x2_0000])
    #expect(world.isConsistent)
  }

  @Test("Two uplinks of one gateway: flows are told apart by tunnel number, and the uplink that is left has them all")
  func uplinks() {
    var second = World.tunnel(2)
    second.gateway = "mag1"
    var path = World.logicalBinding(2, isDefault: false)
    path.gateway = "mag1"
    var snapshot = World.snapshot([World.logicalBinding(1, isDefault: true), path])
    snapshot.tunnels[1] = second
    var world = World()
    world.handle(.anchorSnapshot(snapshot))
    for port in UInt16(80)...81 { world.packet(.flow(World.tuple(port))) }
    let flow = FlowReference.identifier(FlowIdentifier(rawValue: 2))
    _ = world.command(.move(flow, target: "2"))
    #expect(world.tunnel(of: World.tuple(80)) == World.one && world.tunnel(of: World.tuple(81)) == World.two)
    // The name of the gateway says nothing about the uplink: the flow is there already.
    _ = world.command(.move(flow, target: "mag1"))
    #expect(world.tunnel(of: World.tuple(81)) == World.two)
    path.state = "awaiting-deletion"
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: path))))
    #expect(world.tunnel(of: World.tuple(81)) == World.one)
    #expect(world.isConsistent)
  }

  @Test("A gateway that does not answer: flows that another can carry leave it, new ones avoid it, others wait")
  func unreachableGateway() {
    var world = World()
    world.handle(
      .anchorSnapshot(
        World.snapshot([World.logicalBinding(1, isDefault: true), World.logicalBinding(2, isDefault: false)])))
    for port in UInt16(80)...82 { world.packet(.flow(World.tuple(port))) }
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(1, path: "unreachable"))))
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.engine.counters.flowsMovedByOutage == 3)
    world.packet(.flow(World.tuple(83)))
    #expect(world.map[World.tuple(83)]?.tunnel == World.two)
    // With both away there is nowhere to go.
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(2, path: "unreachable"))))
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(1, path: "reachable"))))
    world.packet(.flow(World.tuple(84)))
    #expect(world.map[World.tuple(84)]?.tunnel == World.one)
    #expect(world.engine.counters.flowsMovedByOutage == 3)
    #expect(world.isConsistent)
  }

  @Test("When no tunnel can carry a flow any more its element goes") func lastBindingGone() {
    var world = World()
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1)])))
    world.packet(.flow(World.tuple(80)))
    world.handle(
      .anchorEvent(.bindingRemoved(AnchorBindingChange(binding: World.interfaceBinding(1), cause: "expired"))))
    #expect(world.map.isEmpty)
    #expect(world.engine.counters.flowsRemovedWithoutTunnel == 1)
    #expect(world.isConsistent)
  }

  @Test("Handover: the binding's tunnel changes and its flows follow") func handover() {
    var world = World()
    world.handle(.anchorSnapshot(World.snapshot([World.logicalBinding(1, isDefault: true)])))
    world.packet(.flow(World.tuple(80)))
    var moved = World.logicalBinding(1, isDefault: true)
    (moved.tunnel, moved.gateway) = (World.two, "mag2")
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: moved))))
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  @Test("A tunnel that goes takes the chain with it, after its flows") func tunnelRemoved() {
    var world = Self.attached()
    for port in [UInt16(80), 81] { world.packet(.flow(World.tuple(port))) }
    world.handle(.anchorEvent(.tunnelRemoved(World.tunnel(1))))
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.chains == [World.two: 0x2_0000])
    world.handle(.anchorEvent(.tunnelAdded(World.tunnel(1))))
    #expect(world.chains.count == 2)
    #expect(world.packet(.flow(World.tuple(82))) == 0x1_0000)
    #expect(world.isConsistent)
  }

  @Test("A mass move that the kernel refuses for one flow moves the others and drops that one's element")
  func massMoveRefused() {
    var world = World()
    world.handle(
      .anchorSnapshot(
        World.snapshot([World.logicalBinding(1, isDefault: true), World.logicalBinding(2, isDefault: false)])))
    for port in UInt16(80)...82 { world.packet(.flow(World.tuple(port))) }
    world.refuses = { if case .set(let flow, _) = $0 { flow.tuple.sourcePort == 81 } else { false } }
    world.handle(
      .anchorEvent(.bindingRemoved(AnchorBindingChange(binding: World.logicalBinding(1, isDefault: true)))))
    #expect(Set(world.map.keys.map(\.sourcePort)) == [80, 82])
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.isConsistent)
  }

  // MARK: Restarts

  @Test("kill -9 of the Flow Manager: the same flows with the same numbers, on the same tunnels") func restart() {
    var world = Self.attached()
    for port in UInt16(80)...85 { world.packet(.flow(World.tuple(port))) }
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 3)), target: "mag2"))
    _ = world.command(.remove(.identifier(FlowIdentifier(rawValue: 2))))
    world.pollCounters()
    let before = world.engine.table.sorted
    let map = world.map
    world.restart()
    let known: (Flow) -> [AnyHashable] = { [$0.identifier, $0.tuple, $0.tunnel, $0.createdAt, $0.count] }
    #expect(world.engine.table.sorted.map(known) == before.map(known))
    #expect(world.engine.mirror.isStale)
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2)])))
    #expect(world.map == map, "the snapshot changes no element")
    #expect(world.engine.table.sorted.map(known) == before.map(known))
    #expect(world.refusal(.move(.identifier(FlowIdentifier(rawValue: 3)), target: "mag1")) == "")
    world.packet(.flow(World.tuple(99)))
    #expect(world.engine.table.sorted.last?.identifier.rawValue == 7, "a new number")
    #expect(world.isConsistent)
  }

  @Test("What changed while we were away is made good: lost bindings, lost tunnels") func restartAfterChange() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    world.packet(.flow(World.tuple(81, to: World.mn1Second)))
    world.restart()
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(2, offLink: false)], tunnels: [2])))
    #expect(world.map.keys.map(\.sourcePort) == [81])
    #expect(Array(world.chains.keys) == [World.two])
    #expect(world.isConsistent)
  }

  @Test("While the anchor is away flows go on, new ones come, and the mirror is marked stale") func anchorLost() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    world.handle(.anchorLost)
    #expect(world.engine.mirror.isStale)
    #expect(world.packet(.flow(World.tuple(81))) == 0x1_0000)
    #expect(world.refusal(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2")) == "")
    let before = world.transactions
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2)])))
    #expect(!world.engine.mirror.isStale)
    #expect(world.transactions == before, "the same snapshot changes nothing in the kernel")
    #expect(world.isConsistent)
  }

  @Test("A table that somebody removed is written again, with every flow") func tableLost() {
    var world = Self.attached()
    for port in [UInt16(80), 81] { world.packet(.flow(World.tuple(port))) }
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
    let map = world.map
    world.loseTable()
    #expect(world.map == map)
    #expect(world.chains.count == 2)
    #expect(world.ruleset != nil)
    #expect(world.engine.counters.kernelTableLost == 1)
  }

  @Test("More changes than a transaction may have become several") func manyChanges() {
    var world = World { $0.maximumChanges = 100 }
    world.handle(
      .anchorSnapshot(
        World.snapshot([World.logicalBinding(1, isDefault: true), World.logicalBinding(2, isDefault: false)])))
    let count = 150
    world.handle(
      .queuedPackets(
        (0..<count).map { number in
          var tuple = World.tuple(UInt16(truncatingIfNeeded: number))
          tuple.flowLabel = UInt32(number)
          return QueuedPacket(
            token: PacketToken(rawValue: UInt32(number)), mark: 0, dissection: .success(.flow(tuple)), length: 1)
        }))
    let before = world.transactions
    world.handle(
      .anchorEvent(.bindingRemoved(AnchorBindingChange(binding: World.logicalBinding(1, isDefault: true)))))
    #expect(world.transactions == before + 2)
    #expect(world.map.count == count && world.map.values.allSatisfy { $0.tunnel == World.two })
  }

  @Test("Another mark mask rewrites rules and chains, not elements") func maskChanged() {
    var world = Self.attached()
    world.packet(.flow(World.tuple(80)))
    var snapshot = World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2)])
    snapshot.markMask = 0xfff0
    snapshot.tunnels = snapshot.tunnels.map {
      var tunnel = $0
      tunnel.mark >>= 12
      return tunnel
    }
    world.handle(.anchorSnapshot(snapshot))
    #expect(world.chains == [World.one: 0x10, World.two: 0x20])
    #expect(world.ruleset?.markMask == 0xfff0)
    #expect(world.packet(.flow(World.tuple(80)), mark: 0xf_0000) == 0xf_0010)
  }

  @Test("Any sequence of events leaves table and map the same", arguments: UInt64(1)...8)
  func randomLadder(_ seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    var world = Self.attached { $0.maximumFlows = 40 }
    var bindings: [UInt32: AnchorBinding] = [1: World.interfaceBinding(1), 2: World.interfaceBinding(2)]
    for _ in 0..<3_000 {
      let number = UInt32.random(in: 1...2, using: &generator)
      let tuple = World.tuple(
        .random(in: 1...40, using: &generator), to: Bool.random(using: &generator) ? World.mn1 : World.mn1Second)
      let flow = FlowIdentifier(rawValue: .random(in: 1...60, using: &generator))
      let fails = Int.random(in: 0..<10, using: &generator) == 0
      world.refuses = { change in
        guard fails, case .set(let flow, _) = change else { return false }
        return flow.tuple.sourcePort.isMultiple(of: 3)
      }
      switch Int.random(in: 0..<12, using: &generator) {
      case 0...5: world.packet(.flow(tuple))
      case 6: _ = world.command(.move(.identifier(flow), target: "mag\(number)"))
      case 7: _ = world.command(.remove(.identifier(flow)))
      case 8:
        let binding = World.interfaceBinding(
          number, offLink: Bool.random(using: &generator),
          state: Bool.random(using: &generator) ? "active" : "awaiting-deletion")
        bindings[number] = binding
        world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: binding))))
      case 9:
        guard let binding = bindings.removeValue(forKey: number) else { continue }
        world.handle(.anchorEvent(.bindingRemoved(AnchorBindingChange(binding: binding, cause: "expired"))))
      case 10:
        world.clock += .seconds(100)
        world.pollCounters()
      default:
        world.restart()
        world.handle(.anchorSnapshot(World.snapshot(bindings.values.sorted { $0.id < $1.id })))
      }
      #expect(world.isConsistent)
      // No flow is on a tunnel that cannot carry it.
      for flow in world.engine.table.sorted {
        let prefix = IPv6Prefix.slash64(flow.tuple.destination)
        let carrier = bindings.values.first { $0.tunnel == flow.tunnel && $0.isActive && $0.serves(prefix) }
        #expect(carrier != nil)
      }
    }
  }
}
