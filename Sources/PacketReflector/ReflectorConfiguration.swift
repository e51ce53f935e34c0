import DaemonKit
import LinuxNet
import Logging
import TerminalKit

/// The configuration file of packet-reflector.
struct ReflectorConfiguration: DaemonConfiguration, Hashable {
  /// The terminal's access interfaces; an interface's number is its place in the list, from 1.
  var interfaces: [String] = []
  /// Bits of packet and connection marks that hold the interface's number.
  var markMask: UInt32 = 0x0ff0_0000
  /// Interface n has the routing table `tableBase` + n.
  var tableBase: UInt32 = 52_200
  /// Priority of the first interface's rule; the others follow.
  var rulePriorityBase: UInt32 = 5_220
  /// rtm_protocol of our routes and rules.
  var routeProtocol: UInt8 = 114
  var nftTable = "flowmob_reflector"
  var control = ControlSettings(socket: "/run/flowmob/packet-reflector.sock")
  var logLevel = Logger.Level.info

  static let maximumInterfaces = 64

  static let table = OptionTable(
    initial: ReflectorConfiguration(),
    [
      .option(
        "interfaces", \.interfaces, .list(of: .interfaceName, count: 1...maximumInterfaces), required: true,
        help: "Access interfaces. The uplink of a flow leaves by the one on which its downlink arrived last."),
      .markMask(\.markMask),
      .option(
        "table-base", \.tableBase, .integer(256...0xffff_0000),
        help: "Interface n of the list has the routing table table-base + n."),
      .rulePriorityBase(\.rulePriorityBase),
      .routeProtocol(\.routeProtocol),
      .option(
        "nft-table", \.nftTable, .text("the name of an nftables table", maximumLength: 63),
        help: "Our table in the family ip6; what is in it is replaced at start."),
      .control,
      .logLevel,
    ])

  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<ReflectorConfiguration> {
    try table.load(path: path) { $0.problems }
  }

  /// Problems of meaning.
  var problems: [SemanticProblem] {
    var problems: [SemanticProblem] = []
    for (index, name) in interfaces.enumerated() where interfaces[..<index].contains(name) {
      problems.append(SemanticProblem(keyPath: "interfaces[\(index)]", message: "'\(name)' is in the list already"))
    }
    let room = AccessMarks(mask: markMask).capacity
    if UInt32(interfaces.count) > room {
      problems.append(
        SemanticProblem(
          keyPath: "mark-mask",
          message: "has room for \(room) interfaces, but the list has \(interfaces.count); give it more bits"))
    }
    return problems
  }
}

extension LoadedConfiguration<ReflectorConfiguration> {
  /// Refuses, with file and key, what other software uses already.
  func checkHost() throws {
    try report(try ReflectorPlan(value).claims.collisions())
  }
}
