import Datapath
import DatapathModel
import Glibc
import LinuxNet
import NetTypes
import Testing

/// What every `Datapath` does; the recorded one and the kernel's pass the same tests.
@Suite("Datapath contract")
struct DatapathContractTests {
  enum Kind: String, CaseIterable, CustomTestStringConvertible {
    case recorded, kernel
    var testDescription: String { rawValue }
    static let available: [Kind] = isRoot ? allCases : [.recorded]
  }

  /// Runs `body` with a data plane on a host that has a core and an access interface.
  private func withDatapath(
    _ kind: Kind, _ configuration: DatapathConfiguration, _ body: (any Datapath) throws -> Void
  ) throws {
    switch kind {
    case .recorded: try body(RecordedDatapath(configuration))
    case .kernel:
      let host = try AnchorHost()
      try host.run { _ in try body(try KernelDatapath(configuration)) }
    }
  }

  @Test("Changes are idempotent in both directions", arguments: Kind.available)
  func idempotence(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
      let home = try prefix("2001:db8:100:1::/64")
      let set: [DatapathChange] = [.addTunnel(tunnel), .setPrefixRoute(home, tunnel.identifier)]
      let remove: [DatapathChange] = [.removePrefixRoute(home), .removeTunnel(tunnel.identifier)]
      #expect(datapath.apply(set) == .applied)
      #expect(datapath.apply(set) == .applied)
      #expect(datapath.apply(remove) == .applied)
      #expect(datapath.apply(remove) == .applied)
    }
  }

  @Test("Lists of changes are answered one by one", arguments: Kind.available)
  func lists(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
      func route(_ number: Int, _ tunnel: UInt32) throws -> DatapathChange {
        .setPrefixRoute(try prefix("2001:db8:100:\(number)::/64"), TunnelIdentifier(rawValue: tunnel))
      }
      let results = datapath.apply([
        [.addTunnel(tunnel), try route(1, 1)], [], [try route(2, 9), try route(3, 1), try route(4, 8)],
        [.removePrefixRoute(try prefix("2001:db8:100:1::/64"))], [try route(5, 1)],
      ])
      #expect(results.count == 5)
      #expect(results.enumerated().allSatisfy { $0.offset == 2 || $0.element == .applied })
      guard case .failed(let failures) = results[2] else {
        Issue.record("not refused: \(results[2])")
        return
      }
      #expect(try failures.map(\.change) == [route(2, 9), route(4, 8)])
      var snapshot = DatapathSnapshot()
      for change in try [.addTunnel(tunnel), route(3, 1), route(5, 1)] { snapshot.apply(change) }
      let report = try datapath.reconcile(to: snapshot)
      #expect(report.failures == [] && report.removed == 0)
    }
  }

  @Test("A route into a missing tunnel is refused with its name; the other changes are done", arguments: Kind.available)
  func missingTunnel(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
      let bad = DatapathChange.setPrefixRoute(try prefix("2001:db8:100:2::/64"), TunnelIdentifier(rawValue: 9))
      let home = try prefix("2001:db8:100:1::/64")
      let good: [DatapathChange] = [.addTunnel(tunnel), .setPrefixRoute(home, tunnel.identifier)]
      let result = datapath.apply([bad] + good)
      guard case .failed(let failures) = result else {
        Issue.record("not refused: \(result)")
        return
      }
      #expect(failures.map(\.change) == [bad])
      #expect(failures.first?.description.contains("2001:db8:100:2::/64 into tunnel 9") == true)
      var snapshot = DatapathSnapshot()
      for change in good { snapshot.apply(change) }
      let report = try datapath.reconcile(to: snapshot)
      #expect(report.failures == [])
      #expect(report.removed == 0)
    }
  }

  @Test("Uplinks are refused at an anchor", arguments: Kind.available)
  func wrongRole(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
      #expect(datapath.apply([.addTunnel(tunnel)]) == .applied)
      let uplink = DatapathChange.setUplink(try prefix("2001:db8:100:1::/64"), tunnel.identifier)
      #expect(datapath.apply([uplink]) != .applied)
    }
  }

  @Test("Reconciling twice changes nothing the second time; to nothing removes everything", arguments: Kind.available)
  func reconciliation(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      var snapshot = DatapathSnapshot()
      for number in 1...3 as ClosedRange<UInt32> {
        let tunnel = try tunnel(number, "2001:db8:1::1", "2001:db8:1::1\(number)")
        snapshot.apply(.addTunnel(tunnel))
        snapshot.apply(.setPrefixRoute(try prefix("2001:db8:100:\(number)::/64"), tunnel.identifier))
      }
      let first = try datapath.reconcile(to: snapshot)
      #expect(first.set > 0 && first.removed == 0 && first.failures == [])
      let second = try datapath.reconcile(to: snapshot)
      #expect(second.set == 0 && second.removed == 0 && second.kept >= 6)
      snapshot.apply(.removePrefixRoute(try prefix("2001:db8:100:3::/64")))
      snapshot.apply(.setPrefixRoute(try prefix("2001:db8:100:1::/64"), TunnelIdentifier(rawValue: 2)))
      let third = try datapath.reconcile(to: snapshot)
      #expect(third.set == 1 && third.removed == 1 && third.failures == [])
      #expect(try datapath.teardown() == [])
      #expect(try datapath.reconcile(to: snapshot).set >= 5)
    }
  }

  @Test("The tunnel MTU is that of the core interface less one header", arguments: Kind.available)
  func tunnelMTU(kind: Kind) throws {
    try withDatapath(kind, try anchorConfiguration()) { datapath in
      let mtu = try datapath.tunnelMTU()
      #expect(mtu == 1_460)
    }
  }

  @Test("The recorded data plane refuses what it is told to refuse")
  func scriptedRefusal() throws {
    let datapath = RecordedDatapath(try anchorConfiguration())
    datapath.refusal = { if case .addTunnel = $0 { LinuxError("create", "flm1", code: ENOBUFS) } else { nil } }
    let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
    #expect(datapath.apply([.addTunnel(tunnel)]) != .applied)
    #expect(datapath.state.tunnels.isEmpty)
    #expect(datapath.history == [[.addTunnel(tunnel)]])
  }
}
