package import EventLoop

/// Decides whether one more call may wait. It counts those who are inside, waiting or being served,
/// and remembers how long one took lately, so that a call that could not be answered in time is
/// refused at once instead of after its deadline.
package struct Admission: Sendable {
  package enum Verdict: Sendable, Equatable {
    case admitted
    case overloaded
  }

  private let limit: Int
  private let lanes: Int
  package private(set) var inside = 0
  /// A moving average, in nanoseconds of one lane.
  private var service: Int64 = 0

  /// At most `limit` inside; `lanes` are served side by side.
  package init(limit: Int, lanes: Int) {
    self.limit = max(1, limit)
    self.lanes = max(1, lanes)
  }

  /// What a call that enters now would wait before it is served, as far as is known.
  package var expectedWait: Duration {
    let ahead = Int64(max(0, inside - lanes + 1))
    let (product, overflow) = service.multipliedReportingOverflow(by: ahead)
    return overflow ? .seconds(3600) : .nanoseconds(product / Int64(lanes))
  }

  package mutating func enter(now: MonotonicInstant, deadline: MonotonicInstant) -> Verdict {
    if inside >= limit { return .overloaded }
    // The first in line are always let in: only they can find out that things are better again.
    if inside >= lanes, now + expectedWait > deadline { return .overloaded }
    inside += 1
    return .admitted
  }

  /// A call goes on in another way; it has been let in before.
  package mutating func enterAgain() { inside += 1 }

  /// A call is over. `took` is how long it occupied a lane, or nil when it never did.
  package mutating func leave(took: Duration?) {
    inside = max(0, inside - 1)
    guard let took else { return }
    let sample = min(max(0, took.wholeNanoseconds), 60_000_000_000)
    service += (sample - service) / 32
  }
}
