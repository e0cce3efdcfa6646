import ContentAPI
import EventLoop
import JSON
import Postgres
import Synchronization
import Testing

@Suite struct Keys {
  private final class Answered: Sendable {
    let count = Atomic(0)
  }

  @Test func `that are not good get one and the same 401, on public reads too`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let unknown = APIKey(random: RandomBytes.make(30)).text
      let revoked = APIKey(random: RandomBytes.make(30))
      let expired = APIKey(random: RandomBytes.make(30))
      let connection = try await site.connect()
      let register = KeyRegister(connection)
      for key in [revoked, expired] {
        try await register.create(name: "k", scopes: Scope.allCases, key: key)
      }
      #expect(try await register.revoke(revoked.id))
      _ = try await site.sql(
        "update colophon.api_keys set expires_at = '\(Site.start)' where id = '\(expired.id)'")
      var mistyped = Array(site.key.utf8)
      mistyped[30] = mistyped[30] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
      let good = site.key
      let credentials: [[String]] = [
        ["Bearer " + unknown], ["Bearer " + revoked.text], ["Bearer " + expired.text],
        ["Bearer " + String(decoding: mistyped, as: UTF8.self)], ["Bearer"], ["Bearer "], [good],
        ["Basic " + good], ["Bearer \(good) x"], ["Bearer \(good),"], ["Bearer \"\(good)\""],
        ["Bearer \(good)", "Bearer \(good)"], ["Bearer " + good.uppercased()], [""],
        ["Bearer \(good.dropLast())"], ["Bearer \(good)\(good)"], ["Bearer\u{a0}\(good)"],
      ]
      var bodies: Set<String> = []
      for values in credentials {
        let lines = values.map { "Authorization: " + $0 } + ["X-Request-Id: same"]
        for request in [
          "GET /v1/posts", "GET /v1/posts/a", "DELETE /v1/posts/a", "OPTIONS /v1/posts",
        ] {
          let answer = try await site.send(request, lines)
          #expect(answer.status == 401, "\(request) with \(values)")
          #expect(answer.problem == "unauthorized")
          #expect(answer["WWW-Authenticate"] == "Bearer realm=\"colophon\"")
          #expect(answer["Cache-Control"] == "no-store")
          bodies.insert(answer.text)
        }
      }
      #expect(bodies.count == 1)
      #expect(try await site.get("/v1/posts/a").status == 200)
      await connection.close()
    }
  }

  @Test func `are needed for writes, with the scope`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let json = "Content-Type: application/json"
      let body = Array(Site.json(title: "T").utf8)
      for request in ["POST /v1/posts", "PUT /v1/posts/a", "DELETE /v1/posts/a"] {
        let anonymous = try await site.send(request, [json], body: body)
        #expect(anonymous.status == 401)
        #expect(anonymous["WWW-Authenticate"] != nil)
        let reader = try await site.send(
          request, [json, "Authorization: Bearer " + site.reader], body: body)
        #expect(reader.status == 403)
        #expect(reader.problem == "forbidden")
        #expect(reader.json["detail"]?.stringValue?.contains("posts:write") == true)
        let writer = try await site.send(
          request, [json, "authorization: bEARER  " + site.writer], body: body)
        #expect([200, 201, 204].contains(writer.status), "\(writer.text)")
      }
    }
  }

  @Test func `are believed for eight seconds after they were looked up once`() async throws {
    let clock = TestClock()
    try await Site.run(clock: clock) { site in
      let lines = ["Authorization: Bearer " + site.writer]
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<40 { group.addTask { try await site.get("/v1/posts", lines).status } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses == Array(repeating: 200, count: 40))
      // Whatever is asked within the eight seconds is asked of memory.
      try await site.sql("delete from colophon.api_keys")
      clock.advance(by: .seconds(8) - .nanoseconds(1))
      #expect(try await site.get("/v1/posts", lines).status == 200)
      #expect(try await site.get("/v1/posts", site.authorized).status == 401)
      clock.advance(by: .nanoseconds(1))
      #expect(try await site.get("/v1/posts", lines).status == 401)
    }
  }

  @Test func `are looked up for all who ask meanwhile, and none is forgotten`() async throws {
    let clock = TestClock()
    try await Site.run(clock: clock) { site in
      let lines = ["Authorization: Bearer " + site.writer]
      let done = Answered()
      // Whoever is forgotten never ends, so that nobody waits for these tasks themselves.
      for _ in 0..<12 {
        Task {
          for _ in 0..<200 {
            clock.advance(by: .seconds(9))
            guard try await site.get("/v1/posts/none", lines).status == 404 else { continue }
            done.count.add(1, ordering: .relaxed)
          }
        }
      }
      let deadline = MonotonicInstant.now() + .seconds(120)
      while done.count.load(ordering: .relaxed) < 12 * 200, MonotonicInstant.now() < deadline {
        await site.loop.sleep(for: .milliseconds(5))
      }
      #expect(done.count.load(ordering: .relaxed) == 12 * 200)
    }
  }

  @Test func `have written down when they were used, at most once a minute`() async throws {
    try await Site.run { site in
      let id = try #require(APIKey(site.writer)).id
      func used() async throws -> String? {
        try await site.value(
          "select colophon.rfc3339(last_used_at) from colophon.api_keys where id = $1", [.text(id)])
      }
      let look = try #require(
        ContentAPI.statements.first { $0.name == "keys.look_up" }
      ).sql
      func use() async throws {
        let rows = try await site.sql(look, [.text(id), .text(site.writer)])
        #expect(rows.count == 1)
      }
      #expect(try await used() == nil)
      try await use()
      #expect(try await used() == Site.start)
      try await site.setClock("2026-03-12T09:01:00Z")
      try await use()
      #expect(try await used() == Site.start)
      try await site.setClock("2026-03-12T09:01:01Z")
      try await use()
      #expect(try await used() == "2026-03-12T09:01:01Z")
    }
  }

  @Test func `are stored as digests`() async throws {
    try await Site.run { site in
      let dump =
        try await site.value("select string_agg(k::text, ' ') from colophon.api_keys k") ?? ""
      for key in [site.key, site.writer, site.reader] {
        let id = try #require(APIKey(key)).id
        #expect(dump.contains(id))
        #expect(!dump.contains(key))
        #expect(!dump.contains(String(key.dropFirst(26))))
      }
    }
  }

  @Test func `rotate within their account, two active at most`() async throws {
    try await Site.run { site in
      let connection = try await site.connect()
      let register = KeyRegister(connection)
      let first = try #require(APIKey(site.writer))
      let second = APIKey(random: RandomBytes.make(30))
      guard case .rotated(let made) = try await register.rotate(first.id, to: second) else {
        Issue.record("the first rotation has to succeed")
        return
      }
      #expect(made.text == second.text)
      for key in [first, second] {
        let answer = try await site.send(
          "DELETE /v1/posts/none", ["Authorization: Bearer " + key.text])
        #expect(answer.status == 404, "both keys write")
      }
      #expect(
        try await site.value(
          """
          select count(distinct (account, name, scopes)) from colophon.api_keys
          where id in ('\(first.id)', '\(second.id)')
          """) == "1")
      for id in [first.id, second.id] {
        guard
          case .tooMany(let active) = try await register.rotate(
            id, to: APIKey(random: RandomBytes.make(30)))
        else {
          Issue.record("a third key has to be refused")
          return
        }
        #expect(Set(active) == [first.id, second.id])
      }
      #expect(try await register.revoke(first.id))
      #expect(try await register.revoke(first.id), "revoking again changes nothing")
      #expect(try await register.revoke("unknown") == false)
      for id in [first.id, "unknown"] {
        let rotation = try await register.rotate(id, to: APIKey(random: RandomBytes.make(30)))
        guard case .unknown = rotation else {
          Issue.record("a revoked key cannot be rotated")
          return
        }
      }
      let states = try await register.list().filter { [first.id, second.id].contains($0.id) }
      #expect(
        states.map(\.state) == ["revoked", "active"]
          || states.map(\.state) == ["active", "revoked"])
      #expect(states.allSatisfy { $0.scopes == ["posts:write"] && $0.name == "test" })
      await connection.close()
    }
  }

  @Test func `rotate once when two try at once`() async throws {
    try await Site.run { site in
      let id = try #require(APIKey(site.writer)).id
      let rotated = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<4 {
          group.addTask {
            let connection = try await site.connect()
            let rotation = try await KeyRegister(connection).rotate(
              id, to: APIKey(random: RandomBytes.make(30)))
            await connection.close()
            if case .rotated = rotation { return true }
            return false
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(rotated.count { $0 } == 1)
    }
  }
}
