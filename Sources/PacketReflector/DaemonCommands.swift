import ArgumentParser
import DaemonKit
import LinuxNet
import Logging

/// Commands that read the configuration and work on the kernel themselves.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Reflect until SIGTERM.")

  @OptionGroup var file: ConfigurationFileOptions

  func run() throws {
    let configuration = try file.load().value
    StandardErrorLogHandler.bootstrap(level: configuration.logLevel)
    let daemon = try ReflectorDaemon(configuration, log: Logger(label: PacketReflector.name))
    ServiceNotifier.ready()
    try daemon.run()
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the configuration, and that the kernel would take it; change nothing.")

  @OptionGroup var file: ConfigurationFileOptions
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
    let loaded = try file.load()
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

struct Cleanup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take everything of a killed reflector out of the kernel.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let configuration = try file.load().value
    if (try? ControlClient(path: configuration.control.socket)) != nil {
      throw ProgramFailure(
        "the reflector is running (\(configuration.control.socket)); stop it with SIGTERM, that cleans up as well")
    }
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
