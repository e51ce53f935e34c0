import NetTypes
import PMIPCore

/// The accounting server of the access points: requests in, signals and responses out.
///
/// A request with a wrong authenticator, of an unknown client or malformed is counted and dropped without an answer. All
/// others are answered, those as well that say nothing about a station: the client would repeat them for ever. A request
/// that is repeated because its response was lost is answered again and has no other effect. What a sender sends beyond
/// its allowance is dropped unread; it repeats that.
public struct AccountingServer: Sendable {
  public struct Client: Hashable, Sendable {
    public var secret: [UInt8]
    /// Access link that its stations are on.
    public var link: String

    public init(secret: [UInt8], link: String) {
      self.secret = secret
      self.link = link
    }
  }

  /// Responses that are kept for repeated requests.
  public static let rememberedResponses = 1_024
  /// A request with the same identifier, port and authenticator is a repetition for this long.
  public static let repetitionTime: Duration = .seconds(30)

  public private(set) var clients: [IPv6Address: Client]
  public private(set) var counters: [String: UInt64] = [:]
  private var allowances: SenderAllowances
  private var responses: [Repetition: (response: [UInt8], at: Duration)] = [:]
  private var order: [Repetition] = []
  /// Of `order`: the next to be replaced.
  private var oldest = 0

  private struct Repetition: Hashable {
    var client: IPv6Address
    var port: UInt16
    var identifier: UInt8
    var authenticator: [UInt8]
  }

  /// - Parameter clients: by address; IPv4 ones in their mapped form.
  public init(clients: [IPv6Address: Client], allowances: SenderAllowances = SenderAllowances()) {
    self.clients = clients
    self.allowances = allowances
    for client in clients.keys { self.allowances.know(client, at: .zero) }
    for name in [
      "requests", "responses", "repeated", "over-allowance", "unknown-client", "unreadable-station", "other-status",
    ] {
      counters[name] = 0
    }
    for fault in AccountingFault.allCases { counters[Self.counter(of: fault)] = 0 }
  }

  public mutating func receive(
    _ datagram: [UInt8], from address: IPv6Address, port: UInt16, at now: Duration
  ) -> (response: [UInt8]?, reports: [TriggerReport]) {
    count("requests")
    guard allowances.admits(address, at: now) else {
      count("over-allowance")
      return (nil, [])
    }
    guard let client = clients[address] else {
      count("unknown-client")
      return (nil, [])
    }
    let request: AccountingRequest
    do throws(AccountingFault) {
      request = try AccountingRequest.decode(datagram, secret: client.secret)
    } catch {
      count(Self.counter(of: error))
      return (nil, [])
    }
    let key = Repetition(
      client: address, port: port, identifier: request.identifier, authenticator: request.authenticator)
    count("responses")
    if let earlier = responses[key], now - earlier.at < Self.repetitionTime {
      count("repeated")
      return (earlier.response, [])
    }
    let response = request.response(secret: client.secret)
    remember(response, key, at: now)
    let origin = TriggerOrigin(source: .radius, link: client.link, name: Self.name(of: address))
    return (response, reports(request, origin, at: now))
  }

  /// An IPv4 address in its own spelling.
  public static func name(of address: IPv6Address) -> String {
    address.high == 0 && address.low >> 32 == 0xffff
      ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.low)).description : address.description
  }

  private mutating func reports(
    _ request: AccountingRequest, _ origin: TriggerOrigin, at now: Duration
  ) -> [TriggerReport] {
    let state: AttachmentSignal.State
    switch request.status {
    case .start: state = .up
    case .interimUpdate: state = .present
    case .stop: state = .down
    // The access point has restarted, or is about to: none of its sessions goes on (RFC 2866 section 5.1).
    case .accountingOn, .accountingOff: return [.stations(origin, [], at: now)]
    case .other:
      count("other-status")
      return []
    }
    guard let text = request.callingStation, let station = LinkLayerAddress(callingStation: text) else {
      count("unreadable-station")
      return []
    }
    let session = request.session.map { String(decoding: $0, as: UTF8.self) }
    let delay = min(Duration.seconds(Int64(request.delay)), now)
    return [.station(AttachmentSignal(origin, station, state, session: session, at: now - delay))]
  }

  private mutating func remember(_ response: [UInt8], _ key: Repetition, at now: Duration) {
    if responses.updateValue((response, now), forKey: key) != nil { return }
    if order.count < Self.rememberedResponses {
      order.append(key)
    } else {
      responses[order[oldest]] = nil
      order[oldest] = key
      oldest = (oldest + 1) % order.count
    }
  }

  private mutating func count(_ name: String) { counters[name, default: 0] += 1 }

  private static func counter(of fault: AccountingFault) -> String { "bad-\(fault.rawValue)" }
}
