import Glibc

/// A refusal of the kernel: what was tried on which object, the kernel's reason and what to do about it.
public struct LinuxError: Error, Hashable, Sendable {
  /// A verb phrase: "replace route".
  public var operation: String
  /// What it was done to: "2001:db8:100:1::/64 dev flm1 table 254".
  public var object: String
  /// The errno value, positive.
  public var code: Int32
  /// The text of netlink's extended acknowledgement, when the kernel gave one.
  public var kernelMessage: String?
  /// What to do next; overrides the one derived from `code`.
  public var advice: String?

  public init(
    _ operation: String, _ object: String, code: Int32, kernelMessage: String? = nil, advice: String? = nil
  ) {
    self.operation = operation
    self.object = object
    self.code = code
    self.kernelMessage = kernelMessage
    self.advice = advice
  }

  /// With the calling thread's current `errno`.
  public init(_ operation: String, _ object: String, advice: String? = nil) {
    self.init(operation, object, code: errno, advice: advice)
  }

  /// The C library's text of `code`.
  public var reason: String {
    var buffer = [CChar](repeating: 0, count: 128)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What to do next, when that can be said.
  public var hint: String? {
    if let advice { return advice }
    switch code {
    case EPERM, EACCES: return "run as root or with CAP_NET_ADMIN and CAP_NET_RAW"
    case ENODEV, ENXIO: return "the interface does not exist (any more); check its name with `ip link`"
    case EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT:
      return "the running kernel lacks this feature; check its configuration or load the module"
    case ENETUNREACH, EHOSTUNREACH: return "there is no route to it; check `ip -6 route get`"
    case EADDRNOTAVAIL: return "the address is not configured on this host; check `ip -6 address`"
    case EEXIST: return "it exists already and is not ours; remove it or choose another number"
    case ENOBUFS, ENOMEM: return "the kernel is short of buffers; the request may be repeated"
    default: return nil
    }
  }
}

extension LinuxError: CustomStringConvertible {
  public var description: String {
    var text = "\(operation) \(object): \(reason)"
    if let kernelMessage { text += " (kernel: \(kernelMessage))" }
    if let hint { text += "; \(hint)" }
    return text
  }
}
