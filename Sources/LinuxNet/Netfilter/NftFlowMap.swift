import CLinuxNet
import NetTypes

/// The map from flows to tunnel numbers. Its elements are many and change often, so they have messages of their own
/// that are written and read in place; everything else of nf_tables goes through `NftElement`.
///
/// The value is data and not a verdict: the kernel checks all elements of a verdict map in every transaction that adds
/// one with a jump (`nft_setelem_validate`), which with 100,000 flows takes milliseconds. The number stands behind a word
/// of zeros, so that `lookUpTunnel` can be printed.
public struct NftFlowMap: Hashable, Sendable {
  public var name: String
  public var key: NftFlowKey
  /// The kernel refuses further elements with ENFILE.
  public var maximumElements: UInt32

  public init(name: String, key: NftFlowKey, maximumElements: UInt32) {
    self.name = name
    self.key = key
    self.maximumElements = maximumElements
  }

  /// Looks up the key that `NftFlowKey.load` has loaded, and in the verdict map `tunnels` what that finds.
  ///
  /// nft 1.0.6 ends with a failed assertion when it prints a rule that looks up what another lookup of several fields has
  /// found. It knows of the first register only that a lookup fills; the second one it takes for the packet's mark, which
  /// was there before, and prints `meta mark vmap @tunnels`. The rule's comment should tell the truth.
  public func lookUpTunnel(in tunnels: String) -> [NftExpression] {
    [
      .metaLoad(.mark, into: .word(13)), .lookup(set: name, key: .word(0), into: .word(12), inverted: false),
      .lookup(set: tunnels, key: .word(13), into: .verdict, inverted: false),
    ]
  }

  public var set: NftSet {
    NftSet(
      name: name, key: key.fields, value: .data(.markPair), countsHits: true, maximumElements: maximumElements)
  }
}

/// A flow as an element of the map.
public struct NftFlow: Hashable, Sendable {
  public var source: IPv6Address
  public var destination: IPv6Address
  /// 20 bits; left out of the key of a map without labels, and 0 when read from one.
  public var label: UInt32
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  public var transport: UInt8
  /// The value of the element.
  public var tunnel: UInt32
  /// Stands in the user data, together with what follows, as a comment that `nft list map` shows.
  public var identifier: UInt32
  /// Seconds since 1970.
  public var createdAt: UInt32
  public var isPinned = false
  /// Who has chosen the tunnel.
  public var placer = Placer.unknown
  /// Differentiated services code point of its first packet; nil: not known.
  public var dscp: UInt8?
  public var counter: NftCounter

  public enum Placer: UInt8, CaseIterable, Sendable {
    case unknown, defaultBinding, standingOrder, operatorRequest, trigger, policy

    /// As it stands in the comment; nothing for one that is not known.
    fileprivate var text: StaticString {
      switch self {
      case .unknown: ""
      case .defaultBinding: " by default"
      case .standingOrder: " by order"
      case .operatorRequest: " by operator"
      case .trigger: " by trigger"
      case .policy: " by policy"
      }
    }
  }

  public init(
    source: IPv6Address, destination: IPv6Address, label: UInt32, transport: UInt8, sourcePort: UInt16,
    destinationPort: UInt16, tunnel: UInt32, identifier: UInt32, createdAt: UInt32, counter: NftCounter
  ) {
    self.source = source
    self.destination = destination
    self.label = label
    self.transport = transport
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.tunnel = tunnel
    self.identifier = identifier
    self.createdAt = createdAt
    self.counter = counter
  }
}

// MARK: Writing

extension NftTransaction {
  /// Adds elements with their counters. EEXIST when one is there with another value.
  public mutating func addFlows(_ flows: [NftFlow], to map: NftFlowMap) {
    appendFlows(NFT_MSG_NEWSETELEM, [.create], "add", flows, map) { $0.putElement($1, map.key, withValue: true) }
  }

  /// Removes elements by their keys. ENOENT when one is not there.
  public mutating func deleteFlows(_ flows: [NftFlow], from map: NftFlowMap) {
    appendFlows(NFT_MSG_DELSETELEM, [], "delete", flows, map) { $0.putElement($1, map.key, withValue: false) }
  }

  /// Gives present elements other values, at once for packets. Counters start from what `flows` say.
  public mutating func replaceFlows(_ flows: [NftFlow], in map: NftFlowMap) {
    deleteFlows(flows, from: map)
    addFlows(flows, to: map)
  }

  private mutating func appendFlows(
    _ type: nf_tables_msg_types, _ flags: NetlinkFlags, _ operation: String, _ flows: [NftFlow], _ map: NftFlowMap,
    _ put: (inout RawWriter, NftFlow) -> Void
  ) {
    var next = 0
    while next < flows.count {
      let end = min(flows.count, next + Self.elementChunk / RawWriter.largestElement)
      append(type, flags, operation, "\(end - next) element\(end - next == 1 ? "" : "s") of \(map.name)") {
        [table] message in
        message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
        message.put(NFTA_SET_ELEM_LIST_SET, string: map.name)
        message.nest(NFTA_SET_ELEM_LIST_ELEMENTS) { message in
          message.appendRaw(capacity: (end - next) * RawWriter.largestElement) { writer in
            for index in next..<end { put(&writer, flows[index]) }
          }
        }
      }
      next = end
    }
  }
}

/// Writes attributes into memory that is known to be large enough.
struct RawWriter {
  let memory: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  /// Octets of an element of the flow map with everything in it, rounded up.
  static let largestElement = 176

  init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

  mutating func put<Value: BitwiseCopyable>(_ value: Value) {
    memory.storeBytes(of: value, toByteOffset: count, as: Value.self)
    count += MemoryLayout<Value>.size
  }

  mutating func putHeader(_ type: some RawRepresentable<UInt32>, payload: Int, nested: Bool = false) {
    put(UInt16(NetlinkMessage.attributeHeaderLength + payload))
    put(UInt16(type.rawValue) | (nested ? UInt16(NLA_F_NESTED) : 0))
  }

  mutating func nest(_ type: some RawRepresentable<UInt32>, _ body: (inout RawWriter) -> Void) {
    let start = count
    putHeader(type, payload: 0, nested: true)
    body(&self)
    memory.storeBytes(of: UInt16(count - start), toByteOffset: start, as: UInt16.self)
  }

  mutating func putDigits(_ value: UInt32) {
    var divisor: UInt32 = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      put(UInt8(truncatingIfNeeded: value / divisor % 10) + UInt8(ascii: "0"))
      divisor /= 10
    }
  }

  mutating func putText(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { put(text.utf8Start[index]) }
  }

  mutating func pad() { while count % 4 != 0 { put(UInt8(0)) } }

  mutating func putElement(_ flow: NftFlow, _ key: NftFlowKey, withValue: Bool) {
    nest(NFTA_LIST_ELEM) { writer in
      writer.nest(NFTA_SET_ELEM_KEY) { writer in
        writer.putHeader(NFTA_DATA_VALUE, payload: key.hasFlowLabel ? 48 : 44)
        writer.putKey(flow, key)
      }
      guard withValue else { return }
      writer.nest(NFTA_SET_ELEM_DATA) { writer in
        writer.putHeader(NFTA_DATA_VALUE, payload: 8)
        writer.put(UInt32(0))
        writer.put(flow.tunnel)
      }
      writer.putComment(flow)
      writer.nest(NFTA_SET_ELEM_EXPR) { writer in
        writer.putHeader(NFTA_EXPR_NAME, payload: 8)
        writer.putText("counter\0")
        writer.nest(NFTA_EXPR_DATA) { writer in
          writer.putHeader(NFTA_COUNTER_BYTES, payload: 8)
          writer.put(flow.counter.octets.bigEndian)
          writer.putHeader(NFTA_COUNTER_PACKETS, payload: 8)
          writer.put(flow.counter.packets.bigEndian)
        }
      }
    }
  }

  /// As the registers hold it, see `NftFlowKey`.
  mutating func putKey(_ flow: NftFlow, _ key: NftFlowKey) {
    put(flow.source.high.bigEndian)
    put(flow.source.low.bigEndian)
    put(flow.destination.high.bigEndian)
    put(flow.destination.low.bigEndian)
    if key.hasFlowLabel { put((flow.label & 0xf_ffff).bigEndian) }
    put(UInt32(flow.transport).littleEndian)
    put(UInt32(flow.sourcePort.bigEndian).littleEndian)
    put(UInt32(flow.destinationPort.bigEndian).littleEndian)
  }

  /// `flow 7 since 1700000000 pinned by operator dscp 46`, each of the last three where it is so, in the form of an nft
  /// comment (`NftComment`).
  private mutating func putComment(_ flow: NftFlow) {
    let start = count
    putHeader(NFTA_SET_ELEM_USERDATA, payload: 0)
    put(UInt8(0))
    let length = count
    put(UInt8(0))
    putText("flow ")
    putDigits(flow.identifier)
    putText(" since ")
    putDigits(flow.createdAt)
    if flow.isPinned { putText(" pinned") }
    putText(flow.placer.text)
    if let dscp = flow.dscp {
      putText(" dscp ")
      putDigits(UInt32(dscp))
    }
    put(UInt8(0))
    memory.storeBytes(of: UInt8(count - length - 1), toByteOffset: length, as: UInt8.self)
    memory.storeBytes(of: UInt16(count - start), toByteOffset: start, as: UInt16.self)
    pad()
  }
}

// MARK: Reading

extension NetfilterSocket {
  /// Hands over every element that `addFlows` has made, in no order, without keeping any. While elements come and go a
  /// flow may be missing or come twice. ENOENT when there is no such map.
  public func forEachFlow(
    of map: NftFlowMap, in table: NftTable, _ body: (NftFlow) -> Void
  ) throws(LinuxError) {
    var message = NetlinkMessage(nftables: NFT_MSG_GETSETELEM, family: table.family)
    message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
    message.put(NFTA_SET_ELEM_LIST_SET, string: map.name)
    try socket.scan(message, .dump, "read elements of", "\(map.name) in \(table)") { Self.flows(in: $0, map.key, body) }
  }

  /// Hands over the elements with the keys of `flows` as they are now; those that are not there are left out.
  ///
  /// The kernel finds each by its hash. For `forEachFlow` it goes through the map from the start again for every 32 KiB
  /// that it answers, which for a part of a large map takes longer than asking for the elements by name.
  public func forEachFlow(
    among flows: [NftFlow], of map: NftFlowMap, in table: NftTable, _ body: (NftFlow) -> Void
  ) throws(LinuxError) {
    var next = 0
    while next < flows.count {
      let end = min(flows.count, next + Self.flowsPerQuestion)
      var message = NetlinkMessage(nftables: NFT_MSG_GETSETELEM, family: table.family)
      message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
      message.put(NFTA_SET_ELEM_LIST_SET, string: map.name)
      message.nest(NFTA_SET_ELEM_LIST_ELEMENTS) { message in
        message.appendRaw(capacity: (end - next) * RawWriter.largestElement) { writer in
          for index in next..<end { writer.putElement(flows[index], map.key, withValue: false) }
        }
      }
      var answered = 0
      do throws(LinuxError) {
        try socket.scan(message, .acknowledge, "read elements of", "\(map.name) in \(table)") { payload in
          answered += 1
          Self.flows(in: payload, map.key, body)
        }
        next = end
      } catch {
        // The first that is missing ends the answers.
        guard error.code == ENOENT, answered < end - next else { throw error }
        next += answered + 1
      }
    }
  }

  /// Answers to one question must fit the receive buffer.
  private static let flowsPerQuestion = 128

  /// `payload`: what follows the header of an NFT_MSG_NEWSETELEM.
  private static func flows(in payload: UnsafeRawBufferPointer, _ key: NftFlowKey, _ body: (NftFlow) -> Void) {
    RawAttributes.each(in: payload, from: MemoryLayout<nfgenmsg>.size) { type, list in
      guard type == UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) else { return }
      RawAttributes.each(in: list) { _, element in
        if let flow = NftFlow(element: element, key) { body(flow) }
      }
    }
  }
}

extension NftFlow {
  /// nil for an element that `addFlows` with this key has not made.
  fileprivate init?(element: UnsafeRawBufferPointer, _ key: NftFlowKey) {
    self.init(
      source: .unspecified, destination: .unspecified, label: 0, transport: 0, sourcePort: 0, destinationPort: 0,
      tunnel: 0, identifier: 0, createdAt: 0, counter: NftCounter())
    var parts = 0
    RawAttributes.each(in: element) { type, payload in
      switch UInt32(type) {
      case NFTA_SET_ELEM_KEY.rawValue:
        guard let bytes = RawAttributes.first(NFTA_DATA_VALUE, in: payload), read(key: bytes, key) else { return }
        parts |= 1
      case NFTA_SET_ELEM_DATA.rawValue:
        guard let bytes = RawAttributes.first(NFTA_DATA_VALUE, in: payload), bytes.count == 8 else { return }
        tunnel = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        parts |= 2
      case NFTA_SET_ELEM_USERDATA.rawValue: if read(comment: payload) { parts |= 4 }
      case NFTA_SET_ELEM_EXPR.rawValue:
        guard let data = RawAttributes.first(NFTA_EXPR_DATA, in: payload) else { return }
        RawAttributes.each(in: data) { type, value in
          guard value.count == 8 else { return }
          let number = UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))
          switch UInt32(type) {
          case NFTA_COUNTER_BYTES.rawValue: counter.octets = number
          case NFTA_COUNTER_PACKETS.rawValue: counter.packets = number
          default: break
          }
        }
      default: break
      }
    }
    if parts != 7 { return nil }
  }

  private mutating func read(key bytes: UnsafeRawBufferPointer, _ key: NftFlowKey) -> Bool {
    guard bytes.count == (key.hasFlowLabel ? 48 : 44) else { return false }
    func half(_ offset: Int) -> UInt64 {
      .init(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func port(_ offset: Int) -> UInt16 {
      .init(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
    source = IPv6Address(high: half(0), low: half(8))
    destination = IPv6Address(high: half(16), low: half(24))
    if key.hasFlowLabel { label = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 32, as: UInt32.self)) }
    let rest = bytes.count - 12
    transport = bytes[rest]
    sourcePort = port(rest + 4)
    destinationPort = port(rest + 8)
    return true
  }

  private mutating func read(comment bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > 2, bytes[0] == 0 else { return false }
    var offset = 2
    func skip(_ text: StaticString) -> Bool {
      let end = offset + text.utf8CodeUnitCount
      guard end <= bytes.count, (offset..<end).allSatisfy({ bytes[$0] == text.utf8Start[$0 - offset] }) else {
        return false
      }
      offset = end
      return true
    }
    func number() -> UInt32? {
      var value: UInt64 = 0
      let start = offset
      while offset < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[offset], value <= UInt32.max {
        value = value * 10 + UInt64(bytes[offset] - UInt8(ascii: "0"))
        offset += 1
      }
      return offset > start ? UInt32(exactly: value) : nil
    }
    guard skip("flow "), let flow = number(), skip(" since "), let since = number() else { return false }
    identifier = flow
    createdAt = since
    isPinned = skip(" pinned")
    placer = Placer.allCases.dropFirst().first { skip($0.text) } ?? .unknown
    dscp = skip(" dscp ") ? number().flatMap(UInt8.init(exactly:)) : nil
    return true
  }
}
