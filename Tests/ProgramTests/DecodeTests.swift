import ArgumentParser
import DaemonKit
import Foundation
import NetTypes
import Testing

@testable import lmad

/// `lmad decode` from its command line to its lines of output.
@Suite struct DecodeTests {
  struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    struct Expect: Decodable, Sendable {
      var valid: Bool
      var error: String?
      var offset: Int?
    }
    var name: String
    var transport: String
    var src: String
    var dst: String
    var hex: String
    var expect: Expect
    var testDescription: String { name }

    var octets: [UInt8] {
      let digits = Array(hex)
      return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0 }
    }

    /// The IPv6 packet that carries it.
    var packet: [UInt8] {
      let addresses = [src, dst].flatMap { IPv6Address($0)?.bytes ?? [] }
      return [0x60, 0, 0, 0, UInt8(octets.count >> 8), UInt8(octets.count & 0xff), 135, 64] + addresses + octets
    }
  }

  static let vectors: [Vector] = {
    struct File: Decodable { var vectors: [Vector] }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("MobilityWireTests/Fixtures/vectors.json")
    guard let data = try? Data(contentsOf: file), let read = try? JSONDecoder().decode(File.self, from: data) else {
      fatalError("\(file.path) is missing or not JSON")
    }
    return read.vectors
  }()

  private struct Result {
    var lines: [String] = []
    var warnings: [String] = []
    var outcome: AnchorProgram.Decode.Outcome?
    var failure: ProgramFailure?
  }

  private func decode(_ arguments: String...) throws -> Result {
    let command = try AnchorProgram.Decode.parse(arguments)
    var result = Result()
    do throws(ProgramFailure) {
      result.outcome = try command.decode {
        result.lines.append($0)
      } warn: {
        result.warnings.append($0)
      }
    } catch {
      result.failure = error
    }
    return result
  }

  private func capture(_ octets: [UInt8], _ body: (String) throws -> Void) throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString).pcap")
    try Data(octets).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    try body(file.path)
  }

  @Test("A vector in hexadecimal, as the reference names its transport", arguments: Self.vectors)
  func hexadecimal(vector: Vector) throws {
    let result = try decode(
      "--hex", vector.hex, "--src", vector.src, "--dst", vector.dst, "--transport", vector.transport,
      "--flow-mobility-option", "0", "--json")
    #expect(result.lines.count == 1)
    let document = try JSONDecoder().decode(Vector.Expect.self, from: Data(result.lines.joined().utf8))
    #expect(document.valid == vector.expect.valid)
    if !document.valid {
      #expect(document.error == vector.expect.error && document.offset == vector.expect.offset)
    }
    #expect(result.outcome == (document.valid ? .accepted : .refused))
  }

  @Test("A message without checksum: by its transport, without addresses, or with unspecified ones")
  func withoutChecksum() throws {
    let vector = try #require(Self.vectors.first { $0.transport == "udp4-5436" })
    #expect(try decode("--hex", vector.hex, "--transport", "udp4-5436").outcome == .accepted)
    #expect(try decode("--hex", vector.hex, "--src", "::", "--dst", "::").outcome == .accepted)
    #expect(
      try decode("--hex", vector.hex, "--src", "2001:db8:2::1", "--dst", "2001:db8:1::1").outcome == .refused)
  }

  @Test("Digits with spaces, colons and line ends")
  func digits() throws {
    #expect(
      try decode("--hex", "3b00 0000\nf1:3f:00 00", "--transport", "udp4-5436").lines
        == [":: > ::: Binding Refresh Request, 8 octets, checksum 0xf13f"])
  }

  @Test(
    "Wrong usage is refused before anything is decoded",
    arguments: [
      [], ["--hex", "3b"], ["--hex", "3b", "--src", "::1"], ["--hex", "3b0", "--src", "::1", "--dst", "::1"],
      ["--hex", "xy", "--src", "::1", "--dst", "::1"], ["--hex", "3b", "--src", "192.0.2.1", "--dst", "::1"],
      ["--hex", "3b", "--src", "::1", "--dst", "::1", "--pcap", "file"], ["--pcap", "file", "--src", "::1"],
      ["--pcap", "file", "--transport", "udp4-5436"], ["--hex", "3b", "--transport", "tcp"],
    ])
  func usage(arguments: [String]) throws {
    let error = try #require(throws: (any Error).self) { try AnchorProgram.Decode.parse(arguments) }
    #expect(AnchorProgram.Decode.exitCode(for: error) == .validationFailure)
  }

  @Test(
    "Captures of every link type, in pcap of either byte order and in pcapng",
    arguments: [1, 101, 113, 228, 229, 276] as [UInt32], CaptureFormat.allCases)
  func captures(link: UInt32, format: CaptureFormat) throws {
    let vector = try #require(Self.vectors.first { $0.name == "pbu-initial-attach" })
    let front: [UInt8] =
      switch link {
      case 1: [UInt8](repeating: 2, count: 12) + [0x81, 0x00, 0, 7, 0x86, 0xdd]
      case 113: [UInt8](repeating: 0, count: 14) + [0x86, 0xdd]
      case 276: [0x86, 0xdd] + [UInt8](repeating: 0, count: 18)
      default: []
      }
    let packet = front + vector.packet
    try capture(format.file(link: link, packets: [.init(packet), .init(front), .init(packet)])) { path in
      let result = try decode("--pcap", path, "--json")
      #expect(result.outcome == .accepted)
      #expect(
        try result.lines == decode("--hex", vector.hex, "--src", vector.src, "--dst", vector.dst, "--json").lines
          + decode("--hex", vector.hex, "--src", vector.src, "--dst", vector.dst, "--json").lines)
      let text = try decode("--pcap", path)
      #expect(text.lines.count == 2 && text.lines[1].hasPrefix("packet 3, 2026-01-01T00:00:00.500Z\n"))
    }
  }

  @Test("A refused message among good ones is printed in its place and decides the exit status")
  func refused() throws {
    let good = try #require(Self.vectors.first { $0.name == "pbu-refresh" })
    let bad = try #require(Self.vectors.first { $0.name == "neg-checksum" })
    let packets = [good, bad, good].map { CaptureFormat.Packet($0.packet) }
    try capture(CaptureFormat.pcapng.file(link: 101, packets: packets)) { path in
      let result = try decode("--pcap", path, "--json")
      #expect(result.outcome == .refused)
      #expect(result.lines.count == 3 && result.lines[1] == #"{"valid": false, "error": "checksum", "offset": 4}"#)
    }
  }

  @Test("Packets that the capture cut short are refused or counted, with what to do about it")
  func cutPackets() throws {
    let vector = try #require(Self.vectors.first { $0.name == "pbu-refresh" })
    let packets = [44, 60, 39].map {
      CaptureFormat.Packet(Array(vector.packet.prefix($0)), length: vector.packet.count)
    }
    try capture(CaptureFormat.pcap.file(link: 101, packets: packets)) { path in
      let result = try decode("--pcap", path, "--json")
      #expect(
        result.lines == [
          #"{"valid": false, "error": "too-short", "offset": 4}"#,
          #"{"valid": false, "error": "header-len-overrun", "offset": 1}"#,
        ])
      #expect(result.outcome == .refused)
      #expect(
        result.warnings
          == ["3 packets are cut short, the first is packet 1; capture whole packets (tcpdump -s 0)"])
    }
  }

  @Test("A file cut at any octet is read as far as it goes, and its end is told", arguments: CaptureFormat.allCases)
  func cutFiles(format: CaptureFormat) throws {
    let vector = try #require(Self.vectors.first { $0.name == "heartbeat-request" })
    let whole = format.file(link: 101, packets: [.init(vector.packet), .init(vector.packet)])
    var ends: Set<Int> = []
    for length in 0..<whole.count {
      try capture(Array(whole[..<length])) { path in
        let result = try decode("--pcap", path, "--json")
        guard let failure = result.failure else {
          // Between two records: as good as a shorter file.
          ends.insert(result.lines.count)
          return
        }
        #expect(failure.status == ExitStatus.usage && failure.message.contains(path))
        #expect(result.lines.count <= 1)
      }
    }
    #expect(ends == [0, 1])
  }

  @Test("No file, a directory, text and a foreign link type are refused with the reason")
  func unreadable() throws {
    func failure(_ path: String) throws -> String {
      let failure = try #require(try decode("--pcap", path).failure)
      #expect(failure.status == ExitStatus.usage)
      return failure.message
    }
    #expect(try failure("/nonexistent").contains("No such file"))
    #expect(try failure("/").contains("directory"))
    #expect(try failure("/etc/passwd").contains("unknown file format"))
    try capture(CaptureFormat.pcap.file(link: 105, packets: [])) { path in
      let message = try failure(path)
      #expect(message.contains("has the link type IEEE802_11; capture on"))
    }
  }

  @Test("Random changes to a capture never crash")
  func random() throws {
    var seeds = SystemRandomNumberGenerator()
    let vectors = Self.vectors.map { CaptureFormat.Packet($0.packet) }
    for format in CaptureFormat.allCases {
      let whole = format.file(link: 101, packets: vectors)
      for _ in 0..<50 {
        var octets = whole
        let places = (0..<Int.random(in: 1...20, using: &seeds)).map { _ in
          Int.random(in: 0..<octets.count, using: &seeds)
        }
        for place in places { octets[place] = .random(in: 0...255, using: &seeds) }
        try capture(octets) { path in
          let result = try decode("--pcap", path)
          #expect(result.outcome != nil || result.failure != nil, "octets \(places) changed")
        }
      }
    }
  }
}

/// Writes captures with known octets.
enum CaptureFormat: CaseIterable, Sendable {
  case pcap, pcapBigEndian, pcapng

  struct Packet {
    var octets: [UInt8]
    /// On the wire.
    var length: Int
    init(_ octets: [UInt8], length: Int? = nil) {
      self.octets = octets
      self.length = length ?? octets.count
    }
  }

  /// 2026-01-01T00:00:00.5Z
  private static let seconds: UInt32 = 1_767_225_600
  private static let microseconds: UInt32 = 500_000

  func file(link: UInt32, packets: [Packet]) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] {
      let shifts: [UInt32] = self == .pcapBigEndian ? [24, 16, 8, 0] : [0, 8, 16, 24]
      return shifts.map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    func half(_ value: UInt16) -> [UInt8] {
      let octets = [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)]
      return self == .pcapBigEndian ? octets.reversed() : octets
    }
    func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
      let length = word(UInt32(12 + body.count))
      return word(type) + length + body + length
    }
    if self == .pcapng {
      let section = block(0x0a0d_0d0a, word(0x1a2b_3c4d) + half(1) + half(0) + word(.max) + word(.max))
      let interface = block(1, half(UInt16(link)) + half(0) + word(0))
      let time = UInt64(Self.seconds) * 1_000_000 + UInt64(Self.microseconds)
      return section + interface
        + packets.flatMap { packet in
          block(
            6,
            word(0) + word(UInt32(time >> 32)) + word(UInt32(truncatingIfNeeded: time))
              + word(UInt32(packet.octets.count)) + word(UInt32(packet.length)) + packet.octets
              + [UInt8](repeating: 0, count: (4 - packet.octets.count % 4) % 4))
        }
    }
    let header = word(0xa1b2_c3d4) + half(2) + half(4) + word(0) + word(0) + word(262_144) + word(link)
    return header
      + packets.flatMap {
        word(Self.seconds) + word(Self.microseconds) + word(UInt32($0.octets.count)) + word(UInt32($0.length))
          + $0.octets
      }
  }
}
