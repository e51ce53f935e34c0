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
    let configuration = try file.load().value
    StandardErrorLogHandler.bootstrap(level: configuration.logLevel)
    try BondingDaemon(configuration, log: Logger(label: BondingPolicy.name)).run()
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the configuration, and that the kernel would take it; change nothing.")

  @OptionGroup var file: ConfigurationFileOptions
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
    var backend: BackEnd
    var slaves: [Slave]
  }

  func run() throws {
    let loaded = try file.load()
    let plan = BondingPlan(loaded.value)
    let links = try BondingKernel.check(plan)
    let document = Document(
      configuration: loaded.file, interface: plan.interface, backend: loaded.value.backEnd,
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
      print("\(loaded.file) is right, and the kernel takes it\n\(table.text)")
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
    if (try? ControlClient(path: configuration.control.socket)) != nil {
      throw ProgramFailure(
        "the program is running (\(configuration.control.socket)); stop it with SIGTERM, that cleans up as well")
    }
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
