// fuzz TARGET [LIBFUZZER-ARGUMENT...]: `testbed/fuzz` calls it.
// FLOWMOB_FUZZ_TRACE=1 prints what happens, for one input.
import CLibFuzzer
import FuzzTargets
import Glibc

private func complain(_ text: String) {
  let octets = Array("\(text)\n".utf8)
  write(STDERR_FILENO, octets, octets.count)
}

private let names = FuzzTarget.allCases.map(\.rawValue)

private let target: FuzzTarget = {
  guard CommandLine.arguments.count > 1, let target = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
    complain("fuzz: the first argument must be one of \(names.joined(separator: ", "))")
    exit(2)
  }
  return target
}()

private let trace: ((String) -> Void)? = getenv("FLOWMOB_FUZZ_TRACE") == nil ? nil : { complain($0) }

// libFuzzer must not see the name of the target: what is no option is a corpus to it.
var arguments: [UnsafeMutablePointer<CChar>?] =
  ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { strdup($0) } + [nil]
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
