package import EventLoop
import HTTP

/// Whether there is quota for a request, and what its client is told of it.
///
/// Copies of one value are in all loops: what is counted is counted for the process, and for other
/// replicas by whoever reports it. Nothing here waits.
package struct ClientLimits: Sendable {
  private let buckets: Buckets?
  private let proxies: TrustedProxies
  private let clock: @Sendable () -> MonotonicInstant

  /// - Parameter settings: nil when there are no limits.
  package init(
    _ settings: RateLimitSettings?, proxies: TrustedProxies = TrustedProxies(),
    clock: @escaping @Sendable () -> MonotonicInstant = { .now() }
  ) {
    buckets = settings.map { Buckets($0) }
    self.proxies = proxies
    self.clock = clock
  }

  /// Without limits.
  package static let none = ClientLimits(nil)

  /// Who is counted.
  enum Client: Sendable {
    case address(NetworkAddress)
    case account(Principal)
    /// Of this address, for a key that is not known to be good.
    case credential(NetworkAddress)
  }

  /// What was taken for a request.
  struct Charge: Sendable {
    let client: Client
    let cost: Int
  }

  /// What a key costs that is not good.
  static let badKey = 5

  /// Whom the request comes from.
  func address(of request: Request) -> NetworkAddress {
    proxies.client(of: request.head, from: request.peer)
  }

  /// Takes `cost` from the client's quota, or throws 429. Nil without limits.
  func admit(_ client: Client, cost: Int) throws(Problem) -> Charge? {
    guard let buckets else { return nil }
    let outcome = buckets.admit(client, cost: cost, now: clock().nanoseconds)
    guard let refusal = outcome.refusal else { return Charge(client: client, cost: cost) }
    let seconds = Self.wholeSeconds(refusal.wait)
    let quota = buckets.quota(of: client, refusal.policy)
    var problem = Problem(
      .quotaExceeded,
      "The policy “\(refusal.policy.rawValue)” of \(client.owner), \(quota.tokens) in "
        + "\(quota.seconds) seconds, is used up. Come back in \(seconds) seconds.",
      fields: ["Retry-After": FieldValue(seconds)])
    problem.violatedPolicies = [refusal.policy.rawValue]
    tell(client, refusal.policy, left: refusal.left, reset: seconds, in: &problem.fields)
    throw problem
  }

  /// Gives back what was taken: it was not used.
  func refund(_ charge: Charge) {
    _ = buckets?.refund(charge.client, quarters: charge.cost * 4, now: clock().nanoseconds)
  }

  /// Gives back what the answer did not need, and tells the client how it stands, unless others may
  /// be given the same answer.
  ///
  /// - Parameter isShed: the request was refused because this service cannot answer now.
  func settle(_ charge: Charge, isShed: Bool, in response: inout Response) {
    guard let buckets else { return }
    let quarters = isShed ? charge.cost * 4 : response.status == 304 ? charge.cost * 3 : 0
    let isPublic =
      [200, 304].contains(response.status)
      && response.fields.first(of: "Cache-Control")?.text.hasPrefix("public") == true
    if quarters == 0, isPublic { return }
    let standing = buckets.refund(charge.client, quarters: quarters, now: clock().nanoseconds)
    if isPublic { return }
    tell(
      charge.client, standing.policy, left: standing.left,
      reset: Self.wholeSeconds(standing.untilFull), in: &response.fields)
  }

  private func tell(
    _ client: Client, _ policy: RateLimitSettings.Policy, left: Int, reset: Int,
    in fields: inout ResponseFields
  ) {
    guard let buckets else { return }
    fields.append("RateLimit", "\"\(policy.rawValue)\";r=\(left);t=\(reset)")
    fields.append("RateLimit-Policy", buckets.policies(of: client))
  }

  /// Rounded up: whoever waits so long has waited long enough.
  private static func wholeSeconds(_ nanoseconds: Int64) -> Int {
    Int(nanoseconds / 1_000_000_000 + (nanoseconds % 1_000_000_000 > 0 ? 1 : 0))
  }
}

extension ClientLimits.Client {
  fileprivate var owner: String {
    switch self {
    case .account: "your key"
    case .address: "your address"
    case .credential: "your address for keys that are not good"
    }
  }
}

// TEMPORARY until RateLimits is there.
final class Buckets: Sendable {
  struct Standing { var policy: RateLimitSettings.Policy; var left: Int; var untilFull: Int64 }
  struct Refusal { var policy: RateLimitSettings.Policy; var left: Int; var wait: Int64 }
  struct Outcome { var refusal: Refusal? }
  struct Key: Hashable { var c: Int; var high: UInt64; var low: UInt64; var policy: Int }
  let settings: RateLimitSettings
  let tats = Locked<[Key: Int64]>([:])
  init(_ settings: RateLimitSettings) { self.settings = settings }
  func limits(_ client: ClientLimits.Client) -> RateLimitSettings.Limits {
    switch client { case .address: settings.address; case .account: settings.key; case .credential: settings.credential }
  }
  func quota(of client: ClientLimits.Client, _ policy: RateLimitSettings.Policy) -> RateLimitSettings.Quota {
    policy == .burst ? limits(client).burst : limits(client).sustained
  }
  func policies(of client: ClientLimits.Client) -> FieldValue {
    let l = limits(client)
    return "\"burst\";q=\(l.burst.tokens);w=\(l.burst.seconds), \"sustained\";q=\(l.sustained.tokens);w=\(l.sustained.seconds)"
  }
  func keys(_ client: ClientLimits.Client) -> [(Key, RateLimitSettings.Policy, RateLimitSettings.Quota, Int64)] {
    var ids: [(Int, UInt64, UInt64, Int64)] = []
    switch client {
    case .account(let p): ids = [(2, p.number.high, p.number.low, 1)]
    case .address(let a), .credential(let a):
      var c = 0
      if case .credential = client { c = 1 }
      if a.isIPv4 { ids = [(c, a.high, a.low, Int64(1))] } else { ids = [(c, a.high, 0, Int64(1)), (c + 10, a.high & ~0xffff, 0, Int64(16))] }
    }
    return ids.flatMap { id in
      [(RateLimitSettings.Policy.burst, limits(client).burst), (.sustained, limits(client).sustained)].map { (p, q) in
        (Key(c: id.0, high: id.1, low: id.2, policy: p == .burst ? 0 : 1), p,
         RateLimitSettings.Quota(q.tokens * Int(id.3), per: q.seconds), id.3)
      }
    }
  }
  func admit(_ client: ClientLimits.Client, cost: Int, now: Int64) -> Outcome {
    tats.withLock { tats in
      var worst: Refusal?
      for (k, p, q, _) in keys(client) {
        let T = Int64(q.seconds) * 1_000_000_000 / Int64(q.tokens)
        let d = max(0, (tats[k] ?? 0) - now)
        let wait = d + Int64(cost) * T - Int64(q.tokens) * T
        if wait > 0, wait > (worst?.wait ?? 0) {
          worst = Refusal(policy: p, left: Int((Int64(q.tokens) * T - d) / T), wait: wait)
        }
      }
      if worst == nil {
        for (k, _, q, _) in keys(client) {
          let T = Int64(q.seconds) * 1_000_000_000 / Int64(q.tokens)
          tats[k] = now + max(0, (tats[k] ?? 0) - now) + Int64(cost) * T
        }
      }
      return Outcome(refusal: worst)
    }
  }
  func refund(_ client: ClientLimits.Client, quarters: Int, now: Int64) -> Standing {
    tats.withLock { tats in
      var worst = Standing(policy: .burst, left: .max, untilFull: 0)
      for (k, p, q, _) in keys(client) {
        let T = Int64(q.seconds) * 1_000_000_000 / Int64(q.tokens)
        let tat = max(now, (tats[k] ?? 0) - Int64(quarters) * T / 4)
        tats[k] = tat
        let left = Int((Int64(q.tokens) * T - (tat - now)) / T)
        if left < worst.left { worst = Standing(policy: p, left: left, untilFull: tat - now) }
      }
      return worst
    }
  }
}
