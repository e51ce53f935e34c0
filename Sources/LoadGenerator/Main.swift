import ArgumentParser
import Glibc
import LinuxNet
import NetTypes

/// Loads an anchor with the registrations and refreshes of many gateways and prints what it measures, a JSON object a
/// line. `testbed/load` sets the stage and sums up.
@main
struct LoadGenerator: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Loads an anchor with the messages of many gateways; testbed/load runs it.")

  @Option(help: "LMAA of the anchor.")
  var anchor: String
  @Option(help: "Its process, for the CPU time.")
  var anchorProcess: Int32
  @Option(help: "Address of the echo.")
  var echo: String
  @Option(help: "Its process.")
  var echoProcess: Int32
  @Option(help: "Our first address towards the anchor; gateways have this one and those that follow.")
  var gateway: String
  @Option(help: "Our first address towards the echo.")
  var echoGateway: String
  @Option(help: "Rounds; a figure is the median of as many runs.")
  var rounds = 5
  @Option(help: "New nodes in each round at window 64.")
  var nodes = 20_000
  @Option(help: "New nodes in each round at window 1.")
  var singles = 2_000
  @Option(help: "Register the nodes once and then only refresh them, so many a second.")
  var rate: Int?

  /// Gateways of each group.
  static let groupSize = 8
  static let window = 64

  func run() throws {
    guard let anchor = IPv6Address(anchor), let echo = IPv6Address(echo), let gateway = IPv6Address(gateway),
      let echoGateway = IPv6Address(echoGateway)
    else { throw ValidationError("expected IPv6 addresses") }
    let targets = [
      Target(name: "lmad", address: anchor, first: gateway, process: anchorProcess),
      Target(name: "echo", address: echo, first: echoGateway, process: echoProcess),
    ]
    if let rate { return try refresh(targets[0], rate: rate) }

    let exchange = try Exchange()
    var wide = Load(targets, group: 0, pace: .window(Self.window))
    var narrow = Load(targets, group: 1, pace: .window(1))
    for _ in 0..<rounds {
      try wide.round(exchange, newNodes: nodes)
      try narrow.round(exchange, newNodes: singles)
    }
  }

  private func refresh(_ anchor: Target, rate: Int) throws {
    let exchange = try Exchange()
    var load = Load([anchor], group: 0, pace: .window(Self.window))
    try load.register(exchange, newNodes: nodes)
    load.pace = .rate(rate)
    for _ in 0..<rounds { try load.refresh(exchange) }
  }
}

/// Something that answers messages.
struct Target {
  var name: String
  var address: IPv6Address
  /// The first address of ours on its link.
  var first: IPv6Address
  var process: Int32

  func sources(group: Int) -> [IPv6Address] {
    (0..<LoadGenerator.groupSize).map {
      IPv6Address(high: first.high, low: first.low + UInt64(group * LoadGenerator.groupSize + $0))
    }
  }
}

/// A group of gateways at one pace.
struct Load {
  private let targets: [Target]
  private let group: Int
  var pace: Pace
  private var gateways: GatewayGroup

  private static let nodesPerGroup = 1 << 24

  /// The first target is the anchor.
  init(_ targets: [Target], group: Int, pace: Pace) {
    self.targets = targets
    self.group = group
    self.pace = pace
    gateways = GatewayGroup(
      targets[0].sources(group: group), anchor: targets[0].address, firstNode: group * Self.nodesPerGroup)
  }

  mutating func round(_ exchange: Exchange, newNodes: Int) throws {
    try register(exchange, newNodes: newNodes)
    try refresh(exchange)
  }

  mutating func register(_ exchange: Exchange, newNodes: Int) throws {
    try run("registration", try gateways.attach(newNodes), exchange)
  }

  mutating func refresh(_ exchange: Exchange) throws {
    try run("refresh", try gateways.refresh(), exchange)
  }

  private mutating func run(_ kind: String, _ requests: [Request], _ exchange: Exchange) throws {
    for target in targets {
      let (measurement, answers) = try exchange.run(
        requests, pace, from: target.sources(group: group), to: target.address, process: target.process)
      var report = Report(target: target.name, kind: kind, window: pace.width, measurement: measurement)
      if target.name == targets[0].name { report.registered = try gateways.handle(answers) }
      try report.write()
    }
  }
}

extension Pace {
  var width: Int? { if case .window(let width) = self { width } else { nil } }
}
