/// Two token buckets of one client, each kept as the instant at which it is full again (the
/// theoretical arrival time of GCRA, ITU-T I.371): nothing has to tick.
///
/// Instants are nanoseconds of one monotonic clock, 0…2^62; what comes from outside that is taken
/// to its border. No arithmetic here can overflow: an instant is at most 2^62, a deficit is kept at
/// most `furthest`, and a charge that is larger admits nothing.
package struct Bucket: Sendable, Equatable {
  /// When the burst bucket is full; in the past when it is full.
  package private(set) var burstFull: Int64
  /// When the sustained bucket is full.
  package private(set) var sustainedFull: Int64

  /// 73 years: more than any deficit that a quota admits.
  static let furthest: Int64 = 1 << 61

  /// Full ones.
  package init() {
    burstFull = 0
    sustainedFull = 0
  }

  /// Buckets that are full after these nanoseconds.
  package init(deficits: Deficits, now: Int64) {
    let now = Self.instant(now)
    burstFull = now + min(max(0, deficits.burst), Self.furthest)
    sustainedFull = now + min(max(0, deficits.sustained), Self.furthest)
  }

  /// Whether both are full: then there is nothing to remember.
  package func isFull(now: Int64) -> Bool {
    let now = Self.instant(now)
    return burstFull <= now && sustainedFull <= now
  }

  /// Nanoseconds until each is full.
  package func deficits(now: Int64) -> Deficits {
    let now = Self.instant(now)
    return Deficits(burst: max(0, burstFull - now), sustained: max(0, sustainedFull - now))
  }

  /// Takes the cost from both, or changes nothing. A wait is exact: the same cost is admitted once
  /// it is over if nothing else has been taken.
  ///
  /// - Parameter shares: among how many the quota is divided: each token weighs that many.
  package mutating func take(
    _ cost: Amount, of limits: Limits, shares: Int64 = 1, now: Int64
  ) -> Outcome {
    let outcome = check(cost, of: limits, shares: shares, now: now)
    if case .taken = outcome { debit(cost, of: limits, shares: shares, now: now) }
    return outcome
  }

  /// What `take` would say.
  package func check(
    _ cost: Amount, of limits: Limits, shares: Int64 = 1, now: Int64
  ) -> Outcome {
    let deficits = deficits(now: now)
    let burst = Self.wait(
      deficits.burst, Self.charge(cost, limits.burst, shares), limits.burst.limit, shares)
    let sustained = Self.wait(
      deficits.sustained, Self.charge(cost, limits.sustained, shares), limits.sustained.limit,
      shares)
    if burst <= 0 && sustained <= 0 { return .taken }
    return burst > sustained
      ? .refused(.burst, wait: burst) : .refused(.sustained, wait: sustained)
  }

  /// Takes the cost whether there is as much or not.
  package mutating func debit(
    _ cost: Amount, of limits: Limits, shares: Int64 = 1, now: Int64
  ) {
    let now = Self.instant(now)
    burstFull = Self.later(burstFull, Self.charge(cost, limits.burst, shares), now)
    sustainedFull = Self.later(sustainedFull, Self.charge(cost, limits.sustained, shares), now)
  }

  /// Gives back, at most until it is full: rounded down, so that what is given back is never more
  /// than what was taken.
  package mutating func refund(
    _ amount: Amount, of limits: Limits, shares: Int64 = 1, now: Int64
  ) {
    let now = Self.instant(now)
    burstFull = Self.earlier(burstFull, amount, limits.burst, shares, now)
    sustainedFull = Self.earlier(sustainedFull, amount, limits.sustained, shares, now)
  }

  /// A bucket that from an instant on holds at most so much for one of so many sharers, and what
  /// its share of the rate adds.
  func limited(
    to amount: Amount, of limits: Limits, shares: Int64, at instant: Int64
  ) -> Bucket {
    func full(_ quota: Quota) -> Int64 {
      let charge = Self.charge(amount, quota, shares)
      return charge >= quota.limit ? 0 : Self.instant(instant) + quota.limit - charge
    }
    var bucket = self
    bucket.burstFull = max(burstFull, full(limits.burst))
    bucket.sustainedFull = max(sustainedFull, full(limits.sustained))
    return bucket
  }

  /// The later of both instants of two buckets.
  package mutating func formMaximum(_ other: Bucket) {
    burstFull = max(burstFull, other.burstFull)
    sustainedFull = max(sustainedFull, other.sustainedFull)
  }

  /// The earlier of both.
  package mutating func formMinimum(_ other: Bucket) {
    burstFull = min(burstFull, other.burstFull)
    sustainedFull = min(sustainedFull, other.sustainedFull)
  }

  /// Where the policy stands that is nearer to exhaustion: that with fewer tokens left, and the
  /// sustained one of two alike.
  package func standing(of limits: Limits, shares: Int64 = 1, now: Int64) -> Standing {
    let deficits = deficits(now: now)
    let burst = limits.burst.remaining(deficit: deficits.burst, shares: shares)
    let sustained = limits.sustained.remaining(deficit: deficits.sustained, shares: shares)
    return burst < sustained
      ? Standing(policy: .burst, remaining: burst, reset: deficits.burst)
      : Standing(policy: .sustained, remaining: sustained, reset: deficits.sustained)
  }

  /// Whether both have so many tokens, as `standing` counts them.
  func has(_ tokens: Int, of limits: Limits, shares: Int64, now: Int64) -> Bool {
    let deficits = deficits(now: now)
    return limits.burst.has(tokens, deficit: deficits.burst, shares: shares)
      && limits.sustained.has(tokens, deficit: deficits.sustained, shares: shares)
  }

  static func instant(_ now: Int64) -> Int64 { min(max(0, now), 1 << 62) }

  static func charge(_ cost: Amount, _ quota: Quota, _ shares: Int64) -> Int64 {
    let (product, overflow) = quota.charge(for: cost).multipliedReportingOverflow(by: shares)
    return overflow ? .max : product
  }

  private static func wait(
    _ deficit: Int64, _ charge: Int64, _ limit: Int64, _ shares: Int64
  ) -> Int64 {
    // A cost that is more than one's whole share is let through when nothing has been taken: a
    // share is never nothing.
    if shares > 1 && charge > limit { return charge == .max ? .max : deficit }
    let (sum, overflow) = deficit.addingReportingOverflow(charge)
    return overflow ? .max : sum - limit
  }

  private static func later(_ full: Int64, _ charge: Int64, _ now: Int64) -> Int64 {
    let deficit = min(max(0, full - now), furthest)
    let (sum, overflow) = deficit.addingReportingOverflow(charge)
    return now + (overflow ? furthest : min(sum, furthest))
  }

  private static func earlier(
    _ full: Int64, _ amount: Amount, _ quota: Quota, _ shares: Int64, _ now: Int64
  ) -> Int64 {
    guard full > now else { return full }
    let (whole, overflow) = quota.interval.multipliedReportingOverflow(by: amount.quarters)
    let (back, excess) = (whole >> 2).multipliedReportingOverflow(by: shares)
    return overflow || excess || back >= full - now ? now : full - back
  }

  /// What became of a request for tokens.
  package enum Outcome: Sendable, Equatable {
    case taken
    /// Nothing was taken. The policy is the one that admits last, after so many nanoseconds.
    case refused(Policy, wait: Int64)
  }
}

/// Nanoseconds that each bucket of a client lacks.
package struct Deficits: Sendable, Equatable {
  package var burst: Int64
  package var sustained: Int64

  package init(burst: Int64, sustained: Int64) {
    self.burst = burst
    self.sustained = sustained
  }
}

/// What a client is told of its bucket: the `RateLimit` field.
package struct Standing: Sendable, Equatable {
  package let policy: Policy
  /// Whole tokens that are left.
  package let remaining: Int
  /// Nanoseconds until the bucket is full.
  package let reset: Int64

  package init(policy: Policy, remaining: Int, reset: Int64) {
    self.policy = policy
    self.remaining = remaining
    self.reset = reset
  }

  /// Seconds for `RateLimit` and `Retry-After`, rounded up.
  package static func seconds(_ nanoseconds: Int64) -> Int64 {
    nanoseconds <= 0 ? 0 : (nanoseconds - 1) / 1_000_000_000 + 1
  }
}
