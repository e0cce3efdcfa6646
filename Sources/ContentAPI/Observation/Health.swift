package import EventLoop
package import Postgres

/// Which parts are missing that requests need, and since when: what all loops have found.
package final class Health: Sendable {
  private struct Part {
    /// By loop; those that miss it.
    var missing: Set<Int> = []
    var since: MonotonicInstant?
    /// It has been there once: what is missing at the start is not there yet.
    var hasBeenThere = false
  }

  private let parts = Locked<[ServicePart: Part]>([:])

  /// Nothing is known to be missing.
  package init() {}

  /// Since when a part is missing; nil when it is not known to be.
  func missing(_ part: ServicePart) -> MonotonicInstant? {
    parts.withLock { $0[part]?.since }
  }

  /// Takes what a loop has found; the event that makes of it, if something has changed.
  ///
  /// - Parameter reason: why it is missing there; nil when it is not.
  func note(
    _ part: ServicePart, of loop: Int, missing reason: String?, now: MonotonicInstant
  ) -> Event? {
    parts.withLock { parts in
      var state = parts[part] ?? Part()
      defer { parts[part] = state }
      if let reason {
        state.missing.insert(loop)
        if state.since != nil { return nil }
        state.since = now
        return state.hasBeenThere ? .notReady(part, reason: reason) : nil
      }
      state.missing.remove(loop)
      guard state.missing.isEmpty else { return nil }
      let since = state.since
      let isBack = state.hasBeenThere
      state.hasBeenThere = true
      state.since = nil
      guard let since, isBack else { return nil }
      return .ready(part, afterMilliseconds: Int((now - since).wholeNanoseconds / 1_000_000))
    }
  }
}

/// Feels one loop's pulse: how late it is for what should happen at a certain moment, and whether it
/// has what requests need.
package actor Pulse: LoopBound {
  package nonisolated let loop: EventLoop
  private let number: Int
  private let observer: Observer
  private let pool: Pool
  private let limits: ClientLimits?
  private let health: Health
  private var due = MonotonicInstant.now()

  private static let interval = Duration.milliseconds(100)

  /// - Parameters:
  ///   - number: of the loop.
  ///   - limits: for one of the loops to look at.
  package init(
    of loop: EventLoop, number: Int, _ observer: Observer, pool: Pool, limits: ClientLimits?,
    _ health: Health
  ) {
    self.loop = loop
    self.number = number
    self.observer = observer
    self.pool = pool
    self.limits = limits
    self.health = health
  }

  /// Begins; it goes on as long as the loop does.
  package func start() { beat(.now()) }

  package func expired(_ token: Int) {
    let now = MonotonicInstant.now()
    Histogram.add((now - due).wholeNanoseconds, to: observer.meters.lag, at: 0)
    beat(now)
  }

  private func beat(_ now: MonotonicInstant) {
    var reason: String?
    let readiness = pool.assumeIsolated { $0.readiness }
    // At the end that is as it should be.
    if case .unavailable(let text) = readiness, text != "closing" {
      reason = Redaction.cleaned(text)
    }
    note(.database, missing: reason, now)
    if let limits {
      note(.replicas, missing: limits.isReady ? nil : "other replicas are not known", now)
    }
    due = now + Self.interval
    loop.schedule(0, of: self, at: due)
  }

  private func note(_ part: ServicePart, missing reason: String?, _ now: MonotonicInstant) {
    let event = health.note(part, of: number, missing: reason, now: now)
    if let event { observer.note(event) }
  }
}
