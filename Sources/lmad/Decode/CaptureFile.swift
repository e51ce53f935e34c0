import CPcap
import MobilityDocuments

/// A pcap or pcapng file, read packet by packet through libpcap.
struct CaptureFile: ~Copyable {
  let link: LinkType
  private let handle: OpaquePointer
  private let path: String

  /// Opens a file; `-` is standard input.
  init(path: String) throws(CaptureFileError) {
    var reason = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    guard let handle = pcap_open_offline(path, &reason) else {
      throw .unreadable(path: path, reason: Self.text(reason))
    }
    let number = pcap_datalink(handle)
    guard let link = LinkType(number) else {
      pcap_close(handle)
      throw .linkType(path: path, number: number)
    }
    self.link = link
    self.handle = handle
    self.path = path
  }

  deinit { pcap_close(handle) }

  /// The next packet; nil at the end of the file.
  mutating func next() throws(CaptureFileError) -> CapturedPacket? {
    var header: UnsafeMutablePointer<pcap_pkthdr>?
    var octets: UnsafePointer<UInt8>?
    let status = pcap_next_ex(handle, &header, &octets)
    if status == PCAP_ERROR_BREAK { return nil }
    guard status == 1, let header = header?.pointee, let octets else {
      throw .unreadable(path: path, reason: String(cString: pcap_geterr(handle)))
    }
    return CapturedPacket(
      seconds: header.ts.tv_sec, microseconds: header.ts.tv_usec,
      octets: Array(UnsafeBufferPointer(start: octets, count: Int(header.caplen))))
  }

  private static func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

struct CapturedPacket {
  /// Since 1970.
  var seconds: Int
  var microseconds: Int
  /// From the link-layer header on; as many as were captured.
  var octets: [UInt8]
}

enum CaptureFileError: Error, Hashable, Sendable {
  /// What libpcap says.
  case unreadable(path: String, reason: String)
  /// DLT_ number of libpcap.
  case linkType(path: String, number: Int32)
}

extension CaptureFileError: CustomStringConvertible {
  var description: String {
    switch self {
    case .unreadable(let path, let reason):
      return "\(path) cannot be read to its end as pcap or pcapng: \(reason)"
    case .linkType(let path, let number):
      let name = pcap_datalink_val_to_name(number).map { String(cString: $0) } ?? "\(number)"
      return "\(path) has the link type \(name); capture on an Ethernet, cooked (-i any) or raw IP interface"
    }
  }
}

extension LinkType {
  fileprivate init?(_ number: Int32) {
    switch number {
    case DLT_EN10MB: self = .ethernet
    case DLT_LINUX_SLL: self = .linuxCooked
    case DLT_LINUX_SLL2: self = .linuxCooked2
    case DLT_RAW, DLT_IPV4, DLT_IPV6: self = .raw
    default: return nil
    }
  }
}
