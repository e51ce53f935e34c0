/// A table in text: columns as wide as their widest cell, two spaces between them, `-` for what is not there.
public struct TextTable: Sendable {
  public enum Alignment: Sendable { case left, right }

  public struct Column: Sendable {
    var title: String
    var alignment: Alignment
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  public init(_ titles: [String], right rightAligned: Set<String> = []) {
    columns = titles.map { Column(title: $0, alignment: rightAligned.contains($0) ? .right : .left) }
  }

  /// One cell for each column; nil and empty ones are shown as `-`. Missing cells at the end, too.
  public mutating func add(_ cells: [String?]) {
    rows.append(
      columns.indices.map { index in
        guard index < cells.count, let cell = cells[index], !cell.isEmpty else { return "-" }
        return cell
      })
  }

  /// The title line and a line per row, without a newline at the end.
  public var text: String {
    let widths = columns.indices.map { index in
      rows.reduce(columns[index].title.count) { max($0, $1[index].count) }
    }
    return ([columns.map(\.title)] + rows).map { cells in
      var line = ""
      for (index, cell) in cells.enumerated() {
        let padding = String(repeating: " ", count: widths[index] - cell.count)
        line += index == 0 ? "" : "  "
        line += columns[index].alignment == .left ? cell + padding : padding + cell
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
