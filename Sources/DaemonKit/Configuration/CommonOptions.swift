import Logging

/// The control socket of a daemon.
public struct ControlSettings: Hashable, Sendable {
  public var socket: String
  /// Members of this group may use the socket.
  public var group: String

  public init(socket: String, group: String = "root") {
    self.socket = socket
    self.group = group
  }
}

extension OptionType where Value == Logger.Level {
  public static var logLevel: OptionType {
    .word([
      "trace": .trace, "debug": .debug, "info": .info, "notice": .notice, "warning": .warning, "error": .error,
      "critical": .critical,
    ])
  }
}

/// What every daemon's configuration has.
public protocol DaemonConfiguration: Sendable {
  var control: ControlSettings { get set }
  var logLevel: Logger.Level { get set }
}

extension ConfigurationOption where Root: DaemonConfiguration {
  public static var control: ConfigurationOption {
    .section(
      "control", help: "The UNIX socket for commands and subscribers.",
      [
        .option(
          "socket", \.control.socket, .socketPath, help: "Path of the socket; its directory is made when missing."),
        .option(
          "group", \.control.group, .text("a group name"), help: "Group whose members may use the socket (mode 0660)."),
      ])
  }

  public static var logLevel: ConfigurationOption {
    .option("log-level", \.logLevel, .logLevel, help: "Messages of lower levels are not written.")
  }
}

/// Options that several programs have, so that they are called and explained the same.
extension ConfigurationOption {
  public static func markMask(_ property: any WritableKeyPath<Root, UInt32> & Sendable) -> ConfigurationOption {
    .option(
      "mark-mask", property, .markMask, help: "Bits of the packet mark that are ours; other software keeps the rest.")
  }

  public static func rulePriorityBase(_ property: any WritableKeyPath<Root, UInt32> & Sendable) -> ConfigurationOption {
    .option(
      "rule-priority-base", property, .integer(1...32_000),
      help: "Priority of our first routing rule; the others follow it. Must come before the main table's 32766.")
  }

  public static func routeProtocol(_ property: any WritableKeyPath<Root, UInt8> & Sendable) -> ConfigurationOption {
    .option(
      "route-protocol", property, .integer(5...255),
      help: "Tag on every route and rule of ours (`ip route show proto N`); what carries it is ours to remove.")
  }
}

extension OptionType where Value == UInt32 {
  /// One run of bits, such as `0x0fff0000`.
  public static var markMask: OptionType {
    let expected = "a mask of contiguous bits such as 0x0fff0000"
    return OptionType.integer(1...UInt32.max, .hexadecimal).mapped(expected: expected) { mask in
      let run = mask >> UInt32(mask.trailingZeroBitCount)
      return run & (run &+ 1) == 0 ? mask : nil
    } back: {
      $0
    }
  }

  /// Number of a routing table. 253 to 255 are the kernel's own default, main and local.
  public static var routingTable: OptionType { .integer(1...0xffff_ffff) }
}
