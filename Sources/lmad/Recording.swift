import DaemonKit
import PMIPCore
import SignallingKit

extension LocalMobilityAnchor: RecordableCore {
  /// What lmad makes its core from.
  public struct Start: Codable, Sendable {
    var configuration: LMAConfiguration
    var firstBinding: BindingIdentifier
    var firstNotification: UInt16
  }

  public init(start: Start) throws(RecordingError) {
    try RecordingError.refuse(start.configuration.problems())
    self.init(
      configuration: start.configuration, firstBinding: start.firstBinding, firstNotification: start.firstNotification)
  }
}
