import ContentAPI
import EventLoop
import Postgres
import Testing

/// Who shares a limit with whom.
@Suite struct LimitedClients {
  /// Ten tokens that do not come back while a test runs.
  private static let ten: RateLimitSettings = {
    let quota = RateLimitSettings.Quota(10, per: 86_400)
    return RateLimitedRequests.limits(burst: quota, sustained: quota)
  }()

  private static let proxies = ["10.0.0.0/8", "2001:db8:ffff::/48"]

  /// How many of `count` requests are admitted.
  private func admitted(
    _ count: Int = 12, of site: Site, _ lines: [String] = [], from peer: String
  ) async throws -> Int {
    var admitted = 0
    for _ in 0..<count {
      let status = try await site.send("GET /none", lines, from: peer).status
      if status == 404 { admitted += 1 } else { #expect(status == 429) }
    }
    return admitted
  }

  @Test func `are told from each other by address, and gain nothing by other ports`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      #expect(try await admitted(6, of: site, from: "192.0.2.1:1") == 6)
      #expect(try await admitted(6, of: site, from: "192.0.2.1:2") == 4)
      #expect(try await admitted(of: site, from: "192.0.2.2:1") == 10)
      // The same address by other notations.
      #expect(try await admitted(of: site, from: "[::ffff:192.0.2.1]:1") == 0)
      #expect(try await admitted(of: site, from: "[64:ff9b::192.0.2.2]:1") == 0)
      #expect(try await admitted(6, of: site, from: "[::ffff:192.0.2.3]:1") == 6)
      #expect(try await admitted(of: site, from: "192.0.2.3:1") == 4)
    }
  }

  @Test func `of IPv6 are one in a /64, and sixteen in a /48`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      #expect(try await admitted(6, of: site, from: "[2001:db8:1:1::1]:1") == 6)
      #expect(try await admitted(6, of: site, from: "[2001:db8:1:1:ffff::2]:1") == 4)
      #expect(try await admitted(of: site, from: "[2001:db8:1:2::1]:1") == 10)
      var sum = 20
      for index in 3..<40 {
        sum += try await admitted(of: site, from: "[2001:db8:1:\(index)::1]:1")
      }
      #expect(sum == 160)
      #expect(try await admitted(of: site, from: "[2001:db8:2:1::1]:1") == 10)
    }
  }

  @Test func `gain nothing by naming others`() async throws {
    let lines = (0..<30).map {
      ["X-Forwarded-For: 198.51.100.\($0)", "Forwarded: for=198.51.100.\($0)"]
    }
    let networks = try Self.proxies.map { try NetworkPrefix($0) }
    for header in TrustedProxies.Header.allCases {
      for proxies in [TrustedProxies(header: header), TrustedProxies(networks, header: header)] {
        try await Site.run(limits: Self.ten, proxies: proxies, clock: TestClock()) {
          site async throws in
          var sum = 0
          for fields in lines {
            sum += try await admitted(1, of: site, fields, from: "192.0.2.1:1")
          }
          #expect(sum == 10)
          #expect(try await admitted(of: site, from: "198.51.100.1:1") == 10)
        }
      }
    }
  }

  @Test func `behind proxies are who the proxies say`() async throws {
    let networks = try Self.proxies.map { try NetworkPrefix($0) }
    try await Site.run(
      limits: Self.ten, proxies: TrustedProxies(networks), clock: TestClock()
    ) { site async throws in
      let proxy = "10.0.0.1:1"
      let forged = ["X-Forwarded-For: 203.0.113.9, 192.0.2.1", "X-Forwarded-For: 10.0.0.2"]
      #expect(try await admitted(6, of: site, forged, from: proxy) == 6)
      #expect(
        try await admitted(6, of: site, ["X-Forwarded-For: 192.0.2.1"], from: "10.9.9.9:1") == 4)
      #expect(try await admitted(of: site, from: "192.0.2.1:1") == 0)
      #expect(try await admitted(of: site, ["X-Forwarded-For: ::ffff:192.0.2.1"], from: proxy) == 0)
      #expect(try await admitted(of: site, ["X-Forwarded-For: 203.0.113.9"], from: proxy) == 10)
      #expect(
        try await admitted(6, of: site, ["X-Forwarded-For: 2001:db8:1:1::1"], from: proxy) == 6)
      #expect(try await admitted(of: site, ["X-Forwarded-For: 2001:db8:1:1::2"], from: proxy) == 4)
      // Whoever the proxy does not name well is not told from others whom it does not.
      #expect(try await admitted(3, of: site, ["X-Forwarded-For: nonsense"], from: proxy) == 3)
      #expect(try await admitted(3, of: site, ["X-Forwarded-For: 192.0.2.8, x"], from: proxy) == 3)
      #expect(try await admitted(of: site, from: proxy) == 4)
    }
  }

  @Test func `may end their subscriptions, however many do so from one address`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      #expect(try await admitted(of: site, from: "192.0.2.1:1") == 10)
      let one = "List-Unsubscribe=One-Click"
      for _ in 0..<20 {
        let answer = try await site.send(
          "POST /newsletter/unsubscribe?token=x",
          ["Content-Type: application/x-www-form-urlencoded"], body: Array(one.utf8),
          from: "192.0.2.1:1")
        #expect(answer.status == 200)
        #expect(answer["RateLimit"] == nil)
      }
    }
  }

  @Test func `with keys are their accounts, wherever they are`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      let key = site.authorized
      for peer in ["192.0.2.1:1", "192.0.2.2:1"] {
        // Verified where there is something to be called.
        #expect(try await site.send("GET /openapi.yaml", key, from: peer).status == 200)
      }
      #expect(try await admitted(6, of: site, key, from: "192.0.2.1:1") == 6)
      #expect(try await admitted(6, of: site, key, from: "192.0.2.2:1") == 2)
      // The address has its own.
      #expect(try await admitted(of: site, from: "192.0.2.1:1") == 10)
      let other = ["Authorization: Bearer " + site.writer]
      #expect(try await site.send("GET /openapi.yaml", other, from: "192.0.2.1:1").status == 200)
      #expect(try await admitted(of: site, other, from: "192.0.2.1:1") == 9)
      // A rotated key is the same account.
      let second = APIKey(random: RandomBytes.make(30))
      let connection = try await site.connect()
      _ = try await KeyRegister(connection).rotate(try #require(APIKey(site.key)).id, to: second)
      await connection.close()
      let rotated = ["Authorization: Bearer " + second.text]
      #expect(try await site.send("GET /openapi.yaml", rotated, from: "192.0.2.3:1").status == 429)
    }
  }

  @Test func `lose nothing to others who name their keys`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      let random = RandomBytes.make(20)
      let victim = APIKey(random: Array(random[..<10]) + random)
      let connection = try await site.connect()
      try await KeyRegister(connection).create(name: "v", scopes: Scope.allCases, key: victim)
      await connection.close()
      let good = ["Authorization: Bearer " + victim.text]
      #expect(try await site.send("GET /openapi.yaml", good, from: "192.0.2.1:1").status == 200)
      var statuses: [Int] = []
      for _ in 0..<4 {
        // The part that is no secret with another secret, and the checksum that fits.
        let forged = APIKey(random: Array(random[..<10]) + RandomBytes.make(20))
        #expect(forged.id == victim.id)
        statuses.append(
          try await site.send(
            "GET /openapi.yaml", ["Authorization: Bearer " + forged.text], from: "192.0.2.66:1"
          ).status)
      }
      // Five each, of the attacker's own address.
      #expect(statuses == [401, 401, 429, 429])
      #expect(try await admitted(of: site, good, from: "192.0.2.1:1") == 9)
      // Not of what the attacker has without a key.
      #expect(try await admitted(of: site, from: "192.0.2.66:1") == 10)
    }
  }

  @Test func `with a key that was good are not locked out by bad keys at their address`()
    async throws
  {
    let clock = TestClock()
    try await Site.run(limits: Self.ten, clock: clock) { site async throws in
      let office = "192.0.2.1:1"
      func ask(_ key: String, from peer: String = office) async throws -> Int {
        try await site.send("GET /openapi.yaml", ["Authorization: Bearer " + key], from: peer)
          .status
      }
      #expect(try await ask(site.key) == 200)
      #expect(try await ask("stale") == 401)
      #expect(try await ask(APIKey(random: RandomBytes.make(30)).text) == 401)
      #expect(try await ask("stale") == 429)
      // A key that nobody has seen yet is refused before it is looked up.
      #expect(try await ask(site.writer) == 429)
      #expect(try await ask(site.writer, from: "192.0.2.2:1") == 200)
      #expect(try await ask(site.writer) == 200)

      #expect(try await ask(site.key) == 200)
      // Also when it has to be looked up again.
      clock.advance(by: .seconds(8))
      #expect(try await ask(site.key) == 200)
      // When it is good no more, it is a bad key like others.
      try await site.sql("update colophon.api_keys set revoked_at = colophon.clock()")
      #expect(try await ask(site.key) == 200)
      clock.advance(by: .seconds(8))
      #expect(try await ask(site.key) == 429)
      #expect(try await ask(site.key, from: "192.0.2.3:1") == 401)
      await site.pool.close()
      #expect(try await ask(site.key) == 429)
      #expect(try await ask(site.key, from: "192.0.2.4:1") == 503)
    }
  }

  @Test func `that come with a good key at once need one look-up and no quota for it`() async throws
  {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<10 {
          group.addTask { try await site.get("/openapi.yaml", site.authorized).status }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses == Array(repeating: 200, count: 10))
      // Nothing of the address was spent.
      let bad = try await site.get("/openapi.yaml", ["Authorization: Bearer x"])
      #expect(bad["RateLimit"]?.contains(";r=5;") == true)
    }
  }

  @Test func `that come with a bad key at once pay for each`() async throws {
    try await Site.run(limits: Self.ten, clock: TestClock()) { site async throws in
      let key = APIKey(random: RandomBytes.make(30)).text
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<10 {
          group.addTask {
            try await site.get("/openapi.yaml", ["Authorization: Bearer " + key]).status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [401, 401] + Array(repeating: 429, count: 8))
    }
  }
}
