import CLinuxNet
import Glibc
import LinuxNet
import NetTypes

/// How requests are sent.
enum Pace {
  /// As fast as answers come: so many are under way at any time.
  case window(Int)
  /// This many a second, whatever comes back.
  case rate(Int)
}

/// What one run has shown.
struct Measurement: Encodable {
  var sent: Int
  var answered: Int
  /// Answers a second.
  var rate: Double
  /// Microseconds from send to receive.
  var p50: Double
  var p99: Double
  var worst: Double
  /// Microseconds of CPU, user and system, that the answering process used for a message.
  var cpu: Double
  /// Part of the time in which the generator's core was busy with it.
  var generatorBusy: Double
}

/// Sends requests over a raw socket and waits for the answers.
final class Exchange {
  private let descriptor: FileDescriptor
  private var inbox: DatagramBatch
  private var outbox: DatagramOutbox

  private static let batch = 64
  private static let datagramSize = 512
  private static let protocolNumber: Int32 = 135
  private static let bufferSize: Int32 = 8 << 20
  /// Milliseconds. What has not been answered by then is lost.
  private static let patience: Int32 = 1_000

  init() throws {
    descriptor = try FileDescriptor.socket(
      AF_INET6, Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Self.protocolNumber, operation: "open",
      object: "Mobility Header socket")
    inbox = try DatagramBatch(capacity: Self.batch, datagramSize: Self.datagramSize)
    outbox = try DatagramOutbox(capacity: Self.batch, datagramSize: Self.datagramSize)
    guard cnet_receive_packet_info(descriptor.rawValue) == 0 else {
      throw LinuxError("configure", "Mobility Header socket")
    }
    descriptor.setBufferSizes(receive: Self.bufferSize, send: Self.bufferSize)
  }

  /// - Parameters:
  ///   - sources: addresses of the gateways.
  ///   - process: the one whose CPU time counts.
  func run(
    _ requests: [Request], _ pace: Pace, from sources: [IPv6Address], to destination: IPv6Address, process: Int32
  ) throws -> (Measurement, [Answer]) {
    let first = requests.map(\.node).min() ?? 0
    let last = requests.map(\.node).max() ?? 0
    var slots = [Int](repeating: -1, count: last - first + 1)
    for (index, request) in requests.enumerated() { slots[request.node - first] = index }
    let gateways = Dictionary(zip(sources, sources.indices), uniquingKeysWith: { first, _ in first })
    var sentAt = [Int64](repeating: 0, count: requests.count)
    var latencies: [Int64] = []
    var answers: [Answer] = []
    latencies.reserveCapacity(requests.count)
    answers.reserveCapacity(requests.count)

    let target = try Clock.processor(of: process)
    let own = try Clock.processor(of: getpid())
    let (targetStart, ownStart, start) = (Clock.read(target), Clock.read(own), Clock.monotonic)
    var next = 0
    var end = start
    while latencies.count < requests.count {
      let due = min(requests.count, Self.due(pace, elapsed: Clock.monotonic - start, answered: latencies.count))
      while next < due {
        let until = min(due, next + Self.batch)
        let now = Clock.monotonic
        for index in next..<until {
          let request = requests[index]
          sentAt[index] = now
          outbox.append(request.payload, source: sources[request.gateway], destination: destination)
        }
        var failure: Int32 = 0
        outbox.flush(descriptor.rawValue) { failure = $1 }
        guard failure == 0 else { throw LinuxError("send to", destination.description, code: failure) }
        next = until
      }
      guard wait(next < requests.count && pace.isTimed ? 1 : Self.patience) else {
        if next < requests.count, pace.isTimed { continue }
        break
      }
      let count = try inbox.receive(descriptor.rawValue, object: "Mobility Header socket")
      end = Clock.monotonic
      for index in 0..<count {
        let payload = inbox.bytes(index)
        guard inbox.source(index) == destination, let node = NodeName.number(in: payload[...]),
          (first...last).contains(node), slots[node - first] >= 0,
          let gateway = inbox.packetInformation(index).flatMap({ gateways[$0.destination] })
        else { continue }
        latencies.append(end - sentAt[slots[node - first]])
        slots[node - first] = -1
        answers.append(Answer(gateway: gateway, payload: payload))
      }
    }
    let elapsed = Double(max(1, end - start))
    latencies.sort()
    let measurement = Measurement(
      sent: next, answered: latencies.count, rate: Double(latencies.count) * 1e9 / elapsed,
      p50: Self.quantile(latencies, 0.5), p99: Self.quantile(latencies, 0.99), worst: Self.quantile(latencies, 1),
      cpu: Double(Clock.read(target) - targetStart) / 1_000 / Double(max(1, latencies.count)),
      generatorBusy: Double(Clock.read(own) - ownStart) / elapsed)
    return (measurement, answers)
  }

  private static func due(_ pace: Pace, elapsed: Int64, answered: Int) -> Int {
    switch pace {
    case .window(let width): answered + width
    case .rate(let rate): Int(elapsed) * rate / 1_000_000_000 + 1
    }
  }

  private static func quantile(_ sorted: [Int64], _ part: Double) -> Double {
    guard !sorted.isEmpty else { return .nan }
    return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]) / 1_000
  }

  /// Whether something has come within `milliseconds`.
  private func wait(_ milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) > 0
  }
}

extension Pace {
  var isTimed: Bool { if case .rate = self { true } else { false } }
}

/// Nanoseconds of clocks.
enum Clock {
  static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  static var monotonic: Int64 { read(CLOCK_MONOTONIC) }

  /// CPU time of a process, user and system.
  static func processor(of process: pid_t) throws(LinuxError) -> clockid_t {
    var clock = clockid_t()
    let code = clock_getcpuclockid(process, &clock)
    guard code == 0 else { throw LinuxError("watch process", String(process), code: code) }
    return clock
  }
}
