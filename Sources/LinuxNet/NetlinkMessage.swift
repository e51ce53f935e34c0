import CLinuxNet
import Glibc
import NetTypes

/// Builder of one netlink message: `nlmsghdr`, the family's fixed header, attributes. Integers are in host order, as
/// netlink wants them, unless a method says otherwise. The length fields are kept right all the time, so `bytes` can be
/// sent at any moment; sequence number and port are the socket's business.
public struct NetlinkMessage: Hashable, Sendable {
  public private(set) var bytes: [UInt8]

  static let headerLength = MemoryLayout<nlmsghdr>.size
  static let attributeHeaderLength = MemoryLayout<nlattr>.size
  private static let flagsOffset = 6
  private static let sequenceOffset = 8

  /// A message of `type` with NLM_F_REQUEST and `flags`.
  public init(type: UInt16, flags: NetlinkFlags = []) {
    bytes = []
    bytes.reserveCapacity(128)
    appendRaw(UInt32(Self.headerLength))
    appendRaw(type)
    appendRaw(flags.union(.request).rawValue)
    appendRaw(UInt32(0))
    appendRaw(UInt32(0))
  }

  /// The same with the family's fixed header (`ifinfomsg`, `rtmsg`, `genlmsghdr`, ...).
  public init<Header: BitwiseCopyable>(type: UInt16, flags: NetlinkFlags = [], header: Header) {
    self.init(type: type, flags: flags)
    append(header: header)
  }

  public var type: UInt16 { load(at: 4) }
  public var flags: NetlinkFlags {
    get { NetlinkFlags(rawValue: load(at: Self.flagsOffset)) }
    set { store(newValue.rawValue, at: Self.flagsOffset) }
  }
  var sequence: UInt32 {
    get { load(at: Self.sequenceOffset) }
    set { store(newValue, at: Self.sequenceOffset) }
  }

  /// Appends a fixed header, padded to four octets.
  public mutating func append<Header: BitwiseCopyable>(header: Header) {
    appendRaw(header)
    pad()
    store(UInt32(bytes.count), at: 0)
  }

  public mutating func attribute(_ type: UInt16, bytes payload: some Collection<UInt8>) {
    appendRaw(UInt16(Self.attributeHeaderLength + payload.count))
    appendRaw(type)
    bytes.append(contentsOf: payload)
    pad()
    store(UInt32(bytes.count), at: 0)
  }

  public mutating func attribute<Value: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, _ value: Value) {
    withUnsafeBytes(of: value) { attribute(type, bytes: $0) }
  }

  /// An integer in network order, as netfilter and the `__be16`/`__be32` attributes want it.
  public mutating func attribute<Value: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, bigEndian value: Value) {
    attribute(type, value.bigEndian)
  }

  /// A C structure, copied as it is.
  public mutating func attribute<Value: BitwiseCopyable>(_ type: UInt16, structure value: Value) {
    withUnsafeBytes(of: value) { attribute(type, bytes: $0) }
  }

  public mutating func attribute(_ type: UInt16, _ address: IPv6Address) {
    withUnsafeBytes(of: address.kernelForm) { attribute(type, bytes: $0) }
  }

  /// A string with its terminating zero.
  public mutating func attribute(_ type: UInt16, _ string: String) {
    attribute(type, bytes: Array(string.utf8) + [0])
  }

  /// An attribute without payload.
  public mutating func flag(_ type: UInt16) { attribute(type, bytes: EmptyCollection()) }

  /// An attribute that holds the attributes added by `body`. The nested bit is set, as strict kernel parsers expect.
  public mutating func nested(_ type: UInt16, _ body: (inout NetlinkMessage) -> Void) {
    let start = bytes.count
    appendRaw(UInt16(0))
    appendRaw(type | UInt16(NLA_F_NESTED))
    body(&self)
    store(UInt16(bytes.count - start), at: start)
    store(UInt32(bytes.count), at: 0)
  }

  /// Appends what `body` writes, at most `capacity` octets, a multiple of four.
  mutating func appendRaw(capacity: Int, _ body: (inout RawWriter) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { memory in
      var writer = RawWriter(memory)
      body(&writer)
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: memory[..<writer.count]))
    }
    store(UInt32(bytes.count), at: 0)
  }

  /// Appends the message to what goes to the kernel, numbered there: the message itself would be copied for it.
  func append(to datagram: inout [UInt8], sequence: UInt32, acknowledged: Bool) {
    let start = datagram.count
    datagram.append(contentsOf: bytes)
    let flags = acknowledged ? flags.union(.acknowledge) : flags
    datagram.withUnsafeMutableBytes { octets in
      octets.storeBytes(of: flags.rawValue, toByteOffset: start + Self.flagsOffset, as: UInt16.self)
      octets.storeBytes(of: sequence, toByteOffset: start + Self.sequenceOffset, as: UInt32.self)
    }
  }

  private mutating func appendRaw<Value: BitwiseCopyable>(_ value: Value) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  private mutating func pad() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  private func load<Value: BitwiseCopyable & FixedWidthInteger>(at offset: Int) -> Value {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
  }

  private mutating func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: Value.self) }
  }
}

/// `nlmsg_flags`. The modifier bits mean different things for requests that read and requests that create.
public struct NetlinkFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let request = Self(rawValue: UInt16(NLM_F_REQUEST))
  public static let multipart = Self(rawValue: UInt16(NLM_F_MULTI))
  public static let acknowledge = Self(rawValue: UInt16(NLM_F_ACK))
  public static let echo = Self(rawValue: UInt16(NLM_F_ECHO))
  public static let dumpInterrupted = Self(rawValue: UInt16(NLM_F_DUMP_INTR))
  public static let dump = Self(rawValue: UInt16(NLM_F_ROOT | NLM_F_MATCH))
  public static let create = Self(rawValue: UInt16(NLM_F_CREATE))
  public static let exclusive = Self(rawValue: UInt16(NLM_F_EXCL))
  public static let replace = Self(rawValue: UInt16(NLM_F_REPLACE))
  public static let append = Self(rawValue: UInt16(NLM_F_APPEND))
}
