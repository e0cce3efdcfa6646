import ContentAPI
import EventLoop
import JSON
import LocalPostgres
import Postgres
import Synchronization
import Testing

/// A COMMIT whose answer never came, or came with a warning.
@Suite struct UnknownOutcomes {
  private static let json = Site.json(title: "A post")
  private static let key = ["Idempotency-Key: k"]

  /// Ends the session that inserts a post when it commits, so often.
  private func killAtCommit(_ site: Site, times: Int) async throws {
    let connection = try await site.connect()
    try await connection.script(
      """
      create sequence colophon.kills;
      create function colophon.kill() returns trigger language plpgsql security definer as $$
      begin
        if nextval('colophon.kills') <= \(times) then
          perform pg_terminate_backend(pg_backend_pid());
        end if;
        return null;
      end $$;
      create constraint trigger kill after insert on colophon.posts deferrable initially deferred
        for each row execute function colophon.kill();
      """)
    await connection.close()
  }

  private func posts(_ site: Site) async throws -> String? {
    try await site.value("select count(*)::text from colophon.posts")
  }

  @Test(arguments: [["Idempotency-Key: k"], []])
  func `ends as 201 in the same request when it was not executed`(_ key: [String]) async throws {
    try await Site.run { site in
      try await killAtCommit(site, times: 2)
      let answer = try await site.post(json: Self.json, key)
      #expect(answer.status == 201)
      #expect(answer["Idempotent-Replayed"] == nil)
      #expect(site.inFlight.counts.unknownOutcomes == 2)
      #expect(try await posts(site) == "1")
      #expect(try await site.value("select last_value::text from colophon.kills") == "3")
      if !key.isEmpty {
        let replay = try await site.post(json: Self.json, key)
        #expect(replay.body == answer.body)
      }
    }
  }

  @Test func `is told after the third time, and the retry decides`() async throws {
    try await Site.run { site in
      try await killAtCommit(site, times: 3)
      let answer = try await site.post(json: Self.json, Self.key)
      #expect(answer.status == 503)
      #expect(answer.problem == "outcome-unknown")
      #expect(answer["Retry-After"] != nil)
      #expect(answer.text.contains("retry with the same key"))
      #expect(try await site.value("select last_value::text from colophon.kills") == "3")
      #expect(try await site.post(json: Self.json, Self.key).status == 201)
      #expect(try await posts(site) == "1")
    }
  }

  /// Here PostgreSQL has committed and waits for a standby that does not exist when it is
  /// disturbed:
  /// `pg_terminate_backend` takes the answer away, `pg_cancel_backend` gives it a warning.
  @Test(
    arguments: ["pg_terminate_backend", "pg_cancel_backend"],
    [["Idempotency-Key: k"], []])
  func `ends as 201 in the same request when it was executed`(
    _ disturbance: String, _ key: [String]
  ) async throws {
    let cluster = try await TestCluster.start()
    do {
      try await Site.run(on: cluster) { site in
        try await site.publish("a")
        // A write of either kind: one whose answer is known before, one that the database renders.
        let created = try await disturbed(site, by: disturbance) {
          try await site.post(json: Self.json, key)
        }
        let patched = try await disturbed(site, by: disturbance) {
          try await site.patch("a", #"{"title":"P"}"#, key.map { $0 + "-2" })
        }
        #expect(created.status == 201, "\(created.text)")
        #expect(patched.status == 200, "\(patched.text)")
        for answer in [created, patched] {
          #expect(answer["Idempotent-Replayed"] == nil)
          #expect(answer["ETag"] != nil)
        }
        #expect(patched.body == (try await site.get("/v1/posts/a")).body)
        #expect(created.json["title"]?.stringValue == "A post")
        #expect(try await posts(site) == "2")
        #expect(site.inFlight.counts.unknownOutcomes == 2)
      }
    } catch {
      await cluster.stop()
      throw error
    }
    await cluster.stop()
  }

  /// The server's processes read the setting one after the other; a COMMIT that waits has seen it.
  private func untilCommitsWait(_ site: Site, _ watcher: Connection) async throws {
    let hasWaited = Mutex(false)
    async let probe: Void = {
      while !hasWaited.withLock({ $0 }) {
        try await site.sql("update colophon.test_clock set instant = instant")
      }
    }()
    try await watcher.eventually(
      "COMMITs wait",
      "select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'")
    hasWaited.withLock { $0 = true }
    _ = try await watcher.query(
      "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
    try await probe
  }

  private func disturbed(
    _ site: Site, by disturbance: String, _ write: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    let watcher = try await site.connect()
    // The watcher's own commits wait for nobody.
    try await watcher.script("set synchronous_commit = local")
    _ = try await watcher.query("alter system set synchronous_standby_names = 'nobody'")
    _ = try await watcher.query("select pg_reload_conf()")
    try await untilCommitsWait(site, watcher)
    async let answer = write()
    let committing = """
      from pg_stat_activity
      where datname = current_database() and usename = '\(Site.role)' and wait_event = 'SyncRep'
      """
    try await watcher.eventually("a COMMIT waits", "select count(*) = 1 " + committing)
    let first = try await watcher.query("select min(pid) " + committing).integer(0, 0) ?? 0
    _ = try await watcher.query(
      "select \(disturbance)(pid), pid " + committing)
    // The same request looks for it, and waits for the standby with a COMMIT of its own.
    try await watcher.eventually(
      "another COMMIT waits", "select count(*) = 1 \(committing) and pid <> \(first)")
    _ = try await watcher.query("alter system reset synchronous_standby_names")
    _ = try await watcher.query("select pg_reload_conf()")
    let result = try await answer
    await watcher.close()
    return result
  }
}

extension Connection {
  /// Waits until a query gives true, and fails when it has not within ten seconds.
  fileprivate func eventually(_ what: String, _ condition: String) async throws {
    let deadline = MonotonicInstant.now() + .seconds(10)
    while try await query(condition).boolean(0, 0) != true {
      guard MonotonicInstant.now() < deadline else {
        Issue.record("not within ten seconds: \(what)")
        return
      }
      await loop.sleep(for: .milliseconds(2))
    }
  }
}
