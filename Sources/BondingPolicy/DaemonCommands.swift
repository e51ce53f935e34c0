import ArgumentParser
import DaemonKit
import LinuxNet
import Logging
import TerminalKit

/// Commands that read the configuration and work on the kernel themselves.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Make the logical interface and keep it until SIGTERM.")

  @OptionGroup var file: ConfigurationFileOptions

  func run() throws {
    let loaded = try file.load()
    let configuration = loaded.value
    StandardErrorLogHandler.bootstrap(level: configuration.logLevel)
    try loaded.checkHost()
    try BondingDaemon(configuration, log: Logger(label: BondingPolicy.name)).run()
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the configuration, and that the kernel would take it; change nothing.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Explain every key of the configuration.") var explain = false
  @Flag(help: "Print JSON.") var json = false

  /// `check --json`.
  struct Document: Codable {
    struct Slave: Codable {
      var name: String
      var number: UInt32
      var mark: String
      var isPresent: Bool
    }

    var configuration: String
    var interface: String
    /// That a run would use.
    var backend: BackEnd
    var backendReason: String
    var slaves: [Slave]
  }

  func run() throws {
    if explain { return print(BondingConfiguration.table.explanation, terminator: "") }
    let loaded = try file.load()
    try loaded.checkHost()
    let plan = BondingPlan(loaded.value)
    let (links, choice) = try BondingKernel.check(plan)
    let document = Document(
      configuration: loaded.file, interface: plan.interface, backend: choice.backEnd,
      backendReason: choice.reason,
      slaves: plan.slaves.map { slave in
        Document.Slave(
          name: slave.name, number: slave.number, mark: hexadecimal(slave.mark),
          isPresent: links.contains { $0.name == slave.name })
      })
    if json {
      print(try JSONText.format(document))
    } else {
      var table = TextTable(["SLAVE", "MARK", "PRESENT"])
      for slave in document.slaves { table.add([slave.name, slave.mark, slave.isPresent ? "yes" : "no"]) }
      print(
        "\(loaded.file) is right, and the kernel takes it; back end \(choice.backEnd.rawValue) (\(choice.reason))\n"
          + table.text)
    }
  }
}

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Name what on this host would break flow mobility, and how to mend it; change nothing.",
    discussion: "Status 1 when there is a problem.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let plan = BondingPlan(try file.load().value)
    let links = try RouteNetlink().links()
    var doctor = HostDoctor()
    doctor.checkPrivileges()
    doctor.checkKernel { () throws(LinuxError) in _ = try BondingKernel.check(plan) }
    doctor.checkClaims(try plan.claims.collisions())
    doctor.checkPacketFilter(
      try NetfilterSocket().notableRules(except: plan.claims.nftTableNames), markMask: plan.markMask)
    doctor.checkConnectionTracking()
    let slaves = links.filter { link in plan.slaves.contains { $0.name == link.name } }
    doctor.checkNetworkManagers(owned: slaves.map { ($0.name, $0.index) }, hasRules: false)
    let choice = try BackEndChoice(plan, links, RouteNetlink()).tried()
    doctor.checkBackEnd(choice)
    for problem in BondingHost.problems(plan, links, choice.backEnd) {
      doctor.add(
        Finding(problem.severity == .fatal ? .problem : .warning, "interfaces", problem.keyPath, problem.message))
    }
    for slave in slaves where BondingHost.obstacle(slave, links, of: plan.interface, choice.backEnd) == nil {
      doctor.add(
        slave.hasCarrier
          ? Finding(.fine, "interfaces", slave.name, "has carrier")
          : .withoutCarrier("interfaces", slave))
    }
    if links.contains(where: { $0.name == plan.interface }) { doctor.checkRouterDiscovery(plan.interface) }
    try DoctorDocument(findings: doctor.findings).finish(json: json)
  }
}

struct Create: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a logical interface of these slaves, and the configuration file for it.",
    discussion: """
      Packets flow at once. `run` then keeps the interface in step with its slaves and takes commands; `cleanup` takes it \
      away again.
      """)

  @Argument(help: ArgumentHelp("Name of the logical interface.", valueName: "interface")) var interface: String
  @Option(help: ArgumentHelp("Access interfaces, the preferred one first, with commas.", valueName: "interfaces"))
  var slaves: String
  @Option(help: ArgumentHelp("How to make it: veth, bonding or auto.", valueName: "name"))
  var backend = BondingConfiguration().backEnd
  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    var configuration = BondingConfiguration()
    configuration.interface = interface
    configuration.backEnd = backend
    configuration.slaves = slaves.split(separator: ",").map(String.init)
    let path = file.path(default: BondingPolicy.daemon.configurationFile)
    let text = try BondingConfiguration.table.text(configuration)
    // What the file would be refused for is said before there is one.
    let loaded = try BondingConfiguration.table.parse(text, file: path) { $0.problems }
    try BondingPolicy.daemon.requireStopped(socket: configuration.control.socket)
    try loaded.checkHost()
    try NewFile.write(text, to: path)
    let kernel = try BondingKernel(BondingPlan(configuration), stateDirectory: configuration.stateDirectory)
    let following = try kernel.install()
    for refusal in following.refusals { Program.warn("warning: \(refusal)") }
    let status = try kernel.status()
    if json {
      print(try JSONText.format(status))
    } else {
      let present = status.slaves.filter(\.isPresent).map(\.name).joined(separator: ", ")
      print(
        "\(interface) is there with \(present), back end \(status.interface.backend.rawValue); \(path) is written; now"
          + " start `\(BondingPolicy.name) run -c \(path)`")
    }
  }
}

struct Cleanup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take everything of a killed program out of the kernel and give the slaves back.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let configuration = try file.load().value
    try BondingPolicy.daemon.requireStopped(socket: configuration.control.socket)
    let kernel = try BondingKernel(BondingPlan(configuration), stateDirectory: configuration.stateDirectory)
    let removed = try kernel.remove()
    if json {
      print(try JSONText.format(removed))
    } else {
      let slaves = removed.restoredSlaves.isEmpty ? "no slaves" : removed.restoredSlaves.joined(separator: ", ")
      print(
        "removed \(removed.tables) nftables tables and \(removed.interfaces) interfaces, gave back \(slaves),"
          + " released \(removed.releasedFlows) flows")
    }
  }
}

extension BackEnd: ExpressibleByArgument {}

extension HostDoctor {
  fileprivate mutating func checkBackEnd(_ choice: BackEndChoice) {
    guard let obstacle = choice.obstacle else {
      return add(Finding(.fine, "back-end", nil, "\(choice.backEnd.rawValue): \(choice.reason)"))
    }
    add(Finding(.problem, "back-end", nil, "\(choice.backEnd.rawValue): \(obstacle)", fix: choice.remedy))
  }
}
