import LinuxNet

/// Why a recording was not replayed to its end.
public enum RecordingError: Error, Hashable, Sendable {
  /// Not a recording that this program can run; for an operator, with what to do.
  case unusable(String)
  /// The core gave something else than it gave then.
  case differs(Difference)

  public struct Difference: Hashable, Sendable {
    /// Number of the event, from 1.
    public var event: UInt64
    /// Index in its list of effects, from 1.
    public var effect: Int
    /// JSON; nil: no such effect.
    public var recorded: String?
    public var replayed: String?
  }
}

extension RecordingError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unusable(let reason): return reason
    case .differs(let difference):
      return """
        event \(difference.event): effect \(difference.effect) differs
          recorded  \(difference.recorded ?? "nothing")
          replayed  \(difference.replayed ?? "nothing")
        """
    }
  }
}

/// Runs a recording on a new core and compares all effects with those of the daemon, byte for byte as JSON.
public struct Replay<Core: RecordableCore> {
  /// Version of the daemon that has recorded.
  public private(set) var version: String
  /// Events replayed.
  public private(set) var events: UInt64 = 0
  /// The file ends within a line: the daemon was killed while it wrote. What stands before has been replayed.
  public private(set) var isTorn: Bool

  /// - Parameters:
  ///   - content: of the file.
  ///   - program: whose recording it must be.
  public init(_ content: [UInt8], program: String) throws(RecordingError) {
    var lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    isTorn = lines.popLast()?.isEmpty == false
    guard let first = lines.first, let head: RecordingHead = try? Self.decode(first) else {
      throw .unusable("this is no recording: its first line is not a whole header")
    }
    guard head.program == program else {
      throw .unusable("this is a recording of \(head.program); use `\(head.program) replay`")
    }
    guard head.format == RecordingHeader<Core.Start>.currentFormat else {
      throw .unusable("the recording has format \(head.format); use \(program) \(head.version), which has written it")
    }
    version = head.version
    let header: RecordingHeader<Core.Start> = try exactly(first, 1)
    var core = try Core(start: header.start)
    for (index, line) in lines.dropFirst().enumerated() {
      let turn: RecordedTurn<Core> = try exactly(line, index + 2)
      guard turn.number == events + 1 else {
        throw .unusable("line \(index + 2) has event \(turn.number); \(events + 1) is missing")
      }
      let effects = core.handle(turn.event, at: turn.at)
      if let difference = try Self.difference(turn.number, turn.effects, effects) { throw .differs(difference) }
      events = turn.number
    }
  }

  private static func decode<Value: Decodable>(_ line: ArraySlice<UInt8>) throws -> Value {
    try ControlProtocol.decode(Value.self, from: Array(line))
  }

  /// Reads a line of which every octet is understood: what this version ignored might have mattered to the other one.
  private func exactly<Value: Codable>(_ line: ArraySlice<UInt8>, _ number: Int) throws(RecordingError) -> Value {
    do {
      let value: Value = try Self.decode(line)
      if try ControlProtocol.encode(value).elementsEqual(line) { return value }
    } catch {
      throw .unusable("line \(number): \(ControlProtocol.explain(error)); the recording is of version \(version)")
    }
    throw .unusable("line \(number) has keys or values that version \(Program.version) does not know; use \(version)")
  }

  private static func difference(
    _ event: UInt64, _ recorded: [Core.Effect], _ replayed: [Core.Effect]
  ) throws(RecordingError) -> RecordingError.Difference? {
    for index in 0..<max(recorded.count, replayed.count) {
      do {
        let then = index < recorded.count ? try ControlProtocol.encode(recorded[index]) : nil
        let now = index < replayed.count ? try ControlProtocol.encode(replayed[index]) : nil
        if then == now { continue }
        return RecordingError.Difference(
          event: event, effect: index + 1, recorded: then.map { String(decoding: $0, as: UTF8.self) },
          replayed: now.map { String(decoding: $0, as: UTF8.self) })
      } catch {
        throw .unusable("event \(event): \(error)")
      }
    }
    return nil
  }
}
