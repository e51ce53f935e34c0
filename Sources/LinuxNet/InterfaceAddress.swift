import CLinuxNet
import Glibc
import NetTypes

/// An IPv6 address of an interface.
public struct InterfaceAddress: Hashable, Sendable {
  /// Index.
  public var interface: UInt32
  public var address: IPv6Address
  public var prefixLength: UInt8
  /// IFA_F_*.
  public var flags: UInt32

  /// Duplicate address detection has not finished (or has failed): the address cannot be used as a source yet.
  public var isTentative: Bool { flags & UInt32(IFA_F_TENTATIVE) != 0 }
  /// Its lifetime ends, as of those that the kernel makes from Router Advertisements.
  public var isDynamic: Bool { flags & UInt32(IFA_F_PERMANENT) == 0 }
  public var isDuplicate: Bool { flags & UInt32(IFA_F_DADFAILED) != 0 }

  /// - Parameter withoutDetection: no duplicate address detection (IFA_F_NODAD); the address is usable at once.
  public init(interface: UInt32, address: IPv6Address, prefixLength: UInt8, withoutDetection: Bool = false) {
    self.interface = interface
    self.address = address
    self.prefixLength = prefixLength
    flags = withoutDetection ? UInt32(IFA_F_NODAD) : 0
  }

  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWADDR || message.type == RTM_DELADDR,
      let header = message.header(as: ifaddrmsg.self), header.ifa_family == AF_INET6
    else { return nil }
    let attributes = message.attributes(after: ifaddrmsg.self)
    // With a peer, IFA_ADDRESS is the peer and IFA_LOCAL ours.
    let own = attributes[UInt16(IFA_LOCAL)] ?? attributes[UInt16(IFA_ADDRESS)]
    guard let address = own?.ipv6Address else { return nil }
    interface = header.ifa_index
    self.address = address
    prefixLength = header.ifa_prefixlen
    flags = attributes[UInt16(IFA_FLAGS)]?.uint32 ?? UInt32(header.ifa_flags)
  }

  private func message(_ type: Int, _ flags: NetlinkFlags) -> NetlinkMessage {
    var header = ifaddrmsg()
    header.ifa_family = UInt8(AF_INET6)
    header.ifa_prefixlen = prefixLength
    header.ifa_index = interface
    var message = NetlinkMessage(type: UInt16(type), flags: flags, header: header)
    message.attribute(UInt16(IFA_LOCAL), address)
    message.attribute(UInt16(IFA_ADDRESS), address)
    if self.flags != 0 { message.attribute(UInt16(IFA_FLAGS), self.flags) }
    return message
  }

  private var object: String { "\(address)/\(prefixLength) dev \(interface)" }

  /// Adding what is there succeeds.
  public var addition: KernelRequest {
    KernelRequest(message(RTM_NEWADDR, [.create, .replace]), "add address", object)
  }

  /// Removing what is not there succeeds.
  public var removal: KernelRequest {
    KernelRequest(message(RTM_DELADDR, []), "remove address", object, tolerated: [EADDRNOTAVAIL, ENODEV])
  }
}
