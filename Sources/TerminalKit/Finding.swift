import ArgumentParser
import DaemonKit
import LinuxNet

/// One thing that a doctor looked at.
public struct Finding: Codable, Hashable, Sendable {
  public enum Verdict: String, Codable, Hashable, Sendable {
    case fine
    /// Flows may suffer.
    case warning
    /// Flow mobility does not work.
    case problem
  }

  public var verdict: Verdict
  /// Such as `reverse-path-filter`.
  public var check: String
  /// Interface, rule or program that it is about, where it is about one.
  public var subject: String?
  public var message: String
  /// A command, or what to write into which file; absent when all is fine.
  public var fix: String?

  public init(_ verdict: Verdict, _ check: String, _ subject: String? = nil, _ message: String, fix: String? = nil) {
    self.verdict = verdict
    self.check = check
    self.subject = subject
    self.message = message
    self.fix = fix
  }

  /// No flow can take the interface: it is down, or has no carrier.
  public static func withoutCarrier(_ check: String, _ link: Link) -> Finding {
    Finding(
      .warning, check, link.name, link.isUp ? "has no carrier" : "is down",
      fix: link.isUp ? "connect it" : "ip link set \(link.name) up")
  }
}

/// `doctor`.
public struct DoctorDocument: Codable, Hashable, Sendable {
  public var findings: [Finding]

  public init(findings: [Finding]) { self.findings = findings }

  public var isHealthy: Bool { findings.allSatisfy { $0.verdict != .problem } }

  /// What is wrong first, each with its remedy below it.
  public var text: String {
    let order: [Finding.Verdict] = [.problem, .warning, .fine]
    let width = (findings.map(\.check.count).max() ?? 0) + 2
    return order.flatMap { verdict in findings.filter { $0.verdict == verdict } }.map { finding in
      let check = finding.check + String(repeating: " ", count: width - finding.check.count)
      let verdict = finding.verdict == .fine ? "ok       " : finding.verdict == .warning ? "warning  " : "PROBLEM  "
      let line = verdict + check + (finding.subject.map { "\($0): " } ?? "") + finding.message
      return finding.fix.map { line + "\n" + String(repeating: " ", count: 9 + width) + "fix: " + $0 } ?? line
    }.joined(separator: "\n")
  }

  /// Prints itself and ends the program with status 1 when there is a problem.
  public func finish(json: Bool) throws {
    print(json ? try JSONText.format(self) : text)
    if !isHealthy { throw ExitCode(ExitStatus.failure) }
  }
}
