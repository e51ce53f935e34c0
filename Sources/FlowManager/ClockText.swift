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
  private static let names: [UInt8: String] = [
    1: "virtual", 2: "ppp", 3: "ethernet", 4: "wlan", 5: "wimax", 6: "geran", 7: "utran", 8: "eutran", 9: "ehrpd",
    10: "hrpd", 11: "1xrtt", 12: "umb",
  ]

  static func name(_ type: UInt8) -> String { names[type] ?? "access type \(type)" }
}
