import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("RFC 7077 section 5.2: a gateway without Update Notifications")
struct RFC7077AnchorTests {
  typealias Lab = AnchorLab
  typealias Initiation = AnchorInitiationTests

  static func fail(_ lab: inout Lab, from gateway: IPv6Address = Lab.mag1) {
    let error = BindingError(status: BindingError.unrecognizedType)
    lab.step(.message(.bindingError(error), source: gateway, destination: Lab.anchorAddress))
  }

  @Test("Binding Error 2: the move is refused at once, and no initiate is sent until an operator acts")
  func gatewayWithoutNotifications() {
    var lab = Initiation.attached()
    // FMI -->  <-- BE(2)
    Initiation.ask(&lab)
    #expect(lab.notifications.count == 1)
    Self.fail(&lab)
    #expect(Initiation.refusal(lab) == .gatewayRefused)
    #expect(lab.count(.notificationsUnsupported) == 1)
    lab.pass(.seconds(10))
    #expect(lab.notifications.isEmpty)
    Initiation.ask(&lab, [Lab.secondPrefix], Initiation.second)
    #expect(Initiation.refusal(lab, Initiation.second) == .gatewayRefused && lab.notifications.isEmpty)
    // The other gateway is not concerned.
    lab.step(.servePrefixes(QuestionToken(rawValue: 3), [Lab.firstPrefix], at: BindingIdentifier(rawValue: 2)))
    #expect(lab.notificationTargets == [Lab.mag2])

    var reconfigured = lab
    reconfigured.step(.configurationChanged(lab.anchor.configuration))
    Initiation.ask(&reconfigured, [Lab.secondPrefix], QuestionToken(rawValue: 4))
    #expect(reconfigured.notificationTargets == [Lab.mag1])
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: false)))
    Initiation.ask(&lab, [Lab.secondPrefix], QuestionToken(rawValue: 4))
    #expect(lab.notificationTargets == [Lab.mag1])
  }

  @Test("A Binding Error of a gateway that was not notified, or of another status, is only counted")
  func otherErrors() {
    var lab = Initiation.attached()
    Initiation.ask(&lab)
    Self.fail(&lab, from: Lab.mag2)
    Self.fail(&lab, from: Lab.stranger)
    lab.step(.message(.bindingError(BindingError(status: 1)), source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.count(.bindingErrorsReceived) == 3 && lab.count(.notificationsUnsupported) == 0)
    #expect(lab.answers.isEmpty)
  }
}
