import ArgumentParser
import DaemonKit
import FlowCore

/// Which flows, in which order, and how many.
struct ListOptions: ParsableArguments {
  @OptionGroup(title: "Flows") var filter: FlowFilterOptions

  @Option(
    help: ArgumentHelp(
      "id, or the largest first: rate, octets, packets, idle or age.", valueName: "column"))
  var sort = FlowQuery.Order.identifier

  @Option(help: ArgumentHelp("At most so many flows, up to \(FlowQuery.maximumLimit).", valueName: "number"))
  var limit = FlowQuery.standardLimit

  @Option(
    help: ArgumentHelp("Only flows with higher numbers: the last one of the page before.", valueName: "flow"))
  var after: UInt32?

  func validate() throws {
    guard (1...FlowQuery.maximumLimit).contains(limit) else {
      throw ValidationError(
        "--limit takes 1 to \(FlowQuery.maximumLimit) flows; for more take several pages, see --after")
    }
    if after != nil, sort != .identifier {
      throw ValidationError("--after goes with --sort id only: pages of any other order would overlap as flows change")
    }
  }

  var arguments: ListArguments {
    ListArguments(
      flows: filter.arguments, sort: sort, limit: limit, after: after.map(FlowIdentifier.init(rawValue:)))
  }
}

extension FlowQuery.Order: ExpressibleByArgument {}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the flows.",
    discussion: "An answer says how many more flows there are; `--after` with its last number gives the next page.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var list: ListOptions

  func run() throws {
    try client.print(try client.connect().call("list", list.arguments, as: FlowsDocument.self)) { $0.text }
  }
}

struct ShowFlows: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "flows", abstract: "The flows; the same as `list`.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var list: ListOptions

  func run() throws {
    try client.print(try client.connect().call("list", list.arguments, as: FlowsDocument.self)) { $0.text }
  }
}
