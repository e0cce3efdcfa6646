/// A part of the table of buckets: sets of eight entries and a sketch for whom they have no room.
///
/// An entry whose buckets are full carries no state, and only such an entry gives way to another
/// client; so nobody loses a debt by being displaced, and memory is what it is from the start. The
/// refused alternative is a dictionary with a sweep: it grows with the number of addresses and
/// pauses everybody.
struct Shard: Sendable {
  private var entries: [Entry]
  private var sketch: Sketch
  private let hash: KeyedHash
  private let ways = 8
  private let sets: Int
  let limits: ClassLimits
  /// What the sync has ordered.
  var regime = Regime.alone
  /// Entries that wait for a report.
  private var dirty: [Int32] = []

  /// - Parameters:
  ///   - sets: a power of two.
  ///   - width: of the sketch.
  init(sets: Int, width: Int, limits: ClassLimits, hash: KeyedHash) {
    self.sets = sets
    self.limits = limits
    self.hash = hash
    entries = Array(repeating: Entry(), count: sets * ways)
    sketch = Sketch(width: width)
    dirty.reserveCapacity(sets * ways)
  }

  /// One client's buckets and what has been taken from them since the last report: 40 bytes.
  private struct Entry: Sendable {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var bucket = Bucket()
    /// Quarters of tokens, those under way in a report among them; negative after refunds.
    var unreported: Int32 = 0
    /// Zero in an entry that nobody has used.
    var mark: UInt8 = 0
    /// Whether it stands in `dirty`.
    var isDirty = false
    /// Whether a report that has not been answered holds it.
    var isUnderWay = false

    func holds(_ client: Client, _ mark: UInt8) -> Bool {
      high == client.high && low == client.low && self.mark == mark
    }

    /// Whether it carries no state.
    func isFree(now: Int64) -> Bool {
      unreported == 0 && !isDirty && !isUnderWay && bucket.isFull(now: now)
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
    var bucket: Bucket
    let unreported: Int32
    let shares: Int64
  }

  private func find(_ client: Client, now: Int64, besides taken: Int = -1) -> Found {
    let hash = hash(client)
    let first = Int(truncatingIfNeeded: hash &>> 32) & (sets &- 1) &* ways
    let mark = client.mark
    var vacancy = -1
    for index in first..<first &+ ways {
      if entries[index].holds(client, mark) {
        return Found(
          client: client, hash: hash, place: .entry(index), bucket: entries[index].bucket,
          unreported: entries[index].unreported, shares: regime.shares(now: now))
      }
      if vacancy < 0 && index != taken && entries[index].isFree(now: now) { vacancy = index }
    }
    // What is in the sketch is not reported, so that it is always a share of the limit.
    let bucket = sketch.bucket(hash)
    return vacancy < 0
      ? Found(
        client: client, hash: hash, place: .sketch, bucket: bucket, unreported: 0,
        shares: regime.replicas)
      : Found(
        client: client, hash: hash, place: .vacancy(vacancy), bucket: bucket, unreported: 0,
        shares: regime.shares(now: now))
  }

  /// Whether the client's buckets have the cost, and whether what the other replicas do not know
  /// of stays small.
  private func check(_ found: Found, _ cost: Amount, now: Int64) -> Bucket.Outcome {
    let limits = limits[found.client]
    let outcome = found.bucket.check(cost, of: limits, shares: found.shares, now: now)
    guard case .taken = outcome, regime.counts, found.place.index >= 0 else { return outcome }
    let sum = Int64(found.unreported) + cost.quarters
    guard sum <= regime.most(of: limits, now: now) else {
      return .refused(.burst, wait: regime.reportInterval)
    }
    return .taken
  }

  private mutating func debit(_ found: inout Found, _ cost: Amount, now: Int64) {
    found.bucket.debit(cost, of: limits[found.client], shares: found.shares, now: now)
    switch found.place {
    case .entry(let index):
      entries[index].bucket = found.bucket
    case .vacancy(let index):
      entries[index] = Entry(
        high: found.client.high, low: found.client.low, bucket: found.bucket,
        mark: found.client.mark)
    case .sketch:
      sketch.raise(found.hash, to: found.bucket)
      return
    }
    if regime.counts { count(found.place.index, cost.quarters) }
  }

  private mutating func count(_ index: Int, _ quarters: Int64) {
    entries[index].unreported = Int32(
      clamping: Int64(entries[index].unreported) + quarters)
    if !entries[index].isDirty {
      entries[index].isDirty = true
      dirty.append(Int32(truncatingIfNeeded: index))
    }
  }

  /// Charges the client and, if it has one, its parent, or nobody.
  mutating func admit(
    _ client: Client, _ parent: Client?, _ cost: Amount, now: Int64
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
      return .admitted(nearer(standing(found, now: now), standing(above, now: now)))
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
  mutating func refund(
    _ client: Client, _ parent: Client?, _ amount: Amount, now: Int64
  ) -> Standing {
    giveBack(client, amount, now: now)
    if let parent { giveBack(parent, amount, now: now) }
    return standing(client, parent, now: now)
  }

  private mutating func giveBack(_ client: Client, _ amount: Amount, now: Int64) {
    guard case .entry(let index) = find(client, now: now).place else { return }
    // At the weight of a token alone, which is never more than what was taken.
    let before = entries[index].bucket
    entries[index].bucket.refund(amount, of: limits[client], now: now)
    if regime.counts && entries[index].bucket != before { count(index, -amount.quarters) }
  }

  /// Where the client stands now.
  func standing(_ client: Client, _ parent: Client?, now: Int64) -> Standing {
    let own = standing(find(client, now: now), now: now)
    guard let parent else { return own }
    return nearer(own, standing(find(parent, now: now), now: now))
  }

  private func standing(_ found: Found, now: Int64) -> Standing {
    found.bucket.standing(of: limits[found.client], shares: found.shares, now: now)
  }

  private func nearer(_ a: Standing, _ b: Standing) -> Standing {
    b.remaining < a.remaining ? b : a
  }
}
