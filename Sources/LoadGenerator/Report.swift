import Foundation

/// A run, as a line of output.
struct Report: Encodable {
  var target: String
  var kind: String
  var window: Int?
  var measurement: Measurement
  /// Nodes of the group that the anchor serves after the run.
  var registered: Int?

  func write() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    FileHandle.standardOutput.write(try encoder.encode(self) + Data("\n".utf8))
  }
}
