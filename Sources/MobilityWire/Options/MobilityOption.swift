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
  /// 6
  case mobileNetworkPrefix(MobileNetworkPrefixOption)
  /// 8
  case mobileNodeIdentifier(MobileNodeIdentifier)
  /// 9
  case authentication(subtype: UInt8, spi: UInt32, authenticator: [UInt8])
  /// 19
  case vendorSpecific(vendor: UInt32, subtype: UInt8, data: [UInt8])
  /// 20
  case serviceSelection(ServiceSelection)
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
  /// 29
  case ipv4HomeAddress(IPv4HomeAddressOption)
  /// 30
  case ipv4AddressAcknowledgement(IPv4AddressAcknowledgementOption)
  /// 31
  case natDetection(NATDetectionOption)
  /// 32
  case ipv4CareOfAddress(IPv4Address)
  /// 33; nil: GRE without keys.
  case greKey(UInt32?)
  /// 35
  case bindingIdentifier(BindingIdentifierOption)
  /// 36
  case ipv4HomeAddressRequest(IPv4HomeAddressRequestOption)
  /// 37
  case ipv4HomeAddressReply(IPv4HomeAddressReplyOption)
  /// 38
  case ipv4DefaultRouterAddress(IPv4Address)
  /// 39
  case ipv4DHCPSupportMode(isServer: Bool)
  /// 44; FIDs.
  case flowSummary([UInt16])
  /// 45
  case flowIdentification(FlowIdentificationOption)
  /// 46
  case redirectCapability
  /// 47
  case redirect(IPAddress)
  /// 48
  case loadInformation(LoadInformation)
  /// 49
  case alternateIPv4CareOfAddress(IPv4Address)
  /// 50
  case mobileNodeGroupIdentifier(MobileNodeGroupIdentifier)
  /// 52
  case accessNetworkIdentifier([AccessNetworkSubOption])
  /// 55
  case delegatedMobileNetworkPrefix(DelegatedMobileNetworkPrefixOption)
  /// 58
  case qualityOfService(QualityOfServiceOption)
  /// 59; nil: asked for.
  case lmaUserPlaneAddress(IPAddress?)
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
    case .mobileNetworkPrefix: self = .mobileNetworkPrefix(try MobileNetworkPrefixOption(decoding: &body))
    case .authentication:
      let option = try AuthenticationOption(decoding: &body)
      self = .authentication(subtype: option.subtype, spi: option.spi, authenticator: option.authenticator)
    case .mobileNodeIdentifier: self = .mobileNodeIdentifier(try MobileNodeIdentifier(decoding: &body))
    case .vendorSpecific:
      let option = try VendorSpecificOption(decoding: &body)
      self = .vendorSpecific(vendor: option.vendor, subtype: option.subtype, data: option.data)
    case .serviceSelection: self = .serviceSelection(try ServiceSelection(decoding: &body))
    case .homeNetworkPrefix: self = .homeNetworkPrefix(try HomeNetworkPrefixOption(decoding: &body))
    case .handoffIndicator: self = .handoffIndicator(try HandoffIndicator(decoding: &body))
    case .accessTechnologyType: self = .accessTechnologyType(try AccessTechnologyType(decoding: &body))
    case .mobileNodeLinkLayerIdentifier:
      self = .mobileNodeLinkLayerIdentifier(try MobileNodeLinkLayerIdentifier(decoding: &body))
    case .linkLocalAddress: self = .linkLocalAddress(try LinkLocalAddressOption(decoding: &body).address)
    case .timestamp: self = .timestamp(try NTPTimestamp(decoding: &body))
    case .restartCounter: self = .restartCounter(try RestartCounterOption(decoding: &body).counter)
    case .ipv4HomeAddress: self = .ipv4HomeAddress(try IPv4HomeAddressOption(decoding: &body))
    case .ipv4AddressAcknowledgement:
      self = .ipv4AddressAcknowledgement(try IPv4AddressAcknowledgementOption(decoding: &body))
    case .natDetection: self = .natDetection(try NATDetectionOption(decoding: &body))
    case .ipv4CareOfAddress: self = .ipv4CareOfAddress(try IPv4CareOfAddressOption(decoding: &body).address)
    case .greKey: self = .greKey(try GREKeyOption(decoding: &body).key)
    case .ipv4HomeAddressRequest: self = .ipv4HomeAddressRequest(try IPv4HomeAddressRequestOption(decoding: &body))
    case .ipv4HomeAddressReply: self = .ipv4HomeAddressReply(try IPv4HomeAddressReplyOption(decoding: &body))
    case .ipv4DefaultRouterAddress:
      self = .ipv4DefaultRouterAddress(try IPv4DefaultRouterAddressOption(decoding: &body).address)
    case .ipv4DHCPSupportMode:
      self = .ipv4DHCPSupportMode(isServer: try IPv4DHCPSupportModeOption(decoding: &body).isServer)
    case .redirectCapability:
      _ = try RedirectCapabilityOption(decoding: &body)
      self = .redirectCapability
    case .redirect: self = .redirect(try RedirectOption(decoding: &body).address)
    case .loadInformation: self = .loadInformation(try LoadInformation(decoding: &body))
    case .alternateIPv4CareOfAddress:
      self = .alternateIPv4CareOfAddress(try AlternateIPv4CareOfAddressOption(decoding: &body).address)
    case .delegatedMobileNetworkPrefix:
      self = .delegatedMobileNetworkPrefix(try DelegatedMobileNetworkPrefixOption(decoding: &body))
    case .lmaUserPlaneAddress: self = .lmaUserPlaneAddress(try LMAUserPlaneAddressOption(decoding: &body).address)
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

  /// `writer` holds the Mobility Header from its first octet.
  func encode(into writer: inout ByteWriter, codePoints: CodePoints) throws(EncodeError) {
    switch self {
    case .bindingRefreshAdvice(let interval):
      try writer.write(.bindingRefreshAdvice, BindingRefreshAdviceOption(interval: interval))
    case .alternateCareOfAddress(let address):
      try writer.write(.alternateCareOfAddress, AlternateCareOfAddressOption(address: address))
    case .mobileNetworkPrefix(let body): try writer.write(.mobileNetworkPrefix, body)
    case .authentication(let subtype, let spi, let authenticator):
      try writer.write(.authentication, AuthenticationOption(subtype: subtype, spi: spi, authenticator: authenticator))
    case .mobileNodeIdentifier(let body): try writer.write(.mobileNodeIdentifier, body)
    case .vendorSpecific(let vendor, let subtype, let data):
      try writer.write(.vendorSpecific, VendorSpecificOption(vendor: vendor, subtype: subtype, data: data))
    case .serviceSelection(let body): try writer.write(.serviceSelection, body)
    case .homeNetworkPrefix(let body): try writer.write(.homeNetworkPrefix, body)
    case .handoffIndicator(let body): try writer.write(.handoffIndicator, body)
    case .accessTechnologyType(let body): try writer.write(.accessTechnologyType, body)
    case .mobileNodeLinkLayerIdentifier(let body): try writer.write(.mobileNodeLinkLayerIdentifier, body)
    case .linkLocalAddress(let address): try writer.write(.linkLocalAddress, LinkLocalAddressOption(address: address))
    case .timestamp(let body): try writer.write(.timestamp, body)
    case .restartCounter(let counter): try writer.write(.restartCounter, RestartCounterOption(counter: counter))
    case .ipv4HomeAddress(let body): try writer.write(.ipv4HomeAddress, body)
    case .ipv4AddressAcknowledgement(let body): try writer.write(.ipv4AddressAcknowledgement, body)
    case .natDetection(let body): try writer.write(.natDetection, body)
    case .ipv4CareOfAddress(let address):
      try writer.write(.ipv4CareOfAddress, IPv4CareOfAddressOption(address: address))
    case .greKey(let key): try writer.write(.greKey, GREKeyOption(key: key))
    case .ipv4HomeAddressRequest(let body): try writer.write(.ipv4HomeAddressRequest, body)
    case .ipv4HomeAddressReply(let body): try writer.write(.ipv4HomeAddressReply, body)
    case .ipv4DefaultRouterAddress(let address):
      try writer.write(.ipv4DefaultRouterAddress, IPv4DefaultRouterAddressOption(address: address))
    case .ipv4DHCPSupportMode(let isServer):
      try writer.write(.ipv4DHCPSupportMode, IPv4DHCPSupportModeOption(isServer: isServer))
    case .redirectCapability: try writer.write(.redirectCapability, RedirectCapabilityOption())
    case .redirect(let address): try writer.write(.redirect, RedirectOption(address: address))
    case .loadInformation(let body): try writer.write(.loadInformation, body)
    case .alternateIPv4CareOfAddress(let address):
      try writer.write(.alternateIPv4CareOfAddress, AlternateIPv4CareOfAddressOption(address: address))
    case .delegatedMobileNetworkPrefix(let body): try writer.write(.delegatedMobileNetworkPrefix, body)
    case .lmaUserPlaneAddress(let address):
      try writer.write(.lmaUserPlaneAddress, LMAUserPlaneAddressOption(address: address))
    case .bindingIdentifier(let body): try writer.write(.bindingIdentifier, body)
    case .flowSummary(let flows): try writer.write(.flowSummary, FlowSummaryOption(flows: flows))
    case .flowIdentification(let body): try writer.write(.flowIdentification, body)
    case .mobileNodeGroupIdentifier(let body): try writer.write(.mobileNodeGroupIdentifier, body)
    case .accessNetworkIdentifier(let subOptions):
      try writer.write(.accessNetworkIdentifier, AccessNetworkIdentifierOption(subOptions: subOptions))
    case .qualityOfService(let body): try writer.write(.qualityOfService, body)
    case .lmaControlledMAGParameters(let subOptions):
      try writer.write(.lmaControlledMAGParameters, LMAControlledMAGParametersOption(subOptions: subOptions))
    case .magMultipathBinding(let body): try writer.write(.magMultipathBinding, body)
    case .magIdentifier(let body): try writer.write(.magIdentifier, body)
    case .flowMobility(let body):
      guard let type = codePoints.flowMobilityOption else { throw .flowMobilityWithoutCodePoint }
      // It stands like the Home Network Prefix option, whose body it has.
      try writer.write(MobilityOptionType(rawValue: type), body, alignedAs: .homeNetworkPrefix)
    case .unknown(let type, let data):
      let type = MobilityOptionType(rawValue: type)
      guard !type.isPadding else { throw .paddingAsOption(type) }
      try writer.write(type, UnknownOption(data: data))
    }
  }
}

extension ByteWriter {
  /// One option with the padding that its alignment asks for.
  fileprivate mutating func write(
    _ type: MobilityOptionType, _ body: some MobilityOptionBody, alignedAs layout: MobilityOptionType? = nil
  ) throws(EncodeError) {
    writePadding((layout ?? type).alignment(length: body.lengthForAlignment).distance(from: count))
    write(type.rawValue)
    write(UInt8(0))
    let start = count
    try body.encode(into: &self)
    guard let length = UInt8(exactly: count - start) else { throw .optionTooLong(type, octets: count - start) }
    overwrite(length, at: start - 1)
  }
}
