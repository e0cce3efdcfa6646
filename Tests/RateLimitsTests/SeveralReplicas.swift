import RateLimits
import Testing

@Suite struct SeveralReplicas {
  /// A number of replicas that have found each other, and have a full bucket.
  static func ready(_ count: Int, _ limits: Limits, seed: UInt64) -> Cluster {
    var cluster = Cluster(limits, seed: seed)
    for index in 0..<count { cluster.start(after: Int64(index) * 30_000_000) }
    cluster.run(10_000_000_000)
    return cluster
  }

  @Test func `find each other and are in step after four seconds`() throws {
    let limits = Limits(
      burst: try #require(Quota(tokens: 50, seconds: 5)),
      sustained: try #require(Quota(tokens: 600, seconds: 60)))
    for count in 1...8 {
      let areInStep = Self.ready(count, limits, seed: 7).areInStep
      #expect(areInStep, "\(count)")
    }
  }

  @Test(arguments: 2...8) func `admit at least 98 of 100`(count: Int) throws {
    let limits = Limits(
      burst: try #require(Quota(tokens: 50, seconds: 5)),
      sustained: try #require(Quota(tokens: 600, seconds: 60)))
    for pattern in 0..<3 {
      var cluster = Self.ready(count, limits, seed: 7)
      var random = Random(3)
      for step in 0..<3_000 {
        let index =
          switch pattern {
          case 0: random.below(count)
          case 1: 0
          default: step / 100 % count
          }
        cluster.demand(index, count: 3, cost: 1, after: Int64(step) * 50_000_000)
      }
      cluster.run(75_000_000_000)
      let before = cluster.admitted
      cluster.run(75_000_000_000)
      let rate = Double(cluster.admitted - before) / 750
      #expect(rate >= 0.98, "\(pattern)")
    }
  }

  @Test func `fall to their share without the database, and are back within a second`() throws {
    let limits = Limits(
      burst: try #require(Quota(tokens: 50, seconds: 5)),
      sustained: try #require(Quota(tokens: 600, seconds: 60)))
    for count in 2...8 {
      var cluster = Self.ready(count, limits, seed: 7)
      for step in 0..<800 {
        for index in 0..<count {
          cluster.demand(index, count: 5, cost: 1, after: Int64(step) * 50_000_000)
        }
      }
      cluster.run(10_000_000_000)
      cluster.stopDatabase(after: 0, for: 20_000_000_000, loses: false)
      cluster.run(1_000_000_000)
      let areApart = cluster.stations.allSatisfy {
        cluster.now + $0.offset >= $0.table.regime.inStepUntil
      }
      #expect(areApart, "\(count)")
      cluster.run(9_000_000_000)
      let before = cluster.admitted
      cluster.run(10_000_000_000)
      // Ten tokens a second in all: neither open nor closed.
      #expect((100 - count...100 + count).contains(Int(cluster.admitted - before)), "\(count)")
      cluster.run(1_000_000_000)
      let areBack = cluster.areInStep
      #expect(areBack, "\(count)")
    }
  }

  @Test func `one alone is exact and reports no client`() throws {
    let limits = Limits(
      burst: try #require(Quota(tokens: 50, seconds: 5)),
      sustained: try #require(Quota(tokens: 600, seconds: 60)))
    var cluster = Cluster(limits, seed: 1)
    cluster.start()
    cluster.run(100_000_000)
    let isInStep = cluster.areInStep
    #expect(isInStep)
    cluster.demand(0, count: 80, cost: 1, after: 0)
    cluster.run(0)
    #expect(cluster.admitted == 50)
    cluster.stopDatabase(after: 0, for: 10_000_000_000, loses: false)
    cluster.demand(0, count: 80, cost: 1, after: 5_000_000_000)
    cluster.run(20_000_000_000)
    #expect(cluster.admitted == 100)
    #expect(cluster.lines == 0)
  }
}
