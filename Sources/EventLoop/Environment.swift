import Glibc

/// The process's environment and command line, read once by the program's start.
package enum Environment {
  /// `NAME=value` each, in the system's order.
  package static func entries() -> [String] {
    var entries: [String] = []
    var pointer = unsafe environ
    while let entry = unsafe pointer.pointee {
      entries.append(unsafe String(cString: entry))
      unsafe pointer += 1
    }
    return entries
  }

  /// Name to value; of a name that stands twice the first counts, as for getenv(3).
  package static func variables() -> [String: String] {
    var variables: [String: String] = [:]
    for entry in entries() {
      guard let equals = entry.firstIndex(of: "=") else { continue }
      let name = String(entry[..<equals])
      if variables[name] == nil { variables[name] = String(entry[entry.index(after: equals)...]) }
    }
    return variables
  }

  /// How many processors this process may use.
  package static func processorCount() -> Int {
    max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  package static var processIdentifier: Int32 { getpid() }
}
