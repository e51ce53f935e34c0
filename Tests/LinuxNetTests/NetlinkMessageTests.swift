import CLinuxNet
import NetTypes
import Testing

@testable import LinuxNet

@Suite("Netlink messages")
struct NetlinkMessageTests {
  @Test("Header, fixed header and attributes have their lengths and padding")
  func layout() {
    var header = fib_rule_hdr()
    header.family = 10
    var message = NetlinkMessage(type: 0x1234, flags: [.create, .acknowledge], header: header)
    message.attribute(7, UInt32(0x0102_0304))
    message.attribute(8, "abc")
    message.attribute(9, "abcd")
    message.attribute(10, bigEndian: UInt16(0x0102))
    message.flag(11)

    #expect(message.bytes.count == 16 + 12 + 8 + 8 + 12 + 8 + 4)
    #expect(message.bytes[0..<4] == [UInt8(message.bytes.count), 0, 0, 0])
    #expect(message.bytes[4..<8] == [0x34, 0x12, 0x05, 0x04])
    #expect(message.bytes[28..<36] == [8, 0, 7, 0, 4, 3, 2, 1])
    #expect(message.bytes[36..<44] == [8, 0, 8, 0, 97, 98, 99, 0])
    #expect(message.bytes[44..<56] == [9, 0, 9, 0, 97, 98, 99, 100, 0, 0, 0, 0])
    #expect(message.bytes[56..<64] == [6, 0, 10, 0, 1, 2, 0, 0])
    #expect(message.bytes[64...] == [4, 0, 11, 0])
  }

  @Test("A nested attribute spans what its closure adds")
  func nesting() throws {
    var message = NetlinkMessage(type: 1)
    message.nested(1) {
      $0.attribute(2, UInt8(5))
      $0.nested(3) { $0.attribute(4, IPv6Address.allRouters) }
    }
    message.attribute(5, UInt64(6))
    let received = try #require(Array(ReceivedNetlinkMessage.messages(in: message.bytes[...])).first)
    let attributes = NetlinkAttributes(received.payload)
    #expect(attributes[1]?.nested[2]?.uint8 == 5)
    #expect(attributes[1]?.nested[3]?.nested[4]?.ipv6Address == .allRouters)
    #expect(attributes[5]?.uint64 == 6)
    #expect(attributes[5]?.uint32 == nil)
    #expect(attributes[6] == nil)
  }

  @Test("Every truncation of a datagram is parsed without a trap and gives no more than there is")
  func truncation() {
    var message = NetlinkMessage(type: 1, header: rtmsg())
    message.attribute(1, "text")
    message.nested(2) { $0.attribute(3, UInt32(4)) }
    let datagram = message.bytes + message.bytes
    for length in 0..<datagram.count {
      let messages = Array(ReceivedNetlinkMessage.messages(in: datagram[..<length]))
      #expect(messages.count == length / message.bytes.count)
      for bound in 0..<message.bytes.count {
        for attribute in NetlinkAttributes(datagram[..<bound]) { _ = Array(attribute.nested) }
      }
    }
  }

  @Test("Length fields that lie end the parsing", arguments: [0, 3, 15, 17, 255])
  func lyingLength(length: UInt8) {
    var bytes = NetlinkMessage(type: 1).bytes
    bytes[0] = length
    #expect(Array(ReceivedNetlinkMessage.messages(in: bytes[...])).isEmpty)
    let attribute: [UInt8] = [length, 0, 1, 0, 9, 9]
    #expect(Array(NetlinkAttributes(attribute[...])).isEmpty)
  }

  @Test("A route survives building and parsing")
  func routeRoundTrip() throws {
    let routes = [
      Route(to: try prefix("2001:db8:a:1::/64"), protocolNumber: 113, metric: 100, interface: 3),
      Route(
        to: try prefix("::/0"), from: try prefix("2001:db8:a::/48"), table: 52_130, protocolNumber: 113, interface: 3,
        encapsulation: .segments([try address("2001:db8:1::11"), try address("2001:db8:1::12")])),
      Route(
        to: try prefix("2001:db8:1::1/128"), table: 60, protocolNumber: 113, interface: 3,
        encapsulation: .decapsulate(table: 254)),
      Route(to: try prefix("::/0"), protocolNumber: 113, kind: .blackhole),
      Route(
        to: try prefix("2001:db8::/32"), protocolNumber: 113, interface: 2, gateway: try address("fe80::1"), mtu: 1_460),
    ]
    for route in routes {
      let bytes = route.replacement.message.bytes
      let received = try #require(Array(ReceivedNetlinkMessage.messages(in: bytes[...])).first)
      #expect(Route(received) == route)
    }
  }

  @Test("A rule survives building and parsing")
  func ruleRoundTrip() throws {
    let rule = RoutingRule(
      priority: 5_213, .lookup(table: 52_131), mark: .init(value: 0x10000, mask: 0x0fff_0000), inputInterface: "acc0",
      source: try prefix("2001:db8:a::/48"), destination: try prefix("2001:db8:1::1/128"), ipProtocol: 41,
      protocolNumber: 113)
    let received = try #require(Array(ReceivedNetlinkMessage.messages(in: rule.addition.message.bytes[...])).first)
    #expect(RoutingRule(received) == rule)
    #expect(
      rule.description
        == "5213: from 2001:db8:a::/48 to 2001:db8:1::1/128 fwmark 0x10000/0xfff0000 iif acc0 ipproto 41 lookup 52131 proto 113"
    )
    let jump = RoutingRule(
      priority: 5_213, .goTo(priority: 5_251), mark: .init(value: 0, mask: 0x0fff_0000), protocolNumber: 113)
    let jumped = try #require(Array(ReceivedNetlinkMessage.messages(in: jump.addition.message.bytes[...])).first)
    #expect(RoutingRule(jumped) == jump)
    #expect(jump.description == "5213: fwmark 0x0/0xfff0000 goto 5251 proto 113")
  }

  @Test("An error says what failed, why, and what to do")
  func errorText() {
    let error = LinuxError("set route", "default dev 3", code: 19, kernelMessage: "no such device")
    #expect(
      error.description
        == "set route default dev 3: No such device (kernel: no such device); the interface does not exist (any more); check its name with `ip link`"
    )
  }
}
