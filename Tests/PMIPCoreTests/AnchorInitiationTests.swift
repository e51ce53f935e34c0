import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: Flow Mobility Initiate, RFC 7864")
struct AnchorInitiationTests {
  typealias Lab = AnchorLab

  static let first = QuestionToken(rawValue: 1)
  static let second = QuestionToken(rawValue: 2)

  /// if1 at MAG1 with the first prefix, if2 at MAG2 with the second.
  static func attached(
    _ mode: FlowMobilityMode = .rfc7864, _ change: (inout LMAConfiguration) -> Void = { _ in }
  ) -> Lab {
    var lab = Lab {
      $0.flowMobilityMode = mode
      change(&$0)
    }
    lab.send(.attach)
    lab.send(AnchorFlowMobilityTests.second, from: Lab.mag2)
    return lab
  }

  static func refresh(_ lab: inout Lab) -> BindingAcknowledgement? {
    lab.send(.refresh(Lab.firstPrefix))
  }

  /// serve-prefixes for MAG1's binding -->
  static func ask(_ lab: inout Lab, _ prefixes: [IPv6Prefix] = [Lab.secondPrefix], _ token: QuestionToken = first) {
    lab.step(.servePrefixes(token, prefixes, at: BindingIdentifier(rawValue: 1)))
  }

  static func refusal(_ lab: Lab, _ token: QuestionToken = first) -> ServiceRefusal.Reason? {
    if case .refused(let refusal)? = lab.answers[token] { refusal.reason } else { nil }
  }

  static func isServed(_ lab: Lab, _ token: QuestionToken = first) -> Bool {
    if case .served? = lab.answers[token] { true } else { false }
  }

  @Test("RFC 7864 sections 3.2.2 and 4.2: FMI with A, MN-ID and the prefix with L; FMA completes it")
  func initiate() throws {
    var lab = Self.attached()
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
    // serve P2 at MAG1  -->  FMI(P2)
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    #expect(initiate.reason == .flowMobility && initiate.flags == .acknowledge)
    #expect(
      initiate.options == [
        .mobileNodeIdentifier(Lab.mn1),
        .homeNetworkPrefix(HomeNetworkPrefixOption(Lab.secondPrefix, offLink: true)),
      ])
    #expect(lab.notificationTargets == [Lab.mag1])
    #expect(lab.answers.isEmpty && lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
    // FMA  -->  subscribers know before the answer goes out, and it is stored.
    lab.acknowledge(initiate)
    #expect(Self.isServed(lab))
    #expect(lab.effects.map(\.word) == ["binding-changed", "answer", "store"])
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [Lab.secondPrefix])
    #expect(lab.records[BindingIdentifier(rawValue: 1)]?.offLinkPrefixes == [Lab.secondPrefix])
    #expect(lab.count(.flowMobilityInitiatesSent) == 1 && lab.count(.flowMobilityAcknowledged) == 1)
    // The next move of such a flow needs no signalling.
    Self.ask(&lab, [Lab.secondPrefix], Self.second)
    #expect(Self.isServed(lab, Self.second) && lab.notifications.isEmpty)
  }

  @Test("RFC 7864 section 3.3: acknowledgements carry what has been agreed, with the L flag; nothing else")
  func acknowledgements() throws {
    var lab = Self.attached()
    #expect(Self.refresh(&lab)?.options.homeNetworkPrefixes == [HomeNetworkPrefixOption(Lab.firstPrefix)])
    Self.ask(&lab)
    lab.acknowledge(try #require(lab.notifications.first))
    let answer = try #require(Self.refresh(&lab))
    #expect(
      answer.options.homeNetworkPrefixes == [
        HomeNetworkPrefixOption(Lab.firstPrefix), HomeNetworkPrefixOption(Lab.secondPrefix, offLink: true),
      ])
    #expect(answer.offLinkPrefixes == [])
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [Lab.secondPrefix])
  }

  @Test("RFC 7864 section 3.3: a PBU that comes while the FMI is under way is answered with its prefixes too")
  func crossing() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    #expect(
      Self.refresh(&lab)?.options.homeNetworkPrefixes.last
        == HomeNetworkPrefixOption(Lab.secondPrefix, offLink: true))
    lab.acknowledge(initiate)
    #expect(Self.isServed(lab))
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [Lab.secondPrefix])
  }

  @Test("RFC 7864 section 4.2: the list is complete; a second question waits for the first exchange")
  func completeList() throws {
    var lab = Self.attached()
    lab.send(.attach([2, 0, 0, 0, 0, 3], .ethernet), from: Lab.mag2)
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    Self.ask(&lab, [Lab.thirdPrefix], Self.second)
    #expect(lab.notifications.isEmpty)
    // FMA(P2)  -->  FMI(P2, P3)
    lab.acknowledge(initiate)
    #expect(Self.isServed(lab))
    let next = try #require(lab.notifications.first)
    #expect(next.sequence == initiate.sequence &+ 1)
    #expect(next.options.homeNetworkPrefixes.compactMap(\.prefix) == [Lab.secondPrefix, Lab.thirdPrefix])
    lab.acknowledge(next)
    #expect(Self.isServed(lab, Self.second))
    // if2 goes: an FMI for the prefix of the third interface does not name its prefix any more.
    lab.send(
      PBU.deregister(Lab.secondPrefix).with {
        $0.access = .eutran
        $0.linkLayer = Lab.cellular
      }, from: Lab.mag2)
    lab.send(.attach([2, 0, 0, 0, 0, 4], .ethernet), from: Lab.mag2)
    let fourth = try #require(lab.anchor.bindings.last?.prefixes.first)
    Self.ask(&lab, [fourth], QuestionToken(rawValue: 3))
    #expect(lab.notifications.first?.options.homeNetworkPrefixes.compactMap(\.prefix) == [Lab.thirdPrefix, fourth])
  }

  @Test("Two questions for one prefix share an FMI")
  func shared() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    Self.ask(&lab, [Lab.secondPrefix], Self.second)
    lab.acknowledge(initiate)
    #expect(Self.isServed(lab) && Self.isServed(lab, Self.second))
    #expect(lab.count(.flowMobilityInitiatesSent) == 1)
  }

  @Test("No FMA after the retransmissions: refused, nothing changed, and the next question begins anew")
  func unanswered() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    lab.pass(.seconds(1))
    #expect(lab.notifications.map(\.flags) == [[.acknowledge, .retransmission]])
    #expect(lab.answers.isEmpty)
    lab.pass(.seconds(1))
    #expect(Self.refusal(lab) == .gatewayUnanswered)
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
    #expect(lab.count(.servicesRefused) == 1 && lab.count(.notificationsUnanswered) == 1)
    Self.ask(&lab, [Lab.secondPrefix], Self.second)
    lab.acknowledge(try #require(lab.notifications.first))
    #expect(Self.isServed(lab, Self.second))
  }

  @Test(
    "RFC 7864 section 4.3: a refusal of the gateway is the answer",
    arguments: [
      UpdateNotificationStatus.mobileNodeNotAttached, .reasonUnspecified, .failedToUpdateSessionParameters,
    ])
  func refused(status: UpdateNotificationStatus) throws {
    var lab = Self.attached()
    Self.ask(&lab)
    lab.acknowledge(try #require(lab.notifications.first), status)
    #expect(Self.refusal(lab) == .gatewayRefused)
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
  }

  @Test("RFC 7864 section 4.3: a prefix that the FMA does not repeat is not served")
  func partlyConfirmed() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    lab.acknowledge(try #require(lab.notifications.first), serving: [])
    #expect(Self.refusal(lab) == .gatewayRefused)
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
  }

  @Test("The node leaves, or moves to another gateway, while the FMI is under way: refused at once")
  func leaving() {
    var lab = Self.attached()
    Self.ask(&lab)
    lab.send(.deregister(Lab.firstPrefix))
    #expect(Self.refusal(lab) == .bindingGone)
    lab = Self.attached()
    Self.ask(&lab)
    lab.send(.attach, from: Lab.mag2)
    #expect(Self.refusal(lab) == .bindingGone)
    lab.pass(.seconds(3))
    #expect(lab.notifications.isEmpty && lab.count(.notificationsUnanswered) == 0)
  }

  @Test("After a handover the new gateway has been told of nothing")
  func handover() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    lab.acknowledge(try #require(lab.notifications.first))
    let answer = lab.send(.attach, from: Lab.mag2)
    #expect(answer?.options.homeNetworkPrefixes == [HomeNetworkPrefixOption(Lab.firstPrefix)])
    #expect(lab.anchor.binding(BindingIdentifier(rawValue: 1))?.offLinkPrefixes == [])
  }

  @Test("The other interface ends while the FMI is under way: its prefix is not served for anybody")
  func otherInterfaceEnds() throws {
    var lab = Self.attached()
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    lab.step(.deleteBinding(BindingIdentifier(rawValue: 2)))
    lab.acknowledge(initiate)
    #expect(Self.refusal(lab) == .prefixNotOfNode)
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
  }

  @Test("Wrong questions: no such binding, a prefix of somebody else, the wrong mode, too many under way")
  func wrongQuestions() {
    var lab = Self.attached()
    lab.step(.servePrefixes(Self.first, [Lab.secondPrefix], at: BindingIdentifier(rawValue: 9)))
    #expect(Self.refusal(lab) == .noSuchBinding)
    Self.ask(&lab, [Lab.thirdPrefix], Self.second)
    #expect(Self.refusal(lab, Self.second) == .prefixNotOfNode)
    lab = Self.attached(.paper)
    Self.ask(&lab)
    #expect(Self.refusal(lab) == .notInThisMode && lab.notifications.isEmpty)
    lab = Self.attached { $0.limits.outstandingNotifications = 1 }
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    Self.ask(&lab)
    #expect(Self.refusal(lab) == .limitReached)
  }

  @Test("Mode paper: the option and never an FMI; mode both: the option, and an FMI for what it has not told yet")
  func modes() throws {
    var lab = Self.attached(.paper)
    #expect(lab.binding(at: Lab.mag2)?.offLinkPrefixes == [Lab.firstPrefix])
    #expect(Self.refresh(&lab)?.offLinkPrefixes == [Lab.secondPrefix])
    lab = Self.attached(.both)
    #expect(lab.binding(at: Lab.mag2)?.offLinkPrefixes == [Lab.firstPrefix])
    Self.ask(&lab)
    lab.acknowledge(try #require(lab.notifications.first))
    #expect(Self.isServed(lab))
    let answer = Self.refresh(&lab)
    #expect(answer?.offLinkPrefixes == [Lab.secondPrefix] && answer?.prefixes == [Lab.firstPrefix])
  }

  @Test("Two interfaces of the node at one gateway: the FMI says which session it means")
  func twoAtOneGateway() throws {
    var lab = Self.attached()
    lab.send(.attach([2, 0, 0, 0, 0, 3], .ethernet))
    Self.ask(&lab)
    let initiate = try #require(lab.notifications.first)
    #expect(initiate.options.linkLayerIdentifier == Lab.wlan && initiate.options.accessTechnologyType == .wlan)
  }
}
