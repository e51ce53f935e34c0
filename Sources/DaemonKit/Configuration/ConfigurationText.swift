import Foundation

/// Reads the text files of a configuration whole.
public enum ConfigurationText {
  /// Larger files are refused.
  public static let maximumFileSize = 256 << 20

  /// - Parameter expected: what the file should be, for the error.
  public static func read(path: String, expected: String) throws(ConfigurationErrors) -> String {
    let file = SourcePosition(file: path)
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw ConfigurationErrors([ConfigurationError(file, "cannot be read: \(reason(error))", expected: expected)])
    }
    guard data.count <= maximumFileSize else {
      throw ConfigurationErrors([
        ConfigurationError(file, "has \(data.count) octets", expected: "at most \(maximumFileSize) octets")
      ])
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw ConfigurationErrors([ConfigurationError(file, "is not UTF-8", expected: expected)])
    }
    return text
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    if let underlying, underlying.domain == NSPOSIXErrorDomain {
      return String(cString: strerror(Int32(underlying.code)))
    }
    return (error as NSError).localizedDescription
  }
}
