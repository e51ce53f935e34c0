import DaemonKit
import PMIPCore
import SignallingKit

extension MobileAccessGateway: RecordableCore {
  /// What magd makes its core from.
  public typealias Start = MAGConfiguration

  public init(start: Start) throws(RecordingError) {
    try RecordingError.refuse(start.problems())
    self.init(configuration: start)
  }
}
