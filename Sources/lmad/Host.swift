import DaemonKit
import Datapath

extension LoadedConfiguration where Root == LMADaemonConfiguration {
  /// Checks this host: privileges, interfaces, forwarding, tunnel kind, collisions. Warnings go to standard error.
  func preflight() throws(ConfigurationErrors) {
    try report(DatapathPreflight.check(value.datapathConfiguration))
  }
}
