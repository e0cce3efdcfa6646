/// By what rule one replica admits at the moment: alone, in step with the others, or on its share.
/// `Replica` makes it, `RateLimiter` obeys it.
package struct Regime: Sendable, Equatable {
  /// Among how many the limits are divided where it is not in step, at least one.
  package var replicas: Int64
  /// Until when it is in step with the others, and so may admit from the whole limit.
  package var inStepUntil: Int64
  /// From when on its unreported consumption may grow past U, at its share of the rate.
  package var growsFrom: Int64
  /// Whether consumption is counted for reports: not when alone.
  package var counts: Bool
  /// Nanoseconds between reports.
  package var reportInterval: Int64

  package init(
    replicas: Int64, inStepUntil: Int64, growsFrom: Int64, counts: Bool,
    reportInterval: Int64 = 250_000_000
  ) {
    self.replicas = max(1, replicas)
    self.inStepUntil = inStepUntil
    self.growsFrom = growsFrom
    self.counts = counts
    self.reportInterval = max(1, reportInterval)
  }

  /// One replica on its own: exact, and nothing to report.
  package static let alone = Regime(
    replicas: 1, inStepUntil: .max, growsFrom: .max, counts: false)

  /// By how much a token is weighed now.
  func shares(now: Int64) -> Int64 { now < inStepUntil ? 1 : replicas }

  /// How many quarters of tokens of one client may be unreported now: U, and what has grown since.
  func most(of limits: Limits, now: Int64) -> Int64 {
    min(most(limits.burst, now: now), most(limits.sustained, now: now), Int64(Int32.max / 2))
  }

  private func most(_ quota: Quota, now: Int64) -> Int64 {
    let growth = now > growsFrom ? (now - growsFrom) / replicas / quota.interval : 0
    let unreported = Self.unreported(
      quota, replicas: replicas, reportInterval: reportInterval)
    return 4 * min(growth + unreported, 1 << 40)
  }

  /// U: how many tokens of a client a replica may have admitted that the others do not know of.
  package static func unreported(
    _ quota: Quota, replicas: Int64, reportInterval: Int64 = 250_000_000
  ) -> Int64 {
    let reports = (2 * reportInterval - 1) / quota.interval + 1
    let part = replicas > 1 ? quota.tokens / (4 * (replicas - 1)) : quota.tokens
    return max(Int64(largestCost), reports, part)
  }

  /// What the dearest request costs, in tokens: a write.
  package static let largestCost = 5
}
