import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: runtime assignment, RFC 6463")
struct AnchorRedirectTests {
  typealias Lab = AnchorLab

  static let second = address("2001:db8:1::2")
  static let third = address("2001:db8:1::3")

  static func lab(_ change: (inout Redirection) -> Void = { _ in }) -> Lab {
    var redirection = Redirection(from: Lab.anchorAddress, to: [second, third])
    change(&redirection)
    return Lab {
      $0.addresses = [Lab.anchorAddress, second, third]
      $0.redirections = [redirection]
    }
  }

  static let offer = PBU(extra: [.redirectCapability])
  static func offer(_ node: MobileNodeIdentifier, _ linkLayer: MobileNodeLinkLayerIdentifier) -> PBU {
    PBU(node: node, linkLayer: linkLayer, extra: [.redirectCapability])
  }

  @Test("The asked address answers, the assigned one has binding and tunnel")
  func assigned() throws {
    var lab = Self.lab()
    // PBU(Redirect-Capability) --> rfLMA    <-- rfLMA: PBA(0, Redirect K r2LMA)
    let sent = lab.send(Self.offer)
    let answer = try #require(sent)
    #expect(answer.status == .accepted && answer.options.redirect == .v6(Self.second))
    let binding = try #require(lab.binding(at: Lab.mag1))
    #expect(binding.anchorAddress == Self.second)
    #expect(lab.datapath.tunnels.values.map(\.local) == [Self.second])
    #expect(lab.count(.redirected) == 1)

    // The refresh goes to the r2LMA and is answered from there.
    lab.send(.refresh(Lab.firstPrefix), to: Self.second)
    guard case .send(.bindingAcknowledgement(let refreshed), Self.second, Lab.mag1) = lab.effects.first else {
      Issue.record("no answer from the r2LMA")
      return
    }
    #expect(refreshed.status == .accepted && refreshed.options.redirect == nil)
    #expect(lab.anchor.bindings.count == 1 && lab.anchor.tunnels.count == 1)
  }

  @Test("The acknowledgement was lost: the same address again, no second session, no second tunnel")
  func lostAcknowledgement() {
    var lab = Self.lab()
    lab.send(Self.offer)
    #expect(lab.send(Self.offer)?.options.redirect == .v6(Self.second))
    #expect(lab.anchor.bindings.count == 1 && lab.anchor.tunnels.map(\.local) == [Self.second])
    #expect(lab.count(.acceptedRefresh) == 1)
  }

  @Test("Transmitted again while the kernel works: one acknowledgement, with the assigned address")
  func retransmittedWhilePending() {
    var lab = Self.lab()
    lab.kernel = .isSlow
    lab.send(Self.offer)
    #expect(lab.send(Self.offer) == nil)
    lab.answer()
    #expect(lab.acknowledgement(to: Lab.mag1)?.options.redirect == .v6(Self.second))
    #expect(lab.count(.retransmissionsAbsorbed) == 1)
  }

  @Test("The fewest sessions decide, pending ones included; a node's next interface follows its first")
  func leastLoaded() {
    var lab = Self.lab()
    lab.kernel = .isSlow
    lab.send(Self.offer)
    lab.send(Self.offer(Lab.mn2, Lab.cellular))
    lab.answer()
    lab.kernel = .obeys
    lab.answer()
    #expect(lab.binding(of: Lab.mn1, at: Lab.mag1)?.anchorAddress == Self.second)
    #expect(lab.binding(of: Lab.mn2, at: Lab.mag1)?.anchorAddress == Self.third)
    lab.send(Self.offer(Lab.mn2, Lab.wlan))
    #expect(lab.anchor.bindings(of: Lab.mn2).map(\.anchorAddress) == [Self.third, Self.third])
  }

  @Test("first: in the order of the list, while there is room")
  func first() {
    var lab = Self.lab {
      $0.choice = .first
      $0.maximumSessions = 1
    }
    #expect(lab.send(Self.offer)?.options.redirect == .v6(Self.second))
    #expect(lab.send(Self.offer(Lab.mn2, Lab.cellular))?.options.redirect == .v6(Self.third))
    // No room: served here.
    let last = lab.send(Self.offer(Lab.mn2, Lab.wlan).with { $0.handoff = .newInterface })
    #expect(last?.status == .accepted)
  }

  @Test("A session that ends makes room")
  func room() {
    var lab = Self.lab {
      $0.to = [Self.second]
      $0.maximumSessions = 1
      $0.fallback = .refuse
    }
    lab.send(Self.offer)
    #expect(lab.send(Self.offer(Lab.mn2, Lab.cellular))?.status == .insufficientResources)
    #expect(lab.count(.redirectionImpossible) == 1 && lab.anchor.bindings.count == 1)
    lab.send(.deregister(Lab.firstPrefix), to: Self.second)
    lab.pass(.seconds(11))
    #expect(lab.send(Self.offer(Lab.mn2, Lab.cellular))?.options.redirect == .v6(Self.second))
  }

  @Test("Without an offer there is no Redirect option: served, or 130 when the address must not serve")
  func notOffered() {
    var lab = Self.lab()
    let answer = lab.send(.attach)
    #expect(answer?.status == .accepted && answer?.options.redirect == nil)
    #expect(lab.binding(at: Lab.mag1)?.anchorAddress == Lab.anchorAddress)

    lab = Self.lab { $0.fallback = .refuse }
    #expect(lab.send(.attach)?.status == .insufficientResources)
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("A handover through the asked address leads to the assigned one")
  func handover() {
    var lab = Self.lab()
    lab.send(Self.offer)
    let moved = lab.send(Self.offer.with { $0.handoff = .betweenGateways }, from: Lab.mag2)
    #expect(moved?.options.redirect == .v6(Self.second))
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    #expect(lab.datapath.tunnels.values.map(\.local) == [Self.second])
  }

  @Test("The kernel refuses the tunnel of the assigned address: 130, and nobody is counted there")
  func kernelRefuses() {
    var lab = Self.lab()
    lab.kernel = .refuses
    #expect(lab.send(Self.offer)?.status == .insufficientResources)
    lab.kernel = .obeys
    lab.send(Self.offer(Lab.mn2, Lab.cellular))
    #expect(lab.binding(of: Lab.mn2, at: Lab.mag1)?.anchorAddress == Self.second)
  }

  @Test("Load Information says how many sessions there are and may be")
  func load() {
    var lab = Lab {
      $0.advertisesLoad = true
      $0.limits.bindings = 50
    }
    lab.send(.attach)
    let answer = lab.send(PBU(node: Lab.mn2, linkLayer: Lab.cellular))
    #expect(
      answer?.options.loadInformation
        == LoadInformation(priority: 0, sessionsInUse: 2, maximumSessions: 50, usedCapacity: 0, maximumCapacity: 0))
  }
}
