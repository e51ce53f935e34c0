import DaemonKit
import LinuxNet
import Logging
import NetTypes
import TerminalKit

/// The configuration file of bonding-policy.
struct BondingConfiguration: DaemonConfiguration, Hashable {
  /// Name of the logical interface.
  var interface = "lif0"
  /// Access interfaces, the preferred default first; a slave's number is its place in the list, from 1.
  var slaves: [String] = []
  /// Of the logical interface and all slaves; nil takes that of the first slave.
  var linkLayerAddress: LinkLayerAddress?
  var backEnd = BackEnd.veth
  /// Bits of packet and connection marks that hold the slave's number.
  var markMask: UInt32 = 0x0ff0_0000
  var nftTable = "flowmob_bonding"
  var control = ControlSettings(socket: "/run/flowmob/bonding-policy.sock")
  var stateDirectory = "/var/lib/flowmob"
  var logLevel = Logger.Level.info

  static let maximumSlaves = 16
  /// Octets of an interface name.
  static let maximumNameLength = 15

  static let table = OptionTable(
    initial: BondingConfiguration(),
    [
      .option(
        "interface", \.interface, .interfaceName,
        help: "The logical interface. It is made by us and holds the terminal's addresses."),
      .option(
        "slaves", \.slaves, .list(of: .interfaceName, count: 1...maximumSlaves), required: true,
        help: "Access interfaces. The first one with carrier takes the flows that no other slave is chosen for."),
      .option(
        "link-layer-address", \.linkLayerAddress, .optional(.linkLayerAddress),
        help: "Of the logical interface and all its slaves; without it, that of the first slave that has one."),
      .option(
        "backend", \.backEnd, .word(["veth": .veth, "bonding": .bonding, "auto": .auto]),
        help: "How the logical interface is made. veth: a pair of virtual interfaces and nftables forwarding. "
          + "bonding: the kernel's bonding driver and traffic control. auto: veth where a slave is a point-to-point link, "
          + "bonding where the kernel has the driver, else veth."),
      .markMask(\.markMask),
      .option(
        "nft-table", \.nftTable, .text("the name of an nftables table", maximumLength: 63),
        help: "Our table in the families ip6 and netdev; what is in it is replaced at start."),
      .control,
      .option(
        "state-directory", \.stateDirectory, .path,
        help: "Keeps what the slaves were like before, so that they can be given back after a crash."),
      .logLevel,
    ])

  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<BondingConfiguration> {
    try table.load(path: path) { $0.problems }
  }

  /// Problems of meaning.
  var problems: [SemanticProblem] {
    var problems: [SemanticProblem] = []
    if BondingPlan.peerName(of: interface).utf8.count > Self.maximumNameLength {
      problems.append(
        SemanticProblem(
          keyPath: "interface",
          message: "its peer '\(BondingPlan.peerName(of: interface))' would have more than \(Self.maximumNameLength)"
            + " characters; take a shorter name"))
    }
    for (index, name) in slaves.enumerated() {
      if slaves[..<index].contains(name) {
        problems.append(SemanticProblem(keyPath: "slaves[\(index)]", message: "'\(name)' is in the list already"))
      } else if name == interface || name == BondingPlan.peerName(of: interface) {
        problems.append(
          SemanticProblem(keyPath: "slaves[\(index)]", message: "'\(name)' is the logical interface or its peer"))
      }
    }
    if linkLayerAddress?.isMulticast == true {
      problems.append(
        SemanticProblem(keyPath: "link-layer-address", message: "is a group address; an interface needs its own"))
    }
    if backEnd == .bonding, slaves.count > Int(Bond.maximumQueue) {
      problems.append(
        SemanticProblem(
          keyPath: "backend",
          message: "the bonding driver chooses among \(Bond.maximumQueue) slaves at most, but the list has "
            + "\(slaves.count); take veth"))
    }
    let room = AccessMarks(mask: markMask).capacity
    if UInt32(slaves.count) > room {
      problems.append(
        SemanticProblem(
          keyPath: "mark-mask",
          message: "has room for \(room) slaves, but the list has \(slaves.count); give it more bits"))
    }
    return problems
  }
}
