import CLinux
import Glibc

/// What this process takes of the machine.
package struct ProcessUsage: Sendable {
  /// Bytes in memory.
  package let residentMemory: Int
  /// Since its start, in user and system mode, of all threads.
  package let processorNanoseconds: Int64
  package let openDescriptors: Int
  package let descriptorLimit: Int
  /// When it started, in seconds since 1970-01-01T00:00:00Z.
  package let startedAt: Double

  /// As the kernel tells it now; what it does not tell is 0.
  package static func now() -> ProcessUsage {
    var time = timespec()
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let pages = words("/proc/self/statm").dropFirst().first.flatMap { Int($0) } ?? 0
    return ProcessUsage(
      residentMemory: pages * sysconf(Int32(_SC_PAGESIZE)),
      processorNanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec),
      // The one that reads the folder does not count.
      openDescriptors: max(0, Files.names(in: "/proc/self/fd").count - 1),
      descriptorLimit: Int(clamping: limit.rlim_cur), startedAt: start())
  }

  /// The start in clock ticks since the machine's, behind the name, which may hold anything.
  private static func start() -> Double {
    let status = text("/proc/self/stat")
    guard let end = status.lastIndex(of: ")") else { return 0 }
    let fields = status[end...].split(separator: " ")
    let boot = text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
    guard fields.count > 20, let ticks = Double(fields[20]),
      let seconds = boot.flatMap({ Double($0.dropFirst(6)) })
    else { return 0 }
    return seconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private static func text(_ path: String) -> String {
    String(decoding: (try? Files.read(path)) ?? [], as: UTF8.self)
  }

  private static func words(_ path: String) -> [Substring] {
    text(path).split(whereSeparator: \.isWhitespace)
  }
}
