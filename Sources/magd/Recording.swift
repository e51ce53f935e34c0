import DaemonKit
import PMIPCore

extension MobileAccessGateway: RecordableCore {
  /// What magd makes its core from.
  public typealias Start = MAGConfiguration

  public init(start: Start) throws(RecordingError) {
    if let problem = start.problems().first {
      throw .unusable("the recorded configuration is wrong: \(problem.keyPath): \(problem.message)")
    }
    self.init(configuration: start)
  }
}

extension GatewayProgram: RecordingProgram {
  typealias Core = MobileAccessGateway
}
