import LinuxNet
import NetTypes

/// A station's index and address are among the octets that it was read from.
func fuzzStation(_ input: [UInt8]) throws(FuzzFailure) {
  for event in StationEvent.events(in: input, family: 30) {
    let station =
      switch event {
      case .new(let station), .removed(let station): station
      }
    let bytes = station.address.bytes
    let isThere = input.indices.contains { input[$0...].starts(with: bytes) }
    try require(isThere, "\(station.address) is not in the datagram")
  }
}
