import CLinuxNet
import Glibc
import NetTypes

/// Sends ICMPv6 errors about packets that a raw socket has received (RFC 4443; RFC 6275 section 9.2 asks for Parameter
/// Problem). It receives nothing: its filter blocks all types.
public final class RawICMPv6Sender {
  private let descriptor: FileDescriptor

  static let parameterProblem: UInt8 = 4
  /// An error message never exceeds the minimum MTU: 1280 - IPv6 header - ICMPv6 header.
  static let maximumQuote = 1_280 - 40 - 8

  public init() throws(LinuxError) {
    let name = "ICMPv6 socket"
    descriptor = try FileDescriptor.socket(
      AF_INET6, Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Int32(IPPROTO_ICMPV6), operation: "open",
      object: name)
    guard cnet_icmp6_block_all(descriptor.rawValue) == 0 else { throw LinuxError("configure", name) }
  }

  /// Parameter Problem to the sender of `datagram`. `pointer` is the offset of the offending octet in the Mobility
  /// Header; the IPv6 header, which a raw socket does not see, is rebuilt in front of the quoted message.
  ///
  /// - Parameter code: 0 erroneous header field, 1 unrecognized next header, 2 unrecognized option.
  public func sendParameterProblem(
    code: UInt8, pointer: UInt32, about datagram: MobilityHeaderSocket.Datagram
  ) throws(LinuxError) {
    // RFC 4443 section 2.4 (e): never about a packet to a multicast destination or without a unicast source.
    guard !datagram.destination.isMulticast, !datagram.source.isMulticast, !datagram.source.isUnspecified else {
      return
    }
    let message = Self.parameterProblem(code: code, pointer: pointer, about: datagram)
    try descriptor.send(
      message, source: datagram.destination, destination: datagram.source, interface: datagram.interface,
      "Parameter Problem")
  }

  static func parameterProblem(
    code: UInt8, pointer: UInt32, about datagram: MobilityHeaderSocket.Datagram
  ) -> [UInt8] {
    var message: [UInt8] = [parameterProblem, code, 0, 0]  // the kernel fills in the checksum
    withUnsafeBytes(of: (pointer + 40).bigEndian) { message.append(contentsOf: $0) }
    let length = UInt16(clamping: datagram.payload.count)
    var quote: [UInt8] = [0x60, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xff), 135, 64]
    quote += datagram.source.bytes + datagram.destination.bytes + datagram.payload
    return message + quote.prefix(maximumQuote)
  }
}
