import Glibc

/// Tells the service manager how the daemon is (sd_notify(3), spoken without libsystemd). Does nothing when nobody
/// asked, that is without NOTIFY_SOCKET.
public enum ServiceNotifier {
  public static func ready() { notify("READY=1") }
  public static func stopping() { notify("STOPPING=1") }
  /// A line for `systemctl status`.
  public static func status(_ text: String) { notify("STATUS=\(text.split(separator: "\n").joined(separator: " "))") }

  private static func notify(_ state: String) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return }
    send(state, to: path)
  }

  /// `@` as first character stands for the abstract namespace.
  static func send(_ state: String, to path: String) {
    var name = Array(path.utf8)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard let first = name.first, name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    if first == UInt8(ascii: "@") { name[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let message = Array(state.utf8)
    withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT), $0, length)
      }
    }
  }
}
