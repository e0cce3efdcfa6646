import ContentAPI
import EventLoop
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

/// What a client meets at its limits. Time stands still unless a test moves it.
@Suite struct RateLimitedRequests {
  /// Ten tokens at once and one every six seconds, for whoever it is.
  private static let narrow = limits(burst: .init(10, per: 60), sustained: .init(1_000, per: 3_600))

  static func limits(
    burst: RateLimitSettings.Quota, sustained: RateLimitSettings.Quota
  ) -> RateLimitSettings {
    var settings = RateLimitSettings()
    for name in [RateLimitSettings.Class.address, .key, .credential] {
      settings[name] = .init(burst: burst, sustained: sustained)
    }
    return settings
  }

  @Test func `sign up a few from one address, and a few for one mailbox`() async throws {
    var settings = RateLimitSettings.wide
    let few = RateLimitSettings.Quota(5, per: 3_600)
    settings[.signUp] = .init(burst: few, sustained: few)
    let clock = TestClock()
    try await Site.run(limits: settings, clock: clock) { site async throws in
      for number in 1...5 {
        #expect(try await site.signUp("reader\(number)@example.com").status == 202)
      }
      let refused = try await site.signUp("reader6@example.com")
      #expect(refused.status == 429)
      #expect(refused["Retry-After"] == "720")
      #expect(refused["RateLimit-Policy"] == "\"burst\";q=5;w=3600, \"sustained\";q=5;w=3600")
      #expect(refused.fields.filter { $0.name == "RateLimit" }.count == 1)
      // Whoever reads is not touched by it.
      #expect(try await site.get("/v1/posts").status == 200)
      clock.advance(by: .seconds(720))
      #expect(try await site.signUp("reader6@example.com").status == 202)
    }
    settings = .wide
    settings[.mailbox] = .init(burst: few, sustained: few)
    try await Site.run(limits: settings, clock: clock) { site async throws in
      for _ in 1...5 { #expect(try await site.signUp("Reader@example.com").status == 202) }
      try await site.sql("delete from colophon.subscriptions")
      let silent = try await site.signUp("reader@EXAMPLE.com")
      #expect(silent.status == 202)
      #expect(try await site.value("select count(*)::text from colophon.subscriptions") == "0")
      #expect(try await site.signUp("another@example.com").body == silent.body)
      #expect(try await site.value("select count(*)::text from colophon.subscriptions") == "1")
    }
    settings = .wide
    settings[.signUps] = .init(burst: few, sustained: few)
    try await Site.run(limits: settings, clock: clock) { site async throws in
      for number in 1...5 {
        #expect(try await site.signUp("reader\(number)@example.com").status == 202)
      }
      #expect(try await site.signUp("reader6@example.com").status == 429)
    }
  }

  @Test func `are refused beyond what the burst holds, and no sooner`() async throws {
    try await Site.run(limits: Self.narrow, clock: TestClock()) { site async throws in
      try await site.publish("a")
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<11 { group.addTask { try await site.get("/v1/posts/a").status } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == Array(repeating: 200, count: 10) + [429])
    }
  }

  @Test func `are admitted after Retry-After, whenever the refusal came`() async throws {
    let clock = TestClock()
    // A token takes 6.999…, 3.6… seconds or less than one: no wait is a whole number of them.
    let settings = Self.limits(burst: .init(13, per: 91), sustained: .init(997, per: 3_600))
    try await Site.run(limits: settings, clock: clock) { site async throws in
      var random = SeededRandom(seed: 29)
      var refusals = 0
      while refusals < 1_000 {
        clock.advance(by: .nanoseconds(random.next(below: 2_000_000_000)))
        let answer = try await site.get("/none")
        guard answer.status == 429 else { continue }
        refusals += 1
        let wait = try #require(answer["Retry-After"].flatMap { Int($0) })
        #expect(wait >= 1)
        // Not a second less would do.
        clock.advance(by: .seconds(wait - 1))
        #expect(try await site.get("/none").status == 429)
        clock.advance(by: .seconds(1))
        #expect(try await site.get("/none").status == 404)
      }
    }
  }

  @Test func `are told which policy refuses, and when to come back`() async throws {
    let clock = TestClock()
    try await Site.run(limits: Self.narrow, clock: clock) { site async throws in
      for _ in 0..<10 { _ = try await site.get("/none") }
      clock.advance(by: .seconds(2))
      for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = try await site.send(method + " /v1/posts/a", ["Origin: https://a.example"])
        #expect(answer.status == 429)
        #expect(answer.problem == "quota-exceeded")
        #expect(answer.json["violated_policies"]?.arrayValue?.map(\.stringValue) == ["burst"])
        #expect(answer.json["detail"]?.stringValue?.contains("“burst”") == true)
        #expect(answer["Retry-After"] == "4")
        #expect(answer["Cache-Control"] == "no-store")
        #expect(answer["RateLimit"] == #""burst";r=0;t=4"#, "\(answer.fields)")
        #expect(answer["RateLimit-Policy"] == #""burst";q=10;w=60, "sustained";q=1000;w=3600"#)
        if method != "OPTIONS" {
          #expect(answer["Access-Control-Allow-Origin"] == "*")
          let exposed = answer["Access-Control-Expose-Headers"] ?? ""
          for name in ["RateLimit,", "RateLimit-Policy,", "Retry-After,"] {
            #expect(exposed.contains(name))
          }
        }
      }
      clock.advance(by: .seconds(4))
      #expect(try await site.get("/none").status == 404)
      #expect(try await site.get("/none").status == 429)
    }
    let settings = Self.limits(burst: .init(100, per: 60), sustained: .init(5, per: 3_600))
    try await Site.run(limits: settings, clock: clock) { site async throws in
      for _ in 0..<5 { #expect(try await site.get("/none").status == 404) }
      let answer = try await site.get("/none")
      #expect(answer.json["violated_policies"]?.arrayValue?.map(\.stringValue) == ["sustained"])
      #expect(answer["Retry-After"] == "720")
    }
  }

  @Test func `see their limits wherever no cache keeps the answer for others`() async throws {
    var settings = RateLimitSettings.wide
    settings[.address] = .init(burst: .init(500, per: 50), sustained: .init(5_000, per: 5_000))
    settings[.key] = .init(burst: .init(600, per: 60), sustained: .init(6_000, per: 6_000))
    settings[.credential] = .init(burst: .init(700, per: 70), sustained: .init(7_000, per: 7_000))
    try await Site.run(limits: settings, clock: TestClock()) { site async throws in
      try await site.publish("a")
      func expect(_ quota: Int, _ answer: Answer, at location: SourceLocation = #_sourceLocation) {
        let policies = answer["RateLimit-Policy"].flatMap { StructuredList($0) }?.members
        #expect(
          policies == [
            .init(
              value: .string("burst"),
              parameters: ["q": .integer(quota), "w": .integer(quota / 10)]),
            .init(
              value: .string("sustained"),
              parameters: ["q": .integer(quota * 10), "w": .integer(quota * 10)]),
          ], sourceLocation: location)
        let state = answer["RateLimit"].flatMap { StructuredList($0) }?.members ?? []
        #expect(state.map(\.value) == [.string("burst")], sourceLocation: location)
        guard case .integer(let left) = state.first?.parameters["r"],
          case .integer(let reset) = state.first?.parameters["t"]
        else {
          Issue.record("\(answer.fields)", sourceLocation: location)
          return
        }
        #expect((0..<quota).contains(left), sourceLocation: location)
        #expect((1...quota / 10).contains(reset), sourceLocation: location)
        #expect(state.first?.parameters.count == 2, sourceLocation: location)
      }
      let json = Site.json(title: "T")
      expect(500, try await site.get("/none"))
      expect(500, try await site.get("/v1/posts?x=1"))
      expect(500, try await site.get("/v1/posts/none"))
      expect(500, try await site.send("OPTIONS /v1/posts"))
      expect(500, try await site.send("PATCH /v1/posts"))
      expect(500, try await site.send("DELETE /v1/posts/a"))
      expect(500, try await site.get("/v1/posts", ["Accept: text/html"]))
      expect(600, try await site.get("/v1/posts", site.authorized))
      expect(600, try await site.get("/v1/posts/a", site.authorized))
      expect(600, try await site.get("/none", site.authorized))
      expect(600, try await site.post(json: json))
      expect(600, try await site.post(json: "{"))
      expect(600, try await site.delete("none"))
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      let unchanged = try await site.get("/v1/posts/a", site.authorized + ["If-None-Match: " + tag])
      #expect(unchanged.status == 304)
      expect(600, unchanged)
      expect(700, try await site.get("/v1/posts", ["Authorization: Bearer x"]))
      let unknown = APIKey(random: RandomBytes.make(30)).text
      expect(700, try await site.post(json: json, ["Authorization: Bearer " + unknown]))
      expect(700, try await site.get("/v1/posts", ["Authorization: Bearer " + unknown]))

      for path in ["/v1/posts", "/v1/posts/a", "/v1/tags", "/openapi.yaml"] {
        let answer = try await site.get(path)
        #expect(answer.status == 200 && answer["RateLimit"] == nil, "\(path)")
        #expect(
          answer["RateLimit-Policy"] == nil && answer["Cache-Control"]?.hasPrefix("public") == true)
        let same = try await site.get(path, ["If-None-Match: *"])
        #expect(same.status == 304 && same["RateLimit"] == nil && same["RateLimit-Policy"] == nil)
      }
    }
    try await Site.run(limits: nil) { site async throws in
      for answer in [try await site.get("/none"), try await site.get("/v1/posts", site.authorized)]
      {
        #expect(answer["RateLimit"] == nil && answer["RateLimit-Policy"] == nil)
      }
    }
  }

  @Test func `cost what they cost the server`() async throws {
    let settings = Self.limits(
      burst: .init(100_000, per: 1_000), sustained: .init(1_000_000, per: 10))
    try await Site.run(limits: settings, clock: TestClock()) { site async throws in
      try await site.publish("a")
      let type = ["Content-Type: application/json"]
      let body = Array(Site.json(title: "T").utf8)
      var left = try await site.left(site.authorized)
      func expect(
        _ cost: Int, _ line: String, _ lines: [String] = [], status: Int,
        at location: SourceLocation = #_sourceLocation
      ) async throws {
        let answer = try await site.send(
          line, site.authorized + lines, body: line.hasPrefix("P") ? body : [])
        #expect(answer.status == status, "\(answer.text)", sourceLocation: location)
        // Looking costs one, too.
        let now = try await site.left(site.authorized)
        #expect(left - now - 1 == cost, "\(line)", sourceLocation: location)
        left = now
      }
      try await expect(1, "GET /v1/posts/a", status: 200)
      try await expect(1, "HEAD /v1/posts/a", status: 200)
      try await expect(1, "GET /v1/posts/none", status: 404)
      try await expect(1, "GET /none", status: 404)
      try await expect(1, "OPTIONS /v1/posts", status: 204)
      try await expect(1, "GET /openapi.yaml", status: 200)
      try await expect(2, "GET /v1/posts", status: 200)
      try await expect(2, "HEAD /v1/tags", status: 200)
      try await expect(4, "GET /v1/posts?q=words", status: 200)
      try await expect(2, "GET /v1/projects?limit=0", status: 400)
      try await expect(4, "GET /v1/posts?q=a", status: 200)
      try await expect(2, "GET /v1/posts/a/related", status: 200)
      try await expect(5, "POST /v1/posts", type, status: 201)
      try await expect(5, "PUT /v1/posts/b", type, status: 201)
      try await expect(5, "POST /v1/posts", status: 415)
      try await expect(5, "DELETE /v1/posts/b", status: 204)
      let key = type + ["Idempotency-Key: k"]
      try await expect(5, "POST /v1/posts", key, status: 201)
      try await expect(5, "POST /v1/posts", key, status: 201)
      // Four times what one costs.
      let tag = try #require(try await site.get("/v1/posts/a", site.authorized)["ETag"])
      left -= 1
      for _ in 0..<4 {
        let answer = try await site.get("/v1/posts/a", site.authorized + ["If-None-Match: " + tag])
        #expect(answer.status == 304)
      }
      let now = try await site.left(site.authorized)
      #expect(left - now - 1 == 1)
    }
  }

  @Test func `cost nothing when the server could not answer them`() async throws {
    let settings = Self.limits(burst: .init(5, per: 3_600), sustained: .init(5, per: 3_600))
    try await Site.run(limits: settings, clock: TestClock()) { site async throws in
      await site.pool.close()
      for _ in 0..<20 {
        #expect(try await site.get("/v1/posts").status == 503)
        // It could not be found out whether the key is good.
        #expect(try await site.get("/v1/posts", site.authorized).status == 503)
        #expect(try await site.get("/v1/posts/a").status == 503)
      }
      for _ in 0..<5 { #expect(try await site.get("/none").status == 404) }
      #expect(try await site.get("/none").status == 429)
    }
  }

  @Test func `are refused before their content is read, and use no idempotency key up`()
    async throws
  {
    let clock = TestClock()
    try await Site.run(limits: Self.narrow, clock: clock) { site async throws in
      let lines = site.authorized + ["Content-Type: application/json", "Idempotency-Key: k"]
      let body = Array(Site.json(title: "T").utf8)
      let reads = Atomic(0)
      func post() async throws -> Answer {
        try await site.send(
          "POST /v1/posts", lines + ["Content-Length: \(body.count)"],
          content: .unread {
            reads.add(1, ordering: .relaxed)
            return .success(body)
          })
      }
      _ = try await site.get("/v1/posts", site.authorized)
      for _ in 0..<8 { _ = try await site.get("/none", site.authorized) }
      let refused = try await post()
      #expect(refused.status == 429)
      #expect(reads.load(ordering: .relaxed) == 0)
      #expect(try await site.value("select count(*) from colophon.idempotency_keys") == "0")
      clock.advance(by: .seconds(try #require(refused["Retry-After"].flatMap { Int($0) })))
      let made = try await post()
      #expect(made.status == 201 && made["Idempotent-Replayed"] == nil)
      #expect(reads.load(ordering: .relaxed) == 1)
    }
  }

  @Test func `of a static build meet no limit`() async throws {
    // All at once, for time stands still: every token is of the burst.
    try await Site.run(limits: RateLimitSettings(), clock: TestClock()) { site async throws in
      for index in 0..<500 {
        let answer = try await site.publish("p\(index)", tags: ["t\(index % 20)"])
        #expect(answer.status == 201)
      }
      var path: String? = "/v1/posts?limit=20"
      var slugs: [String] = []
      while let page = path {
        let answer = try await site.get(page)
        try #require(answer.status == 200, "\(answer.text)")
        slugs += answer.slugs
        path = answer.next.map { "/v1/posts?limit=20&cursor=" + $0 }
      }
      #expect(slugs.count == 500)
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for slug in slugs { group.addTask { try await site.get("/v1/posts/" + slug).status } }
        for index in 0..<20 {
          group.addTask { try await site.get("/v1/posts?tag=t\(index)").status }
        }
        for path in ["/v1/tags", "/v1/projects", "/v1/profile", "/v1/newsletter"] {
          group.addTask { try await site.get(path).status }
        }
        return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
      }
      #expect(statuses == [200: 524])
    }
  }
}

extension Site {
  /// What is left of the burst, after a request that costs one.
  func left(_ lines: [String], from peer: String = "127.0.0.1:4711") async throws -> Int {
    let answer = try await send("GET /none", lines, from: peer)
    guard let list = answer["RateLimit"].flatMap({ StructuredList($0) }),
      list.members.count == 1, case .integer(let left) = list.members[0].parameters["r"]
    else { throw UnexpectedAnswer(answer: answer) }
    return left
  }
}
