import DatapathModel
import MobilityWire
import NetTypes

/// A registration that was accepted and waits for the kernel. Nothing of it is visible before the kernel has answered.
struct PendingInstall: Sendable {
  /// The newest transmission of the request: the one that is acknowledged.
  var request: RegistrationRequest
  /// The entry as it will be.
  var entry: BindingCacheEntry
  /// The entry as it is; nil for a new one.
  var previous: BindingCacheEntry?
  /// Prefixes assigned for this registration.
  var claimed: [IPv6Prefix]
}

/// Work on one node that must wait until its install is answered.
enum DeferredWork: Sendable {
  /// `hasWaited`: for its old gateway; it was judged when it arrived and does not wait again.
  case registration(RegistrationRequest, hasWaited: Bool)
  /// The deadline of the binding came.
  case deadline(BindingIdentifier)
  case operatorDeletion(BindingIdentifier)
  /// The operator revokes all bindings of the node.
  case revocation
  /// The binding is one of a group that ends.
  case groupRemoval(BindingIdentifier, gateway: IPv6Address, GroupRemoval.Rule)

  /// The same would be done twice. Registrations are told apart by their attachments, elsewhere.
  func isRepeated(by other: DeferredWork) -> Bool {
    switch (self, other) {
    case (.deadline(let identifier), .deadline(let new)),
      (.operatorDeletion(let identifier), .operatorDeletion(let new)):
      identifier == new
    case (.revocation, .revocation): true
    case (.groupRemoval(let identifier, let gateway, let rule), .groupRemoval(let new, let newGateway, let newRule)):
      identifier == new && gateway == newGateway && rule == newRule
    default: false
    }
  }
}

/// A registration held for MaxDelayBeforeNewBCEAssign.
struct WaitIdentifier: Hashable, Sendable {
  var rawValue: UInt64
}

/// Everything that is held for later, by node.
///
/// The requests of one node are judged one after another: while the kernel works for a node, what arrives for it is
/// deferred in order. Of one attachment only the newest request is held. Different nodes do not wait for each other.
struct PendingRegistrations: Sendable {
  struct Waiting: Sendable {
    var identifier: WaitIdentifier
    var request: RegistrationRequest
  }

  private struct Node: Sendable {
    var install: (effect: EffectID, pending: PendingInstall)?
    var deferred: [DeferredWork] = []
    var waiting: [Waiting] = []
    var isEmpty: Bool { install == nil && deferred.isEmpty && waiting.isEmpty }
  }

  private var nodes = SegmentedDictionary<MobileNodeIdentifier, Node>()
  private var installs = SegmentedDictionary<EffectID, MobileNodeIdentifier>()
  private var waits = SegmentedDictionary<WaitIdentifier, MobileNodeIdentifier>()
  private var nextWait: UInt64 = 0

  /// Registrations held, for whatever reason.
  private(set) var count = 0

  var installCount: Int { installs.count }

  func install(of node: MobileNodeIdentifier) -> PendingInstall? { nodes.read(node) { $0.install?.pending } ?? nil }
  /// The kernel works for the node: what arrives for it is deferred.
  func isBusy(_ node: MobileNodeIdentifier) -> Bool { nodes.read(node) { $0.install != nil } ?? false }
  func waiting(of node: MobileNodeIdentifier) -> [Waiting] { nodes.read(node) { $0.waiting } ?? [] }
  func node(waitingAs identifier: WaitIdentifier) -> MobileNodeIdentifier? { waits[identifier] }

  mutating func begin(_ pending: PendingInstall, as effect: EffectID) {
    nodes[pending.request.node, default: Node()].install = (effect, pending)
    installs[effect] = pending.request.node
    count += 1
  }

  /// The pending request was transmitted again.
  mutating func replaceRequest(_ request: RegistrationRequest) {
    nodes.change(request.node) { $0.install?.pending.request = request }
  }

  /// The kernel has answered; nil when no such install is known.
  mutating func finish(_ effect: EffectID) -> PendingInstall? {
    guard let node = installs.removeValue(forKey: effect),
      let pending = nodes.change(node, { $0.install.take() })??.pending
    else { return nil }
    count -= 1
    dropIfEmpty(node)
    return pending
  }

  /// The held request of the same attachment, deferred or waiting.
  func held(for request: RegistrationRequest) -> RegistrationRequest? {
    let held = nodes.read(request.node) { node -> RegistrationRequest? in
      for case .registration(let held, _) in node.deferred where held.attachment == request.attachment { return held }
      return node.waiting.first { $0.request.attachment == request.attachment }?.request
    }
    return held ?? nil
  }

  /// Puts a newer request in the place of the one held for the same attachment; false when there is none.
  @discardableResult
  mutating func supersede(with request: RegistrationRequest) -> Bool {
    guard var node = nodes[request.node] else { return false }
    let deferred = node.deferred.firstIndex {
      if case .registration(let held, _) = $0 { held.attachment == request.attachment } else { false }
    }
    if let deferred {
      node.deferred[deferred] = .registration(request, hasWaited: false)
    } else if let waiting = node.waiting.firstIndex(where: { $0.request.attachment == request.attachment }) {
      node.waiting[waiting].request = request
    } else {
      return false
    }
    nodes[request.node] = node
    return true
  }

  mutating func `defer`(_ work: DeferredWork, for node: MobileNodeIdentifier) {
    if case .registration = work {
      count += 1
    } else if nodes[node]?.deferred.contains(where: work.isRepeated) == true {
      return
    }
    nodes[node, default: Node()].deferred.append(work)
  }

  mutating func popDeferred(of node: MobileNodeIdentifier) -> DeferredWork? {
    let first = nodes.change(node) { $0.deferred.isEmpty ? nil : $0.deferred.removeFirst() }
    guard let work = first ?? nil else { return nil }
    if case .registration = work { count -= 1 }
    dropIfEmpty(node)
    return work
  }

  mutating func wait(_ request: RegistrationRequest) -> WaitIdentifier {
    let identifier = WaitIdentifier(rawValue: nextWait)
    nextWait += 1
    nodes[request.node, default: Node()].waiting.append(Waiting(identifier: identifier, request: request))
    waits[identifier] = request.node
    count += 1
    return identifier
  }

  mutating func endWait(_ identifier: WaitIdentifier) -> RegistrationRequest? {
    guard let node = waits.removeValue(forKey: identifier) else { return nil }
    let ended = nodes.change(node) { node in
      node.waiting.firstIndex { $0.identifier == identifier }.map { node.waiting.remove(at: $0) }
    }
    guard let waiting = ended ?? nil else { return nil }
    count -= 1
    dropIfEmpty(node)
    return waiting.request
  }

  private mutating func dropIfEmpty(_ node: MobileNodeIdentifier) {
    if nodes.read(node, { $0.isEmpty }) == true { nodes[node] = nil }
  }
}
