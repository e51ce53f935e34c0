import DatapathModel
import NetTypes

/// What the triggers remember.
struct TriggerState: Sendable {
  /// Paths that are degraded at once.
  static let maximumDegradations = 1_024
  /// Questions to the anchor that wait for their answer at once; further ones wait for these.
  static let maximumQuestions = 64
  static let maximumServices = 65_536

  var loads: [TunnelIdentifier: TunnelLoad] = [:]
  var departures = Departures()
  var quality: [FlowIdentifier: QualityDetector] = [:]
  var degradations: [ExternalTrigger.Path: Degradation] = [:]
  /// Flows on degraded paths that are still to move, the next one last.
  var leaving: [FlowIdentifier] = []
  var nextLeaving = Duration.zero
  /// Of those, the ones that another gateway could carry once it serves their prefix.
  var leavingAfterService: [FlowIdentifier] = []
  /// What gateways should serve, the next one last.
  var services: [PrefixWish] = []
  /// Asked for, and until when not to be asked for again.
  var asked: [PrefixWish: Duration] = [:]
  /// With the time at which they count as unanswered.
  var questions: [AnchorQuestion: Duration] = [:]
}
