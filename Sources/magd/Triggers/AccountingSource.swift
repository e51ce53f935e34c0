import AccessTriggers
import LinuxNet
import NetTypes

/// The socket of the accounting server.
final class AccountingSource: TriggerSource {
  private let socket: DatagramSocket
  private var server: AccountingServer

  init(
    _ settings: RADIUSSettings, file: String, loop: EventLoop, report: @escaping (TriggerReport) -> Void,
    settle: @escaping () -> Void
  ) throws {
    var clients: [IPv6Address: AccountingServer.Client] = [:]
    for client in settings.clients {
      let secret = try SecretFile.read(client.secretFile, besides: file, .text)
      clients[client.address.mapped] = AccountingServer.Client(secret: secret, link: client.accessLink)
    }
    server = AccountingServer(clients: clients)
    socket = try DatagramSocket(
      address: settings.address, port: settings.port, maximumLength: AccountingRequest.maximumLength)
    try loop.add(socket.descriptor.rawValue) { [unowned self] _ in
      // An error of the socket is one of an earlier answer (ICMP), and reading it has cleared it.
      try? socket.receive { datagram in
        let (response, reports) = server.receive(
          datagram.payload, from: datagram.source, port: datagram.sourcePort, at: SystemClock.monotonic)
        for each in reports { report(each) }
        return response
      }
      settle()
    }
  }

  var statuses: [TriggerStatus] {
    server.clients.map { address, client in
      TriggerStatus(
        origin: TriggerOrigin(source: .radius, link: client.link, name: AccountingServer.name(of: address)),
        state: "listening")
    }
  }

  var counters: [String: UInt64] { server.counters.prefixed("radius") }
}

extension IPAddress {
  /// As a socket of both families has it.
  var mapped: IPv6Address {
    switch self {
    case .v6(let address): address
    case .v4(let address): IPv6Address(high: 0, low: 0xffff << 32 | UInt64(address.rawValue))
    }
  }
}
