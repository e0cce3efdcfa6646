import RateLimits
import Testing

/// What several replicas admit together, whatever befalls them: `burst + rate·W + (N−1)·U` for
/// every window W. N counts every replica that had a life in it, U is that of the fewest.
/// A loss of the ledger costs (N−1)·U once more: what one replica had reported and another had not
/// heard of. A step forward of the server's clock costs what `Ledger.bridge` says.
@Suite struct Histories {
  static let quotas: [(burst: (Int, Int), sustained: (Int, Int))] = [
    ((50, 5), (600, 60)), ((5, 5), (60, 60)), ((40, 2), (60, 6)), ((20, 20), (200, 300)),
    ((200, 1), (300, 3)),
  ]

  static func limits(_ index: Int) throws -> Limits {
    Limits(
      burst: try #require(
        Quota(tokens: quotas[index].burst.0, seconds: quotas[index].burst.1)),
      sustained: try #require(
        Quota(tokens: quotas[index].sustained.0, seconds: quotas[index].sustained.1)))
  }

  /// By quota and number: replicas that have found each other.
  static let ready: [[Cluster]] = quotas.indices.map { quota in
    (2...8).compactMap { count in
      guard let limits = try? limits(quota) else { return nil }
      return SeveralReplicas.ready(count, limits, seed: UInt64(count))
    }
  }

  enum Trouble: String, CaseIterable {
    case none, latency, outage, loss, crash, clock, all
  }

  /// 16 × 640 histories.
  @Test(arguments: 0..<16) func `never exceed the bound`(part: Int) throws {
    var random = Random(UInt64(part))
    var tightest = 0.0
    for history in 0..<640 {
      let quota = random.below(Self.quotas.count)
      let limits = try Self.limits(quota)
      let count = 2 + min(random.below(7), random.below(7), random.below(7))
      let isFresh = random.happens(100)
      var cluster: Cluster
      if isFresh {
        cluster = Cluster(limits, seed: random.next())
        for _ in 0..<count { cluster.start(after: random.milliseconds(0...2_000)) }
      } else {
        cluster = Self.ready[quota][count - 2]
        cluster.reseed(random.next())
      }
      let trouble = Trouble.allCases[random.below(Trouble.allCases.count)]
      let plan = Self.trouble(trouble, &cluster, count, &random)
      Self.load(&cluster, count + plan.starts, &random)
      cluster.run(5_000_000_000)
      let lives = Int64(count + plan.starts)
      for (policy, judge, quota) in [
        ("burst", cluster.burst, limits.burst),
        ("sustained", cluster.sustained, limits.sustained),
      ] {
        let fewest = isFresh || plan.starts > 0 || plan.crashes > 0 ? 2 : lives
        let unreported = Regime.unreported(quota, replicas: fewest)
        let bound =
          quota.limit + (lives - 1) * unreported * quota.interval * Int64(1 + plan.losses)
          + Int64(plan.stepsForward) * Ledger.bridge
        #expect(
          judge.most <= bound,
          """
          \(policy) \(trouble) part \(part) history \(history): \(count) replicas, \(plan), \
          quota \(quota), fresh \(isFresh): \(judge.most / quota.interval) of \
          \(bound / quota.interval), burst \(quota.tokens), U \(unreported)
          """)
        tightest = max(
          tightest, Double(judge.most - quota.limit) / Double(bound - quota.limit))
      }
    }
    // The bound is not held by admitting little.
    #expect(tightest > 0.9)
  }

  struct Plan {
    var starts = 0
    var crashes = 0
    var stepsForward = 0
    var losses = 0
  }

  static func trouble(
    _ trouble: Trouble, _ cluster: inout Cluster, _ count: Int, _ random: inout Random
  ) -> Plan {
    var plan = Plan()
    let isAll = trouble == .all
    if isAll || trouble == .latency {
      cluster.network = Cluster.Network(latency: 1...80, slow: 50, lost: 30)
    }
    if isAll || trouble == .outage || trouble == .loss {
      let loses = trouble == .loss || isAll && random.happens(300)
      plan.losses = loses ? 1 : 0
      cluster.stopDatabase(
        after: random.milliseconds(100...3_000), for: random.milliseconds(50...3_500),
        loses: loses)
    }
    if isAll || trouble == .crash {
      plan.crashes = 1 + random.below(2)
      for _ in 0..<plan.crashes {
        let time = random.milliseconds(0...4_000)
        cluster.crash(random.below(count), after: time)
        if random.happens(700) {
          cluster.start(after: time + random.milliseconds(10...1_000))
          plan.starts += 1
        }
      }
    }
    if isAll || trouble == .clock {
      for _ in 0..<1 + random.below(2) {
        let step = random.milliseconds(1...100_000) * (random.happens(500) ? 1 : -1)
        if step > 0 { plan.stepsForward += 1 }
        cluster.stepClock(by: step, after: random.milliseconds(0...4_500))
      }
    }
    return plan
  }

  /// Clients that come all at once, to one replica, to all in turn or here and there.
  static func load(_ cluster: inout Cluster, _ count: Int, _ random: inout Random) {
    let cost = [1, 1, 2, 5][random.below(4)]
    var time: Int64 = 0
    while time < 5_000_000_000 {
      switch random.below(4) {
      case 0:
        // Everything at one instant, from every replica.
        for index in 0..<count { cluster.demand(index, count: 250, cost: cost, after: time) }
      case 1:
        cluster.demand(random.below(count), count: 250, cost: cost, after: time)
      default:
        for _ in 0..<random.below(12) {
          cluster.demand(random.below(count), count: 1 + random.below(20), cost: cost, after: time)
          time += random.milliseconds(0...60)
        }
      }
      time += random.milliseconds(0...700)
    }
  }
}
