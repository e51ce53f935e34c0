import DaemonKit
import Glibc

/// A file with a shared secret. What others can read is no secret, and is not used.
enum SecretFile {
  enum Kind { case text, hexadecimal }

  struct Problem: Error {
    var message: String
  }

  /// Octets of a file that is read.
  private static let maximumLength = 1_024
  private static let textLengths = 1...128
  private static let keyLengths = 16...64

  /// - Parameter besides: the configuration file, to whose directory a relative path counts.
  static func read(_ name: String, besides file: String, _ kind: Kind) throws(Problem) -> [UInt8] {
    let path = resolve(name, besides: file)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Problem(message: "\(path) cannot be read: \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Problem(message: "\(path) is no file")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Problem(message: "\(path) can be read or written by others; run `chmod 600 \(path)`")
    }
    var buffer = [UInt8](repeating: 0, count: maximumLength)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    guard count >= 0 else { throw Problem(message: "\(path) cannot be read: \(String(cString: strerror(errno)))") }
    let line = Array(buffer[..<count].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
    switch kind {
    case .text:
      guard textLengths.contains(line.count) else {
        throw Problem(message: "\(path): the first line has \(line.count) octets; expected a secret of 1 to 128")
      }
      return line
    case .hexadecimal:
      let digits = line.map { Character(UnicodeScalar($0)).hexDigitValue }
      guard digits.count.isMultiple(of: 2), keyLengths.contains(digits.count / 2), !digits.contains(nil) else {
        throw Problem(
          message: "\(path): the first line is no key; expected 32 to 128 hexadecimal digits, as "
            + "`openssl rand -hex 32` prints")
      }
      let values = digits.compactMap { $0 }
      return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
  }

  private static func resolve(_ name: String, besides path: String) -> String {
    guard !name.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }
}
