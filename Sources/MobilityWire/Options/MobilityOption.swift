import NetTypes

/// One mobility option. Padding is not a value: the encoder places it, the decoder skips it.
///
/// A new option is a file with its `MobilityOptionBody`, a case here, and one line in each of the two switches below.
/// Its type number, name and alignment are in `MobilityOptionType` already.
public enum MobilityOption: Hashable, Sendable, Codable {
  /// 2
  case bindingRefreshAdvice(UInt16)
  /// 3
  case alternateCareOfAddress(IPv6Address)
  /// 8
  case mobileNodeIdentifier(MobileNodeIdentifier)
  /// 19
  case vendorSpecific(vendor: UInt32, subtype: UInt8, data: [UInt8])
  /// 22
  case homeNetworkPrefix(HomeNetworkPrefixOption)
  /// 23
  case handoffIndicator(HandoffIndicator)
  /// 24
  case accessTechnologyType(AccessTechnologyType)
  /// 25
  case mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier)
  /// 26
  case linkLocalAddress(IPv6Address)
  /// 27
  case timestamp(NTPTimestamp)
  /// 28
  case restartCounter(UInt32)
  /// 35
  case bindingIdentifier(BindingIdentifierOption)
  /// 44; FIDs.
  case flowSummary([UInt16])
  /// 45
  case flowIdentification(FlowIdentificationOption)
  /// 50
  case mobileNodeGroupIdentifier(MobileNodeGroupIdentifier)
  /// 52
  case accessNetworkIdentifier([AccessNetworkSubOption])
  /// 58
  case qualityOfService(QualityOfServiceOption)
  /// 62
  case lmaControlledMAGParameters([LMAControlledMAGSubOption])
  /// 63
  case magMultipathBinding(MAGMultipathBinding)
  /// 64
  case magIdentifier(MAGIdentifier)
  /// The paper's flow-mob option; its type comes from `CodePoints`.
  case flowMobility(HomeNetworkPrefixOption)
  /// Kept and re-encoded unchanged (RFC 6275 section 6.2.1: skipped by the protocol).
  case unknown(type: UInt8, data: [UInt8])
}

/// The data of one option behind Type and Length. Codable, as messages are, so that a recording of a daemon's events
/// keeps every value exactly.
protocol MobilityOptionBody: Codable {
  /// Reads the whole of `body`, which is bounded by the Length octet: a wrong Length shows as a read past its end or as
  /// octets left over, and both are reported as `option-length`. Any other fault throws `body.failure` with its code.
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError)

  /// `writer` holds the Mobility Header from its first octet: sub-options are aligned from there.
  func encode(into writer: inout ByteWriter) throws(EncodeError)

  /// The Length octet, for an option whose alignment depends on it; of no meaning for others.
  var lengthForAlignment: Int { get }
}

extension MobilityOptionBody {
  var lengthForAlignment: Int { 0 }
}

extension MobilityOption {
  init(
    type: MobilityOptionType, decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints
  ) throws(DecodeError) {
    switch type {
    case .bindingRefreshAdvice: self = .bindingRefreshAdvice(try BindingRefreshAdviceOption(decoding: &body).interval)
    case .alternateCareOfAddress:
      self = .alternateCareOfAddress(try AlternateCareOfAddressOption(decoding: &body).address)
    case .mobileNodeIdentifier: self = .mobileNodeIdentifier(try MobileNodeIdentifier(decoding: &body))
    case .vendorSpecific:
      let option = try VendorSpecificOption(decoding: &body)
      self = .vendorSpecific(vendor: option.vendor, subtype: option.subtype, data: option.data)
    case .homeNetworkPrefix: self = .homeNetworkPrefix(try HomeNetworkPrefixOption(decoding: &body))
    case .handoffIndicator: self = .handoffIndicator(try HandoffIndicator(decoding: &body))
    case .accessTechnologyType: self = .accessTechnologyType(try AccessTechnologyType(decoding: &body))
    case .mobileNodeLinkLayerIdentifier:
      self = .mobileNodeLinkLayerIdentifier(try MobileNodeLinkLayerIdentifier(decoding: &body))
    case .linkLocalAddress: self = .linkLocalAddress(try LinkLocalAddressOption(decoding: &body).address)
    case .timestamp: self = .timestamp(try NTPTimestamp(decoding: &body))
    case .restartCounter: self = .restartCounter(try RestartCounterOption(decoding: &body).counter)
    case .bindingIdentifier: self = .bindingIdentifier(try BindingIdentifierOption(decoding: &body))
    case .flowSummary: self = .flowSummary(try FlowSummaryOption(decoding: &body).flows)
    case .flowIdentification: self = .flowIdentification(try FlowIdentificationOption(decoding: &body))
    case .mobileNodeGroupIdentifier:
      self = .mobileNodeGroupIdentifier(try MobileNodeGroupIdentifier(decoding: &body))
    case .accessNetworkIdentifier:
      self = .accessNetworkIdentifier(try AccessNetworkIdentifierOption(decoding: &body).subOptions)
    case .qualityOfService: self = .qualityOfService(try QualityOfServiceOption(decoding: &body))
    case .lmaControlledMAGParameters:
      self = .lmaControlledMAGParameters(try LMAControlledMAGParametersOption(decoding: &body).subOptions)
    case .magMultipathBinding: self = .magMultipathBinding(try MAGMultipathBinding(decoding: &body))
    case .magIdentifier: self = .magIdentifier(try MAGIdentifier(decoding: &body))
    case _ where type.rawValue == codePoints.flowMobilityOption:
      self = .flowMobility(try HomeNetworkPrefixOption(decoding: &body))
    default: self = .unknown(type: type.rawValue, data: Array(body.rest()))
    }
    guard body.isAtEnd else { throw body.failure }
  }

  func typeAndBody(_ codePoints: CodePoints) throws(EncodeError) -> (MobilityOptionType, any MobilityOptionBody) {
    switch self {
    case .bindingRefreshAdvice(let interval):
      return (.bindingRefreshAdvice, BindingRefreshAdviceOption(interval: interval))
    case .alternateCareOfAddress(let address):
      return (.alternateCareOfAddress, AlternateCareOfAddressOption(address: address))
    case .mobileNodeIdentifier(let body): return (.mobileNodeIdentifier, body)
    case .vendorSpecific(let vendor, let subtype, let data):
      return (.vendorSpecific, VendorSpecificOption(vendor: vendor, subtype: subtype, data: data))
    case .homeNetworkPrefix(let body): return (.homeNetworkPrefix, body)
    case .handoffIndicator(let body): return (.handoffIndicator, body)
    case .accessTechnologyType(let body): return (.accessTechnologyType, body)
    case .mobileNodeLinkLayerIdentifier(let body): return (.mobileNodeLinkLayerIdentifier, body)
    case .linkLocalAddress(let address): return (.linkLocalAddress, LinkLocalAddressOption(address: address))
    case .timestamp(let body): return (.timestamp, body)
    case .restartCounter(let counter): return (.restartCounter, RestartCounterOption(counter: counter))
    case .bindingIdentifier(let body): return (.bindingIdentifier, body)
    case .flowSummary(let flows): return (.flowSummary, FlowSummaryOption(flows: flows))
    case .flowIdentification(let body): return (.flowIdentification, body)
    case .mobileNodeGroupIdentifier(let body): return (.mobileNodeGroupIdentifier, body)
    case .accessNetworkIdentifier(let subOptions):
      return (.accessNetworkIdentifier, AccessNetworkIdentifierOption(subOptions: subOptions))
    case .qualityOfService(let body): return (.qualityOfService, body)
    case .lmaControlledMAGParameters(let subOptions):
      return (.lmaControlledMAGParameters, LMAControlledMAGParametersOption(subOptions: subOptions))
    case .magMultipathBinding(let body): return (.magMultipathBinding, body)
    case .magIdentifier(let body): return (.magIdentifier, body)
    case .flowMobility(let body):
      guard let type = codePoints.flowMobilityOption else { throw .flowMobilityWithoutCodePoint }
      return (MobilityOptionType(rawValue: type), body)
    case .unknown(let type, let data):
      let type = MobilityOptionType(rawValue: type)
      guard !type.isPadding else { throw .paddingAsOption(type) }
      return (type, UnknownOption(data: data))
    }
  }
}
