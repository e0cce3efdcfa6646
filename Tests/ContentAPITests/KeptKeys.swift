import ContentAPI
import EventLoop
import JSON
import Postgres
import Synchronization
import Testing

/// How long keys are kept, and what their owner is told of them.
@Suite struct KeptKeys {
  private static let json = Site.json(title: "A post")
  private static let key = ["Idempotency-Key: k"]

  private func rows(_ site: Site, _ condition: String) async throws -> String? {
    try await site.value("select count(*)::text from colophon.idempotency_keys where " + condition)
  }

  private func reap(_ site: Site) async throws -> Int {
    try await KeyReaper(pool: site.pool).sweep()
  }

  @Test func `are replayed for a day, refused for thirty and then free`() async throws {
    try await Site.run { site in
      let first = try await site.post(json: Self.json, Self.key)
      try await site.setClock(Site.start, plusSeconds: 86_400)
      #expect(try await reap(site) == 0)
      // Whatever its age: what is there is answered.
      try await site.setClock(Site.start, plusSeconds: 86_401)
      #expect(try await site.post(json: Self.json, Self.key).body == first.body)
      #expect(try await reap(site) == 1)
      #expect(try await rows(site, "expired and headers is null and body is null") == "1")
      for json in [Self.json, Site.json(title: "Another")] {
        let answer = try await site.post(json: json, Self.key)
        #expect(answer.status == 422)
        #expect(answer.problem == "idempotency-key-expired")
      }
      #expect(try await site.value("select count(*)::text from colophon.posts") == "1")
      try await site.setClock(Site.start, plusSeconds: 30 * 86_400)
      #expect(try await reap(site) == 0)
      try await site.setClock(Site.start, plusSeconds: 30 * 86_400 + 1)
      #expect(try await reap(site) == 1)
      let again = try await site.post(json: Self.json, Self.key)
      #expect(again.status == 201)
      #expect(again["Idempotent-Replayed"] == nil)
    }
  }

  @Test func `go in batches, by one server at a time`() async throws {
    try await Site.run { site in
      try await site.sql(
        """
        insert into colophon.idempotency_keys
          (scope, key, fingerprint_version, fingerprint, status, headers, body, created_at)
        select 'someone', n::text, 1, '', 201, '', '', colophon.clock() - interval '2 days'
        from generate_series(1, 1203) n
        """)
      let other = try await site.connect()
      try await other.script(
        "begin; select pg_advisory_xact_lock(hashtextextended('colophon.idempotency_keys', 0))")
      #expect(try await reap(site) == 0, "another is at it")
      // Who reads a row keeps it, and nobody waits for him.
      try await other.script(
        "rollback; begin; select 1 from colophon.idempotency_keys where key = '7' for share")
      #expect(try await reap(site) == 1202)
      #expect(try await rows(site, "not expired") == "1")
      try await other.script("rollback")
      #expect(try await reap(site) == 1)
      await other.close()
    }
  }

  @Test func `of writes without a key go after a minute`() async throws {
    try await Site.run { site in
      let answer = try await site.post(json: Self.json)
      #expect(answer.status == 201)
      #expect(answer["Idempotency-Key"] == nil)
      #expect(try await rows(site, "scope = 'unkeyed' and status = 201") == "1")
      #expect(try await reap(site) == 0)
      try await site.setClock(Site.start, plusSeconds: 61)
      #expect(try await reap(site) == 1)
      #expect(try await rows(site, "true") == "0")
    }
  }

  @Test func `never run twice while the reapers of two servers are at work`() async throws {
    try await Site.run { site in
      try await site.withReplica { other in
        let work = Work()
        try await withThrowingTaskGroup(of: Void.self) { group in
          defer { work.isOver.store(true, ordering: .releasing) }
          for pool in [site.pool, other.pool] { group.addTask { try await work.reap(pool) } }
          try await Self.writeAndAge([site, other])
        }
        #expect(work.reaped.load(ordering: .relaxed) > 0)
        #expect(try await rows(site, "status is null") == "0")
      }
      #expect(try await site.value("select count(*)::text from colophon.posts") == "20")
    }
  }

  /// Of reapers, until it is over.
  private final class Work: Sendable {
    let isOver = Atomic(false)
    let reaped = Atomic(0)

    func reap(_ pool: Pool) async throws {
      while !isOver.load(ordering: .acquiring) {
        reaped.add(try await KeyReaper(pool: pool).sweep(), ordering: .relaxed)
      }
    }
  }

  /// Writes under twenty keys, five times each, and makes each key due for expiry as soon as it is
  /// there.
  private static func writeAndAge(_ sites: [Site]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          let key = ["Idempotency-Key: k\(number)"]
          for turn in 0..<5 {
            let answer = try await sites[turn % 2].post(json: Self.json, key)
            #expect(answer.status == 201 || answer.problem == "idempotency-key-expired")
            try await sites[0].sql(
              """
              update colophon.idempotency_keys
              set created_at = colophon.clock() - interval '2 days'
              where key = $1::text and not expired
              """, [.text("k\(number)")])
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `are told of to their owner`() async throws {
    try await Site.run { site in
      func ask(_ key: String, _ lines: [String]? = nil) async throws -> Answer {
        try await site.get("/v1/idempotency/" + key, lines ?? site.authorized)
      }
      #expect(try await ask("k").status == 404)
      #expect(try await ask("k").problem == "not-found")
      _ = try await site.post(json: Self.json, Self.key)
      let answer = try await ask("k")
      #expect(answer.status == 200)
      #expect(
        answer.text
          == #"{"key":"k","state":"completed","status":201,"created_at":"\#(Site.start)"}"#)
      #expect(answer["Cache-Control"] == "private, no-store")
      #expect(try await ask("%22k%22").body == answer.body)
      #expect(try await ask("k", []).status == 401)
      #expect(try await ask("k", ["Authorization: Bearer " + site.writer]).status == 404)
      // What no write can be called, none was called.
      #expect(try await ask("a%20b").problem == "not-found")
      _ = try await site.patch("none", "{}", ["Idempotency-Key: a/b"])
      #expect(try await ask("a%2Fb").json["status"]?.integerValue == 404)
      // Asking leaves nothing behind.
      #expect(try await rows(site, "status is null or key = 'a b'") == "0")
      try await site.setClock(Site.start, plusSeconds: 86_401)
      #expect(try await reap(site) == 2)
      let expired = try await ask("k")
      #expect(expired.json["state"]?.stringValue == "expired")
      #expect(expired.json["status"]?.integerValue == 201)
    }
  }

  @Test func `are free for all who ask at once`() async throws {
    try await Site.run { site in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<64 {
          group.addTask { try await site.get("/v1/idempotency/k", site.authorized).status }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(statuses == [404], "nobody has written under it")
    }
  }
}
