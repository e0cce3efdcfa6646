/// A part of the table of buckets: sets of eight entries and a sketch for whom they have no room.
///
/// An entry whose buckets are full carries no state, and only such an entry gives way to another
/// client; so nobody loses a debt by being displaced, and memory is what it is from the start. The
/// refused alternative is a dictionary with a sweep: it grows with the number of addresses and
/// pauses everybody.
package struct BucketTable: Sendable {
  var entries: [Entry]
  private var sketch: Sketch
  private let ways = 8
  private let sets: Int
  let limits: ClassLimits
  private var unreported: ClassLimits.Unreported
  /// By what it admits.
  package var regime = Regime.alone {
    didSet {
      if regime.replicas != oldValue.replicas || regime.reportInterval != oldValue.reportInterval {
        unreported = ClassLimits.Unreported(limits, regime)
      }
    }
  }
  /// Entries that wait for a report.
  var dirty: [UInt16] = []
  /// Whether a client has come so near to U that its report should not wait.
  package internal(set) var isUrgent = false

  /// - Parameters:
  ///   - sets: of eight entries, a power of two up to 8,192.
  ///   - width: cells of the sketch in each of its four rows, a power of two.
  package init(sets: Int, width: Int, limits: ClassLimits) {
    self.sets = sets
    self.limits = limits
    unreported = ClassLimits.Unreported(limits, .alone)
    entries = Array(repeating: Entry(), count: sets * ways)
    sketch = Sketch(width: width)
    dirty.reserveCapacity(sets * ways)
  }

  /// The number of no absence, or of one in 65,536.
  static let never: UInt16 = .max

  /// One client's buckets and what has been taken from them since the last report: 40 bytes.
  struct Entry: Sendable {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var bucket = Bucket()
    /// Quarters of tokens, those under way in a report among them; negative after refunds.
    var unreported: Int32 = 0
    /// Zero in an entry that nobody has used.
    var mark: UInt8 = 0
    var flags: UInt8 = 0
    /// In which absence it was last withdrawn.
    var absence = BucketTable.never

    /// It stands in `dirty`.
    static let dirty: UInt8 = 1
    /// A report that has not been answered holds it.
    static let underWay: UInt8 = 2
    /// The ledger is to be told its whole deficit.
    static let unknown: UInt8 = 4

    func holds(_ client: Client, _ mark: UInt8) -> Bool {
      high == client.high && low == client.low && self.mark == mark
    }

    /// Whether it carries no state.
    func isFree(now: Int64) -> Bool {
      unreported == 0 && flags == 0 && bucket.isFull(now: now)
    }
  }

  /// Where a client's buckets are.
  private enum Place {
    case entry(Int)
    /// An entry that nobody needs.
    case vacancy(Int)
    case sketch

    var index: Int {
      switch self {
      case .entry(let index), .vacancy(let index): index
      case .sketch: -1
      }
    }
  }

  /// A client's buckets as they were found.
  private struct Found {
    let client: Client
    let hash: UInt64
    let place: Place
    let limits: Limits
    var bucket: Bucket
    var unreported: Int32 = 0
    var shares: Int64
  }

  private func find(_ hashed: HashedClient, now: Int64, besides taken: Int = -1) -> Found {
    let (client, hash) = (hashed.client, hashed.hash)
    let first = Int(truncatingIfNeeded: hash &>> 32) & (sets &- 1) &* ways
    let mark = client.mark
    let limits = limits[client]
    var vacancy = -1
    for index in first..<first &+ ways {
      if entries[index].holds(client, mark) {
        let entry = entries[index]
        return Found(
          client: client, hash: hash, place: .entry(index), limits: limits,
          bucket: withdrawn(
            entry.bucket, client, entry.unreported, absence: entry.absence, now: now),
          unreported: entry.unreported, shares: regime.shares(now: now))
      }
      if vacancy < 0 && index != taken && entries[index].isFree(now: now) { vacancy = index }
    }
    var bucket = sketch.bucket(hash)
    if vacancy >= 0 {
      bucket = withdrawn(bucket, client, 0, absence: Self.never, now: now)
      return Found(
        client: client, hash: hash, place: .vacancy(vacancy), limits: limits, bucket: bucket,
        shares: regime.shares(now: now))
    }
    // What is in the sketch is not reported, so that it is always a share of the limit.
    return Found(
      client: client, hash: hash, place: .sketch, limits: limits, bucket: bucket,
      shares: regime.replicas)
  }

  /// A bucket as it is once in an absence: out of touch a client has what is left of U, not what is
  /// left of its share of the burst, and more only as its share of the rate adds to it.
  func withdrawn(
    _ bucket: Bucket, _ client: Client, _ taken: Int32, absence: UInt16, now: Int64
  ) -> Bucket {
    guard let (number, since) = regime.absence(now: now), absence != number else { return bucket }
    let left = Amount(quarters: unreported[client] - max(0, Int64(taken)))
    return bucket.limited(
      to: left, of: limits[client], shares: regime.replicas, at: since)
  }

  /// Whether the client's buckets have the cost, and whether what the other replicas do not know
  /// of stays small.
  private func check(_ found: Found, _ cost: Amount, now: Int64) -> Bucket.Outcome {
    let outcome = found.bucket.check(cost, of: found.limits, shares: found.shares, now: now)
    guard case .taken = outcome, regime.counts, found.place.index >= 0 else { return outcome }
    let most = now < regime.boundUntil ? unreported[found.client] : Int64(Int32.max) / 2
    let sum = Int64(found.unreported) + cost.quarters
    return sum <= most ? .taken : .refused(.burst, wait: regime.reportInterval)
  }

  private mutating func debit(_ found: inout Found, _ cost: Amount, now: Int64) {
    found.bucket.debit(cost, of: found.limits, shares: found.shares, now: now)
    let absence = regime.absence(now: now)?.number
    switch found.place {
    case .entry(let index):
      entries[index].bucket = found.bucket
      if let absence { entries[index].absence = absence }
    case .vacancy(let index):
      entries[index] = Entry(
        high: found.client.high, low: found.client.low, bucket: found.bucket,
        mark: found.client.mark, absence: absence ?? Self.never)
    case .sketch:
      sketch.raise(found.hash, to: found.bucket)
      return
    }
    if regime.counts {
      count(found.place.index, cost.quarters)
      let sum = Int64(found.unreported) + cost.quarters
      if 2 * sum >= unreported[found.client] { isUrgent = true }
    }
  }

  private mutating func count(_ index: Int, _ quarters: Int64) {
    entries[index].unreported = Int32(
      clamping: Int64(entries[index].unreported) + quarters)
    soil(index)
  }

  mutating func soil(_ index: Int) {
    guard entries[index].flags & Entry.dirty == 0 else { return }
    entries[index].flags |= Entry.dirty
    dirty.append(UInt16(truncatingIfNeeded: index))
  }

  /// Charges the client and, if it has one, its parent, or nobody.
  package mutating func admit(
    _ client: HashedClient, _ parent: HashedClient?, _ cost: Amount, now: Int64
  ) -> Verdict {
    var found = find(client, now: now)
    let outcome = check(found, cost, now: now)
    guard let parent else {
      switch outcome {
      case .refused(let policy, let wait):
        return .refused(policy, wait: wait, standing(found, now: now))
      case .taken:
        debit(&found, cost, now: now)
        return .admitted(standing(found, now: now))
      }
    }
    var above = find(parent, now: now, besides: found.place.index)
    switch (outcome, check(above, cost, now: now)) {
    case (.taken, .taken):
      debit(&found, cost, now: now)
      debit(&above, cost, now: now)
      return .admitted(nearer(found, above, now: now))
    case (.refused(let policy, let wait), .taken):
      return .refused(policy, wait: wait, standing(found, now: now))
    case (.taken, .refused(let policy, let wait)):
      return .refused(policy, wait: wait, standing(above, now: now))
    case (.refused(let policy, let wait), .refused(let other, let longer)):
      return wait >= longer
        ? .refused(policy, wait: wait, standing(found, now: now))
        : .refused(other, wait: longer, standing(above, now: now))
    }
  }

  /// Gives back. What went to the sketch stays there: it may be somebody else's.
  package mutating func refund(
    _ client: HashedClient, _ parent: HashedClient?, _ amount: Amount, now: Int64
  ) -> Standing {
    giveBack(client, amount, now: now)
    if let parent { giveBack(parent, amount, now: now) }
    return standing(client, parent, now: now)
  }

  private mutating func giveBack(_ client: HashedClient, _ amount: Amount, now: Int64) {
    guard case .entry(let index) = find(client, now: now).place else { return }
    // At the weight of a token alone, which is never more than what was taken.
    let before = entries[index].bucket
    entries[index].bucket.refund(amount, of: limits[client.client], now: now)
    if regime.counts && entries[index].bucket != before { count(index, -amount.quarters) }
  }

  /// Where the client stands now.
  package func standing(_ client: HashedClient, _ parent: HashedClient?, now: Int64) -> Standing {
    let own = find(client, now: now)
    guard let parent else { return standing(own, now: now) }
    return nearer(own, find(parent, now: now), now: now)
  }

  private func standing(_ found: Found, now: Int64) -> Standing {
    found.bucket.standing(of: found.limits, shares: found.shares, now: now)
  }

  /// Where the client stands or its parent, whichever has less left.
  private func nearer(_ found: Found, _ above: Found, now: Int64) -> Standing {
    let own = standing(found, now: now)
    // Which is hardly ever the parent: a product says so at less cost than two quotients.
    let (bucket, limits) = (above.bucket, above.limits)
    return bucket.has(own.remaining, of: limits, shares: above.shares, now: now)
      ? own : standing(above, now: now)
  }
}
