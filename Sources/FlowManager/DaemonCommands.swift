import ArgumentParser
import DaemonKit
import FlowCore
import LinuxNet
import Logging

// Commands that read the configuration and work on the kernel themselves.

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Manage flows until SIGTERM.")

  @OptionGroup var file: ConfigurationFileOptions

  func run() throws {
    let configuration = try file.load().value
    StandardErrorLogHandler.bootstrap(level: configuration.logLevel)
    try FlowManagerDaemon(configuration, log: Logger(label: FlowManager.name)).run()
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
    var configuration: String
    var nftTable: String
    var queue: UInt16
    /// Flows that an earlier run has left in the kernel and `run` would take over.
    var flowsInKernel: Int
  }

  func run() throws {
    if explain { return print(FlowManagerConfiguration.table.explanation, terminator: "") }
    let loaded = try file.load()
    let document: Document
    do throws(LinuxError) {
      let kernel = try KernelFlowTable(loaded.value)
      var flows = 0
      _ = try kernel.adopt { flows += $0.count }
      document = Document(
        configuration: loaded.file, nftTable: loaded.value.nftTable, queue: loaded.value.queueNumber,
        flowsInKernel: flows)
    } catch {
      throw ProgramFailure(
        "\(loaded.file) is right, but the kernel does not take it: \(error)", status: ExitStatus.usage)
    }
    if json {
      print(try JSONText.format(document))
    } else {
      print(
        "\(document.configuration) is right, and the kernel takes it; nft table \(document.nftTable) has "
          + "\(document.flowsInKernel) flows")
    }
  }
}

struct Cleanup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Remove our nftables table: all flows go back to their default bindings.")

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print JSON.") var json = false

  /// `cleanup --json`.
  struct Document: Codable {
    var nftTable: String
    var removed: Bool
  }

  func run() throws {
    let configuration = try file.load().value
    if (try? ControlClient(path: configuration.control.socket)) != nil {
      throw ProgramFailure("the Flow Manager is running (\(configuration.control.socket)); stop it with SIGTERM first")
    }
    let document = Document(
      nftTable: configuration.nftTable, removed: try KernelFlowTable.remove(name: configuration.nftTable))
    if json {
      print(try JSONText.format(document))
    } else {
      print("nft table \(document.nftTable) \(document.removed ? "removed" : "was not there")")
    }
  }
}
