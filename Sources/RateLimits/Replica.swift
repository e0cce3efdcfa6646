/// One replica's part in keeping one limit over several: what it may admit by, and what its reports
/// say. A state machine without clock, table or connection; instants are its own monotonic clock's.
///
/// Every replica admits from what it knows and reports in the background. With N replicas whose
/// unreported consumption of a client stays within U each, the one that heard from the ledger last
/// knows all but (N−1)·U, so that no window sees more than burst + rate·W + (N−1)·U. It may admit
/// from the whole limit, *in step*, only as long as it has heard within `lease` from each of the
/// others, that they are settled (within U) and that they reckon with the same replicas. In every
/// other case a token weighs N: the static share, rate/N and an N-th of what is left of the burst.
/// Out of touch, what it takes stays within U until none of the others can believe it in step, and
/// grows by its share of the rate from then on.
package struct Replica: Sendable {
  /// A random number, its name in the ledger; never zero.
  package let id: UInt64
  package private(set) var regime: Regime
  /// Since it has been heard of: whether it may serve. A replica that has never reached the
  /// database does not know with whom it shares.
  package var isReady: Bool { answeredAt != nil }

  /// How long a replica is believed to be as it last said.
  package static let lease: Int64 = 1_000_000_000
  /// For how long the static share holds after N has changed, and after which silence a replica is
  /// no longer reckoned with.
  package static let hold: Int64 = 4_000_000_000
  /// After how long a report must have been given up: `failed` is then due.
  package static let patience: Int64 = 500_000_000
  /// What clocks and latency may differ by, on top of the lease.
  private static let margin: Int64 = 250_000_000

  /// The ledger's time less that of this replica's clock, at the least.
  private var offset: Int64?
  private var members: [Member] = []
  private var hasMembersBeenSeen = false
  private var sentAt: Int64?
  private var sentSettled = false
  private var answeredAt: Int64?
  /// Since when answers have come without a break.
  private var inTouchSince: Int64 = 0
  private var holdUntil: Int64 = 0
  private var heldReplicas: Int64 = 1
  private var epoch: UInt64 = 0
  /// Whether there is something that the others must know before it counts as settled.
  private var owes = false
  /// Whether the next report should not wait: the others wait to hear that this one is settled.
  package private(set) var isHasty = false
  /// Whether the report under way leaves nothing of that behind.
  private var sentAll = false
  /// A newcomer keeps what it has taken to itself until the others have taken note of it: so it
  /// stays within U as a whole.
  private var isNew = true

  private struct Member: Sendable {
    let id: UInt64
    /// When it last reported, at the earliest.
    var seen: Int64
  }

  package init(id: UInt64, reportInterval: Int64 = 250_000_000) {
    self.id = id == 0 ? 1 : id
    regime = .alone
    regime.reportInterval = reportInterval
    regime.inStepUntil = 0
    regime.boundUntil = .max
    regime.counts = true
  }

  /// Whether a report may begin: only one is under way at a time.
  package var isIdle: Bool { sentAt == nil }

  /// Whether its reports have lines: not a newcomer's.
  package var reports: Bool { !isNew }

  /// What a table should do because of an answer.
  package enum Effect: Sendable, Equatable {
    case none
    /// Report all buckets that are not full: the ledger does not know them.
    case reportEverything
  }

  /// What the next report says besides its lines.
  package struct Heading: Sendable, Equatable {
    package let time: Int64
    package let isSettled: Bool
    package let view: UInt64
  }

  /// Begins a report.
  ///
  /// - Parameter isComplete: whether its lines leave nothing unreported behind.
  package mutating func begin(isComplete: Bool, now: Int64) -> Heading {
    if now >= regime.boundUntil { owes = true }
    let isSettled = answeredAt != nil && !owes
    isHasty = false
    sentAt = now
    sentAll = isComplete
    sentSettled = isSettled
    // It may reach the ledger until it is given up, and be believed a lease from then on.
    if isSettled && regime.counts && !isNew {
      regime.boundUntil = max(
        regime.boundUntil, now + Self.patience + Self.lease + Self.margin)
    }
    return Heading(time: time(now), isSettled: isSettled, view: view)
  }

  /// The report has been answered.
  package mutating func answered(_ answer: Answer, now: Int64) -> Effect {
    let sent = sentAt ?? now
    sentAt = nil
    offset = max(offset ?? .min, answer.time - now)
    let isFirst = answeredAt == nil
    if isFirst || now - (answeredAt ?? now) > Self.lease { inTouchSince = sent }
    if now >= regime.boundUntil {
      regime.absences &+= 1
    } else if sentAll {
      isHasty = owes
      owes = false
    }
    answeredAt = now
    var effect = Effect.none
    if epoch != answer.epoch {
      if !isFirst {
        effect = .reportEverything
        owes = true
        holdUntil = now + Self.hold
      }
      epoch = answer.epoch
    }
    let before = Int64(members.count + 1)
    if note(answer.others, sent: sent, now: now) {
      if before == 1 && !isFirst {
        effect = .reportEverything
        owes = true
      }
      heldReplicas = max(before, Int64(members.count + 1), now < holdUntil ? heldReplicas : 1)
      holdUntil = now + Self.hold
    }
    decide(answer.others, sent: sent, now: now)
    return effect
  }

  /// The report has failed, or has been given up.
  ///
  /// - Parameter isUnknown: whether it may have been carried out all the same.
  package mutating func failed(isUnknown: Bool, now: Int64) {
    sentAt = nil
    guard let answeredAt else { return }
    if sentSettled && regime.counts && !isNew && now < regime.boundUntil {
      regime.boundUntil =
        (isUnknown ? max(answeredAt, now) : answeredAt) + Self.lease + Self.margin
    }
  }

  private func time(_ now: Int64) -> Int64 { offset.map { max(0, $0 + now) } ?? 0 }

  private var view: UInt64 {
    members.reduce(epoch &+ id) { $0 &+ $1.id }
  }

  /// Takes note of who is there; true if that has changed.
  private mutating func note(_ others: [Answer.Other], sent: Int64, now: Int64) -> Bool {
    var hasChanged = false
    for other in others {
      let seen = sent - other.age
      if let index = members.firstIndex(where: { $0.id == other.replica }) {
        members[index].seen = max(members[index].seen, seen)
      } else if other.age <= Self.hold || !hasMembersBeenSeen {
        // A newcomer reckons with whoever has been there within the ledger's memory: after an
        // outage the others may be about to come back.
        members.append(Member(id: other.replica, seen: seen))
        hasChanged = true
      }
    }
    hasMembersBeenSeen = true
    // Nobody is missed for the time that this replica was out of touch itself.
    if now - inTouchSince >= Self.hold {
      let count = members.count
      members.removeAll { now - $0.seen > Self.hold }
      hasChanged = hasChanged || members.count != count
    }
    return hasChanged
  }

  private mutating func decide(_ others: [Answer.Other], sent: Int64, now: Int64) {
    let replicas = Int64(members.count + 1)
    var agree = true
    var oldest = sent
    for member in members {
      oldest = min(oldest, member.seen)
      let other = others.first { $0.replica == member.id }
      agree = agree && (other.map { $0.isSettled && $0.view == view } ?? false)
    }
    agree = agree && now - oldest <= Self.lease
    regime.replicas = now < holdUntil ? max(heldReplicas, replicas) : replicas
    if members.isEmpty && now >= holdUntil {
      isNew = false
      regime.replicas = 1
      regime.inStepUntil = .max
      regime.boundUntil = .max
      regime.counts = false
      return
    }
    regime.counts = true
    isNew = isNew && !agree
    // A newcomer that the others may not know of does not grow at their cost either.
    regime.boundUntil = isNew ? .max : now + Self.lease + Self.margin
    regime.inStepUntil =
      agree && !owes && !isNew && now >= holdUntil ? oldest + Self.lease : 0
  }
}
