import CLinuxNet
import Glibc

/// A sysctl of the calling thread's network namespace, by its name with slashes or dots: "net.ipv6.conf.all.forwarding".
/// Interface names with dots need slashes: "net/ipv6/conf/eth0.5/forwarding".
public struct KernelParameter: Hashable, Sendable, CustomStringConvertible {
  public let name: String

  public init(_ name: String) { self.name = name }

  public static let ipv6Forwarding = KernelParameter("net.ipv6.conf.all.forwarding")

  public static func ipv6(interface: String, _ setting: String) -> KernelParameter {
    KernelParameter("net/ipv6/conf/\(interface)/\(setting)")
  }

  public var description: String { name }

  private var path: String {
    "/proc/sys/" + (name.contains("/") ? name : String(name.map { $0 == "." ? "/" : $0 }))
  }

  /// Without the newline.
  public func read() throws(LinuxError) -> String {
    let descriptor = try open(O_RDONLY, "read")
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = Glibc.read(descriptor.rawValue, &buffer, buffer.count)
    guard count >= 0 else { throw LinuxError("read", "sysctl \(name)") }
    return String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  public func write(_ value: String) throws(LinuxError) {
    let descriptor = try open(O_WRONLY, "set")
    let bytes = Array(value.utf8)
    guard Glibc.write(descriptor.rawValue, bytes, bytes.count) == bytes.count else {
      throw LinuxError("set", "sysctl \(name) to \(value)")
    }
  }

  private func open(_ mode: Int32, _ operation: String) throws(LinuxError) -> FileDescriptor {
    let descriptor = Glibc.open(path, mode | O_CLOEXEC)
    guard descriptor >= 0 else { throw LinuxError(operation, "sysctl \(name)") }
    return FileDescriptor(owning: descriptor)
  }
}
