import ArgumentParser
import DatapathModel
import FlowCore

/// Flows by what they have in common.
struct FlowFilterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Flows of this node.", valueName: "node")) var node: String?

  @Option(
    name: [.customLong("gateway"), .customLong("from")],
    help: ArgumentHelp("Flows that go to this gateway now.", valueName: "gateway"))
  var gateway: String?

  @Option(help: ArgumentHelp("Flows in this tunnel now, see `tunnels`.", valueName: "number")) var tunnel: UInt32?

  @Flag(inversion: .prefixedNo, help: "Flows that are, or are not, pinned.") var pinned: Bool?

  @OptionGroup(title: "6-tuple") var fields: SelectorOptions

  /// Only fields of the 6-tuple, which may be meant to name one flow.
  var isSelectorOnly: Bool { node == nil && gateway == nil && tunnel == nil && pinned == nil }
  var isEmpty: Bool { isSelectorOnly && fields.selector.isEmpty }

  var arguments: FlowArguments {
    FlowArguments(
      selector: fields.selector.isEmpty ? nil : fields.selector, node: node, gateway: gateway,
      tunnel: tunnel.map(TunnelIdentifier.init(rawValue:)), isPinned: pinned)
  }
}

/// Flows that a command is about: one by its number or by fields that only it has, or all that fit.
struct FlowChoiceOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Number of the flow; or choose flows with the options below.", valueName: "flow"))
  var flow: UInt32?

  @OptionGroup(title: "Flows") var filter: FlowFilterOptions

  @Flag(help: "With fields of the 6-tuple only, or with nothing: more than one flow is meant.") var all = false

  var isEmpty: Bool { flow == nil && filter.isEmpty && !all }

  func check() throws {
    if flow != nil, !filter.isEmpty || all {
      throw ValidationError("name the flow by its number, or choose flows by options, not both")
    }
    if isEmpty {
      throw ValidationError(
        "say which flows: a number, as `flow-manager list` shows it; options such as --node, --from or --source; or "
          + "--all")
    }
  }

  var arguments: FlowArguments {
    if let flow { return FlowArguments(flow: FlowIdentifier(rawValue: flow)) }
    var arguments = filter.arguments
    arguments.all = all ? true : nil
    return arguments
  }
}
