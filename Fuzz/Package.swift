// swift-tools-version: 6.2
// The fuzz targets with libFuzzer; `testbed/fuzz` builds and runs them. A package of its own, because everything in it is
// instrumented. The pure modules are those of the main package.
import PackageDescription

let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let fuzzer = ["-sanitize=fuzzer"]

func module(_ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path,
    swiftSettings: [.enableUpcomingFeature("ExistentialAny"), .unsafeFlags(fuzzer)])
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
    module("FuzzTargets", ["NetTypes", "MobilityWire", "DatapathModel", "FlowCore", "PMIPCore"], path: "Targets"),
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzTargets"], path: "Driver",
      swiftSettings: [.unsafeFlags(fuzzer + ["-parse-as-library"])], linkerSettings: [.unsafeFlags(fuzzer)]),
  ],
  swiftLanguageModes: [.v6]
)
