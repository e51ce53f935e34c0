import CLinuxNet
import Glibc
import NetTypes

/// An entry of the IPv6 neighbour cache.
public struct Neighbour: Hashable, Sendable {
  /// RFC 4861 section 7.3.2, with Linux's additions.
  public enum State: Hashable, Sendable {
    case incomplete, reachable, stale, delay, probe
    /// Unreachability detection has given up.
    case failed
    case permanent
    /// Any other NUD_*.
    case other(UInt16)

    var number: UInt16 {
      switch self {
      case .incomplete: UInt16(NUD_INCOMPLETE)
      case .reachable: UInt16(NUD_REACHABLE)
      case .stale: UInt16(NUD_STALE)
      case .delay: UInt16(NUD_DELAY)
      case .probe: UInt16(NUD_PROBE)
      case .failed: UInt16(NUD_FAILED)
      case .permanent: UInt16(NUD_PERMANENT)
      case .other(let number): number
      }
    }

    init(number: UInt16) {
      let known: [State] = [.incomplete, .reachable, .stale, .delay, .probe, .failed, .permanent]
      self = known.first { $0.number == number } ?? .other(number)
    }
  }

  /// Index.
  public var interface: UInt32
  public var address: IPv6Address
  public var linkLayerAddress: LinkLayerAddress?
  public var state: State

  public init(interface: UInt32, address: IPv6Address, linkLayerAddress: LinkLayerAddress?, state: State) {
    self.interface = interface
    self.address = address
    self.linkLayerAddress = linkLayerAddress
    self.state = state
  }

  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWNEIGH || message.type == RTM_DELNEIGH,
      let header = message.header(as: ndmsg.self), header.ndm_family == AF_INET6,
      header.ndm_flags & UInt8(NTF_PROXY) == 0
    else { return nil }
    let attributes = message.attributes(after: ndmsg.self)
    guard let address = attributes[UInt16(NDA_DST)]?.ipv6Address else { return nil }
    self.init(
      interface: UInt32(bitPattern: header.ndm_ifindex), address: address,
      linkLayerAddress: attributes[UInt16(NDA_LLADDR)]?.linkLayerAddress, state: State(number: header.ndm_state))
  }

  private func message(_ type: Int, _ flags: NetlinkFlags) -> NetlinkMessage {
    var header = ndmsg()
    header.ndm_family = UInt8(AF_INET6)
    header.ndm_ifindex = Int32(bitPattern: interface)
    header.ndm_state = state.number
    var message = NetlinkMessage(type: UInt16(type), flags: flags, header: header)
    message.attribute(UInt16(NDA_DST), address)
    if let linkLayerAddress { message.attribute(UInt16(NDA_LLADDR), bytes: linkLayerAddress.bytes) }
    return message
  }

  private var object: String { "\(address) dev \(interface)" }

  /// Creates or overwrites the entry.
  public var replacement: KernelRequest {
    KernelRequest(message(RTM_NEWNEIGH, [.create, .replace]), "set neighbour", object)
  }

  /// Removing what is not there succeeds.
  public var removal: KernelRequest {
    KernelRequest(message(RTM_DELNEIGH, []), "remove neighbour", object, tolerated: [ENOENT])
  }

  /// Has the kernel verify that the neighbour is there: it sends unicast solicitations, and `InterfaceMonitor` reports
  /// the entry as reachable or failed.
  public var probe: KernelRequest {
    var probing = self
    probing.state = .probe
    return KernelRequest(probing.message(RTM_NEWNEIGH, [.create, .replace]), "probe neighbour", object)
  }
}
