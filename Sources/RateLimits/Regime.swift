/// By what rule one replica admits at the moment: alone, in step with the others, or on its share.
/// `Replica` makes it, the tables obey it.
package struct Regime: Sendable, Equatable {
  /// Among how many the limits are divided where it is not in step, at least one.
  package var replicas: Int64
  /// Until when it is in step with the others, and so admits from the whole limit.
  package var inStepUntil: Int64
  /// Until when another replica may believe it in step: so long no client has more than U taken
  /// that is not reported. From then on what it takes grows past U at its share of the rate.
  package var boundUntil: Int64
  /// Counts the times that it has come back after having lost touch with the others.
  package var absences: UInt16
  /// `boundUntil` of the last of these.
  package var lastAbsence: Int64
  /// Whether consumption is counted for reports: not when alone.
  package var counts: Bool
  /// Nanoseconds between reports.
  package var reportInterval: Int64

  /// One replica on its own: exact, and nothing to report.
  package static let alone = Regime(
    replicas: 1, inStepUntil: .max, boundUntil: .max, absences: 0, lastAbsence: 0,
    counts: false,
    reportInterval: 250_000_000)

  /// By how much a token weighs now.
  package func shares(now: Int64) -> Int64 { now < inStepUntil ? 1 : replicas }

  /// The absence that matters now, by its number and the instant from which on what it takes may
  /// grow: that which lasts, or the last one until it is in step again.
  func absence(now: Int64) -> (number: UInt16, since: Int64)? {
    if now >= boundUntil { return (absences, boundUntil) }
    return now >= inStepUntil && absences > 0 ? (absences &- 1, lastAbsence) : nil
  }

  /// U: how many tokens of a client a replica may have admitted that the others do not know of.
  ///
  /// The largest cost, or no request would ever pass; twice what comes back between two reports,
  /// or reports would slow down one busy client; a fourth of the burst for all the others together.
  package static func unreported(
    _ quota: Quota, replicas: Int64, largestCost: Int64 = Client.Class.address.largestCost,
    reportInterval: Int64 = 250_000_000
  ) -> Int64 {
    let reports = (2 * reportInterval - 1) / quota.interval + 1
    let part = replicas > 1 ? quota.tokens / (4 * (replicas - 1)) : quota.tokens
    return max(largestCost, reports, part)
  }

  /// The policies of which so many replicas together might admit a second burst: (N−1)·U is more
  /// than the burst. Worth a word at the start.
  package static func loose(
    _ limits: Limits, of kind: Client.Class, replicas: Int64,
    reportInterval: Int64 = 250_000_000
  ) -> [Policy] {
    Policy.allCases.filter {
      let quota = $0 == .burst ? limits.burst : limits.sustained
      let (sum, overflow) = unreported(
        quota, replicas: replicas, largestCost: kind.largestCost, reportInterval: reportInterval
      ).multipliedReportingOverflow(by: replicas - 1)
      return overflow || sum > quota.tokens
    }
  }

  /// U of a client in quarters of tokens: the lesser of its two policies'.
  func unreported(_ limits: Limits, of kind: Client.Class) -> Int64 {
    let least = min(
      Self.unreported(
        limits.burst, replicas: replicas, largestCost: kind.largestCost,
        reportInterval: reportInterval),
      Self.unreported(
        limits.sustained, replicas: replicas, largestCost: kind.largestCost,
        reportInterval: reportInterval))
    return 4 * min(least, 1 << 28)
  }
}
