import Glibc
import LinuxNet
import Testing

@Suite("UNIX datagram sockets")
struct UnixDatagramTests {
  @Test("It has its own path, hears its peer only, and takes the path away when it closes")
  func ownPath() throws {
    let directory = "/tmp/flowmob-datagram-\(getpid())"
    #expect(mkdir(directory, 0o700) == 0)
    defer { rmdir(directory) }
    let (server, client, stranger) = ("\(directory)/server", "\(directory)/client", "\(directory)/stranger")
    let refused = #expect(throws: LinuxError.self) { try UnixDatagramSocket(connecting: server, from: client) }
    #expect(refused?.code == ENOENT)
    #expect(access(client, F_OK) != 0)
    // Two sockets that are connected to each other, made one after the other.
    func exchange() throws {
      let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
      defer {
        close(raw)
        unlink(server)
      }
      #expect(bind(raw, to: server))
      let end = try UnixDatagramSocket(connecting: server, from: client)
      try end.send([1, 2, 3])
      var buffer = [UInt8](repeating: 0, count: 16)
      #expect(recv(raw, &buffer, buffer.count, 0) == 3)
      // Of somebody else's datagrams none arrives: the kernel refuses them.
      #expect(throws: LinuxError.self) { try UnixDatagramSocket(connecting: client, from: stranger) }
      #expect(access(client, F_OK) == 0)
    }
    try exchange()
    #expect(access(client, F_OK) != 0)
  }

  private func bind(_ descriptor: Int32, to path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    } == 0
  }
}
