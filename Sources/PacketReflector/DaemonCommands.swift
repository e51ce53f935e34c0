import ArgumentParser
import DaemonKit
import LinuxNet
import Logging
import TerminalKit

/// Commands that read the configuration and work on the kernel themselves.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Reflect until SIGTERM.")

  @OptionGroup var file: ConfigurationFileOptions

  func run() throws {
    let loaded = try file.load()
    let configuration = loaded.value
    StandardErrorLogHandler.bootstrap(level: configuration.logLevel)
    try loaded.checkHost()
    try ReflectorDaemon(configuration, log: Logger(label: PacketReflector.name)).run()
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
    struct Interface: Codable {
      var name: String
      var number: UInt32
      var mark: String
      var table: UInt32
      var rulePriority: UInt32
    }

    var configuration: String
    var interfaces: [Interface]
  }

  func run() throws {
    if explain { return print(ReflectorConfiguration.table.explanation, terminator: "") }
    let loaded = try file.load()
    try loaded.checkHost()
    let plan = ReflectorPlan(loaded.value)
    try ReflectorKernel(plan).check()
    let document = Document(
      configuration: loaded.file,
      interfaces: plan.interfaces.map {
        Document.Interface(
          name: $0.name, number: $0.number, mark: hexadecimal($0.mark), table: $0.routingTable,
          rulePriority: $0.rulePriority)
      })
    if json {
      print(try JSONText.format(document))
    } else {
      var table = TextTable(["INTERFACE", "MARK", "TABLE", "RULE"], right: ["TABLE", "RULE"])
      for interface in document.interfaces {
        table.add([interface.name, interface.mark, "\(interface.table)", "\(interface.rulePriority)"])
      }
      print("\(loaded.file) is right, and the kernel takes it\n\(table.text)")
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
    let plan = ReflectorPlan(try file.load().value)
    let routing = try RouteNetlink()
    let links = try routing.links()
    let rules = try routing.rules()
    let main = try routing.routes(table: Route.mainTable)
    var doctor = HostDoctor()
    doctor.checkPrivileges()
    doctor.checkKernel { () throws(LinuxError) in try ReflectorKernel(plan).check() }
    doctor.checkClaims(try plan.claims.collisions())
    doctor.checkRuleOrder(rules, ours: plan.claims.rulePriorities)
    doctor.checkPacketFilter(
      try NetfilterSocket().notableRules(except: plan.claims.nftTableNames), markMask: plan.markMask)
    doctor.checkConnectionTracking()
    doctor.checkNetworkManagers(owned: [], hasRules: true)
    for interface in plan.interfaces {
      let link = links.first { $0.name == interface.name }
      guard let link else {
        doctor.add(
          Finding(.warning, "interface", interface.name, "is not there", fix: "plug it in, or correct interfaces"))
        continue
      }
      guard link.hasCarrier else {
        doctor.add(.withoutCarrier("interface", link))
        continue
      }
      doctor.checkRouterDiscovery(interface.name)
      doctor.checkDefaultRoute(interface.name, index: link.index, in: main)
    }
    try DoctorDocument(findings: doctor.findings).finish(json: json)
  }
}

struct Cleanup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take everything of a killed reflector out of the kernel.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let configuration = try file.load().value
    try PacketReflector.daemon.requireStopped(socket: configuration.control.socket)
    let removed = try ReflectorKernel(ReflectorPlan(configuration)).remove()
    if json {
      print(try JSONText.format(removed))
    } else {
      print(
        "removed \(removed.tables) nftables table, \(removed.rules) rules and \(removed.routes) routes,"
          + " released \(removed.releasedFlows) flows")
    }
  }
}
