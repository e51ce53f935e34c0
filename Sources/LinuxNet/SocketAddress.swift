import CLinuxNet
import Glibc
import NetTypes

extension IPv6Address {
  init(_ address: in6_addr) {
    self = withUnsafeBytes(of: address) {
      IPv6Address(
        high: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
        low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
  }

  var kernelForm: in6_addr {
    var address = in6_addr()
    withUnsafeMutableBytes(of: &address) {
      $0.storeBytes(of: high.bigEndian, as: UInt64.self)
      $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    return address
  }

  /// With port 0, as raw sockets want it.
  func socketAddress(interface: UInt32 = 0) -> sockaddr_in6 {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = kernelForm
    if isLinkLocal || isMulticast { address.sin6_scope_id = interface }
    return address
  }
}
