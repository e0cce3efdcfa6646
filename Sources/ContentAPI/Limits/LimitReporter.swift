package import EventLoop
import Postgres
import RateLimits

/// Keeps one limit over all replicas: tells the others through the database that this one is there
/// and what its clients have taken, and hears what theirs have. No request waits for it.
///
/// Every 200 to 300 ms, three times as often until it is in step with the others, and at once when a
/// client has come near to what may be taken behind the others' backs. One that is alone tells only
/// that it is there.
package actor LimitReporter: LoopBound {
  package nonisolated let loop: EventLoop
  private let limiter: RateLimiter
  private let replica: UInt64
  private let settings: RateLimitSettings
  private let pool: Pool
  private let ledger: LimitLedger
  private let log: @Sendable (Event) -> Void

  private var hash: KeyedHash?
  /// Whether the last report was carried out.
  private var isInTouch = false
  private var replicas: Int64 = 1
  private var isEnding = false
  private var hasEnded = false

  /// How often it looks whether a report is due.
  private static let look = Duration.milliseconds(25)
  /// How long a report may take: less than after which it must have been given up.
  private static let patience = Duration.nanoseconds(Replica.patience) - .milliseconds(100)
  /// In between it tidies up.
  private static let tidying = Duration.seconds(60)
  /// Clients in one report.
  private static let most = 4_096

  /// Nil where there are no limits, or where they are shared with nobody.
  ///
  /// - Parameter conninfo: of the database; the reporter has a connection of its own.
  package init?(
    _ limits: ClientLimits, conninfo: String, loop: EventLoop,
    log: @Sendable @escaping (Event) -> Void
  ) {
    guard let limiter = limits.limiter, let settings = limits.settings,
      let replica = limits.replica
    else { return nil }
    self.limiter = limiter
    self.settings = settings
    self.replica = replica
    self.loop = loop
    self.log = log
    pool = LimitLedger.pool(conninfo, loop: loop)
    ledger = LimitLedger(pool: pool)
  }

  /// Goes on until `finish`.
  package func run() async {
    await pool.start()
    var due = MonotonicInstant.now()
    var tidyDue = MonotonicInstant.now() + Self.tidying
    while !isEnding {
      if .now() >= due || (isInTouch && limiter.isReportUrgent) {
        let begun = MonotonicInstant.now()
        await report()
        due = begun + .milliseconds(Int.random(in: pause(now: .now())))
        noteReplicas()
      }
      if .now() >= tidyDue {
        tidyDue = .now() + Self.tidying
        // What stays this time goes the next.
        try? await ledger.tidy(by: .now() + Self.patience)
      }
      await loop.sleep(for: Self.look)
    }
    if isInTouch {
      if limiter.regime.counts { await report() }
      try? await ledger.leave(replica, by: .now() + Self.patience)
    }
    await pool.close()
    hasEnded = true
  }

  /// Milliseconds from the beginning of a report to that of the next.
  private func pause(now: MonotonicInstant) -> ClosedRange<Int> {
    // Without a connection a report costs nothing and fails at once: the first one that can be
    // carried out should not be late.
    if !isInTouch { return 20...40 }
    // Each waits for what the others say before it admits from the whole limit again.
    return limiter.regime.shares(now: now.nanoseconds) > 1 ? 60...100 : 200...300
  }

  /// Reports once more and leaves, so that the others need not wait for this one to be missed.
  package func finish(by end: MonotonicInstant) async {
    isEnding = true
    while !hasEnded, .now() < end { await loop.sleep(for: .milliseconds(5)) }
  }

  private func report() async {
    let deadline = MonotonicInstant.now() + Self.patience
    do {
      if hash == nil { hash = try await ledger.hash(by: deadline) }
    } catch {
      return
    }
    let begun = MonotonicInstant.now()
    guard let hash,
      let report = limiter.beginReport(most: Self.most, now: begun.nanoseconds)
    else { return }
    do {
      let answer = try await ledger.exchange(
        report, hash: hash, by: min(deadline, begun + Self.patience))
      let now = MonotonicInstant.now()
      isInTouch = (now - begun).wholeNanoseconds < Replica.patience
      if isInTouch {
        limiter.answered(answer, now: now.nanoseconds)
      } else {
        limiter.failed(isUnknown: true, now: now.nanoseconds)
      }
    } catch {
      isInTouch = false
      limiter.failed(
        isUnknown: error as? PostgresError == .outcomeUnknown,
        now: MonotonicInstant.now().nanoseconds)
    }
  }

  /// Says so when there are too many replicas for the limits to hold as they are written.
  private func noteReplicas() {
    let now = limiter.regime.replicas
    guard now != replicas else { return }
    replicas = now
    for (kind, name, limits) in settings.limits {
      for policy in Regime.loose(limits, of: kind, replicas: now) {
        log(.looseLimit("\(policy.rawValue) of \(name.rawValue)", replicas: Int(now)))
      }
    }
  }
}
