import EventLoop
import Synchronization

/// Who may go on: the buckets of all clients, called from every loop.
///
/// The table has parts with a lock each, which is held for some tens of nanoseconds. A client and
/// the /48 that it is part of lie in the same part, so that both are charged or neither is. Accounts
/// have parts of their own: no number of addresses takes room from them. Memory is below 4 MiB from
/// the start and stays there.
package final class RateLimiter: Sendable {
  private let addresses: InlineArray<16, Locked<BucketTable>>
  private let accounts: InlineArray<16, Locked<BucketTable>>
  private let hash: KeyedHash
  private let link: Locked<Link>
  private let urgent = Atomic(false)

  /// What one report needs from its beginning to its end.
  private struct Link: Sendable {
    /// Nil for a process that shares its limits with nobody.
    var replica: Replica?
    /// The entries of the report under way, part by part.
    var held: [[BucketTable.Held]] = Array(repeating: [], count: 2 * parts)
  }

  private static let parts = 16

  /// - Parameters:
  ///   - seed: random, a secret of the process.
  ///   - replica: a random number, this process's name in the ledger; nil for a process that shares
  ///     its limits with nobody, which is exact and has nothing to report.
  package init(
    _ limits: ClassLimits, seed: (UInt64, UInt64), replica: UInt64? = nil,
    reportInterval: Int64 = 250_000_000
  ) {
    hash = KeyedHash(seed: seed)
    addresses = InlineArray { _ in
      Locked(BucketTable(sets: 512, width: 512, limits: limits))
    }
    accounts = InlineArray { _ in
      Locked(BucketTable(sets: 64, width: 64, limits: limits))
    }
    let replica = replica.map { Replica(id: $0, reportInterval: reportInterval) }
    link = Locked(Link(replica: replica))
    if let replica { obey(replica.regime) }
  }

  /// Takes the cost from the client's buckets, or changes nothing. Allocates nothing, waits for
  /// nobody but another loop inside the same call.
  ///
  /// - Parameter now: nanoseconds of the monotonic clock.
  package func admit(_ client: Client, cost: Amount, now: Int64) -> Verdict {
    let (own, parent, part) = find(client)
    let (verdict, isUrgent) =
      client.kind.isLasting
      ? accounts[part].withLock { ($0.admit(own, parent, cost, now: now), $0.isUrgent) }
      : addresses[part].withLock { ($0.admit(own, parent, cost, now: now), $0.isUrgent) }
    if isUrgent { urgent.store(true, ordering: .relaxed) }
    return verdict
  }

  /// Gives back what was taken too much, and says where the client stands then.
  package func refund(_ client: Client, _ amount: Amount, now: Int64) -> Standing {
    let (own, parent, part) = find(client)
    return client.kind.isLasting
      ? accounts[part].withLock { $0.refund(own, parent, amount, now: now) }
      : addresses[part].withLock { $0.refund(own, parent, amount, now: now) }
  }

  /// Where the client stands; changes nothing.
  package func standing(_ client: Client, now: Int64) -> Standing {
    let (own, parent, part) = find(client)
    return client.kind.isLasting
      ? accounts[part].withLock { $0.standing(own, parent, now: now) }
      : addresses[part].withLock { $0.standing(own, parent, now: now) }
  }

  /// The client and its parent with their hashes, each made once, and the part that holds both.
  private func find(_ client: Client) -> (own: HashedClient, parent: HashedClient?, part: Int) {
    let own = HashedClient(client, hash)
    let parent = client.parent.map { HashedClient($0, hash) }
    let part = Int(truncatingIfNeeded: (parent ?? own).hash &>> 24) & (Self.parts &- 1)
    return (own, parent, part)
  }
}

/// Reports, for the one loop that talks to the database. Every `reportInterval`, give or take a
/// fifth at random, and as soon as `isReportUrgent`, it calls `beginReport`, has the ledger carry
/// the report out, and calls `answered` or, at the latest after `Replica.patience`, `failed`.
extension RateLimiter {
  /// Whether it is known with whom the limits are shared.
  package var isReady: Bool { link.withLock { $0.replica?.isReady ?? true } }

  /// By what rule it admits now.
  package var regime: Regime { link.withLock { $0.replica?.regime ?? .alone } }

  /// Whether the next report should not wait for its time: a client has come near to U, or the
  /// others wait for word of this replica.
  package var isReportUrgent: Bool { urgent.load(ordering: .relaxed) }

  /// What to report, lines in no order; nil while a report is under way, and for a process that
  /// shares its limits with nobody.
  ///
  /// - Parameter most: lines; what is left over comes with the next report.
  package func beginReport(most: Int = 16_384, now: Int64) -> Report? {
    link.withLock { link in
      guard link.replica?.isIdle == true else { return nil }
      urgent.store(false, ordering: .relaxed)
      var lines: [Report.Line] = []
      var isComplete = true
      if link.replica?.reports == true {
        for part in 0..<2 * Self.parts {
          let isReported = table(part) { table in
            table.cut(most: most - lines.count, into: &lines, &link.held[part], now: now)
            return table.isReported
          }
          isComplete = isComplete && isReported
        }
      }
      guard let heading = link.replica?.begin(isComplete: isComplete, now: now),
        let replica = link.replica
      else { return nil }
      obey(replica.regime)
      return Report(
        replica: replica.id, time: heading.time, isSettled: heading.isSettled,
        view: heading.view, lines: lines)
    }
  }

  /// The report has been carried out. An answer that does not fit it counts as none.
  package func answered(_ answer: Answer, now: Int64) {
    let fits = link.withLock { link in
      guard link.replica?.isIdle == false,
        answer.deficits.count == link.held.reduce(0, { $0 + $1.count }),
        let effect = link.replica?.answered(answer, now: now), let replica = link.replica
      else { return false }
      obey(replica.regime)
      if replica.isHasty { urgent.store(true, ordering: .relaxed) }
      var line = 0
      for part in 0..<2 * Self.parts {
        table(part) { table in
          for held in link.held[part] {
            table.settle(held, answer.deficits[line], now: now)
            line += 1
          }
          if effect != .none {
            table.reportEverything(areUnknown: effect == .reportEverything, now: now)
          }
        }
        link.held[part].removeAll(keepingCapacity: true)
      }
      return true
    }
    if !fits { failed(isUnknown: true, now: now) }
  }

  /// The report has failed, or has been given up; its lines come again.
  ///
  /// - Parameter isUnknown: whether it may have been carried out all the same, or may be yet.
  package func failed(isUnknown: Bool, now: Int64) {
    link.withLock { link in
      guard link.replica?.isIdle == false else { return }
      link.replica?.failed(isUnknown: isUnknown, now: now)
      if let replica = link.replica { obey(replica.regime) }
      for part in 0..<2 * Self.parts {
        table(part) { table in
          for held in link.held[part] { table.restore(held) }
        }
        link.held[part].removeAll(keepingCapacity: true)
      }
    }
  }

  private func obey(_ regime: Regime) {
    for part in 0..<2 * Self.parts { table(part) { $0.regime = regime } }
  }

  private func table<Result>(_ part: Int, _ body: (inout BucketTable) -> Result) -> Result {
    part < Self.parts
      ? addresses[part].withLock { body(&$0) }
      : accounts[part - Self.parts].withLock { body(&$0) }
  }
}

/// What a client is answered.
package enum Verdict: Sendable, Equatable {
  /// With where it stands after the debit.
  case admitted(Standing)
  /// Nothing was taken. The policy is the one that admits last: after `wait` nanoseconds, if
  /// nothing else spends the bucket.
  case refused(Policy, wait: Int64, Standing)
}
