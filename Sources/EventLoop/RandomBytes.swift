import CLinux
import Glibc

/// Bytes from the kernel's generator, fit for keys and tokens.
package enum RandomBytes {
  /// `count` bytes, at most 256: up to there getrandom(2) never gives fewer once it is seeded.
  package static func make(_ count: Int) -> [UInt8] {
    precondition(count <= 256)
    var bytes = [UInt8](repeating: 0, count: count)
    var given = -1
    repeat { given = unsafe getrandom(&bytes, count, 0) } while given < 0 && errno == EINTR
    // Without randomness no key, token or request id may leave; there is nothing to go on with.
    precondition(given == count, "getrandom gave \(given) of \(count) bytes")
    return bytes
  }
}
