import DatapathModel
import Foundation
import NetTypes
import Testing

@testable import FlowCore
@testable import FlowManager

@Suite("Keys of the flows over a restart") struct FlowKeyFileTests {
  private func directory() throws -> String {
    let directory = FileManager.default.temporaryDirectory.appending(path: "flow-keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    return directory.path
  }

  private func taken(_ file: FlowKeyFile) throws -> [FlowSixTuple] {
    var tuples: [FlowSixTuple] = []
    try file.take { tuples += $0 }
    return tuples
  }

  @Test("All keys come back, once") func roundTrip() throws {
    let directory = try directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let file = FlowKeyFile(directory: directory)
    #expect(try taken(file).isEmpty, "there is no file yet")
    var table = FlowTable(maximum: 10_000)
    let now = FlowMoment(monotonic: .zero, secondsSince1970: 0)
    let tuples = (UInt32(0)..<10_000).map { number in
      FlowSixTuple(
        source: IPv6Address(high: .max, low: UInt64(number)), destination: IPv6Address(high: 1, low: .max),
        flowLabel: number * 104, transport: number % 2 == 0 ? .udp : .tcp, sourcePort: UInt16(number * 6),
        destinationPort: .max)
    }
    for tuple in tuples {
      _ = table.insert(
        tuple, Placement(tunnel: TunnelIdentifier(rawValue: 1), placer: .policy), node: nil, count: .zero, at: now)
    }
    try file.write(table)
    #expect(try taken(file) == tuples)
    #expect(try taken(file).isEmpty, "they are old now")
  }

  @Test("A file cut short gives the keys that are whole, another one none") func damaged() throws {
    let directory = try directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let file = FlowKeyFile(directory: directory)
    let whole = Data("flowmob flow keys 1\n".utf8) + Data(count: 2 * FlowKeyFile.octetsOfKey)
    for length in [0, 10, 20, 63] {
      try whole.prefix(length).write(to: URL(filePath: file.path))
      #expect(try taken(file).isEmpty)
    }
    try whole.dropLast().write(to: URL(filePath: file.path))
    #expect(try taken(file).count == 1)
    try Data("flowmob flow keys 2\n".utf8 + [UInt8](repeating: 0, count: 88)).write(to: URL(filePath: file.path))
    #expect(try taken(file).isEmpty)
  }
}
