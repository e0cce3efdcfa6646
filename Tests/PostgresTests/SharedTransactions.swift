import EventLoop
import LocalPostgres
import Postgres
import Testing
import Turns

private let insert = Statement("insert", "insert into posts values ($1)")
private let deferred = Statement("deferred", "insert into once values (1)")
private let warningAtCommit = Statement("warning", "insert into warning values (1)")
private let lock = Statement("lock", "select pg_advisory_xact_lock(1)")
private let wait = Statement("wait", "select set_config('lock_timeout', $1, true)")
private let sleep = Statement("sleep", "select pg_sleep(60)")
private let backend = Statement("backend", "select pg_backend_pid()")
private let length = Statement("length", "select length($1)")
private let statements = [insert, deferred, warningAtCommit, lock, wait, sleep, backend, length]

private let schema = """
  create table posts (slug text constraint posts_slug_key unique);
  create table once (n int unique deferrable initially deferred);
  create table warning (n int);
  create function warn() returns trigger language plpgsql as
    $$ begin raise warning 'perhaps not replicated'; return null; end $$;
  create constraint trigger warning after insert on warning deferrable initially deferred
    for each row execute function warn();
  """

/// Writes that are committed together because they had to wait for a connection.
@Suite(.turns) struct SharedTransactions {
  private typealias Outcome = Result<Transaction.Outcome?, PostgresError>

  private struct Scene {
    let staged: StagedPool
    /// Beside the pool.
    let watcher: Connection

    func share(_ calls: [Call], within limit: Duration = Stage.patience) async -> Outcome {
      do throws(PostgresError) {
        return .success(try await sharing(calls, .now() + limit))
      } catch {
        return .failure(error)
      }
    }

    private func sharing(
      _ calls: [Call], _ deadline: MonotonicInstant
    ) async throws(PostgresError) -> Transaction.Outcome? {
      do {
        return try await staged.pool.transaction(deadline: deadline) { transaction in
          let outcome = try await transaction.commitShared(calls)
          #expect(transaction.roundTrips == 1)
          return outcome
        }
      } catch let error as PostgresError {
        throw error
      } catch {
        Issue.record(error)
        return nil
      }
    }

    /// What becomes of writes that wait behind one which holds the only connection, in their order.
    func together(_ writes: [[Call]]) async throws -> [Outcome] {
      try await watcher.script("begin; select pg_advisory_lock(1)")
      async let first = share([Call(lock)])
      try await holdsConnection()
      let outcomes = try await withThrowingTaskGroup(of: (Int, Outcome).self) { group in
        for (number, calls) in writes.enumerated() {
          group.addTask { (number, await share(calls)) }
          try await waits(number + 1)
        }
        try await watcher.script("select pg_advisory_unlock(1); commit")
        return try await group.reduce(into: [Int: Outcome]()) { $0[$1.0] = $1.1 }
      }
      let last = await first
      #expect(last.isCommitted)
      return writes.indices.compactMap { outcomes[$0] }
    }

    /// Until so many wait for a connection.
    func waits(_ count: Int) async throws {
      try await Stage.eventually("\(count) wait") {
        await staged.pool.standing.classes[.write]?.waiting == count
      }
    }

    /// Until the first waits for its lock.
    func holdsConnection() async throws {
      try await Stage.eventually("the first holds the connection") {
        try await watcher.query(
          """
          select count(*) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'
          """
        ).integer(0, 0) == 1
      }
    }

    func slugs() async throws -> [String?] {
      let rows = try await watcher.query("select slug from posts order by slug")
      return (0..<rows.count).map { rows.text($0, 0) }
    }
  }

  private func run(_ body: (Scene) async throws -> Void) async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let watcher = try await Stage.connect(database.conninfo)
    try await watcher.script(schema)
    var settings = PoolSettings()
    settings.writeConnections = 1
    let staged = try await StagedPool.ready(database.conninfo, statements, settings)
    try await body(Scene(staged: staged, watcher: watcher))
    await staged.pool.close()
    await watcher.close()
  }

  private func write(_ slug: String) -> [Call] { [Call(insert, [.text(slug)])] }

  @Test func `are one transaction, and each has its own results`() async throws {
    try await run { scene in
      let slugs = ["a", "b", "c"]
      let outcomes = try await scene.together(slugs.map { write($0) + [Call(backend)] })
      #expect(outcomes.count == 3)
      for outcome in outcomes {
        let rows = try #require(try outcome.get()).rows
        #expect(rows.count == 2)
        #expect(rows[0].affected == 1)
        #expect(rows[1].integer(0, 0) != nil)
      }
      #expect(try await scene.slugs() == slugs)
      let transactions = try await scene.watcher.query(
        "select count(distinct xmin::text) from posts")
      #expect(transactions.integer(0, 0) == 1)
    }
  }

  @Test func `go at most eight at a time, in their order`() async throws {
    try await run { scene in
      let slugs = (10..<30).map { "\($0)" }
      let outcomes = try await scene.together(slugs.map(write))
      for outcome in outcomes { #expect(outcome.isCommitted) }
      let rows = try await scene.watcher.query(
        "select string_agg(slug, ' ' order by slug) from posts group by xmin::text order by 1")
      let found = (0..<rows.count).map { rows.text($0, 0) }
      #expect(
        found == [slugs[..<8], slugs[8..<16], slugs[16...]].map { $0.joined(separator: " ") })
    }
  }

  @Test func `go together only as long as they are short`() async throws {
    try await run { scene in
      let long = String(repeating: "x", count: 40_000)
      let outcomes = try await scene.together([
        write("a"), write("b") + [Call(length, [.text(long)])],
        write("c") + [Call(length, [.text(long)])], write("d"),
      ])
      for outcome in outcomes { #expect(outcome.isCommitted) }
      let alone = write("e") + [Call(length, [.text(long + long)])]
      let outcome = try await scene.share(alone).get()
      #expect(outcome == nil)
      let rows = try await scene.watcher.query(
        "select string_agg(slug, ' ' order by slug) from posts group by xmin::text order by 1")
      #expect((0..<rows.count).map { rows.text($0, 0) } == ["a b", "c d"])
    }
  }

  @Test func `let a transaction go first that has waited longer`() async throws {
    try await run { scene in
      try await scene.watcher.script("select pg_advisory_lock(1)")
      async let first = scene.share([Call(lock)])
      try await scene.holdsConnection()
      async let own: Void = scene.staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit(write("own"))
      }
      try await scene.waits(1)
      async let shared = scene.share(write("shared"))
      try await scene.waits(2)
      try await scene.watcher.script("select pg_advisory_unlock(1)")
      let outcomes = await [first, shared]
      for outcome in outcomes { #expect(outcome.isCommitted) }
      try await own
      let rows = try await scene.watcher.query(
        "select slug from posts order by xmin::text::bigint")
      #expect((0..<rows.count).map { rows.text($0, 0) } == ["own", "shared"])
    }
  }

  @Test func `are not sent when there is hardly any time left`() async throws {
    try await run { scene in
      #expect(await scene.share(write("a"), within: .milliseconds(300)) == .failure(.timedOut))
      #expect(await scene.share(write("b")).isCommitted)
      let slugs = try await scene.slugs()
      #expect(slugs == ["b"])
      #expect(scene.staged.lost(.write) == 0)
    }
  }

  @Test func `wait for nobody while there is a connection`() async throws {
    try await run { scene in
      #expect(await scene.share(write("a")).isCommitted)
      #expect(await scene.share(write("b")).isCommitted)
      let transactions = try await scene.watcher.query(
        "select count(distinct xmin::text) from posts")
      #expect(transactions.integer(0, 0) == 2)
    }
  }

  @Test func `come to nothing when one fails, which alone is told why`() async throws {
    try await run { scene in
      _ = try await scene.watcher.query("insert into posts values ('taken')")
      let outcomes = try await scene.together([
        write("a"), [Call(backend)] + write("taken") + [Call(backend)], write("b"),
      ])
      #expect(try outcomes[0].get() == nil)
      #expect(try outcomes[2].get() == nil)
      let failed = try #require(try outcomes[1].get())
      #expect(failed.rows.count == 1, "the results before the failure")
      #expect(failed.error?.serverError?.constraint == "posts_slug_key")
      #expect(try await scene.slugs() == ["taken"])
      #expect(await scene.share(write("a")).isCommitted, "the connection goes on")
      #expect(scene.staged.lost(.write) == 0)
    }
  }

  @Test func `come to nothing when COMMIT fails, and nobody is told why`() async throws {
    try await run { scene in
      let outcomes = try await scene.together([
        write("a"), [Call(deferred)], [Call(deferred)], write("b"),
      ])
      for outcome in outcomes { #expect(try outcome.get() == nil) }
      #expect(try await scene.slugs() == [])
      #expect(await scene.share(write("a")).isCommitted, "the connection goes on")
      #expect(scene.staged.lost(.write) == 0)
    }
  }

  @Test func `are unknown to all of them after a warning at COMMIT`() async throws {
    try await run { scene in
      let outcomes = try await scene.together([write("a"), [Call(warningAtCommit)], write("b")])
      #expect(outcomes.allSatisfy { $0 == .failure(.outcomeUnknown) })
    }
  }

  @Test func `are unknown to all of them when their session is killed`() async throws {
    try await run { scene in
      let killer = Task {
        try await Stage.eventually("one sleeps") {
          try await scene.watcher.query(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and wait_event = 'PgSleep'
            """
          ).count == 1
        }
      }
      let outcomes = try await scene.together([write("a"), [Call(sleep)], write("b")])
      try await killer.value
      #expect(outcomes.allSatisfy { $0 == .failure(.outcomeUnknown) })
      #expect(try await scene.slugs() == [])
      #expect(await scene.share(write("c")).isCommitted)
    }
  }

  @Test func `give way when one waits for a lock`() async throws {
    try await run { scene in
      let other = try await Stage.connect(try await conninfo(scene))
      try await other.script("begin; insert into posts values ('held')")
      let outcomes = try await scene.together([
        write("a"), [Call(wait, [.text("20ms")])] + write("held"), write("b"),
      ])
      #expect(try outcomes[0].get() == nil)
      #expect(try outcomes[1].get()?.error?.serverError?.sqlState == "55P03")
      #expect(try outcomes[2].get() == nil)
      try await other.script("rollback")
      await other.close()
      #expect(try await scene.slugs() == [])
    }
  }

  private func conninfo(_ scene: Scene) async throws -> String {
    let name = try await scene.watcher.query("select current_database()").text(0, 0) ?? ""
    return try await TestCluster.shared.conninfo(database: name)
  }

  @Test func `end at their deadline, in line and under way`() async throws {
    try await run { scene in
      try await scene.watcher.script("select pg_advisory_lock(1)")
      async let first = scene.share([Call(lock)], within: .seconds(2))
      try await scene.holdsConnection()
      #expect(await scene.share(write("a"), within: .milliseconds(200)) == .failure(.timedOut))
      // The server stops it a little before.
      let outcome = try await first.get()
      #expect(outcome?.error == .timedOut)
      try await scene.watcher.script("select pg_advisory_unlock(1)")
      #expect(await scene.share(write("b")).isCommitted)
      #expect(try await scene.slugs() == ["b"])
    }
  }

  @Test func `are refused alone for a parameter that cannot be sent`() async throws {
    try await run { scene in
      #expect(await scene.share(write("\0")) == .failure(.invalidParameter))
      #expect(await scene.share(write("a")).isCommitted)
    }
  }

  @Test func `leave connections to transactions of their own`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let watcher = try await Stage.connect(database.conninfo)
    try await watcher.script(schema)
    let staged = try await StagedPool.ready(database.conninfo, statements)
    let scene = Scene(staged: staged, watcher: watcher)
    try await watcher.script("select pg_advisory_lock(1)")
    let waiting = Task {
      await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<20 { group.addTask { await scene.share([Call(lock)]).isCommitted } }
        return await group.reduce(into: [Bool]()) { $0.append($1) }
      }
    }
    try await scene.waits(19)
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.commit([Call(insert, [.text("a")])])
    }
    #expect(try await scene.slugs() == ["a"])
    try await watcher.script("select pg_advisory_unlock(1)")
    #expect(await waiting.value == Array(repeating: true, count: 20))
    await staged.pool.close()
    await watcher.close()
  }
}

extension Result<Transaction.Outcome?, PostgresError> {
  fileprivate var isCommitted: Bool {
    if case .success(.some(let outcome)) = self { outcome.error == nil } else { false }
  }

  fileprivate static func == (one: Self, other: Self) -> Bool {
    switch (one, other) {
    case (.failure(let one), .failure(let other)): one == other
    default: false
    }
  }
}
