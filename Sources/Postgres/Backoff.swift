package import EventLoop

/// When to try to connect again: never sooner than a second after the last attempt, or whatever else
/// the floor is, and with full jitter on top, so that many clients of a server that comes back do
/// not come back together.
package struct Backoff: Sendable, Equatable {
  /// The least time between two attempts.
  package static let floor = Duration.seconds(1)
  /// The most that chance adds. Together with the floor and a connect it stays below 5 s.
  package static let ceiling = Duration.seconds(2)
  private static let first = Duration.milliseconds(250)

  /// Attempts that failed since one succeeded.
  package private(set) var failures = 0

  private let least: Duration
  private let most: Duration

  /// With other bounds than those of the pools of requests.
  package init(floor: Duration = Self.floor, ceiling: Duration = Self.ceiling) {
    least = floor
    most = ceiling
  }

  package mutating func succeeded() { failures = 0 }

  /// Takes note of a failure and says when to try again. `attempt` is when the failed attempt
  /// began, `chance` is from 0 up to 1.
  package mutating func failed(
    attempt: MonotonicInstant, now: MonotonicInstant, chance: Double
  ) -> MonotonicInstant {
    let doublings = min(failures, 3)
    failures += 1
    let reach = min(most, Self.first * (1 << doublings))
    return soon(after: attempt, now: now) + reach * min(max(chance, 0), 1)
  }

  /// The soonest.
  func soon(after attempt: MonotonicInstant, now: MonotonicInstant) -> MonotonicInstant {
    max(now, attempt + least)
  }
}
