import DaemonKit
import PMIPCore

extension LocalMobilityAnchor: RecordableCore {
  /// What lmad makes its core from.
  public struct Start: Codable, Sendable {
    var configuration: LMAConfiguration
    var firstBinding: BindingIdentifier
    var firstNotification: UInt16
  }

  public init(start: Start) throws(RecordingError) {
    if let problem = start.configuration.problems().first {
      throw .unusable("the recorded configuration is wrong: \(problem.keyPath): \(problem.message)")
    }
    self.init(
      configuration: start.configuration, firstBinding: start.firstBinding, firstNotification: start.firstNotification)
  }
}

extension AnchorProgram: RecordingProgram {
  typealias Core = LocalMobilityAnchor
}
