import CLinuxNet
import Glibc

extension NetfilterSocket {
  /// Elements in one question: their answers fit the socket's receive buffer.
  public static let maximumQueriedElements = 1_024

  /// The elements of a set or map with these keys, as far as there are any; at most `maximumQueriedElements` keys.
  public func elements(withKeys keys: [[UInt8]], of set: String, in table: NftTable) throws(LinuxError) -> [NftElement]
  {
    precondition(keys.count <= Self.maximumQueriedElements)
    var found: [NftElement] = []
    var rest = keys[...]
    while !rest.isEmpty {
      var message = NetlinkMessage(nftables: NFT_MSG_GETSETELEM, family: table.family)
      message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
      message.put(NFTA_SET_ELEM_LIST_SET, string: set)
      message.nest(NFTA_SET_ELEM_LIST_ELEMENTS) { list in
        for key in rest { list.nested(UInt16(NFTA_LIST_ELEM.rawValue)) { $0.putData(NFTA_SET_ELEM_KEY, key) } }
      }
      var answers = 0
      do throws(LinuxError) {
        try socket.query(message, "read elements of", "\(set) in \(table)") { answer in
          guard let list = answer.attributes(after: nfgenmsg.self)[NFTA_SET_ELEM_LIST_ELEMENTS] else { return }
          let elements = list.nested.compactMap { NftElement($0.nested) }
          answers += elements.count
          found += elements
        }
        return found
      } catch {
        // The first key without an element ends the answer: go on behind it.
        guard error.code == ENOENT, answers < rest.count else { throw error }
        rest = rest.dropFirst(answers + 1)
      }
    }
    return found
  }
}
