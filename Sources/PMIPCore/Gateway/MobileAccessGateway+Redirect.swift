import MobilityWire
import NetTypes

// Runtime LMA assignment, RFC 6463 section 5.
extension MobileAccessGateway {
  /// The anchor has created the session at another one: all further signalling and the tunnel go there. Only when the
  /// request has offered it; the address family never changes.
  mutating func follow(
    _ redirect: IPAddress, answering request: OutstandingRequest, _ entry: inout BindingUpdateListEntry
  ) {
    guard request.offersRedirect, case .v6(let anchor) = redirect, anchor.isRoutableUnicast,
      anchor != request.source
    else { return counters.count(.redirectsIgnored) }
    counters.count(.redirectsFollowed)
    entry.assignedAnchorAddress = anchor
  }
}
