import NetTypes

//  Vendor Specific option, RFC 5094 section 3. Type 19, alignment 4n+2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 19   | Length = 5+n  |
//  +-------------------------------+---------------+---------------+
//  |               Vendor/Org-ID (enterprise number)               |
//  +---------------+-----------------------------------------------+
//  |   Sub-Type    |               Data (n octets)
//  +---------------+-------------------------------

struct VendorSpecificOption: MobilityOptionBody {
  var vendor: UInt32
  var subtype: UInt8
  var data: [UInt8]
}

extension VendorSpecificOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    vendor = try body.uint32()
    subtype = try body.uint8()
    data = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(vendor)
    writer.write(subtype)
    writer.write(data)
  }
}
