import ContentAPI
import EventLoop
import JSON
import LocalPostgres
import Postgres
import Testing

/// Reads of the database that take a while, and what others get meanwhile.
@Suite struct CachedFills {
  private static let memory = CachedReads.memory

  /// A list that has the post `slow` in it, and is not that of all posts.
  private static let some = "/v1/posts?limit=2"

  /// Holds up every statement that lists the post `slow`, in its middle: with what it sees already
  /// fixed.
  private struct Gate {
    let connection: Connection

    static func make(_ site: Site) async throws -> Gate {
      try await site.publish("slow", at: "2001-01-01T00:00:00Z")
      try await site.publish("other")
      try await site.sql(
        """
        create or replace function colophon.post_json(head text, body text, status text, tail text)
          returns text language plpgsql volatile as $$
        begin
          if head ~ '"slug" : "slow"' then
            perform pg_advisory_xact_lock_shared(2001);
          end if;
          return head || coalesce(', "body" : ' || body, '') || ', "status" : "' || status || '"'
            || tail;
        end $$
        """)
      let gate = Gate(connection: try await site.connect())
      try await gate.close()
      return gate
    }

    func close() async throws { try await connection.script("select pg_advisory_lock(2001)") }
    func open() async throws { try await connection.script("select pg_advisory_unlock(2001)") }

    /// Waits until as many statements wait in front of it.
    func comesToHold(_ count: Int, _ site: Site) async throws {
      let deadline = MonotonicInstant.now() + .seconds(30)
      while true {
        let waiting = try await site.value(
          """
          select count(*)::text from pg_locks l join pg_database d on d.oid = l.database
          where l.locktype = 'advisory' and l.objid = 2001 and not l.granted
            and d.datname = current_database()
          """)
        if waiting == "\(count)" { return }
        guard MonotonicInstant.now() < deadline else {
          Issue.record("\(waiting ?? "") wait, not \(count)")
          throw SiteNotReady()
        }
        await site.loop.sleep(for: .milliseconds(2))
      }
    }
  }

  private static func title(_ answer: Answer) -> String? {
    answer.json["data"]?.arrayValue?.first { $0["slug"]?.stringValue == "other" }?["title"]?
      .stringValue
  }

  @Test func `that are under way are waited for by all who want the same`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      let gate = try await Gate.make(site)
      try await site.look()
      let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
        for number in 0..<50 {
          group.addTask {
            try await site.send((number % 2 == 0 ? "GET" : "HEAD") + " " + Self.some)
          }
        }
        try await gate.comesToHold(1, site)
        let deadline = MonotonicInstant.now() + .seconds(30)
        while site.cache?.counts.joined != 49 {
          try #require(MonotonicInstant.now() < deadline)
          await site.loop.sleep(for: .milliseconds(1))
        }
        try await gate.comesToHold(1, site)
        try await gate.open()
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.allSatisfy { $0.status == 200 && $0.body == answers[0].body })
      #expect(Set(answers.compactMap { $0["X-Request-Id"] }).count == 50)
      #expect(site.cache?.counts.misses == 1)
      #expect(try await site.get(Self.some).wasAtHand)
      await gate.connection.close()
    }
  }

  @Test func `that began before a change are neither kept nor joined after it`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      let gate = try await Gate.make(site)
      try await site.withReplica { replica in
        // Whether the write is one of this process or of another, of which a look tells.
        for (number, isOwn) in [true, false, true].enumerated() {
          try await site.look()
          let title = "Title \(number)"
          async let before = site.get("/v1/posts")
          try await gate.comesToHold(1, site)
          let write = try await (isOwn ? site : replica).put(
            "other", json: Site.json(title: title))
          #expect(write.status == 200)
          if !isOwn { try await site.look() }
          if number == 2 {
            // Nobody else asks before it has ended.
            try await gate.open()
            #expect(Self.title(try await before) != title)
          } else {
            async let after = site.get("/v1/posts")
            try await gate.comesToHold(2, site)
            #expect(site.cache?.counts.joined == 0)
            try await gate.open()
            #expect(Self.title(try await before) != title)
            #expect(Self.title(try await after) == title)
          }
          // The write moved it once more, as the look tells of it too.
          for _ in 0..<2 {
            #expect(Self.title(try await site.get("/v1/posts")) == title)
            try await site.look()
          }
          // Next time nothing is in memory.
          try await gate.close()
          _ = try await site.put("third", json: Site.json(title: "T", status: "draft"))
        }
      }
      await gate.connection.close()
    }
  }

  @Test func `that began a second ago are not joined, as nobody knows what has changed since`()
    async throws
  {
    let clock = TestClock()
    try await Site.run(memory: Self.memory, clock: clock) { site in
      let gate = try await Gate.make(site)
      try await site.look()
      async let first = site.get("/v1/posts")
      try await gate.comesToHold(1, site)
      // The database is too busy to be asked.
      clock.advance(by: .milliseconds(900))
      try await site.withReplica { replica in
        _ = try await replica.put("other", json: Site.json(title: "New"))
      }
      async let second = site.get("/v1/posts")
      try await gate.comesToHold(2, site)
      try await gate.open()
      #expect(Self.title(try await first) == "other")
      #expect(Self.title(try await second) == "New")
      await gate.connection.close()
    }
  }

  @Test func `that are slow are not cut off by a look that waits behind them`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      let gate = try await Gate.make(site)
      try await site.look()
      let pids =
        "select string_agg(pid::text, ',' order by pid) from pg_stat_activity "
        + "where usename = '\(Site.role)' and datname = current_database()"
      let before = Set(try #require(try await site.value(pids)).split(separator: ","))
      // One on each connection that reads share.
      async let some = site.get(Self.some)
      try await gate.comesToHold(1, site)
      async let list = site.get("/v1/posts")
      try await gate.comesToHold(2, site)
      async let look = site.look()
      // Longer than a connection may stay silent that owes an answer which is long overdue.
      try await gate.connection.script("select pg_sleep(2.5)")
      try await gate.open()
      #expect(try await look <= .milliseconds(200))
      #expect(try await some.status == 200)
      #expect(try await list.status == 200)
      let after = Set(try #require(try await site.value(pids)).split(separator: ","))
      #expect(before.isSubset(of: after), "no connection was given up")
      await gate.connection.close()
    }
  }

  @Test func `that fail are failures of all who waited, and the next one asks again`() async throws
  {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      let gate = try await Gate.make(site)
      try await site.look()
      let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
        for _ in 0..<5 { group.addTask { try await site.get(Self.some + "&fields=title,none") } }
        for _ in 0..<5 { group.addTask { try await site.get(Self.some) } }
        try await gate.comesToHold(1, site)
        // More than once, as a read is sent again that failed by no fault of its own.
        for _ in 0..<20 {
          try await site.sql(
            """
            select pg_cancel_backend(l.pid) from pg_locks l
            join pg_database d on d.oid = l.database
            where l.locktype = 'advisory' and not l.granted and d.datname = current_database()
            """)
          await site.loop.sleep(for: .milliseconds(20))
        }
        try await gate.open()
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.count { $0.status == 400 } == 5)
      #expect(answers.count { $0.status >= 500 } == 5, "\(answers.map(\.status))")
      #expect(Set(answers.compactMap { $0["X-Request-Id"] }).count == 10)
      _ = try await site.get(Self.some)
      let again = try await site.get(Self.some)
      #expect(again.status == 200)
      #expect(again.wasAtHand)
      await gate.connection.close()
    }
  }
}

/// The database goes away, on a server that no other test uses.
@Suite struct CachedOutages {
  @Test func `leave what is in memory, with its age, and bring nothing back that had changed`()
    async throws
  {
    let cluster = try await TestCluster.start()
    do {
      let clock = TestClock()
      try await Site.run(memory: CachedReads.memory, clock: clock, on: cluster) { site in
        try await watch(site, cluster, clock)
      }
    } catch {
      await cluster.stop()
      throw error
    }
    await cluster.stop()
  }

  private func watch(_ site: Site, _ cluster: TestCluster, _ clock: TestClock) async throws {
    try await site.publish("a")
    try await site.publish("b")
    try await site.look()
    let fresh = try await site.get("/v1/posts/a")
    #expect(try await site.get("/v1/posts/a").wasAtHand)

    try await cluster.freeze()
    clock.advance(by: .seconds(5))
    await #expect(throws: PostgresError.self) { try await site.look() }
    let old = try await site.get("/v1/posts/a")
    #expect(old.wasAtHand)
    #expect(old["Age"] == "6")
    #expect(old.body == fresh.body)
    #expect(old["ETag"] == fresh["ETag"])
    #expect(old["Cache-Control"] == fresh["Cache-Control"])
    // In every form of the request.
    let tag = try #require(fresh["ETag"])
    for lines in [["If-None-Match: " + tag], ["If-None-Match: \"x\", " + tag]] {
      let unchanged = try await site.get("/v1/posts/a", lines)
      #expect(unchanged.status == 304)
      #expect(unchanged["Age"] == "6")
    }
    let weighed = try await site.get("/v1/posts/a", ["Accept: application/json;q=0.9"])
    #expect(!weighed.wasAtHand)
    #expect(weighed["Age"] == "6")
    #expect(weighed.body == fresh.body)

    // What is not in memory is not there, and a write that fails changes nothing.
    let missing = try await site.get("/v1/posts/b")
    #expect(missing.status == 503)
    #expect(missing["Retry-After"] == "1")
    #expect(try await site.put("a", json: Site.json(title: "New")).status == 503)
    #expect(try await site.get("/v1/posts/a")["Age"] == "6")
    let counts = try #require(site.cache?.counts)
    #expect(counts.staleHits == 5)

    clock.advance(by: .seconds(86_394))
    #expect(try await site.get("/v1/posts/a")["Age"] == "86400")
    clock.advance(by: .seconds(2))
    #expect(try await site.get("/v1/posts/a").status == 503, "a day is the most")

    try await cluster.thaw()
    let deadline = MonotonicInstant.now() + .seconds(30)
    while (try? await site.look()) == nil {
      try #require(MonotonicInstant.now() < deadline)
      await site.loop.sleep(for: .milliseconds(20))
    }
    let back = try await site.get("/v1/posts/a")
    #expect(back.status == 200)
    #expect(back["Age"] == nil)
    _ = try await site.get("/v1/posts/b")
    #expect(try await site.get("/v1/posts/b").wasAtHand)
    #expect(try await site.get("/v1/posts/b")["Age"] == nil)
  }
}
