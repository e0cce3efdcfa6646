import RateLimits
import Testing

/// Token buckets as a text book has them, in wide integers: what there is in nanoseconds of tokens,
/// and when that was so.
struct Oracle {
  let interval: Int128
  let limit: Int128
  var level: Int128
  var last: Int128 = 0

  init(_ quota: Quota) {
    interval = Int128(quota.interval)
    limit = Int128(quota.tokens) * interval
    level = limit
  }

  mutating func advance(to now: Int64) {
    level = min(limit, level + max(0, Int128(now) - last))
    last = max(last, Int128(now))
  }
}

@Suite struct BucketTests {
  @Test func `takes what an oracle takes, from both or from neither`() throws {
    var random = Random(1)
    var admitted = 0
    var refused = 0
    for _ in 0..<400 {
      func quota() throws -> Quota {
        try #require(
          Quota(
            tokens: Int64(5 + random.below(1 << (3 + random.below(20)))),
            per: Int64(1 + random.below(1 << (10 + random.below(35))))))
      }
      let limits = Limits(burst: try quota(), sustained: try quota())
      var bucket = Bucket()
      var burst = Oracle(limits.burst)
      var sustained = Oracle(limits.sustained)
      var now = Int64(random.below(1 << 40))
      for _ in 0..<100 {
        now += Int64(random.below(1 << random.below(40)))
        burst.advance(to: now)
        sustained.advance(to: now)
        let tokens = 1 + random.below(random.happens(900) ? 5 : 1 << 24)
        let needs = (
          Int128(tokens) * burst.interval - burst.level,
          Int128(tokens) * sustained.interval - sustained.level
        )
        let before = bucket
        let outcome = bucket.take(Amount(tokens: tokens), of: limits, now: now)
        if max(needs.0, needs.1) <= 0 {
          admitted += 1
          burst.level -= Int128(tokens) * burst.interval
          sustained.level -= Int128(tokens) * sustained.interval
          #expect(outcome == .taken)
        } else {
          refused += 1
          let policy = needs.0 > needs.1 ? Policy.burst : .sustained
          guard case .refused(let named, let wait) = outcome else {
            Issue.record("taken without having it")
            return
          }
          // What no quota could hold is refused without saying when.
          if max(needs.0, needs.1) < 1 << 61 {
            #expect(named == policy && Int128(wait) == max(needs.0, needs.1))
          } else {
            #expect(wait >= 1 << 60)
          }
          #expect(bucket == before)
        }
        if random.happens(100) {
          let quarters = Int64(random.below(40))
          bucket.refund(Amount(quarters: quarters), of: limits, now: now)
          burst.level = min(burst.limit, burst.level + burst.interval * Int128(quarters) / 4)
          sustained.level = min(
            sustained.limit, sustained.level + sustained.interval * Int128(quarters) / 4)
        }
        let deficits = bucket.deficits(now: now)
        #expect(Int128(deficits.burst) == burst.limit - burst.level)
        #expect(Int128(deficits.sustained) == sustained.limit - sustained.level)
        let standing = bucket.standing(of: limits, now: now)
        #expect(
          Int128(standing.remaining)
            == min(burst.level / burst.interval, sustained.level / sustained.interval))
      }
    }
    #expect(admitted > 5_000 && refused > 5_000, "\(admitted) \(refused)")
  }

  @Test func `admits whoever sleeps exactly what Retry-After says, 1,000 times of 1,000`() throws {
    var random = Random(2)
    for phase in 0..<1_000 {
      let limits = Limits(
        burst: try #require(Quota(tokens: 5 + random.below(50), seconds: 1 + random.below(90))),
        sustained: try #require(
          Quota(tokens: 5 + random.below(500), seconds: 1 + random.below(900))))
      var bucket = Bucket()
      var now = Int64(phase) * 1_000_003 + Int64(random.below(1_000_000_000))
      let cost = Amount(tokens: 1 + random.below(5))
      var wait: Int64 = 0
      while wait == 0 {
        now += Int64(random.below(1_000_000))
        if case .refused(_, let nanoseconds) = bucket.take(cost, of: limits, now: now) {
          wait = nanoseconds
        }
      }
      // A nanosecond less than what is due is too early, the whole second is not.
      #expect(bucket.check(cost, of: limits, now: now + wait - 1) != .taken)
      #expect(
        bucket.take(cost, of: limits, now: now + Standing.seconds(wait) * 1_000_000_000) == .taken)
    }
  }

  @Test func `survives every extreme`() throws {
    let extremes: [Int64] = [.min, -1, 0, 1, 1 << 31, 1 << 61, 1 << 62, .max - 1, .max]
    let quotas = [
      try #require(Quota(tokens: 1, per: 1)),
      try #require(Quota(tokens: 16_000_000_000, seconds: 3_660 * 86_400)),
      try #require(Quota(tokens: 1, seconds: 3_660 * 86_400)),
    ]
    #expect(Quota(tokens: 0, seconds: 1) == nil)
    #expect(Quota(tokens: .max, seconds: 1) == nil)
    #expect(Quota(tokens: 1, seconds: .max) == nil)
    #expect(Quota(tokens: 1, seconds: .min) == nil)
    for burst in quotas {
      for sustained in quotas {
        let limits = Limits(burst: burst, sustained: sustained).times(16)
        for now in extremes {
          for amount in extremes {
            for shares in [Int64(1), 8, .max] {
              var bucket = Bucket(
                deficits: Deficits(burst: amount, sustained: .max), now: now)
              let cost = Amount(quarters: amount)
              _ = bucket.take(cost, of: limits, shares: shares, now: now)
              bucket.debit(cost, of: limits, shares: shares, now: now)
              bucket.debit(cost, of: limits, shares: shares, now: .min)
              bucket.refund(cost, of: limits, shares: shares, now: now)
              #expect(bucket.standing(of: limits, now: .max).remaining >= 0)
              #expect(bucket.deficits(now: .min).burst >= 0)
            }
          }
        }
      }
    }
  }
}
