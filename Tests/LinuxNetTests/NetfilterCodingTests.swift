import CLinuxNet
import NetTypes
import Testing

@testable import LinuxNet

@Suite("nf_tables and NFQUEUE messages")
struct NetfilterCodingTests {
  /// The attributes of a message with nothing but them behind its header.
  private func attributes(_ body: (inout NetlinkMessage) -> Void) -> NetlinkAttributes {
    var message = NetlinkMessage(type: 0)
    body(&message)
    return NetlinkAttributes(message.bytes.dropFirst(NetlinkMessage.headerLength))
  }

  private func data(_ expression: NftExpression) throws -> (name: String, data: NetlinkAttributes) {
    let encoded = attributes(expression.encode)
    return (try #require(encoded[NFTA_EXPR_NAME]).string, try #require(encoded[NFTA_EXPR_DATA]).nested)
  }

  @Test("Every field of a key starts on a word")
  func key() throws {
    let source = try address("2001:db8::1")
    let destination = try address("2001:db8::2")
    func bytes(_ hasFlowLabel: Bool) -> [UInt8] {
      NftFlowKey(hasFlowLabel: hasFlowLabel).bytes(
        source: source, destination: destination, label: 0xff0a_bcde, transport: 17, sourcePort: 0x0fa0,
        destinationPort: 0x1388)
    }
    let rest: [UInt8] = [17, 0, 0, 0, 0x0f, 0xa0, 0, 0, 0x13, 0x88, 0, 0]
    #expect(bytes(true) == source.bytes + destination.bytes + [0x00, 0x0a, 0xbc, 0xde] + rest)
    #expect(bytes(false) == source.bytes + destination.bytes + rest)
    for hasFlowLabel in [true, false] {
      let set = NftSet(name: "flows", key: NftFlowKey(hasFlowLabel: hasFlowLabel).fields)
      #expect(set.keyOctets == bytes(hasFlowLabel).count)
      // The nft tool packs six bits for each field into 32.
      #expect(set.key.count <= 5)
    }
  }

  @Test("The key is loaded into consecutive words and leaves room for data")
  func load() {
    let loads: [(NftFlowKey.Ports, NftFlowKey.ProtocolField)] = [
      (.leading, .transport), (.leading, .nextHeader), (.echoIdentifier, .transport), (.none, .transport),
    ]
    for (ports, protocolField) in loads {
      let words = NftFlowKey(hasFlowLabel: true).load(ports, protocolField).compactMap { expression -> UInt32? in
        switch expression {
        case .payloadLoad(_, _, _, let register), .metaLoad(_, let register), .immediate(_, let register):
          register.rawValue
        default: nil
        }
      }
      // Both addresses in one.
      #expect(words == [0, 8, 9, 10, 11].map { NftRegister.word($0).rawValue })
    }
  }

  @Test("Marks are merged under their mask in the byte order of the host")
  func merge() throws {
    let expressions = NftExpression.mergeMark(0x0012_0000, mask: 0x0fff_0000)
    #expect(expressions.count == 3)
    let (name, bitwise) = try data(expressions[1])
    #expect(name == "bitwise")
    #expect(bitwise[NFTA_BITWISE_LEN]?.uint32BigEndian == 4)
    #expect(bitwise[NFTA_BITWISE_MASK]?.nested[NFTA_DATA_VALUE]?.uint32 == 0xf000_ffff)
    #expect(bitwise[NFTA_BITWISE_XOR]?.nested[NFTA_DATA_VALUE]?.uint32 == 0x0012_0000)
  }

  @Test("Both forms of the queue expression")
  func queue() throws {
    let (name, native) = try data(.queue(number: 5213, bypass: true))
    #expect(name == "queue")
    #expect(native[NFTA_QUEUE_NUM]?.uint16BigEndian == 5213)
    #expect(native[NFTA_QUEUE_FLAGS]?.uint16BigEndian == 1)
    let (target, compat) = try data(.xtablesQueue(number: 5213, bypass: true))
    #expect(target == "target")
    #expect(compat[NFTA_TARGET_NAME]?.string == "NFQUEUE")
    #expect(compat[NFTA_TARGET_REV]?.uint32BigEndian == 3)
    #expect(compat[NFTA_TARGET_INFO]?.payload.count == 8)
    #expect(compat[NFTA_TARGET_INFO]?.structure(as: xt_NFQ_info_v3.self)?.queuenum == 5213)
  }

  @Test(
    "Elements are read as they were written",
    arguments: [
      NftElement.Value.verdict(.jump("tunnel-1")), .verdict(.goTo("tunnel-1")), .verdict(.drop), .verdict(.accept),
      .verdict(.return), .data([1, 2, 3, 4]),
    ])
  func element(value: NftElement.Value) throws {
    let element = NftElement(
      key: [1, 2, 3, 4, 5, 6, 7, 8], value: value, timeout: .milliseconds(1500), expiration: .seconds(1),
      userData: [9, 9], counter: NftCounter(packets: 7, octets: 700))
    let encoded = attributes { $0.putElement(element) }
    #expect(NftElement(try #require(encoded[NFTA_LIST_ELEM]).nested) == element)
  }

  @Test("Elements are split over messages, and none is lost")
  func chunks() {
    var transaction = NftTransaction(table: NftTable(name: "t"))
    let elements = (0..<5000).map { NftElement(key: NftExpression.networkOrder(UInt64($0))) }
    transaction.addElements(elements, to: "s")
    #expect(transaction.steps.count > 1)
    let read = transaction.steps.flatMap { step in
      NetlinkAttributes(step.message.bytes.dropFirst(NetlinkMessage.headerLength + MemoryLayout<nfgenmsg>.size))[
        NFTA_SET_ELEM_LIST_ELEMENTS]?.nested.compactMap { NftElement($0.nested) } ?? []
    }
    #expect(read == elements)
    #expect(transaction.steps.allSatisfy { $0.message.bytes.count < 65_536 })
    transaction.addElements([NftElement](), to: "s")
    #expect(transaction.steps.count == transaction.steps.filter { $0.operation == "add" }.count)
  }

  @Test("Timeouts are rounded up to milliseconds")
  func timeouts() {
    #expect(Duration.nanoseconds(1).wholeMilliseconds == 1)
    #expect(Duration.seconds(60).wholeMilliseconds == 60_000)
    #expect(Duration.seconds(-1).wholeMilliseconds == 0)
  }

  @Test("Comments are read as written; foreign user data does no harm")
  func comments() {
    #expect(NftComment.decode(NftComment.encode("to if1, mark 0x00100000")) == "to if1, mark 0x00100000")
    #expect(NftComment.encode(String(repeating: "x", count: 500)).count == NftComment.maximumLength + 2)
    #expect(NftComment.decode([1, 2, 0xaa, 0xbb] + NftComment.encode("second")) == "second")
    for broken: [UInt8] in [[], [0], [0, 5, 1], [1, 200, 0]] { #expect(NftComment.decode(broken) == nil) }
  }

  @Test("The kernel's table of queues")
  func statistics() {
    let text = """
       5213  13337     3 2   128     4     5      678  1
         77      0     0 0     0     0     0        0  1

      """
    #expect(
      PacketQueue.Statistics(number: 5213, text: text)
        == PacketQueue.Statistics(owner: 13337, length: 3, queueDropped: 4, userDropped: 5, queued: 678))
    #expect(PacketQueue.Statistics(number: 78, text: text) == nil)
    #expect(PacketQueue.Statistics(number: 5213, text: "5213 1 2") == nil)
  }

  @Test("The largest element of a flow map fits the room for it") func largestElement() {
    var flow = NftFlow(
      source: .unspecified, destination: .unspecified, label: 1, transport: 17, sourcePort: 1, destinationPort: 2,
      tunnel: 1, identifier: .max, createdAt: .max, counter: NftCounter())
    flow.isPinned = true
    flow.dscp = 63
    for placer in NftFlow.Placer.allCases {
      flow.placer = placer
      let octets = withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 8) { memory in
        var writer = RawWriter(memory)
        writer.putElement(flow, NftFlowKey(hasFlowLabel: true), withValue: true)
        return writer.count
      }
      #expect(octets <= RawWriter.largestElement, "\(placer)")
    }
  }

  @Test("A queued packet, and messages that are none")
  func packet() throws {
    var message = NetlinkMessage(
      netfilter: NFNL_SUBSYS_QUEUE, type: NFQNL_MSG_PACKET.rawValue, resource: 5213)
    message.put(NFQA_PACKET_HDR, bytes: [0, 0, 1, 2, 0x86, 0xdd, 0])
    message.put(NFQA_MARK, networkOrder: UInt32(0x0010_0000))
    message.put(NFQA_CAP_LEN, networkOrder: UInt32(1500))
    message.put(NFQA_PAYLOAD, bytes: [0x60, 0, 0, 0])
    func packets(_ bytes: some Collection<UInt8>) -> [(QueuedPacket, payload: [UInt8])] {
      var seen: [(QueuedPacket, payload: [UInt8])] = []
      Array(bytes).withUnsafeBytes { datagram in
        _ = PacketQueue.deliver(datagram) { packet, octets in
          seen.append((packet, octets.withUnsafeBytes { Array($0) }))
        }
      }
      return seen
    }
    let (packet, payload) = try #require(packets(message.bytes).first)
    #expect(packet.identifier == 0x0102)
    #expect(packet.mark == 0x0010_0000)
    #expect(packet.length == 1500)
    #expect(payload == [0x60, 0, 0, 0])
    for length in 0..<message.bytes.count { #expect(packets(message.bytes.prefix(length)).isEmpty) }
    #expect(packets(NetlinkMessage(type: UInt16(NLMSG_NOOP)).bytes).isEmpty)
  }
}
