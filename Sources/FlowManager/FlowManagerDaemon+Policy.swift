import DaemonKit
import FlowCore
import Glibc
import LinuxNet
import NetTypes

// The policy file and the clock on the wall.
extension FlowManagerDaemon {
  func servePolicy() {
    control.handle("policy show", NoArguments.self) { [unowned self] _, _ in policyDocument }
    control.handle("policy reload", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      do throws(ConfigurationErrors) {
        try loadPolicy()
        return policyDocument
      } catch {
        throw ControlError(
          code: "policy-invalid", message: "the old policy stays; correct the file and reload again:\n\(error)")
      }
    }
    control.handleDeferred("explain", FlowArguments.self) {
      [unowned self] (arguments, _, answer: DeferredAnswer<ExplanationDocument>) throws(ControlError) in
      try check(node: arguments.node)
      let reference = try arguments.reference()
      withCounters(of: reference) { [unowned self] in answer(explain(reference)) }
    }
  }

  private func explain(_ reference: FlowReference) -> Result<ExplanationDocument, ControlError> {
    do throws(FlowRefusal) {
      let now = moment
      return .success(ExplanationDocument(try engine.explain(reference, at: now), in: engine, now: now))
    } catch {
      return .failure(ControlError(error))
    }
  }

  var policyDocument: PolicyDocument {
    PolicyDocument(loadedPolicy, hits: engine.policyHits, isComparing: engine.isSteering)
  }

  /// Nothing changes when the file is wrong.
  func loadPolicy() throws(ConfigurationErrors) {
    do throws(ConfigurationErrors) {
      loadedPolicy = try PolicyFile.load(path: configuration.policyFile)
    } catch {
      policyFilesRefused += 1
      throw error
    }
    announcePolicy()
    handle(.policy(loadedPolicy.policy))
    armTimer()
  }

  func announcePolicy() {
    for warning in loadedPolicy.warnings { log.warning("\(warning)") }
    log.info("policy: \(loadedPolicy.policy.rules.count) rules from \(loadedPolicy.file ?? "no file")")
  }

  /// SIGHUP.
  func reloadPolicy() {
    do throws(ConfigurationErrors) {
      try loadPolicy()
      log.notice("the policy was read again; the rest of the configuration is read at start only")
    } catch {
      log.error("the old policy stays: \(error)")
    }
  }

  /// The clocks, with what the policy asks of them.
  var moment: FlowMoment {
    var now = Self.now
    guard engine.policy.looksAtTime else { return now }
    let start = now.secondsSince1970 / 60 * 60
    if minute?.secondsSince1970 != start { minute = Self.localTime(at: start).map { (start, $0) } }
    now.localTime = minute?.local
    return now
  }

  /// The minute of the week where the anchor stands.
  private static func localTime(at secondsSince1970: UInt32) -> LocalTime? {
    var time = time_t(secondsSince1970)
    var parts = tm()
    guard localtime_r(&time, &parts) != nil else { return nil }
    // Sunday is 0 there.
    let weekday = LocalTime.Weekday.allCases[(Int(parts.tm_wday) + 6) % 7]
    return LocalTime(weekday: weekday, minute: Int(parts.tm_hour) * 60 + Int(parts.tm_min))
  }
}
