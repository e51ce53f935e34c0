import ArgumentParser
import Foundation
import Glibc
import LinuxNet
import Logging
import Testing

@testable import DaemonKit

@Suite("Command line")
struct CommandLineTests {
  private struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sample", version: "1.0")
    @OptionGroup var client: ClientOptions
    @Argument var count: Int
    mutating func run() {}
  }

  private func outcome(_ arguments: [String]) -> (status: Int32, message: String) {
    do {
      var command = try Sample.parseAsRoot(arguments)
      try command.run()
      return (0, "")
    } catch {
      return Program.outcome(of: error, Sample.self, name: "sample")
    }
  }

  @Test("Usage errors end with 2, help and version with 0")
  func usage() {
    #expect(outcome(["1", "--json"]).status == 0)
    #expect(outcome(["one"]).status == 2)
    #expect(outcome(["1", "--no-such-option"]).status == 2)
    #expect(outcome(["--help"]).status == 0)
    #expect(outcome(["--help"]).message.contains("--socket <path>"))
    #expect(outcome(["--version"]) == (0, "1.0"))
  }

  @Test("Each kind of error has its status and says what to do")
  func statuses() {
    func outcome(_ error: any Error) -> (status: Int32, message: String) {
      Program.outcome(of: error, Sample.self, name: "sample")
    }
    let position = SourcePosition(file: "a.yaml", line: 1, column: 2)
    #expect(
      outcome(ConfigurationErrors([ConfigurationError(position, "x"), ConfigurationError(position, "y")])) == (
        2, "a.yaml:1:2: x\na.yaml:1:2: y"
      ))
    #expect(outcome(ProgramFailure("no", status: 1)) == (1, "sample: no"))
    #expect(
      outcome(ControlClientError.refused(ControlError(code: "c", message: "no flow 7", hint: "see `list`")))
        == (1, "sample: no flow 7; see `list`"))
    #expect(outcome(LinuxError("bind", "socket", code: EPERM)).status == 1)
    #expect(outcome(ControlClientError.notReachable(socket: "/s", reason: "r")).status == 3)
  }

  @Test("Without a daemon the message names socket and start command, with status 3")
  func notReachable() throws {
    let command = try #require(try Sample.parseAsRoot(["1", "--socket", "/nonexistent/a.sock"]) as? Sample)
    #expect(
      throws: ProgramFailure(
        "no daemon at /nonexistent/a.sock: No such file or directory; start the daemon with `sample run`, or name its "
          + "socket with --socket", status: 3)
    ) {
      _ = try command.client.connect(defaultSocket: "/run/a.sock", start: "sample run")
    }
  }

  @Test("Columns are as wide as their widest cell; what is missing is a dash")
  func table() {
    var table = TextTable(["ID", "NODE", "BYTES"], right: ["ID", "BYTES"])
    table.add(["1", "mn1@example.net", "1500"])
    table.add(["10", nil])
    table.add(["11", "", "2"])
    #expect(
      table.text == """
        ID  NODE             BYTES
         1  mn1@example.net   1500
        10  -                    -
        11  -                    2
        """)
    #expect(TextTable(["A", "LONG"]).text == "A  LONG")
  }

  @Test("JSON has sorted keys and plain slashes")
  func json() throws {
    #expect(try JSONText.format(["b": "x/64", "a": "y"]) == "{\n  \"a\" : \"y\",\n  \"b\" : \"x/64\"\n}")
  }
}

@Suite("Log and service manager")
struct LogTests {
  @Test("Lines for the journal carry a priority, others time and level; nothing forges a line")
  func lines() {
    let metadata: Logger.Metadata = ["node": "mn1\n<0>x", "gateway": "mag 1"]
    let journal = StandardErrorLogHandler(label: "lmad", level: .info, style: .journal)
    #expect(
      journal.format(.warning, "refused\tPBU", metadata, time: "T")
        == #"<4>lmad: refused\tPBU gateway="mag 1" node=mn1\n<0>x"#)
    let plain = StandardErrorLogHandler(label: "lmad", level: .info, style: .plain)
    #expect(
      plain.format(.info, "ready", [:], time: "2026-11-21T09:00:00.000Z") == "2026-11-21T09:00:00.000Z info lmad: ready"
    )
  }

  @Test("READY=1 reaches the service manager, by path and by abstract name", arguments: [false, true])
  func notify(isAbstract: Bool) throws {
    let name = "\(isAbstract ? "@" : "")/tmp/flowmob-\(UUID().uuidString.prefix(8)).notify"
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var octets = Array(name.utf8)
    if isAbstract { octets[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + octets.count)
    let receiver = FileDescriptor(owning: socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0))
    defer { if !isAbstract { unlink(name) } }
    let bound = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(receiver.rawValue, $0, length) }
    }
    try #require(bound == 0)
    ServiceNotifier.send("READY=1", to: name)
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = recv(receiver.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "READY=1")
  }
}
