import DatapathModel
import LinuxNet
import MobilityWire
import NetTypes
import PMIPCore

/// A Proxy Binding Update as it goes on the wire.
struct Request {
  /// Which of the group's gateways sends it.
  var gateway: Int
  var node: Int
  var payload: [UInt8]
}

/// An answer as it came from the wire.
struct Answer {
  var gateway: Int
  var payload: [UInt8]
}

/// Gateways with their nodes: real cores, whose messages are sent by somebody else and whose clock stands still in
/// between. So their work is never part of what is measured, and no retransmission timer runs out meanwhile.
struct GatewayGroup {
  /// Nodes have numbers from here on; they are the last four octets of their link-layer addresses.
  let firstNode: Int
  private(set) var nodeCount = 0
  private let addresses: [IPv6Address]
  private let anchor: IPv6Address
  private var cores: [MobileAccessGateway]
  /// Virtual and monotonic.
  private var time: Duration = .seconds(1)

  private static let link = "access"
  static let realm = "load.example"

  /// - Parameter addresses: the Proxy-CoA of each gateway.
  init(_ addresses: [IPv6Address], anchor: IPv6Address, firstNode: Int) {
    self.addresses = addresses
    self.anchor = anchor
    self.firstNode = firstNode
    var timers = MAGTimers()
    timers.probeInterval = .zero
    cores = addresses.map { address in
      var configuration = MAGConfiguration(
        proxyCareOfAddress: address, anchorAddress: anchor,
        accessLinks: [AccessLink(name: Self.link, accessTechnology: .wlan)],
        unknownNodes: .derive(realm: Self.realm), timers: timers)
      configuration.limits.attachments = .max
      return MobileAccessGateway(configuration: configuration)
    }
  }

  private var now: Moment { Moment(monotonic: time, wallClock: SystemClock.wallClock) }

  /// The registrations of `count` new nodes, spread over the gateways.
  mutating func attach(_ count: Int) throws -> [Request] {
    var requests: [Request] = []
    for number in firstNode + nodeCount..<firstNode + nodeCount + count {
      let gateway = number % cores.count
      let attachment = Attachment(
        link: Self.link, linkLayerAddress: NodeName.linkLayerAddress(number), trigger: .operatorRequest)
      requests += try Self.messages(cores[gateway].handle(.attached(attachment), at: now), of: gateway)
    }
    nodeCount += count
    return requests
  }

  /// The refreshes of all nodes.
  mutating func refresh() throws -> [Request] {
    let timers = cores[0].configuration.timers
    time += timers.lifetime - timers.refreshBeforeExpiry
    var perGateway: [[Request]] = []
    for gateway in cores.indices {
      perGateway.append(try Self.messages(cores[gateway].handle(.deadlineReached, at: now), of: gateway))
    }
    // In turn, as they would arrive.
    let longest = perGateway.map(\.count).max() ?? 0
    return (0..<longest).flatMap { index in perGateway.compactMap { index < $0.count ? $0[index] : nil } }
  }

  /// What the gateways make of the answers. Gives the number of attachments that are registered afterwards.
  mutating func handle(_ answers: [Answer]) throws -> Int {
    for answer in answers {
      let address = addresses[answer.gateway]
      let decoded = try MobilityHeader.decode(
        answer.payload, source: anchor, destination: address, checksum: .kernelVerified)
      var effects = cores[answer.gateway].handle(
        .message(decoded.message, source: anchor, destination: address), at: now)
      while !effects.isEmpty {
        var next: [MAGEffect] = []
        for case .install(let identifier, _) in effects {
          next += cores[answer.gateway].handle(.datapathOutcome(identifier, .installed), at: now)
        }
        effects = next
      }
    }
    return cores.reduce(0) { $0 + $1.attachments.count { $0.state == .registered } }
  }

  // Static: `self` would be copied for the call, and with it every core for every node.
  private static func messages(_ effects: [MAGEffect], of gateway: Int) throws -> [Request] {
    try effects.compactMap { effect in
      guard case .send(let message, let source, let destination) = effect else { return nil }
      let payload = try MobilityHeader.encode(message, source: source, destination: destination, checksum: .zero)
      return NodeName.number(in: payload[...]).map { Request(gateway: gateway, node: $0, payload: payload) }
    }
  }
}
