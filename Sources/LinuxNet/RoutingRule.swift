import CLinuxNet
import Glibc
import NetTypes

/// An IPv6 policy routing rule (`ip -6 rule`). Rules are walked one by one for every packet, so they may grow with
/// tunnels and interfaces, never with nodes or flows; and where they grow, `goTo` shortens the walk.
public struct RoutingRule: Hashable, Sendable {
  public enum Action: Hashable, Sendable {
    case lookup(table: UInt32)
    case blackhole, unreachable
    /// The walk goes on at the first rule of this priority, which must be larger than the rule's own. Without such a
    /// rule it goes on as if this one had not matched. The kernel does not compare targets: to it, two rules that differ
    /// in nothing else are the same.
    case goTo(priority: UInt32)
    /// Nothing happens: a target.
    case nop
    /// Any other FR_ACT_*.
    case other(UInt8)
  }

  /// The packet mark under a mask.
  public struct Mark: Hashable, Sendable {
    public var value: UInt32
    public var mask: UInt32
    public init(value: UInt32, mask: UInt32) {
      self.value = value
      self.mask = mask
    }
  }

  /// Smaller is asked first. The kernel's own: 0 local, 32766 main.
  public var priority: UInt32
  public var action: Action
  public var mark: Mark?
  /// Name of the input interface; the rule may be older than the interface.
  public var inputInterface: String?
  public var source: IPv6Prefix?
  public var destination: IPv6Prefix?
  public var ipProtocol: UInt8?
  /// It is for the packets that it does not match (FIB_RULE_INVERT). Only read, never written.
  public private(set) var isInverted = false
  /// FRA_PROTOCOL, RTPROT_*: whose rule it is.
  public var protocolNumber: UInt8

  /// The kernel's own rules.
  public static let kernelProtocol = UInt8(RTPROT_KERNEL)

  public init(
    priority: UInt32, _ action: Action, mark: Mark? = nil, inputInterface: String? = nil, source: IPv6Prefix? = nil,
    destination: IPv6Prefix? = nil, ipProtocol: UInt8? = nil, protocolNumber: UInt8
  ) {
    self.priority = priority
    self.action = action
    self.mark = mark
    self.inputInterface = inputInterface
    self.source = source
    self.destination = destination
    self.ipProtocol = ipProtocol
    self.protocolNumber = protocolNumber
  }

  public var isGoTo: Bool { if case .goTo = action { true } else { false } }

  /// Adding what is there succeeds.
  public var addition: KernelRequest {
    KernelRequest(message(RTM_NEWRULE, [.create, .exclusive]), "add rule", description, tolerated: [EEXIST])
  }

  /// Adds the rule behind those of its priority, even if there is an equal one.
  public var repeatedAddition: KernelRequest {
    KernelRequest(message(RTM_NEWRULE, [.create]), "add rule", description)
  }

  /// Removes the first rule like this; to the kernel, a mark of 0 is like any other. Removing what is not there succeeds.
  public var removal: KernelRequest {
    KernelRequest(message(RTM_DELRULE, []), "remove rule", description, tolerated: [ENOENT])
  }

  private func message(_ type: Int, _ flags: NetlinkFlags) -> NetlinkMessage {
    var header = fib_rule_hdr()
    header.family = UInt8(AF_INET6)
    header.dst_len = UInt8(destination?.length ?? 0)
    header.src_len = UInt8(source?.length ?? 0)
    var table: UInt32?
    var target: UInt32?
    switch action {
    case .lookup(let number):
      header.action = UInt8(FR_ACT_TO_TBL)
      table = number
    case .blackhole: header.action = UInt8(FR_ACT_BLACKHOLE)
    case .unreachable: header.action = UInt8(FR_ACT_UNREACHABLE)
    case .goTo(let priority):
      header.action = UInt8(FR_ACT_GOTO)
      target = priority
    case .nop: header.action = UInt8(FR_ACT_NOP)
    case .other(let number): header.action = number
    }
    var message = NetlinkMessage(type: UInt16(type), flags: flags, header: header)
    message.attribute(UInt16(FRA_PRIORITY), priority)
    message.attribute(UInt16(FRA_PROTOCOL), protocolNumber)
    if let table { message.attribute(UInt16(FRA_TABLE), table) }
    if let target { message.attribute(UInt16(FRA_GOTO), target) }
    if let mark {
      message.attribute(UInt16(FRA_FWMARK), mark.value)
      message.attribute(UInt16(FRA_FWMASK), mark.mask)
    }
    if let inputInterface { message.attribute(UInt16(FRA_IIFNAME), inputInterface) }
    if let source { message.attribute(UInt16(FRA_SRC), source.address) }
    if let destination { message.attribute(UInt16(FRA_DST), destination.address) }
    if let ipProtocol { message.attribute(UInt16(FRA_IP_PROTO), ipProtocol) }
    return message
  }

  init?(_ message: ReceivedNetlinkMessage) {
    guard message.type == RTM_NEWRULE || message.type == RTM_DELRULE,
      let header = message.header(as: fib_rule_hdr.self), header.family == AF_INET6
    else { return nil }
    let attributes = message.attributes(after: fib_rule_hdr.self)
    isInverted = header.flags & UInt32(FIB_RULE_INVERT) != 0
    priority = attributes[UInt16(FRA_PRIORITY)]?.uint32 ?? 0
    switch Int(header.action) {
    case FR_ACT_TO_TBL: action = .lookup(table: attributes[UInt16(FRA_TABLE)]?.uint32 ?? UInt32(header.table))
    case FR_ACT_BLACKHOLE: action = .blackhole
    case FR_ACT_UNREACHABLE: action = .unreachable
    case FR_ACT_GOTO: action = .goTo(priority: attributes[UInt16(FRA_GOTO)]?.uint32 ?? 0)
    case FR_ACT_NOP: action = .nop
    default: action = .other(header.action)
    }
    // The kernel leaves out a mark of 0.
    let mask = attributes[UInt16(FRA_FWMASK)]?.uint32
    if let value = attributes[UInt16(FRA_FWMARK)]?.uint32 ?? (mask == nil ? nil : 0) {
      mark = Mark(value: value, mask: mask ?? .max)
    }
    inputInterface = attributes[UInt16(FRA_IIFNAME)]?.string
    if header.src_len > 0, let address = attributes[UInt16(FRA_SRC)]?.ipv6Address {
      source = IPv6Prefix(address, length: Int(header.src_len))
    }
    if header.dst_len > 0, let address = attributes[UInt16(FRA_DST)]?.ipv6Address {
      destination = IPv6Prefix(address, length: Int(header.dst_len))
    }
    ipProtocol = attributes[UInt16(FRA_IP_PROTO)]?.uint8
    protocolNumber = attributes[UInt16(FRA_PROTOCOL)]?.uint8 ?? 0
  }
}

extension RoutingRule: CustomStringConvertible {
  /// In the manner of `ip -6 rule`.
  public var description: String {
    var text = "\(priority):"
    if isInverted { text += " not" }
    if let source { text += " from \(source)" }
    if let destination { text += " to \(destination)" }
    if let mark { text += " fwmark 0x\(String(mark.value, radix: 16))/0x\(String(mark.mask, radix: 16))" }
    if let inputInterface { text += " iif \(inputInterface)" }
    if let ipProtocol { text += " ipproto \(ipProtocol)" }
    switch action {
    case .lookup(let table): text += " lookup \(table)"
    case .blackhole: text += " blackhole"
    case .unreachable: text += " unreachable"
    case .goTo(let priority): text += " goto \(priority)"
    case .nop: text += " nop"
    case .other(let number): text += " action \(number)"
    }
    return text + " proto \(protocolNumber)"
  }
}
