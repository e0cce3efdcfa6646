import RateLimits
import Testing

@Suite struct RateLimiterTests {
  static func limits(_ burst: Int, per seconds: Int, _ sustained: Int, per long: Int) throws
    -> Limits
  {
    Limits(
      burst: try #require(Quota(tokens: burst, seconds: seconds)),
      sustained: try #require(Quota(tokens: sustained, seconds: long)))
  }

  static func limiter(_ limits: Limits, replica: UInt64? = nil) -> RateLimiter {
    RateLimiter(
      ClassLimits { _ in limits }, seed: (1, 2),
      replica: replica)
  }

  static func isAdmitted(_ verdict: Verdict) -> Bool {
    if case .admitted = verdict { true } else { false }
  }

  static let one = Amount(tokens: 1)
  static let client = Client.address(0, 0xFFFF_C000_0201)

  @Test func `admits the burst and refuses the next`() throws {
    let limiter = Self.limiter(try Self.limits(20, per: 10, 100, per: 100))
    for taken in 1...20 {
      guard case .admitted(let standing) = limiter.admit(Self.client, cost: Self.one, now: 5)
      else {
        Issue.record("refused \(taken)")
        return
      }
      #expect(standing.remaining == 20 - taken)
    }
    #expect(
      limiter.admit(Self.client, cost: Self.one, now: 5)
        == .refused(
          .burst, wait: 500_000_000,
          Standing(policy: .burst, remaining: 0, reset: 10_000_000_000)))
    #expect(limiter.refund(Self.client, Amount(quarters: 5), now: 5).remaining == 1)
    #expect(Self.isAdmitted(limiter.admit(Self.client, cost: Self.one, now: 5)))
    #expect(!Self.isAdmitted(limiter.admit(Self.client, cost: Self.one, now: 5)))
  }

  @Test func `tells classes and addresses apart`() throws {
    let limiter = Self.limiter(try Self.limits(5, per: 10, 100, per: 100))
    let clients = [
      Self.client, .credential(0, 0xFFFF_C000_0201), .account(0, 0xFFFF_C000_0201),
      .address(0, 0xFFFF_C000_0202), .address(0xFFFF_C000_0201, 0),
    ]
    for client in clients {
      #expect(Self.isAdmitted(limiter.admit(client, cost: Amount(tokens: 5), now: 5)))
      #expect(!Self.isAdmitted(limiter.admit(client, cost: Self.one, now: 5)))
    }
  }

  @Test func `counts a /64 as one, and a /48 as sixteen, both or neither`() throws {
    let limiter = Self.limiter(try Self.limits(10, per: 10, 1_000, per: 10))
    let network: UInt64 = 0x2001_0DB8_0001_0000
    // Within a /64 the lower half says nothing.
    for low in 0..<10 {
      #expect(
        Self.isAdmitted(limiter.admit(.address(network, UInt64(low)), cost: Self.one, now: 5)))
    }
    #expect(!Self.isAdmitted(limiter.admit(.address(network, 99), cost: Self.one, now: 5)))
    var admitted = 10
    for subnet in 1...100 {
      for _ in 0..<3
      where Self.isAdmitted(
        limiter.admit(.address(network + UInt64(subnet), 1), cost: Self.one, now: 5))
      {
        admitted += 1
      }
    }
    #expect(admitted == 160)
    // The 90th subnet was refused because of its parent only, and has lost nothing by it.
    #expect(
      limiter.standing(.address(network + 90, 1), now: 5).remaining == 0)
    #expect(
      Self.isAdmitted(
        limiter.admit(.address(network + 90, 1), cost: Amount(tokens: 10), now: 2_000_000_000)))
  }

  @Test func `holds throttled clients down and leaves accounts alone among a million others`()
    throws
  {
    let limiter = Self.limiter(try Self.limits(1_000, per: 60, 5_000, per: 900))
    let account = Client.account(7, 7)
    var now: Int64 = 1_000_000_000
    while Self.isAdmitted(limiter.admit(Self.client, cost: Amount(tokens: 5), now: now)) {}
    #expect(Self.isAdmitted(limiter.admit(account, cost: Amount(tokens: 400), now: now)))
    var refused = 0
    for index in 0..<1_000_000 {
      // All within a second and with the dearest request, so that no bucket gets full again.
      now += 1_000
      let other = Client.address(0, 0xFFFF_0A00_0000 + UInt64(index))
      if !Self.isAdmitted(limiter.admit(other, cost: Amount(tokens: 5), now: now)) { refused += 1 }
    }
    // One second has brought back 16 tokens of the burst and none besides.
    var regained = 0
    while Self.isAdmitted(limiter.admit(Self.client, cost: Self.one, now: now)) { regained += 1 }
    #expect(regained == 16)
    #expect(limiter.standing(account, now: now).remaining == 616)
    // A flood of strangers shares what the sketch has: they are the ones to be refused.
    #expect(refused < 1_000_000)
  }

  @Test func `forgets nobody who is not full, however few places there are`() throws {
    let limits = try Self.limits(10, per: 100, 100, per: 1_000)
    var table = BucketTable(
      sets: 2, width: 4,
      limits: ClassLimits { _ in limits })
    let hash = KeyedHash(seed: (3, 4))
    var random = Random(5)
    var taken: [UInt64: Oracle] = [:]
    var now: Int64 = 0
    var admitted = 0
    for _ in 0..<20_000 {
      now += Int64(random.below(4_000_000_000))
      let name = UInt64(random.below(200))
      let client = HashedClient(.account(name, name), hash)
      var oracle = taken[name] ?? Oracle(limits.burst)
      oracle.advance(to: now)
      if case .admitted = table.admit(client, nil, Self.one, now: now) {
        admitted += 1
        oracle.level -= oracle.interval
        #expect(oracle.level >= 0)
      }
      taken[name] = oracle
    }
    #expect(admitted > 1_000)
  }

  @Test func `two limiters and a ledger keep one limit`() throws {
    let limits = try Self.limits(40, per: 40, 400, per: 400)
    let limiters = [Self.limiter(limits, replica: 1), Self.limiter(limits, replica: 2)]
    var ledger = Ledger(epoch: 9)
    var now: Int64 = 1_000_000_000
    #expect(!limiters[0].isReady)
    func round() throws {
      for limiter in limiters {
        now += 100_000_000
        let report = try #require(limiter.beginReport(now: now))
        #expect(limiter.beginReport(now: now) == nil)
        limiter.answered(ledger.exchange(report, wall: now), now: now + 1_000_000)
      }
    }
    for _ in 0..<40 { try round() }
    #expect(limiters[0].isReady && limiters[1].isReady)
    for client in [Self.client, .account(1, 2), .address(0x2001_0DB8_0000_0000, 0)] {
      var admitted = 0
      for _ in 0..<8 {
        for _ in 0..<4
        where Self.isAdmitted(limiters[0].admit(client, cost: Self.one, now: now)) {
          admitted += 1
        }
        try round()
      }
      // What the first has admitted the second knows of, but for what has come back since.
      let standing = limiters[1].admit(client, cost: Amount(tokens: 40), now: now)
      #expect(!Self.isAdmitted(standing))
      for _ in 0..<100
      where Self.isAdmitted(limiters[1].admit(client, cost: Self.one, now: now)) {
        admitted += 1
      }
      try round()
      for limiter in limiters {
        for _ in 0..<100
        where Self.isAdmitted(limiter.admit(client, cost: Self.one, now: now)) {
          admitted += 1
        }
        try round()
      }
      #expect((36...53).contains(admitted), "\(admitted)")
      limiters[0].failed(isUnknown: true, now: now)
    }
  }
}
