import ArgumentParser
import DaemonKit
import Foundation
import LinuxNet
import MobilityDocuments
import MobilityWire
import NetTypes

extension AnchorProgram {
  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Decode mobility messages: one in hexadecimal, or all of a capture.",
      discussion: """
        A capture is a pcap or pcapng file of Ethernet (with VLAN tags), cooked or raw IP packets. Messages are found \
        behind extension headers, in IP in IP, and over UDP ports 5436 (RFC 5844) and 4191 (RFC 5555).

        Exit status: 0 every message is well-formed, 1 a message was refused, 2 wrong usage or a file that cannot be \
        read to its end.
        """)

    @Option(
      help: ArgumentHelp(
        "A Mobility Header, from its Payload Proto octet on; spaces and colons are ignored.", valueName: "digits"),
      transform: Self.octets)
    var hex: [UInt8]?

    @Option(
      help: ArgumentHelp("Source of the IPv6 packet: the checksum covers it.", valueName: "address"),
      transform: Self.address)
    var src: IPv6Address?

    @Option(help: ArgumentHelp("Destination of the IPv6 packet.", valueName: "address"), transform: Self.address)
    var dst: IPv6Address?

    @Option(
      help: ArgumentHelp(
        """
        How the message of --hex travelled. udp4-4191: in IPv6 in UDP over IPv4; --src and --dst are the inner \
        addresses. udp4-5436: directly in UDP over IPv4 (RFC 5844), where it has no checksum; --src and --dst may be \
        left out, and both of them :: mean the same.
        """, valueName: "name"))
    var transport: MessageTransport = .ipv6

    @Option(help: ArgumentHelp("A capture; - for standard input.", valueName: "file"))
    var pcap: String?

    @Option(
      help: ArgumentHelp(
        "Type of the flow-mob option, as `flow-mobility: option-type` of the configuration; 0 for none.",
        valueName: "number"))
    var flowMobilityOption: UInt8 = CodePoints().flowMobilityOption ?? 0

    @Flag(help: "Print JSON, one message a line (docs/decode.md).")
    var json = false

    func validate() throws {
      guard (hex == nil) != (pcap == nil) else { throw ValidationError("give either --hex or --pcap") }
      if pcap != nil {
        guard src == nil, dst == nil, transport == .ipv6 else {
          throw ValidationError("--src, --dst and --transport belong to --hex; a capture has its own")
        }
      } else if transport.hasChecksum, src == nil || dst == nil {
        throw ValidationError(
          "the checksum covers the addresses: give --src and --dst, or --transport udp4-5436 for a message without one")
      }
    }

    func run() throws {
      let outcome = try decode {
        print($0)
      } warn: {
        Program.warn("lmad: \($0)")
      }
      if outcome == .refused { throw ExitCode(ExitStatus.failure) }
    }

    enum Outcome: Hashable { case accepted, refused }

    /// Decodes everything, handing each message to `output` when it is decoded.
    func decode(output: (String) -> Void, warn: (String) -> Void) throws(ProgramFailure) -> Outcome {
      let codePoints = CodePoints(flowMobilityOption: flowMobilityOption == 0 ? nil : flowMobilityOption)
      if let hex {
        let source = src ?? .unspecified
        let destination = dst ?? .unspecified
        let hasChecksum = transport.hasChecksum && !(source.isUnspecified && destination.isUnspecified)
        let report = MessageReport(
          FoundMessage(
            octets: hex[...], source: source, destination: destination,
            checksum: hasChecksum ? .verify : .kernelVerified),
          codePoints: codePoints)
        output(json ? report.document.description : report.text)
        return report.isRefused ? .refused : .accepted
      }
      do throws(CaptureFileError) {
        return try decodeCapture(try CaptureFile(path: pcap ?? "-"), codePoints, output: output, warn: warn)
      } catch {
        throw ProgramFailure("\(error)", status: ExitStatus.usage)
      }
    }

    private func decodeCapture(
      _ file: consuming CaptureFile, _ codePoints: CodePoints, output: (String) -> Void, warn: (String) -> Void
    ) throws(CaptureFileError) -> Outcome {
      var outcome = Outcome.accepted
      var number = 0
      var problems: [PacketProblem: (count: Int, first: Int)] = [:]
      func note(_ problem: PacketProblem) { problems[problem, default: (0, number)].count += 1 }
      defer {
        for problem in PacketProblem.allCases {
          guard let (count, first) = problems[problem] else { continue }
          warn("\(count) packets \(problem.rawValue), the first is packet \(first); \(problem.advice)")
        }
      }
      while let packet = try file.next() {
        number += 1
        do throws(PacketProblem) {
          guard let found = try PacketWalk.message(in: packet.octets[...], of: file.link) else { continue }
          let report = MessageReport(found, codePoints: codePoints)
          if report.isRefused {
            outcome = .refused
            if found.isCutShort { note(.cutShort) }
          }
          output(json ? report.document.description : "packet \(number), \(packet.time)\n\(report.text)\n")
        } catch {
          note(error)
        }
      }
      return outcome
    }

    private static func address(_ text: String) throws -> IPv6Address {
      guard let address = IPv6Address(text) else { throw ValidationError("'\(text)' is not an IPv6 address") }
      return address
    }

    private static func octets(_ text: String) throws -> [UInt8] {
      let digits = text.filter { !$0.isWhitespace && $0 != ":" }.map(\.hexDigitValue)
      guard digits.count.isMultiple(of: 2) else { throw ValidationError("an odd number of hexadecimal digits") }
      return try stride(from: 0, to: digits.count, by: 2).map { index in
        guard let high = digits[index], let low = digits[index + 1] else {
          throw ValidationError("something other than hexadecimal digits, spaces and colons")
        }
        return UInt8(high << 4 | low)
      }
    }
  }
}

/// The transports of the reference vectors.
enum MessageTransport: String, ExpressibleByArgument, CaseIterable {
  case ipv6
  case udp4Tunnel = "udp4-4191"
  case udp4Control = "udp4-5436"

  var hasChecksum: Bool { self != .udp4Control }
}

extension CapturedPacket {
  /// UTC.
  fileprivate var time: String {
    let date = Date(timeIntervalSince1970: Double(seconds) + Double(microseconds) / 1_000_000)
    return date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }
}
