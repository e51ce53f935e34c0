import DaemonKit
import Datapath
import LinuxNet
import NetTypes
import PMIPCore

extension LMADaemonConfiguration {
  /// What the data plane needs to know.
  var datapathConfiguration: DatapathConfiguration {
    DatapathConfiguration(
      encapsulation: datapath.encapsulation, coreInterface: datapath.coreInterface,
      localAddress: core.addresses.first ?? .unspecified, routeTable: datapath.routeTable,
      rulePriority: datapath.rulePriorityBase, routeProtocol: datapath.routeProtocol, owner: AnchorProgram.daemon.name,
      role: .anchor(
        DatapathConfiguration.Anchor(
          markLayout: core.markLayout, tableBase: datapath.tableBase, aggregates: core.prefixPools.map(\.prefix))))
  }
}

extension LoadedConfiguration where Root == LMADaemonConfiguration {
  /// Checks this host: privileges, interfaces, forwarding, tunnel kind, collisions. Warnings go to standard error.
  func preflight() throws(ConfigurationErrors) {
    try report(DatapathPreflight.check(value.datapathConfiguration))
  }
}
