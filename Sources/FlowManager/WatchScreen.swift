import DaemonKit
import DatapathModel
import FlowCore
import Foundation

/// What `watch` draws: as many lines as there are rows, none wider than the screen.
struct WatchScreen {
  let columns: Int
  let rows: Int

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
  }

  init(_ size: (columns: Int, rows: Int)) { self.init(columns: size.columns, rows: size.rows) }

  func lines(
    _ document: WatchDocument, _ sort: FlowQuery.Order, _ rates: [TunnelIdentifier: UInt64]
  ) -> [String] {
    var lines = [heading(document, sort)]
    if !document.anchorConnected { lines.append("the anchor is away: tunnels are as it last told") }
    lines += tunnelLines(document.tunnels, rates)
    lines.append("")
    lines += flowLines(document.flows, rows: max(0, rows - lines.count - 1))
    return lines.prefix(rows).map { DisplayText.cut($0, to: columns) }
  }

  private func heading(_ document: WatchDocument, _ sort: FlowQuery.Order) -> String {
    let total = document.flows.count + document.more
    return "\(total) flows, by \(sort.rawValue)   r rate  o octets  p packets  i idle  q quit"
  }

  /// At most a third of the screen: the tunnels with the highest rates.
  private func tunnelLines(_ tunnels: [TunnelsDocument.Tunnel], _ rates: [TunnelIdentifier: UInt64]) -> [String] {
    let room = max(1, rows / 3)
    func order(_ tunnel: TunnelsDocument.Tunnel) -> (UInt64, Int) { (rates[tunnel.id] ?? 0, tunnel.flows) }
    let shown = tunnels.sorted { order($0) > order($1) || (order($0) == order($1) && $0.id < $1.id) }.prefix(room)
    var lines = shown.map { tunnel in
      "\(tunnel.gateway) (tunnel \(tunnel.id)): \(tunnel.flows) flows, "
        + (rates[tunnel.id].map(RateText.bits) ?? "-") + ", \(tunnel.octets) octets"
    }
    if tunnels.count > shown.count { lines.append("and \(tunnels.count - shown.count) more tunnels") }
    return lines
  }

  private func flowLines(_ flows: [FlowDocument], rows: Int) -> [String] {
    let titles = ["FLOW", "RATE", "OCTETS", "PACKETS", "IDLE", "PROTO", "NODE", "GATEWAY", "SOURCE", "DESTINATION"]
    let cells = flows.prefix(rows).map { flow in
      [
        "\(flow.id)\(flow.isPinned ? "*" : "")", RateText.bits(UInt64(flow.rate)), "\(flow.octets)",
        "\(flow.packets)", "\(flow.idleSeconds)s", "\(flow.protocol)", flow.node ?? "-",
        flow.gateway ?? "tunnel \(flow.tunnel)", flow.from, flow.to,
      ]
    }
    return DisplayText.table(titles, Array(cells), right: 0..<5, elastic: [6, 7, 8, 9], width: columns)
  }
}

/// Text on a terminal, by the columns that it takes there.
enum DisplayText {
  /// Scripts whose characters take two columns (Unicode Standard Annex 11).
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
    0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd,
  ]

  static func width(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + width($1) } }

  /// Combining characters take no column.
  private static func width(_ scalar: Unicode.Scalar) -> Int {
    if scalar.isASCII { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: return wide.contains { $0.contains(scalar.value) } ? 2 : 1
    }
  }

  /// What cannot be shown becomes `?`, so that no name can command the terminal.
  private static func visible(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
        result.append("?")
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// `text` in at most `columns`; a cut is marked by `…`.
  static func cut(_ text: String, to columns: Int) -> String {
    let clean = visible(text)
    guard width(clean) > columns else { return clean }
    guard columns > 0 else { return "" }
    var result = ""
    var used = 0
    for character in clean {
      let needed = width(String(character))
      if used + needed > columns - 1 { break }
      result.append(character)
      used += needed
    }
    return result + "…"
  }

  static func pad(_ text: String, to columns: Int, right: Bool) -> String {
    let padding = String(repeating: " ", count: max(0, columns - width(text)))
    return right ? padding + text : text + padding
  }

  /// Lines of a table no wider than `width`: as long as it is, the widest of the `elastic` columns is narrowed.
  static func table(
    _ titles: [String], _ rows: [[String]], right: Range<Int>, elastic: [Int], width limit: Int
  ) -> [String] {
    let narrowest = 8
    var widths = titles.indices.map { column in
      rows.reduce(width(titles[column])) { max($0, width($1[column])) }
    }
    var excess = limit == .max ? 0 : widths.reduce(2 * (widths.count - 1), +) - limit
    while excess > 0, let widest = elastic.max(by: { widths[$0] < widths[$1] }), widths[widest] > narrowest {
      widths[widest] -= 1
      excess -= 1
    }
    return ([titles] + rows).map { cells in
      let line = cells.enumerated().map { column, cell in
        pad(cut(cell, to: widths[column]), to: widths[column], right: right.contains(column))
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}
