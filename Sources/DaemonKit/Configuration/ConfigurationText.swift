import LinuxNet

/// Reads the text files of a configuration whole.
public enum ConfigurationText {
  /// Larger files are refused.
  public static let maximumFileSize = 256 << 20

  /// - Parameter expected: what the file should be, for the error.
  public static func read(path: String, expected: String) throws(ConfigurationErrors) -> String {
    let file = SourcePosition(file: path)
    let content: [UInt8]
    do throws(LinuxError) {
      content = try FileContent.read(path, maximumLength: maximumFileSize)
    } catch {
      throw ConfigurationErrors([ConfigurationError(file, "cannot be read: \(error.reason)", expected: expected)])
    }
    guard let text = String(validating: content, as: UTF8.self) else {
      throw ConfigurationErrors([ConfigurationError(file, "is not UTF-8", expected: expected)])
    }
    return text
  }
}
