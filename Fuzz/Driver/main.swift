// FLOWMOB_FUZZ_TARGET=TARGET fuzz [LIBFUZZER-ARGUMENT...]: `testbed/fuzz` calls it. The target is no argument, because
// libFuzzer starts the program again with those that it knows.
// FLOWMOB_FUZZ_TRACE=1 prints what happens, for one input.
import CLibFuzzer
import FuzzTargets
import Glibc

private func complain(_ text: String) {
  let octets = Array("\(text)\n".utf8)
  write(STDERR_FILENO, octets, octets.count)
}

private let target: FuzzTarget = {
  let name = getenv("FLOWMOB_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    complain("fuzz: FLOWMOB_FUZZ_TARGET is '\(name)'; set it to one of \(names)")
    exit(2)
  }
  return target
}()

private let trace: ((String) -> Void)? = getenv("FLOWMOB_FUZZ_TRACE") == nil ? nil : { complain($0) }

var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
_ = target

let status = arguments.withUnsafeMutableBufferPointer { buffer in
  var count = CInt(buffer.count - 1)
  var start = buffer.baseAddress
  return LLVMFuzzerRunDriver(&count, &start) { data, count in
    do throws(FuzzFailure) {
      try target.run(Array(UnsafeBufferPointer(start: data, count: count)), trace: trace)
    } catch {
      complain("\(target.rawValue): \(error)")
      abort()
    }
    return 0
  }
}
exit(status)
