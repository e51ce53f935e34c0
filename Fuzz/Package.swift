// swift-tools-version: 6.2
// The fuzz targets with libFuzzer; `testbed/fuzz` builds and runs them. A package of its own, because everything in it is
// instrumented. The pure modules are those of the main package.
import PackageDescription

let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

func module(_ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path,
    swiftSettings: [.enableUpcomingFeature("ExistentialAny"), .unsafeFlags(["-sanitize=fuzzer"])])
}

let package = Package(
  name: "flowmob-fuzz",
  dependencies: [.package(url: "https://github.com/apple/swift-collections", from: "1.6.0")],
  targets: [
    module("NetTypes"),
    module("DatapathModel", ["NetTypes"]),
    module("MobilityWire", ["NetTypes"]),
    module("FlowCore", ["NetTypes", "DatapathModel", heap]),
    module("PMIPCore", ["NetTypes", "MobilityWire", "DatapathModel", heap]),
    .target(name: "CSHA256"),
    module("AccessTriggers", ["NetTypes", "PMIPCore", "CSHA256"]),
    // Only for what it makes of the kernel's octets.
    .target(name: "CLinuxNet"),
    module("LinuxNet", ["NetTypes", "MobilityWire", "CLinuxNet"]),
    module(
      "FuzzTargets",
      ["NetTypes", "MobilityWire", "DatapathModel", "FlowCore", "PMIPCore", "AccessTriggers", "LinuxNet"],
      path: "Targets"),
    .systemLibrary(name: "CLibFuzzer", path: "CLibFuzzer"),
    // Links libFuzzer without its main, which SwiftPM would rename away; testbed/fuzz says where it is.
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzTargets", "CLibFuzzer"], path: "Driver",
      linkerSettings: [.linkedLibrary("stdc++")]),
  ],
  swiftLanguageModes: [.v6]
)
