/// The name that a misspelt word most likely meant.
public enum NearestName {
  /// The candidate with the fewest edits, if they are at most a third of the word (at least one, so that `of` finds
  /// `off`); nil when nothing is that near. Of equally near candidates the first wins.
  public static func find(_ word: String, among candidates: some Sequence<String>) -> String? {
    let bound = max(1, word.count / 3)
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let distance = editDistance(Array(word.lowercased()), Array(candidate.lowercased()))
      if distance <= bound, distance < (best?.distance ?? .max) { best = (candidate, distance) }
    }
    return best?.name
  }

  /// At most `count` candidates, those that begin with the word first, then the ones with the fewest edits;
  /// shorter ones before longer ones.
  public static func list(_ word: String, among candidates: some Sequence<String>, count: Int = 3) -> [String] {
    let bound = max(1, word.count / 3)
    var ranked: [(rank: Int, name: String)] = []
    for candidate in candidates {
      if !word.isEmpty, candidate.hasPrefix(word) {
        ranked.append((0, candidate))
      } else if abs(candidate.count - word.count) <= bound {
        let distance = editDistance(Array(word.lowercased()), Array(candidate.lowercased()))
        if distance <= bound { ranked.append((distance, candidate)) }
      }
    }
    return ranked.sorted { ($0.rank, $0.name.count, $0.name) < ($1.rank, $1.name.count, $1.name) }.prefix(count).map(
      \.name)
  }

  /// Levenshtein distance, with a swap of two neighbours as one edit: the commonest slip of a typist.
  static func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var edits = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { edits = min(edits, beforeLast[j - 1] + 1) }
        row.append(edits)
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
