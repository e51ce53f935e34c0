import CLinuxNet
import Glibc

/// A network namespace without a name, which lives as long as this value or a socket in it. Sockets stay in the
/// namespace they were opened in and work from any thread, so a test opens them inside and uses them outside.
public struct NetworkNamespace: ~Copyable {
  /// An nsfs descriptor.
  public let descriptor: FileDescriptor

  /// A new namespace; needs CAP_SYS_ADMIN.
  public init() throws(LinuxError) {
    let result = onThread { () -> Result<Int32, LinuxError> in
      guard cnet_unshare(cnet_clone_newnet) == 0 else { return .failure(LinuxError("create", "network namespace")) }
      let descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
      return descriptor < 0 ? .failure(LinuxError("open", "network namespace")) : .success(descriptor)
    }
    descriptor = FileDescriptor(owning: try result.get())
  }

  /// Runs `body` inside, on a thread of its own that ends with it: a thread of a pool must never change its namespace.
  public borrowing func run<Value>(_ body: () throws -> Value) throws -> Value {
    let target = descriptor.rawValue
    let result = onThread { () -> Result<Value, any Error> in
      guard cnet_setns(target, cnet_clone_newnet) == 0 else {
        return .failure(LinuxError("enter", "network namespace"))
      }
      return Result { try body() }
    }
    return try result.get()
  }
}

private final class Work {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}

/// The result of `body`, computed on a new thread while the calling one waits.
private func onThread<Value>(_ body: () -> Value) -> Value {
  // The caller is blocked until the thread has ended, so neither the closure nor the result is shared in time.
  var value: Value?
  withoutActuallyEscaping({ value = body() }) { escaping in
    let work = Unmanaged.passRetained(Work(escaping))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        argument.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue().body() }
        return nil
      }, work.toOpaque())
    precondition(status == 0, "no thread: error \(status)")
    pthread_join(thread, nil)
  }
  guard let value else { preconditionFailure("the thread ended without a result") }
  return value
}
