import Foundation
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite struct PeerDeviationTests {
  @Test("A set holds what was put in, and its JSON are the words of the configuration")
  func sets() throws {
    #expect(PeerDeviations.none.isEmpty && PeerDeviations(PeerDeviation.allCases).list == PeerDeviation.allCases)
    for deviation in PeerDeviation.allCases { #expect(PeerDeviations([deviation]).list == [deviation]) }
    let two: PeerDeviations = [.missingProxyFlag, .hostPrefixLength]
    let json = try JSONEncoder().encode(two)
    #expect(String(decoding: json, as: UTF8.self) == #"["hnp-length-128","pba-without-p-flag"]"#)
    #expect(try JSONDecoder().decode(PeerDeviations.self, from: json) == two)
  }

  @Test("Each deviation has its counter on the side that meets it")
  func counters() {
    let anchor = LMACounters().list.map(\.name).filter { $0.hasPrefix("tolerated-") }
    #expect(Set(anchor) == Set(PeerDeviation.ofGateways.map { "tolerated-\($0.rawValue)" }))
    let gateway = MAGCounters().named.map(\.name).filter { $0.hasPrefix("tolerated-") }
    #expect(Set(gateway) == Set(PeerDeviation.ofAnchors.map { "tolerated-\($0.rawValue)" }))
  }
}
