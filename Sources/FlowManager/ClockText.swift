import FlowCore
import Foundation

/// Times for people, in the time zone of the machine.
enum ClockText {
  /// `2026-11-21 19:05:07`
  static func time(_ secondsSince1970: UInt32) -> String {
    var seconds = time_t(secondsSince1970)
    var parts = tm()
    localtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(1_900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
  }
}

/// Access Technology Types (RFC 5213 section 8.5 and IANA) for people.
enum AccessText {
  static func name(_ type: UInt8) -> String {
    SteeringTarget.accessTypes.first { $0.types == [type] }?.name ?? "access type \(type)"
  }
}
