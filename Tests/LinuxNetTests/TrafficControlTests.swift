import NetTypes
import Testing

@testable import LinuxNet

/// Dumps as a kernel sent them: noqueue on lo, tbf on v1, htb with a class 1:10 and a pfifo below it on v0. Of 40 packets 4
/// were sent, 31 dropped, and 5 wait.
@Suite("Traffic control") struct TrafficControlTests {
  static let disciplines = """
    9400000024000200070000002a6c0000000000000100000000000000ffffffff020000000c0001006e6f71756575650005000c0000000000
    3000070014000100000000000000000000000000000000001800030000000000000000000000000000000000000000002c00030000000000
    000000000000000000000000000000000000000000000000000000000000000000000000bc00000024000200070000002a6c000000000000
    0200000000000280ffffffff0300000008000100746266002c00020028000100000100000000000090d00300000000000000000000000000
    d458000000c409000000000005000c0000000000300007001400010000000000000000000000000000000000180003000000000000000000
    0000000000000000000000002c00030000000000000000000000000000000000000000000000000000000000000000000000000000000000
    b400000024000200070000002a6c0000000000000300000000000100ffffffff030000000800010068746200240002001800020011000300
    0a00000010000000000000000000000008000500e803000005000c0000000000300007001400010038070000000000000400000000000000
    1800030005000000060900001f00000000000000010000002c0003003807000000000000040000001f000000010000000000000000000000
    0500000006090000000000009c00000024000200070000002a6c000000000000030000000000100010000100010000000a00010070666966
    6f000000080002000500000005000c0000000000300007001400010038070000000000000400000000000000180003000500000006090000
    1f00000000000000000000002c0003003807000000000000040000001f000000000000000000000000000000050000000609000000000000
    """
  static let classes = """
    ec00000028000200070000002a6c0000000000000300000010000100ffffffff000010000800010068746200340002003000010000010000
    00000000e80300000001000000000000e80300000048e80140787d01e8030000000000000000000048000700140001003807000000000000
    04000000000000001800030005000000060900001f00000000000000010000001800040004000000000000000000000024b02f0064e0c4ff
    2c0003003807000000000000040000001f000000010000000000000000000000050000000609000000000000180004000400000000000000
    0000000024b02f0064e0c4ff
    """

  static func octets(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8.filter { $0 > 0x20 })
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
      UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
    }
  }

  static func records(_ octets: [UInt8]) -> [TrafficControlRecord] {
    ReceivedNetlinkMessage.messages(in: octets[...]).compactMap(TrafficControlRecord.init)
  }

  @Test("Queueing disciplines") func reading() throws {
    let records = Self.records(Self.octets(Self.disciplines))
    #expect(records.map(\.kind) == ["noqueue", "tbf", "htb", "pfifo"])
    #expect(records.map(\.interface) == [1, 2, 3, 3])
    #expect(records.map(\.handle.description) == ["0:", "8002:", "1:", "10:"])
    #expect(records.map(\.isCountingRoot) == [false, true, true, false])
    #expect(records.last?.parent.description == "1:10")
    let htb = records[2].statistics
    #expect(htb.octets == 1_848 && htb.packets == 4 && htb.drops == 31 && htb.overlimits == 1)
    #expect(htb.queueLength == 5 && htb.backlog == 2_310)
  }

  @Test("Classes") func classes() throws {
    let record = try #require(Self.records(Self.octets(Self.classes)).first)
    #expect(record.handle == TrafficControlHandle("1:10") && record.parent == .root)
    #expect(record.statistics.drops == 31 && record.statistics.packets == 4 && record.statistics.backlog == 2_310)
  }

  @Test("A filter that pushes or pops an Ethernet header, as the kernel's headers number its attributes") func filters()
    throws
  {
    /// The filter's mask, the action's kind, and the action's options.
    func read(_ action: TrafficAction) throws -> (mask: UInt32?, kind: String?, options: NetlinkAttributes) {
      let request = KernelRequest.setFilter(interface: 7, name: "ppp0", mark: 0x20_0000, mask: 0xff0_0000, action)
      let received = try #require(Array(ReceivedNetlinkMessage.messages(in: request.message.bytes[...])).first)
      #expect(received.type == 44)
      // tcmsg: family, index, handle, parent, priority and protocol.
      #expect(
        Array(received.payload.prefix(20)) == [
          0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0x20, 0, 0xf3, 0xff, 0xff, 0xff, 0x86, 0xdd, 1, 0,
        ])
      let attributes = NetlinkAttributes(received.payload.dropFirst(20))
      #expect(attributes[1]?.string == "fw")
      let filter = try #require(attributes[2]?.nested)
      let first = try #require(filter[4]?.nested[1]?.nested)
      return (filter[5]?.uint32, first[1]?.string, try #require(first[2]?.nested))
    }
    let (destination, source) = (LinkLayerAddress(rawValue: 0x0200_0000_0010), LinkLayerAddress.fixedGateway)
    let push = try read(.pushEthernet(destination: destination, source: source))
    #expect(push.mask == 0xff0_0000 && push.kind == "vlan")
    // tc_vlan: index, capabilities, action (pipe), two counts, operation.
    func parameters(_ operation: UInt8) -> [UInt8] {
      [0, 0, 0, 0, 0, 0, 0, 0, 3] + [UInt8](repeating: 0, count: 11) + [operation, 0, 0, 0]
    }
    #expect(push.options[2].map { Array($0.payload) } == parameters(5))
    #expect(push.options[7]?.linkLayerAddress == destination && push.options[8]?.linkLayerAddress == source)
    let pop = try read(.popEthernet)
    #expect(pop.options[2].map { Array($0.payload) } == parameters(4) && pop.options[7] == nil)
    #expect(try read(.queue(3)).kind == "skbedit")
  }

  @Test("More than 32 bits of packets") func manyPackets() throws {
    var message = NetlinkMessage(type: 1)
    message.attribute(1, bytes: [1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0])
    message.attribute(3, bytes: [UInt8](repeating: 0, count: 20))
    message.attribute(8, UInt64(1 << 32 + 7))
    let received = try #require(Array(ReceivedNetlinkMessage.messages(in: message.bytes[...])).first)
    #expect(TrafficControlStatistics(NetlinkAttributes(received.payload))?.packets == 1 << 32 + 7)
  }

  @Test("No truncation and no damaged octet traps, or invents a record") func damaged() {
    let whole = Self.octets(Self.disciplines)
    for length in 0..<whole.count { #expect(Self.records(Array(whole.prefix(length))).count <= 4) }
    for position in whole.indices {
      for value: UInt8 in [0, 1, 0x7f, 0xff] {
        var octets = whole
        octets[position] = value
        #expect(Self.records(octets).count <= 8)
      }
    }
  }

  @Test(
    "Handles read back",
    arguments: [("1:10", 0x1_0010), ("1:", 0x1_0000), ("ffff:fff1", 0xffff_fff1), ("8001:a", 0x8001_000a)])
  func handles(text: String, value: UInt32) {
    #expect(TrafficControlHandle(text)?.rawValue == value)
    #expect(TrafficControlHandle(rawValue: value).description == text)
  }

  @Test("What is no handle", arguments: ["", ":", "1", "0:1", "1:10:1", "10000:1", "1:+1", "g:1", " 1:1", "1: 1"])
  func noHandles(text: String) { #expect(TrafficControlHandle(text) == nil) }
}
