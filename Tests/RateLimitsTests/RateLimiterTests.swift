import RateLimits
import Testing

@Suite struct RateLimiterTests {
  @Test func `admits the burst and refuses the next`() throws {
    let limits = Limits(
      burst: try #require(Quota(tokens: 20, seconds: 10)),
      sustained: try #require(Quota(tokens: 100, seconds: 100)))
    let limiter = RateLimiter(
      ClassLimits(address: limits, credential: limits, account: limits), seed: (1, 2))
    let client = Client.address(0, 0xFFFF_C000_0201)
    for taken in 1...20 {
      guard case .admitted(let standing) = limiter.admit(client, cost: Amount(tokens: 1), now: 5)
      else {
        Issue.record("refused \(taken)")
        return
      }
      #expect(standing.remaining == 20 - taken)
    }
    #expect(
      limiter.admit(client, cost: Amount(tokens: 1), now: 5)
        == .refused(
          .burst, wait: 500_000_000,
          Standing(policy: .burst, remaining: 0, reset: 10_000_000_000)))
  }
}
