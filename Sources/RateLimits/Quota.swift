/// So many tokens in so much time: one policy, as a token bucket that holds `tokens` when full and
/// gets one back every `interval`.
package struct Quota: Sendable, Equatable {
  /// What a full bucket holds, 1…16,000,000,000.
  package let tokens: Int64
  /// Nanoseconds per token, rounded up: a window that the tokens do not divide gives a rate that is
  /// lower by less than one nanosecond per token, never one that is higher.
  package let interval: Int64

  /// Nanoseconds that an empty bucket takes to be full.
  package var limit: Int64 { tokens * interval }

  /// Nil unless there are 1…16,000,000,000 tokens in 1 ns to 10 years.
  package init?(tokens: Int64, per nanoseconds: Int64) {
    guard 1...16_000_000_000 ~= tokens, 1...Self.longest ~= nanoseconds else { return nil }
    self.tokens = tokens
    interval = (nanoseconds - 1) / tokens + 1
  }

  /// Nil unless there are 1…16,000,000,000 tokens in one second to 10 years.
  package init?(tokens: Int, seconds: Int) {
    guard 1...(Self.longest / 1_000_000_000) ~= Int64(seconds) else { return nil }
    self.init(tokens: Int64(tokens), per: Int64(seconds) * 1_000_000_000)
  }

  private static let longest: Int64 = 3_660 * 86_400 * 1_000_000_000

  /// The nanoseconds that an amount is worth, rounded up; amounts that are out of reach of any
  /// quota give `Int64.max`, which nothing admits.
  package func charge(for amount: Amount) -> Int64 {
    let (product, overflow) = interval.multipliedReportingOverflow(by: amount.quarters)
    guard !overflow, product < .max - 3 else { return .max }
    return product <= 0 ? 0 : (product + 3) >> 2
  }

  /// Whole tokens that a bucket with a deficit has left, for one of so many sharers.
  package func remaining(deficit: Int64, shares: Int64 = 1) -> Int {
    guard deficit < limit else { return 0 }
    let whole = (limit - max(0, deficit)) / interval
    return Int(shares > 1 ? whole / shares : whole)
  }

  /// Whether `remaining` is at least so much.
  func has(_ tokens: Int, deficit: Int64, shares: Int64) -> Bool {
    let (all, excess) = Int64(tokens).multipliedReportingOverflow(by: max(1, shares))
    let (needed, overflow) = all.multipliedReportingOverflow(by: interval)
    return !excess && !overflow && max(0, limit - max(0, deficit)) >= needed
  }

  /// The same rate and burst, so many times.
  package func times(_ factor: Int64) -> Quota {
    Quota(tokens: min(tokens * factor, 16_000_000_000), per: limit) ?? self
  }
}

/// A number of tokens, in quarters, so that most of one can be given back.
package struct Amount: Sendable, Equatable, Comparable {
  package let quarters: Int64

  /// Negative amounts are none.
  package init(quarters: Int64) {
    self.quarters = max(0, quarters)
  }

  /// Whole tokens. Negative amounts are none, amounts past 2^40 are that.
  package init(tokens: Int) {
    quarters = Int64(min(max(0, tokens), 1 << 40)) * 4
  }

  package static let zero = Amount(quarters: 0)

  package static func < (a: Amount, b: Amount) -> Bool { a.quarters < b.quarters }
}

/// The two policies of a class; both must admit, then both are debited.
package struct Limits: Sendable, Equatable {
  package let burst: Quota
  package let sustained: Quota

  package init(burst: Quota, sustained: Quota) {
    self.burst = burst
    self.sustained = sustained
  }

  package func times(_ factor: Int64) -> Limits {
    Limits(burst: burst.times(factor), sustained: sustained.times(factor))
  }
}

/// Which of the two.
package enum Policy: String, Sendable, CaseIterable {
  /// How much at once.
  case burst
  /// How much in the long run.
  case sustained
}
