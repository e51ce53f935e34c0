import DaemonKit
import Datapath
import LinuxNet
import NetTypes
import PMIPCore

extension MAGDaemonConfiguration {
  /// What the data plane needs to know.
  var datapathConfiguration: DatapathConfiguration {
    DatapathConfiguration(
      encapsulation: datapath.encapsulation, coreInterface: datapath.coreInterface,
      localAddress: core.proxyCareOfAddress, routeTable: datapath.routeTable,
      rulePriority: datapath.rulePriorityBase, routeProtocol: datapath.routeProtocol, owner: GatewayProgram.daemon.name,
      role: .gateway(
        DatapathConfiguration.Gateway(
          uplinkTable: datapath.uplinkTable, accessLinks: core.accessLinks.map(\.name))))
  }
}

extension LoadedConfiguration where Root == MAGDaemonConfiguration {
  /// Checks this host: privileges, interfaces, forwarding, tunnel kind, collisions. Warnings go to standard error.
  func preflight() throws(ConfigurationErrors) {
    try report(DatapathPreflight.check(value.datapathConfiguration))
  }
}
