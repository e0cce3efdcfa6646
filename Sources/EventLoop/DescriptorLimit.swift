import CLinux
import Glibc

/// How many descriptors this process may have open (getrlimit(2)).
package enum DescriptorLimit {
  /// From now on as many as the system lets it have. Shells and systemd hand down a lower limit, of
  /// 1,024 mostly, for the sake of programs that use select(2); a server has a descriptor for each
  /// connection. Children get the lower one back.
  package static func raise() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
