import AccessTriggers
import LinuxNet
import MobilityWire
import NetTypes
import PMIPCore

/// The socket for messages of `magd-trigger`.
final class RemoteTriggerSource: TriggerSource {
  private let socket: DatagramSocket
  private let accessPoints: [RemoteTriggerSettings.AccessPoint]
  private var server: RemoteTriggerServer

  init(
    _ settings: RemoteTriggerSettings, file: String, loop: EventLoop, report: @escaping (TriggerReport) -> Void,
    settle: @escaping () -> Void
  ) throws {
    accessPoints = settings.accessPoints
    var keys: [UInt32: RemoteTriggerServer.AccessPoint] = [:]
    for accessPoint in settings.accessPoints {
      let key = try SecretFile.read(accessPoint.keyFile, besides: file, .hexadecimal)
      keys[accessPoint.keyIdentifier] = RemoteTriggerServer.AccessPoint(key: key, link: accessPoint.accessLink)
    }
    server = RemoteTriggerServer(
      accessPoints: keys, clockSkew: settings.clockSkew, startedAt: SystemClock.wallClock.microsecondsSince1970)
    // One octet more than a message: what is longer is seen to be too long.
    socket = try DatagramSocket(
      address: settings.address, port: settings.port, maximumLength: RemoteTrigger.length + 1)
    try loop.add(socket.descriptor.rawValue) { [unowned self] _ in
      // An error of the socket is one of an earlier answer (ICMP), and reading it has cleared it.
      try? socket.receive { datagram in
        let (response, told) = server.receive(
          datagram.payload, from: datagram.source, at: SystemClock.monotonic,
          clock: SystemClock.wallClock.microsecondsSince1970)
        if let told { report(told) }
        return response
      }
      settle()
    }
  }

  var statuses: [TriggerStatus] {
    accessPoints.map {
      TriggerStatus(
        origin: TriggerOrigin(source: .remote, link: $0.accessLink, name: "key \($0.keyIdentifier)"),
        state: "listening")
    }
  }

  var counters: [String: UInt64] { server.counters.prefixed("remote-trigger") }
}

extension NTPTimestamp {
  fileprivate var microsecondsSince1970: UInt64 { seconds * 1_000_000 + UInt64(fraction65536) * 1_000_000 / 65_536 }
}
