// swift-tools-version: 6.2
// Module map and import rules: see ARCHITECTURE.md.
import PackageDescription

// CI treats every warning in our own targets as an error; a developer's build only shows them.
let warningsAreErrors = Context.environment["CI"] != nil

let settings: [SwiftSetting] =
  [.enableUpcomingFeature("ExistentialAny")]
  + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// A target of ours: same settings everywhere.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: ["DaemonKit", "LinuxNet", "NetTypes", argumentParser, logging] + dependencies,
    swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
  name: "flowmob",
  products: [
    .executable(name: "lmad", targets: ["lmad"]),
    .executable(name: "magd", targets: ["magd"]),
    .executable(name: "flow-manager", targets: ["FlowManager"]),
    .executable(name: "packet-reflector", targets: ["PacketReflector"]),
    .executable(name: "bonding-policy", targets: ["BondingPolicy"]),
    .executable(name: "magd-trigger", targets: ["magd-trigger"]),
    .library(name: "PMIPCore", targets: ["PMIPCore"]),
    .library(name: "MobilityWire", targets: ["MobilityWire"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // Pure: no sockets, no clock, no Foundation.
    module("SeededRandom"),
    module("NetTypes"),
    module("DatapathModel", ["NetTypes"]),
    module("MobilityWire", ["NetTypes"]),
    module("FlowCore", ["NetTypes", "DatapathModel", .product(name: "HeapModule", package: "swift-collections")]),
    module(
      "PMIPCore",
      ["NetTypes", "MobilityWire", "DatapathModel", .product(name: "HeapModule", package: "swift-collections")]),
    // What people and programs read of a message.
    module("MobilityDocuments", ["NetTypes", "MobilityWire"]),

    // How access points tell a gateway who is there.
    .target(name: "CSHA256"),
    module("AccessTriggers", ["NetTypes", "PMIPCore", "CSHA256"]),

    // The pure parts together, in virtual time.
    module(
      "DomainSimulation",
      [
        "NetTypes", "MobilityWire", "DatapathModel", "PMIPCore", "FlowCore", "SeededRandom",
        .product(name: "HeapModule", package: "swift-collections"),
      ]),
    .executableTarget(
      name: "domain-simulation", dependencies: ["DomainSimulation", argumentParser], swiftSettings: settings),

    // Shell: the Linux kernel behind typed interfaces.
    .target(name: "CLinuxNet"),
    module("LinuxNet", ["NetTypes", "MobilityWire", "CLinuxNet"]),
    module("Datapath", ["NetTypes", "DatapathModel", "LinuxNet", logging]),
    module("DaemonKit", ["NetTypes", "LinuxNet", argumentParser, logging, .product(name: "Yams", package: "Yams")]),

    // What lmad and magd have in common.
    module(
      "SignallingKit",
      [
        "NetTypes", "MobilityWire", "DatapathModel", "PMIPCore", "LinuxNet", "Datapath", "DaemonKit", argumentParser,
        logging,
      ]),

    // What packet-reflector and bonding-policy have in common.
    module("TerminalKit", ["NetTypes", "LinuxNet", "DaemonKit", argumentParser]),

    // libpcap, for `lmad decode --pcap` only.
    .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),

    // Programs.
    program(
      "lmad",
      [
        "SignallingKit", "PMIPCore", "MobilityWire", "MobilityDocuments", "DatapathModel", "Datapath", "FlowCore",
        "CPcap",
      ]),
    program("magd", ["AccessTriggers", "SignallingKit", "PMIPCore", "MobilityWire", "DatapathModel", "Datapath"]),
    // For access points: C, and nothing but the C library.
    .executableTarget(name: "magd-trigger", dependencies: ["CSHA256"]),
    program("FlowManager", ["FlowCore", "DatapathModel"]),
    program("PacketReflector", ["TerminalKit"]),
    program("BondingPolicy", ["TerminalKit", "FlowCore", "MobilityWire"]),

    // Measurement: testbed/load and its yardsticks.
    .executableTarget(
      name: "LoadGenerator",
      dependencies: ["PMIPCore", "MobilityWire", "DatapathModel", "LinuxNet", "CLinuxNet", "NetTypes", argumentParser],
      swiftSettings: settings),
    .executableTarget(name: "LoadLimits"),
    // Measurement: testbed/bench.
    .executableTarget(name: "FlowTraffic"),

    // Figures of docs/performance.md: `swift run -c release benchmarks`.
    .target(name: "CAllocationMeter"),
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "PMIPCore", "FlowCore", "MobilityWire", "DatapathModel", "NetTypes", "SeededRandom", "CAllocationMeter",
        argumentParser,
      ],
      swiftSettings: settings),

    .target(name: "TestSupport", dependencies: ["SeededRandom"], path: "Tests/TestSupport", swiftSettings: settings),
    tests("ConformanceTests", []),
    tests("NetTypesTests", ["NetTypes"]),
    tests(
      "MobilityWireTests", ["MobilityWire", "NetTypes", "SeededRandom", "TestSupport"], resources: [.copy("Fixtures")]),
    tests("MobilityDocumentsTests", ["MobilityDocuments", "MobilityWire", "NetTypes", "SeededRandom", "TestSupport"]),
    tests("FlowCoreTests", ["FlowCore", "NetTypes", "DatapathModel", "SeededRandom"]),
    tests(
      "PMIPCoreTests", ["PMIPCore", "MobilityWire", "NetTypes", "DatapathModel", "DomainSimulation", "SeededRandom"]),
    tests("AccessTriggersTests", ["AccessTriggers", "PMIPCore", "NetTypes", "SeededRandom", "TestSupport"]),
    tests("LinuxNetTests", ["LinuxNet", "NetTypes"]),
    tests("DatapathTests", ["Datapath", "DatapathModel", "LinuxNet", "NetTypes", "SeededRandom", "TestSupport"]),
    tests("DaemonKitTests", ["DaemonKit", "LinuxNet", "NetTypes", argumentParser, logging]),
    tests(
      "ProgramTests",
      [
        "lmad", "magd", "FlowManager", "PacketReflector", "BondingPolicy", "AccessTriggers", "TerminalKit", "PMIPCore",
        "FlowCore", "MobilityWire", "LinuxNet", "NetTypes", "DaemonKit", "SignallingKit",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
