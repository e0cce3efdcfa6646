import Glibc

/// A process that this one did not start, seen through /proc: a number somebody wrote down, which
/// may be another's by now. Hence its arguments are asked before it is sent anything.
package enum OtherProcess {
  /// Whether there is a process of this number, a zombie included.
  package static func exists(_ pid: Int32) -> Bool {
    pid > 0 && (kill(pid, 0) == 0 || errno == EPERM)
  }

  /// What it was started with, its name first; empty when it has ended, reaped or not.
  package static func arguments(_ pid: Int32) -> [String] {
    guard let content = try? Files.read("/proc/\(pid)/cmdline") else { return [] }
    return content.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// Its children that have not been reaped.
  package static func children(of pid: Int32) -> [Int32] {
    guard let content = try? Files.read("/proc/\(pid)/task/\(pid)/children") else { return [] }
    return content.split(separator: UInt8(ascii: " ")).compactMap {
      Int32(String(decoding: $0, as: UTF8.self))
    }
  }

  /// Sends a signal; a process that is gone or another user's is passed over.
  package static func send(_ signal: Int32, to pid: Int32) {
    if pid > 0 { _ = kill(pid, signal) }
  }
}
