import DaemonKit
import FlowCore
import Foundation
import Testing

@testable import FlowManager

@Suite("What watch draws") struct WatchScreenTests {
  private func document(flows: Int, node: String = "mn1@example.net", gateway: String = "mag1") throws -> WatchDocument
  {
    func flow(_ number: Int) -> String {
      """
      {"id":\(number),"source":"2001:db8:c::2","destination":"2001:db8:100:1::10","flowLabel":0,"protocol":"tcp",\
      "sourcePort":443,"destinationPort":5000,"tunnel":1,"gateway":"\(gateway)","node":"\(node)","packets":9,\
      "octets":900,"createdAt":1,"isPinned":true,"rate":1250000,"idleSeconds":0}
      """
    }
    let json = """
      {"flows":[\((1...flows).map(flow).joined(separator: ","))],"more":5,"anchorConnected":true,"tunnels":[\
      {"id":1,"gateway":"\(gateway)","local":"::1","remote":"::2","mark":"0x10000","flows":\(flows),"packets":9,"octets":900}]}
      """
    return try JSONDecoder().decode(WatchDocument.self, from: Data(json.utf8))
  }

  @Test(
    "Never more lines than rows, never a line wider than the screen", arguments: [20, 40, 80, 132, 400], [1, 3, 10, 50])
  func bounds(columns: Int, rows: Int) throws {
    for node in ["mn1@example.net", "非常に長い名前を持つ端末@例え.jp", String(repeating: "x", count: 300)] {
      let lines = WatchScreen(columns: columns, rows: rows).lines(try document(flows: 60, node: node), .rate, [:])
      #expect(lines.count <= rows)
      #expect(lines.allSatisfy { DisplayText.width($0) <= columns })
    }
  }

  @Test("Totals of the tunnels, then the flows; pinned ones are marked") func content() throws {
    let document = try document(flows: 3)
    let lines = WatchScreen(columns: 200, rows: 24).lines(document, .rate, [document.tunnels[0].id: 1_250_000])
    #expect(lines[0].hasPrefix("8 flows, by rate"))
    #expect(lines[1] == "mag1 (tunnel 1): 3 flows, 10.0 Mbit/s, 900 octets")
    #expect(lines[4].contains("1*  10.0 Mbit/s") && lines[4].contains("mn1@example.net"))
  }

  @Test("A name cannot command the terminal; wide and combining characters are counted as they are shown")
  func characters() {
    #expect(DisplayText.cut("a\u{1b}[2Jb\n", to: 80) == "a?[2Jb?")
    #expect(DisplayText.width("端末") == 4 && DisplayText.width("e\u{301}") == 1)
    #expect(DisplayText.cut("端末端末", to: 5) == "端末…")
    #expect(DisplayText.cut("端末端末", to: 4) == "端…")
    #expect(DisplayText.cut("abc", to: 3) == "abc" && DisplayText.cut("abcd", to: 3) == "ab…")
  }

  @Test("Rates of tunnels come from two readings; a counter that began anew gives none") func meter() throws {
    var meter = TunnelMeter()
    var tunnels = try document(flows: 1).tunnels
    let tunnel = tunnels[0].id
    #expect(meter.rates(tunnels, at: .seconds(10)) == [:])
    tunnels[0].octets += 3_000
    #expect(meter.rates(tunnels, at: .seconds(12)) == [tunnel: 1_500])
    tunnels[0].octets = 0
    #expect(meter.rates(tunnels, at: .seconds(13)) == [:])
  }

  @Test("Names that may have been meant: those that begin so first") func nearest() {
    let names = ["mn1@example.net", "mn2@example.net", "mn11@example.net", "other"]
    #expect(NearestName.list("mn1", among: names) == ["mn1@example.net", "mn11@example.net"])
    #expect(NearestName.list("mn1@exmaple.net", among: names).first == "mn1@example.net")
    #expect(NearestName.list("zzz", among: names).isEmpty)
  }
}
