import ContentAPI
import EventLoop
import JSON
import Postgres
import Synchronization
import Testing

/// Requests of one key at the same time, on one server and on two.
@Suite struct ConcurrentKeys {
  private static let json = Site.json(title: "A post")
  private static let key = ["Idempotency-Key: k"]

  /// A session that holds the row of a post or of a key until it is told to let go.
  private func holding(_ sql: String, _ site: Site) async throws -> Connection {
    let connection = try await site.connect()
    try await connection.script("begin; " + sql)
    return connection
  }

  private func postLock(_ slug: String) -> String {
    "select 1 from colophon.posts where slug = '\(slug)' for update"
  }

  /// Waits until something has happened, and fails when it has not within ten seconds.
  private func eventually(_ site: Site, _ condition: () async throws -> Bool) async throws {
    let deadline = MonotonicInstant.now() + .seconds(10)
    while try await !condition() {
      guard MonotonicInstant.now() < deadline else {
        Issue.record("not within ten seconds")
        return
      }
      await site.loop.sleep(for: .milliseconds(2))
    }
  }

  /// How many sessions wait for a lock.
  private func blocked(_ site: Site) async throws -> Int {
    try await site.sql(
      """
      select count(*) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
      """
    ).integer(0, 0) ?? 0
  }

  @Test func `make one post of fifty on two servers`() async throws {
    try await Site.run { one in
      try await one.withReplica { other in
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
          for number in 0..<50 {
            let site = number % 2 == 0 ? one : other
            group.addTask { try await site.post(json: Self.json, Self.key) }
          }
          var answers: [Answer] = []
          for try await answer in group { answers.append(answer) }
          return answers
        }
        #expect(answers.allSatisfy { $0.status == 201 })
        #expect(Set(answers.map(\.body)).count == 1)
        #expect(Set(answers.map { $0["ETag"] }).count == 1)
        #expect(answers.count { $0["Idempotent-Replayed"] == "true" } == 49)
        #expect(try await one.value("select count(*)::text from colophon.posts") == "1")
        #expect(one.inFlight.counts.runs + other.inFlight.counts.runs == 1)
        #expect(one.inFlight.counts.replays + other.inFlight.counts.replays == 49)
      }
    }
  }

  @Test func `ask the database once for two loops of one server`() async throws {
    try await Site.run { one in
      try await one.publish("a")
      try await one.withReplica(sharingProcess: true) { other in
        let holder = try await holding(postLock("a"), one)
        async let first = one.put("a", json: Self.json, Self.key)
        try await eventually(one) { try await blocked(one) == 1 }
        let before = one.inFlight.counts.roundTrips
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
          for number in 0..<49 {
            let site = number % 2 == 0 ? one : other
            group.addTask { try await site.put("a", json: Self.json, Self.key) }
          }
          try await eventually(one) { one.inFlight.waiting == 49 }
          try await holder.script("rollback")
          var answers: [Answer] = []
          for try await answer in group { answers.append(answer) }
          return answers
        }
        let body = try await first.body
        #expect(answers.allSatisfy { $0.status == 200 && $0.body == body })
        #expect(answers.allSatisfy { $0["Idempotent-Replayed"] == "true" })
        #expect(one.inFlight.counts.roundTrips - before == 2, "only the first asked the database")
        await holder.close()
      }
    }
  }

  @Test func `wait on one connection and are answered as the first`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let holder = try await holding(postLock("a"), site)
      func put() async throws -> Answer { try await site.put("a", json: Self.json, Self.key) }
      async let first = put()
      try await eventually(site) { try await blocked(site) == 1 }
      let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
        for _ in 0..<KeysInFlight.maximumWaiting { group.addTask { try await put() } }
        try await eventually(site) { site.inFlight.waiting == KeysInFlight.maximumWaiting }
        #expect(try await blocked(site) == 1, "all wait with one connection")
        // One more is too many, and who does not want to wait does not.
        let crowded = try await put()
        #expect(crowded.status == 409)
        #expect(crowded.problem == "idempotency-in-progress")
        #expect(crowded["Retry-After"] != nil)
        let hasty = try await site.put("a", json: Self.json, Self.key + ["Prefer: wait=0"])
        #expect(hasty.problem == "idempotency-in-progress")
        let other = try await site.put("a", json: Site.json(title: "X"), Self.key)
        #expect(other.problem == "idempotency-key-reused")
        let status = try await site.get("/v1/idempotency/k", site.authorized)
        #expect(status.json["state"]?.stringValue == "in_progress")
        // Nobody else is kept waiting.
        #expect(try await site.get("/v1/posts/a").status == 200)
        #expect(try await site.put("b", json: Self.json).status == 201)
        try await holder.script("rollback")
        var answers: [Answer] = []
        for try await answer in group { answers.append(answer) }
        return answers
      }
      let body = try await first.body
      #expect(try await first["Idempotent-Replayed"] == nil)
      #expect(answers.allSatisfy { $0.status == 200 && $0.body == body })
      #expect(answers.allSatisfy { $0["Idempotent-Replayed"] == "true" })
      #expect(site.inFlight.counts.waits == KeysInFlight.maximumWaiting + 1)
      await holder.close()
    }
  }

  @Test func `are told to come again when another server has the key for too long`() async throws {
    try await Site.run { site in
      let holder = try await holding(try await keyOfAnother(site), site)
      let status = try await site.get("/v1/idempotency/k", site.authorized)
      #expect(status.json["state"]?.stringValue == "in_progress")
      #expect(status.json["created_at"]?.isNull == true)
      let began = MonotonicInstant.now()
      let hasty = try await site.post(json: Self.json, Self.key + ["Prefer: wait=0"])
      #expect(hasty.problem == "idempotency-in-progress")
      // Two of them: the second waits for the first, and both no longer than three seconds.
      async let one = site.post(json: Self.json, Self.key)
      async let other = site.post(json: Self.json, Self.key)
      for answer in [try await one, try await other] {
        #expect(answer.status == 409)
        #expect(answer.problem == "idempotency-in-progress")
        #expect(answer["Retry-After"] != nil)
      }
      #expect(MonotonicInstant.now() - began < .seconds(6))
      try await holder.script("rollback")
      let retried = try await site.post(json: Self.json, Self.key)
      #expect(retried.status == 201)
      #expect(retried["Idempotent-Replayed"] == nil)
      await holder.close()
    }
  }

  @Test func `keep one connection busy and nobody else waiting`() async throws {
    try await Site.run { site in
      let most = KeysInFlight.maximumWaiting
      let holder = try await holding(try await keyOfAnother(site), site)
      let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
        for _ in 0...most { group.addTask { try await decided(site) } }
        // One connection, as soon as those that were just opened have come to rest.
        try await eventually(site) {
          guard site.inFlight.waiting == most else { return false }
          return try await site.value(
            """
            select count(*)::text from pg_stat_activity
            where datname = current_database() and usename = $1::text and state <> 'idle'
            """, [.text(Site.role)]) == "1"
        }
        var quickest = Duration.seconds(60)
        for number in 0..<20 {
          let start = MonotonicInstant.now()
          let before = site.inFlight.counts.waits
          #expect(try await site.get("/v1/posts").status == 200)
          #expect(try await site.put("a\(number)", json: Self.json).status == 201)
          let fresh = ["Idempotency-Key: fresh-\(number)"]
          #expect(try await site.put("b\(number)", json: Self.json, fresh).status == 201)
          // While all of them waited, and none had to begin anew.
          guard site.inFlight.waiting == most, site.inFlight.counts.waits == before else {
            continue
          }
          quickest = min(quickest, MonotonicInstant.now() - start)
        }
        // What this must find takes three seconds, as long as the others wait.
        #expect(quickest < .seconds(1))
        try await holder.script("rollback")
        var answers: [Answer] = []
        for try await answer in group { answers.append(answer) }
        return answers
      }
      #expect(answers.count == most + 1)
      #expect(answers.allSatisfy { $0.status == 201 && $0.body == answers[0].body })
      #expect(answers.count { $0["Idempotent-Replayed"] == "true" } == most)
      await holder.close()
    }
  }

  /// Takes the key for another server, which is at it.
  private func keyOfAnother(_ site: Site) async throws -> String {
    let account = try await site.value(
      "select account::text from colophon.api_keys where id = $1::text",
      [.text(try #require(APIKey(site.key)).id)])
    return """
      insert into colophon.idempotency_keys (scope, key, fingerprint_version, fingerprint)
      values ('\(account ?? "")', 'k', 1, '')
      """
  }

  /// Posts until it is decided: who is told to come again comes again.
  private func decided(_ site: Site) async throws -> Answer {
    var answer = try await site.post(json: Self.json, Self.key)
    for _ in 0..<20 where [409, 503].contains(answer.status) {
      answer = try await site.post(json: Self.json, Self.key)
    }
    return answer
  }

  @Test func `replay without waiting for a row that a stranger has locked`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let first = try await site.put("a", json: Self.json, Self.key)
      let holder = try await holding(postLock("a"), site)
      // Another server, whose memory is empty.
      try await site.withReplica { replica in
        let second = try await replica.put("a", json: Self.json, Self.key)
        #expect(second.body == first.body)
        #expect(second["Idempotent-Replayed"] == "true")
        #expect(try await blocked(site) == 0)
      }
      await holder.close()
    }
  }

  @Test func `let the next one run when the first came to nothing`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let holder = try await holding(postLock("a"), site)
      async let first = site.put("a", json: Self.json, Self.key)
      try await eventually(site) { try await blocked(site) == 1 }
      async let second = site.put("a", json: Self.json, Self.key)
      try await eventually(site) { site.inFlight.waiting == 1 }
      // The row lock limit ends the first; the second then waits for the row itself.
      #expect(try await first.status == 503)
      try await eventually(site) { try await blocked(site) == 1 }
      try await holder.script("rollback")
      #expect(try await second.status == 200)
      #expect(try await second["Idempotent-Replayed"] == nil)
      await holder.close()
    }
  }
}
