import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("Flow Manager engine: a gateway that does not serve the prefix yet (RFC 7864 section 3.2.2)")
struct AnchorQuestionTests {
  typealias World = FlowWorld

  static let flow = FlowReference.identifier(FlowIdentifier(rawValue: 1))

  /// A flow of the first prefix on MAG1; MAG2 does not serve that prefix.
  static func world() -> World {
    var world = World()
    world.handle(
      .anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2, offLink: false)])))
    world.packet(.flow(World.tuple(80)))
    return world
  }

  /// The anchor's word that MAG2 serves it now.
  static func serves(_ world: inout World) {
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: World.interfaceBinding(2)))))
  }

  @Test("move asks the anchor, waits, and is done when the gateway serves the prefix")
  func granted() throws {
    var world = Self.world()
    let before = world.transactions
    let move = world.issue(.move(Self.flow, target: "mag2"))
    #expect(world.questions.map(\.1) == [ServePrefixesRequest(binding: 2, prefixes: [World.mn1Prefix])])
    #expect(world.replies[move] == nil && world.transactions == before)
    // Meanwhile its packets stay on the old tunnel, and others go on.
    #expect(world.packet(.flow(World.tuple(80))) == 0x1_0000)
    #expect(world.packet(.flow(World.tuple(81))) == 0x1_0000)
    #expect(world.refusal(.remove(.identifier(FlowIdentifier(rawValue: 2)))) == "")
    Self.serves(&world)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    world.answer(.granted)
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
    #expect(try world.replies[move]?.get() != nil && world.isConsistent)
    #expect(world.engine.counters.prefixesAsked == 1 && world.engine.counters.prefixesGranted == 1)
    #expect(world.engine.nextDeadline == nil)
  }

  @Test("add of a flow asks in the same way")
  func add() throws {
    var world = Self.world()
    let tuple = World.tuple(90)
    let add = world.issue(
      .add(
        FlowSelector(
          source: .host(tuple.source), destination: .host(tuple.destination), flowLabel: tuple.flowLabel,
          transport: tuple.transport, sourcePort: tuple.sourcePort, destinationPort: tuple.destinationPort), target: "2"
      ))
    #expect(world.questions.count == 1 && world.tunnel(of: tuple) == nil)
    Self.serves(&world)
    world.answer(.granted)
    #expect(try world.replies[add]?.get() != nil)
    #expect(world.tunnel(of: tuple) == World.two)
  }

  @Test("The anchor refuses: the flow stays, and the operator reads why")
  func refused() {
    var world = Self.world()
    let move = world.issue(.move(Self.flow, target: "mag2"))
    world.answer(.refused("mag2 did not acknowledge"))
    #expect(world.refusal(of: move)?.reason == .prefixNotServed)
    #expect(
      world.refusal(of: move)?.message == "the anchor: mag2 did not acknowledge; flow 1 stays on mag1 (tunnel 1)")
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    #expect(world.engine.counters.prefixesRefused == 1)
  }

  @Test("The anchor grants, but what it has told since says something else: refused")
  func grantedInVain() {
    var world = Self.world()
    let move = world.issue(.move(Self.flow, target: "mag2"))
    world.answer(.granted)
    #expect(world.refusal(of: move)?.reason == .prefixNotServed)
    #expect(world.refusal(of: move)?.message.hasSuffix("the prefix can take mag1 (tunnel 1)") == true)
    #expect(world.questions.isEmpty)
  }

  @Test("The flow ends while the move waits: the answer says so")
  func flowGone() {
    var world = Self.world()
    let move = world.issue(.move(Self.flow, target: "mag2"))
    _ = world.command(.remove(Self.flow))
    Self.serves(&world)
    world.answer(.granted)
    #expect(world.refusal(of: move)?.reason == .noSuchFlow)
  }

  @Test("The anchor goes away: all waiting commands are refused; further ones at once")
  func anchorLost() {
    var world = Self.world()
    let moves = (0..<2).map { _ in world.issue(.move(Self.flow, target: "mag2")) }
    world.handle(.anchorLost)
    #expect(moves.allSatisfy { world.refusal(of: $0)?.reason == .anchorAway })
    let late = world.issue(.move(Self.flow, target: "mag2"))
    #expect(world.refusal(of: late)?.reason == .anchorAway && world.questions.count == 2)
    // An answer of the lost connection belongs to nothing.
    world.answer(.granted)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
  }

  @Test("The anchor does not answer: refused after `anchorAnswerTimeout`")
  func timeout() throws {
    var world = Self.world()
    let move = world.issue(.move(Self.flow, target: "mag2"))
    let deadline = try #require(world.engine.nextDeadline)
    #expect(deadline == world.clock + FlowManagerEngine.anchorAnswerTimeout)
    world.clock = deadline - .milliseconds(1)
    world.handle(.deadlineReached)
    #expect(world.replies[move] == nil)
    world.clock = deadline
    world.handle(.deadlineReached)
    #expect(world.refusal(of: move)?.reason == .anchorTimeout)
    #expect(world.engine.nextDeadline == nil && world.engine.counters.prefixesUnanswered == 1)
  }

  @Test("No more than `maximumWaitingCommands` wait")
  func bound() {
    var world = Self.world()
    for _ in 0..<FlowManagerEngine.maximumWaitingCommands { world.issue(.move(Self.flow, target: "mag2")) }
    let last = world.issue(.move(Self.flow, target: "mag2"))
    #expect(world.refusal(of: last)?.reason == .limitReached)
  }
}
