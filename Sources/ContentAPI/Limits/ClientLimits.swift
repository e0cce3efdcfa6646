import EventLoop
import HTTP
package import RateLimits

/// Whether there is quota for a request, and what its client is told of it.
///
/// Copies of one value are in all loops: what is counted is counted for the process, and for other
/// replicas by whoever reports it. Nothing here waits.
package struct ClientLimits: Sendable {
  /// What counts; nil without limits.
  package let limiter: RateLimiter?
  /// As they were configured; nil without limits.
  let settings: RateLimitSettings?
  /// A random number, the name of this process among those that share the limits; nil without
  /// others.
  let replica: UInt64?
  private let counts = Counts()
  private let policies: Policies
  private let proxies: TrustedProxies

  private final class Counts: Sendable {
    /// By class.
    let admitted = Counters(Client.Class.allCases.count)
    let refused = Counters(Client.Class.allCases.count)
  }

  /// - Parameters:
  ///   - settings: nil when there are no limits.
  ///   - areShared: whether other processes on the same database keep them too; then a
  ///     `LimitReporter` has to run.
  package init(
    _ settings: RateLimitSettings?, proxies: TrustedProxies = TrustedProxies(),
    areShared: Bool = false
  ) {
    func random() -> UInt64 { RandomBytes.make(8).reduce(0) { $0 << 8 | UInt64($1) } }
    let replica = areShared && settings != nil ? max(1, random()) : nil
    self.replica = replica
    self.settings = settings
    limiter = settings.map {
      RateLimiter($0.classes, seed: (random(), random()), replica: replica)
    }
    policies = Policies(settings ?? RateLimitSettings())
    self.proxies = proxies
  }

  /// Without limits.
  package static let none = ClientLimits(nil)

  /// What quotas fill by. Asked only where something is counted.
  typealias Clock = @Sendable () -> MonotonicInstant

  /// What was taken for a request.
  struct Charge: Sendable {
    let client: Client
    let cost: Int
    /// Where the client stood then.
    let standing: Standing
  }

  /// What a key costs that is not good.
  static let badKey = 5

  /// Whom the request comes from.
  func address(of request: Request) -> NetworkAddress {
    address(of: request.head, from: request.peer)
  }

  func address(of head: RequestHead, from peer: SocketAddress) -> NetworkAddress {
    proxies.client(of: head, from: peer)
  }

  /// Takes a cost from the quota of a client that is not told how it stands. False where there is
  /// none: nothing is taken then, nor counted, as it is asked for once more to say why.
  func admits(_ client: Client, quarters: Int, at clock: Clock) -> Bool {
    guard let limiter, quarters > 0 else { return true }
    let amount = Amount(quarters: Int64(quarters))
    guard case .admitted = limiter.admit(client, cost: amount, now: clock().nanoseconds) else {
      return false
    }
    counts.admitted.add(at: Int(client.kind.rawValue))
    return true
  }

  /// Takes `cost` from the client's quota, or throws 429. Nil without limits, and for what is free.
  func admit(_ client: Client, cost: Int, at clock: Clock) throws(Problem) -> Charge? {
    guard let limiter, cost > 0 else { return nil }
    switch limiter.admit(client, cost: Amount(tokens: cost), now: clock().nanoseconds) {
    case .admitted(let standing):
      counts.admitted.add(at: Int(client.kind.rawValue))
      return Charge(client: client, cost: cost, standing: standing)
    case .refused(let policy, let wait, let standing):
      counts.refused.add(at: Int(client.kind.rawValue))
      throw refusal(of: client, policy, wait: Int(Standing.seconds(wait)), standing)
    }
  }

  private func refusal(
    of client: Client, _ policy: Policy, wait seconds: Int, _ standing: Standing
  ) -> Problem {
    var problem = Problem(
      .quotaExceeded,
      "The policy “\(policy.rawValue)” of \(client.owner), \(policies.quota(client, policy)), is used "
        + "up. Come back in \(seconds) \(seconds == 1 ? "second" : "seconds").",
      fields: ["Retry-After": FieldValue(seconds)])
    problem.violatedPolicies = [policy.rawValue]
    // What refuses is what is told, with the instant of Retry-After.
    let left = standing.policy == policy ? standing.remaining : 0
    tell(client, policy, left: left, reset: seconds, in: &problem.fields)
    return problem
  }

  /// Takes one sign-up from the address's quota and from that of all. Throws 429.
  func admitSignUp(from address: NetworkAddress, at clock: Clock) throws(Problem) {
    let charge = try admit(.signUp(address), cost: 1, at: clock)
    do throws(Problem) {
      _ = try admit(.signUps, cost: 1, at: clock)
    } catch {
      if let charge { refund(charge, at: clock) }
      throw error
    }
  }

  /// Whether somebody may be sent mail at this address once more; takes from its quota.
  func admitsMail(to address: MailAddress, at clock: Clock) -> Bool {
    (try? admit(.mailbox(address), cost: 1, at: clock)) != nil || limiter == nil
  }

  /// Gives back what was taken: it was not used.
  func refund(_ charge: Charge, at clock: Clock) {
    _ = limiter?.refund(charge.client, Amount(tokens: charge.cost), now: clock().nanoseconds)
  }

  /// Gives back what the answer did not need, and tells the client how it stands, unless others may
  /// be given the same answer.
  ///
  /// - Parameter isShed: the request was refused because this service cannot answer now.
  func settle(_ charge: Charge, isShed: Bool, in response: inout Response, at clock: Clock) {
    var standing = charge.standing
    let quarters = isShed ? charge.cost * 4 : response.status == 304 ? charge.cost * 3 : 0
    if quarters > 0, let limiter {
      standing = limiter.refund(
        charge.client, Amount(quarters: Int64(quarters)), now: clock().nanoseconds)
    }
    let isShared =
      [200, 304].contains(response.status)
      && response.fields.first(of: "Cache-Control")?.text.hasPrefix("public") == true
    // A refusal of another of the client's quotas has told already.
    if isShared || response.fields.first(of: "RateLimit") != nil { return }
    tell(
      charge.client, standing.policy, left: standing.remaining,
      reset: Int(Standing.seconds(standing.reset)), in: &response.fields)
  }

  /// Structured Fields (RFC 9651) after draft-ietf-httpapi-ratelimit-headers.
  private func tell(
    _ client: Client, _ policy: Policy, left: Int, reset: Int, in fields: inout ResponseFields
  ) {
    fields.append("RateLimit", "\"\(policy.rawValue)\";r=\(left);t=\(reset)")
    fields.append("RateLimit-Policy", policies.field(client))
  }
}

extension ClientLimits {
  /// Whether it is known with whom the limits are shared.
  package var isReady: Bool { limiter?.isReady ?? true }

  /// How the limits are kept, and what has become of requests by them; nothing without limits.
  func describe(in metrics: inout Metrics) {
    guard let limiter else { return }
    let regime = limiter.regime
    metrics.add(
      .gauge, "rate_limit_replicas", Int(regime.replicas),
      help: "Processes that share the rate limits, as far as this one knows.")
    metrics.add(
      .gauge, "rate_limit_share", Int(regime.shares(now: MonotonicInstant.now().nanoseconds)),
      help: "1 while clients find the whole limits here, N while only an N-th of them.")
    metrics.add(
      .counter, "rate_limit_admitted_total", counts.admitted.sum,
      help: "Calls for which there was quota.")
    metrics.add(
      .counter, "rate_limit_refused_total", counts.refused.sum,
      help: "Calls for which there was none.")
    metrics.add(
      .counter, "rate_limit_decisions_total", help: "The same, by class of client.",
      Client.Class.allCases.flatMap { kind in
        [("admitted", counts.admitted), ("refused", counts.refused)].map { outcome, counters in
          (
            [("class", RateLimitSettings.Class(kind).rawValue), ("outcome", outcome)],
            counters[Int(kind.rawValue)]
          )
        }
      })
  }
}

/// The policies as they were configured, for people and for programs.
private struct Policies: Sendable {
  private let settings: RateLimitSettings
  /// By class.
  private let fields: [FieldValue]

  init(_ settings: RateLimitSettings) {
    self.settings = settings
    fields = Client.Class.allCases.map { kind in
      let limits = settings[.init(kind)]
      let policies = [(Policy.burst, limits.burst), (.sustained, limits.sustained)].map {
        "\"\($0.rawValue)\";q=\($1.tokens);w=\($1.seconds)"
      }
      return FieldValue(policies.joined(separator: ", "))
    }
  }

  func field(_ client: Client) -> FieldValue { fields[Int(client.kind.rawValue)] }

  /// `1000 in 60 seconds`.
  func quota(_ client: Client, _ policy: Policy) -> String {
    let limits = settings[.init(client.kind)]
    let quota = policy == .burst ? limits.burst : limits.sustained
    return "\(quota.tokens) in \(quota.seconds) seconds"
  }
}

extension Client {
  /// Whoever signs up from this address.
  static func signUp(_ address: NetworkAddress) -> Client { .signUp(address.high, address.low) }

  /// Who gets the mail when this address is signed up.
  static func mailbox(_ address: MailAddress) -> Client {
    let digest = SHA256.digest(of: address.normalised.utf8).map { UInt64($0) }
    return .mailbox(
      digest[..<8].reduce(0) { $0 << 8 | $1 }, digest[8..<16].reduce(0) { $0 << 8 | $1 })
  }
}

extension RateLimitSettings.Class {
  fileprivate init(_ kind: Client.Class) {
    switch kind {
    case .address: self = .address
    case .credential: self = .credential
    case .account: self = .key
    case .signUp: self = .signUp
    case .mailbox: self = .mailbox
    case .signUps: self = .signUps
    }
  }
}

extension Client {
  /// Whoever sends no key.
  static func address(_ address: NetworkAddress) -> Client { .address(address.high, address.low) }

  /// Whoever sends a key that is not known to be good.
  static func credential(_ address: NetworkAddress) -> Client {
    .credential(address.high, address.low)
  }

  /// Whoever sends a good key.
  static func account(_ principal: Principal) -> Client {
    .account(principal.number.high, principal.number.low)
  }

  fileprivate var owner: String {
    switch kind {
    case .account: "your key"
    case .address: "your address"
    case .credential: "your address for keys that are not good"
    case .signUp: "your address for sign-ups"
    case .mailbox: "the address that is signed up"
    case .signUps: "all sign-ups together"
    }
  }
}

extension RateLimitSettings {
  /// As the buckets want it.
  var classes: ClassLimits { ClassLimits { made(self[Class($0)]) } }

  /// The limits of each class.
  var limits: [(kind: Client.Class, name: Class, limits: RateLimits.Limits)] {
    Client.Class.allCases.map { ($0, Class($0), made(self[Class($0)])) }
  }

  private func made(_ limits: Limits) -> RateLimits.Limits {
    func quota(_ quota: Quota) -> RateLimits.Quota {
      guard let made = RateLimits.Quota(tokens: quota.tokens, seconds: quota.seconds) else {
        preconditionFailure("a setting has been read and is out of range")
      }
      return made
    }
    return RateLimits.Limits(burst: quota(limits.burst), sustained: quota(limits.sustained))
  }
}
