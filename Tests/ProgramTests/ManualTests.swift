import Foundation
import Testing

@testable import FlowManager

@Suite("Manual pages and completion") struct ManualTests {
  @Test("Are written for all programs, and tell of every command", .timeLimit(.minutes(1))) func manual() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let process = Process()
    process.executableURL = root.appendingPathComponent("packaging/manual")
    let programs = URL(fileURLWithPath: FlowManagerDomain.program).deletingLastPathComponent()
    process.arguments = ["--programs", programs.path, directory.path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    func text(_ name: String) throws -> String {
      try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
    }
    for program in ["lmad", "magd", "flow-manager", "packet-reflector", "bonding-policy"] {
      #expect(try text("man/man8/\(program).8").contains(".Sh EXIT STATUS"))
      for script in [
        "bash-completion/completions/\(program)", "zsh/site-functions/_\(program)",
        "fish/vendor_completions.d/\(program).fish",
      ] {
        #expect(try text(script).contains(program))
      }
    }
    let page = try text("man/man8/flow-manager.8")
    for command in FlowManager.configuration.subcommands {
      let name = command._commandName
      #expect(page.contains(".Ss \(name.replacing("-", with: "\\-"))"), "\(name)")
    }
  }
}
