import CLinuxNet

// Netlink read in place, for what comes a hundred thousand times a second: nothing is copied or kept. What
// ReceivedNetlinkMessage and NetlinkAttributes promise holds here too: a length that is wrong ends the sequence.

enum RawNetlink {
  /// Hands over each message of a datagram: its header, and what follows it.
  @inline(__always)
  static func each(in datagram: UnsafeRawBufferPointer, _ body: (nlmsghdr, UnsafeRawBufferPointer) -> Void) {
    var offset = 0
    while offset <= datagram.count - NetlinkMessage.headerLength {
      let header = datagram.loadUnaligned(fromByteOffset: offset, as: nlmsghdr.self)
      let length = Int(header.nlmsg_len)
      guard length >= NetlinkMessage.headerLength, length <= datagram.count - offset else { return }
      body(
        header, UnsafeRawBufferPointer(rebasing: datagram[(offset + NetlinkMessage.headerLength)..<(offset + length)]))
      offset += (length + 3) & ~3
    }
  }
}

enum RawAttributes {
  /// Hands over each attribute from `start` on: its type without flag bits, and its payload.
  @inline(__always)
  static func each(
    in bytes: UnsafeRawBufferPointer, from start: Int = 0, _ body: (UInt16, UnsafeRawBufferPointer) -> Void
  ) {
    var offset = start
    while offset <= bytes.count - NetlinkMessage.attributeHeaderLength {
      let header = bytes.loadUnaligned(fromByteOffset: offset, as: nlattr.self)
      let length = Int(header.nla_len)
      guard length >= NetlinkMessage.attributeHeaderLength, length <= bytes.count - offset else { return }
      body(
        header.nla_type & 0x3fff,
        UnsafeRawBufferPointer(
          rebasing: bytes[(offset + NetlinkMessage.attributeHeaderLength)..<(offset + length)]))
      offset += (length + 3) & ~3
    }
  }

  /// The payload of the first attribute of `type`.
  @inline(__always)
  static func first(
    _ type: some RawRepresentable<UInt32>, in bytes: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer? {
    var found: UnsafeRawBufferPointer?
    each(in: bytes) { if found == nil, $0 == UInt16(type.rawValue) { found = $1 } }
    return found
  }
}
