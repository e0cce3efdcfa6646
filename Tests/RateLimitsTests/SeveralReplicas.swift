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
      #expect(Self.ready(count, limits, seed: 7).areInStep, "\(count)")
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
      print(count, pattern, rate)
      #expect(rate >= 0.98, "\(pattern)")
    }
  }
}
