import ArgumentParser

@main
struct Benchmarks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmarks",
    abstract: "Measures the protocol core without sockets and kernel.",
    discussion: """
      Times are CPU time of the thread, so that another process on the machine does not count. Every ratio has its \
      baseline in the same run. Exit status 1: a bound that `docs/performance.md` states was missed.
      """,
    subcommands: [Refresh.self, Growth.self, Expiry.self])
}
