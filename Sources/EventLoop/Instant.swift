import CLinux
import Glibc

/// A point on the monotonic clock, in nanoseconds. It never goes backwards when somebody sets the
/// date, so every deadline is one of these; it says nothing about the date.
package struct MonotonicInstant: Sendable, Comparable, Hashable {
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static func now() -> MonotonicInstant {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicInstant(
      nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }

  package static let distantFuture = MonotonicInstant(nanoseconds: .max)

  /// Saturates instead of trapping, so that "in a very long time" stays a deadline.
  package static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
    let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    return MonotonicInstant(nanoseconds: overflow ? .max : sum)
  }

  package static func - (end: MonotonicInstant, start: MonotonicInstant) -> Duration {
    .nanoseconds(end.nanoseconds &- start.nanoseconds)
  }

  package static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool {
    a.nanoseconds < b.nanoseconds
  }
}

extension Duration {
  /// In nanoseconds; saturates beyond ±292 years.
  package var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || carry ? (seconds < 0 ? .min : .max) : sum
  }
}

/// The date, for people and for the Date field. Nothing is decided by it.
package enum WallClock {
  /// Whole seconds since 1970-01-01T00:00:00Z.
  package static func unixSeconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
  }

  /// Milliseconds since 1970-01-01T00:00:00Z.
  package static func unixMilliseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000
  }
}
