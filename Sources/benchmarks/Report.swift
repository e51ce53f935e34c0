import Foundation

/// A measured value and the highest one that is right.
struct Figure: Encodable {
  enum Unit: String, Encodable {
    case nanoseconds, milliseconds, octets
    /// A ratio or a number of things.
    case one = ""

    /// Depends on the machine and what else it does.
    var isTime: Bool { self == .nanoseconds || self == .milliseconds }
  }

  var name: String
  var value: Double
  var unit: Unit
  var bound: Double?
  /// A ratio of times.
  var isTiming = false

  var isMissed: Bool { bound.map { !(value <= $0) } ?? false }
  var dependsOnTime: Bool { isTiming || unit.isTime }

  private enum CodingKeys: String, CodingKey {
    case name, value, unit, bound
  }
}

struct Report: Encodable {
  var benchmark: String
  var figures: [Figure]
  /// Times at small sizes say nothing.
  var isQuick: Bool

  var holds: Bool { !figures.contains { $0.isMissed && !(isQuick && $0.dependsOnTime) } }

  var text: String {
    let width = figures.map(\.name.count).max() ?? 0
    let lines = figures.map { figure in
      let name = figure.name + String(repeating: " ", count: width - figure.name.count)
      let digits = figure.unit == .one || figure.unit == .milliseconds ? 2 : 0
      let bound = figure.bound.map { "  (at most \($0.text(digits))\(figure.isMissed ? ": missed" : ""))" } ?? ""
      return "  \(name)  \(figure.value.text(digits)) \(figure.unit.rawValue)\(bound)"
    }
    return ([benchmark] + lines).joined(separator: "\n")
  }

  private enum CodingKeys: String, CodingKey {
    case benchmark, figures
  }
}

extension Double {
  /// With `digits` behind the point.
  func text(_ digits: Int) -> String {
    formatted(.number.precision(.fractionLength(digits)).grouping(.never).locale(Locale(identifier: "en_US_POSIX")))
  }
}
