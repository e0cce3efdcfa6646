import EventLoop
import LocalPostgres
import Postgres
import Testing
import Turns

private let insert = Statement("insert", "insert into posts values ($1)")
private let count = Statement("count", "select count(*) from posts")
private let backend = Statement("backend", "select pg_backend_pid()")
private let savepoint = Statement("savepoint", "savepoint handler")
private let goBack = Statement("go-back", "rollback to savepoint handler")
private let slowAtCommit = Statement("slow", "insert into slow values (1)")
private let warningAtCommit = Statement("warning", "insert into warning values (1)")
private let deferred = Statement("deferred", "insert into once values (1)")
private let sleep = Statement("sleep", "select pg_sleep(60)")
private let statements = [
  insert, count, backend, savepoint, goBack, slowAtCommit, warningAtCommit, deferred, sleep,
]

private let schema = """
  create table posts (slug text constraint posts_slug_key unique);
  create table slow (n int);
  create table warning (n int);
  create table once (n int unique deferrable initially deferred);
  create function be_slow() returns trigger language plpgsql as
    $$ begin
      perform pg_sleep(3); return null;
      -- Not to be stopped by statement_timeout.
      exception when query_canceled then perform pg_sleep(2); return null;
    end $$;
  create constraint trigger slow after insert on slow deferrable initially deferred
    for each row execute function be_slow();
  create function warn() returns trigger language plpgsql as
    $$ begin raise warning 'perhaps not replicated'; return null; end $$;
  create constraint trigger warning after insert on warning deferrable initially deferred
    for each row execute function warn();
  """

@Suite(.turns) struct TransactionsOfAPool {
  /// A pool with one connection for writes, so that its reuse shows.
  /// - Parameter grace: how late the server may be before its connection is given up.
  private func stage(
    grace: Duration = PoolSettings().grace
  ) async throws -> (StagedPool, Connection) {
    let database = try await TestCluster.shared.makeDatabase()
    let watcher = try await Stage.connect(database.conninfo)
    try await watcher.script(schema)
    var settings = PoolSettings()
    settings.writeConnections = 1
    settings.grace = grace
    // A commit that takes long goes on when nobody waits for it any more.
    settings.session.connectionCheckInterval = Stage.patience
    return (try await StagedPool.ready(database.conninfo, statements, settings), watcher)
  }

  private func slugs(_ watcher: Connection) async throws -> [String?] {
    let rows = try await watcher.query("select slug from posts order by slug")
    return (0..<rows.count).map { rows.text($0, 0) }
  }

  @Test func `commit in two round trips`() async throws {
    let (staged, watcher) = try await stage()
    let trips = try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      let results = try await transaction.send([
        Call(insert, [.text("a")]), Call(savepoint), Call(count),
      ])
      #expect(results.count == 3)
      #expect(results[0].affected == 1)
      #expect(results[2].integer(0, 0) == 1)
      #expect(try await slugs(watcher) == [])
      let last = try await transaction.commit([Call(insert, [.text("b")]), Call(count)])
      #expect(last.count == 2)
      #expect(last[1].integer(0, 0) == 2)
      return transaction.roundTrips
    }
    #expect(trips == 2)
    #expect(try await slugs(watcher) == ["a", "b"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `keep nobody waiting as long as they send nothing`() async throws {
    let (staged, watcher) = try await stage()
    try await staged.pool.transaction(deadline: Stage.soon) { _ in
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit([Call(insert, [.text("a")])])
      }
    }
    #expect(try await slugs(watcher) == ["a"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `commit in one round trip when there is nothing to wait for`() async throws {
    let (staged, watcher) = try await stage()
    let trips = try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.commit([Call(insert, [.text("a")])])
      return transaction.roundTrips
    }
    #expect(trips == 1)
    #expect(try await slugs(watcher) == ["a"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `roll back when the body throws or ends without commit`() async throws {
    let (staged, watcher) = try await stage()
    struct Refusal: Error {}
    await #expect(throws: Refusal.self) {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.send([Call(insert, [.text("a")])])
        throw Refusal()
      }
    }
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.send([Call(insert, [.text("a")])])
    }
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.send([Call(insert, [.text("a")])])
      await transaction.rollback()
      #expect(await Stage.failure { _ = try await transaction.send([Call(count)]) } != nil)
    }
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.commit([Call(insert, [.text("z")])])
    }
    #expect(try await slugs(watcher) == ["z"])
    #expect(staged.lost(.write) == 0)
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `tell which call failed, and can commit what stands beside the error`() async throws {
    let (staged, watcher) = try await stage()
    _ = try await watcher.query("insert into posts values ('taken')")
    let trips = try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.send([Call(insert, [.text("claim")]), Call(savepoint)])
      let error = await Stage.failure {
        _ = try await transaction.commit([Call(insert, [.text("taken")]), Call(count)])
      }
      #expect(error?.serverError?.constraint == "posts_slug_key")
      _ = try await transaction.commit([Call(goBack), Call(insert, [.text("the answer")])])
      return transaction.roundTrips
    }
    #expect(trips == 3)
    #expect(try await slugs(watcher) == ["claim", "taken", "the answer"])

    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      let error = await Stage.failure {
        _ = try await transaction.send([Call(savepoint), Call(insert, [.text("taken")])])
      }
      #expect(error?.serverError?.sqlState == "23505")
      _ = try await transaction.commit([Call(goBack), Call(insert, [.text("went on")])])
      #expect(transaction.roundTrips == 2)
    }
    #expect(try await slugs(watcher) == ["claim", "taken", "the answer", "went on"])
    #expect(staged.lost(.write) == 0)
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `give the results that came before a failure, in one round trip`() async throws {
    let (staged, watcher) = try await stage()
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      let outcome = await transaction.attempt([
        Call(insert, [.text("a")]), Transaction.savepoint, Call(count),
        Call(insert, [.text("a")]), Call(insert, [.text("b")]),
      ])
      #expect(outcome.rows.count == 3)
      #expect(outcome.rows.last?.integer(0, 0) == 1)
      #expect(outcome.error?.serverError?.sqlState == "23505")
      #expect(transaction.roundTrips == 1)
      let rest = try await transaction.commit([Transaction.undo, Call(count)])
      #expect(rest.last?.integer(0, 0) == 1)
      #expect(transaction.roundTrips == 2)
    }
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      let outcome = await transaction.attempt([Call(insert, [.text("c")]), Call(count)])
      #expect(outcome.rows.count == 2)
      #expect(outcome.error == nil)
      let invalid = await transaction.attempt([Call(insert, [.text("\0")])])
      #expect(invalid.rows.isEmpty)
      #expect(invalid.error == .invalidParameter)
      #expect(await transaction.attempt([]).error == nil)
    }
    #expect(try await slugs(watcher) == ["a"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `never take an aborted transaction's COMMIT for success`() async throws {
    let (staged, watcher) = try await stage()
    _ = try await watcher.query("insert into posts values ('taken')")
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = await Stage.failure {
        _ = try await transaction.send([
          Call(insert, [.text("a")]), Call(insert, [.text("taken")]),
        ])
      }
      let error = await Stage.failure { _ = try await transaction.commit() }
      #expect(error?.serverError?.sqlState == "25P02")
      #expect(await Stage.failure { _ = try await transaction.send([Call(count)]) } != nil)
    }
    #expect(try await slugs(watcher) == ["taken"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `tell a constraint that fails at COMMIT from an unknown outcome`() async throws {
    let (staged, watcher) = try await stage()
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      let error = await Stage.failure {
        _ = try await transaction.commit([Call(deferred), Call(deferred)])
      }
      #expect(error?.serverError?.sqlState == "23505")
      #expect(
        await Stage.failure { _ = try await transaction.send([Call(insert, [.text("a")])]) }
          != nil)
    }
    #expect(try await slugs(watcher) == [])
    #expect(staged.lost(.write) == 0)
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `do not take a warning at COMMIT for success`() async throws {
    let (staged, watcher) = try await stage()
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit([Call(warningAtCommit)])
      }
    }
    #expect(error == .outcomeUnknown)
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `are stopped by the server a little before their deadline, and keep the connection`()
    async throws
  {
    let (staged, watcher) = try await stage(grace: Stage.patience)
    for hasBegun in [false, true] {
      let error = await Stage.failure {
        try await staged.pool.transaction(deadline: .now() + .seconds(3)) { transaction in
          if hasBegun { _ = try await transaction.send([Call(insert, [.text("a")])]) }
          _ = try await transaction.send([Call(sleep)])
        }
      }
      #expect(error == .timedOut)
    }
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.commit([Call(insert, [.text("b")])])
    }
    #expect(try await slugs(watcher) == ["b"])
    #expect(staged.lost(.write) == 0)
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `say that the outcome is unknown when COMMIT is answered too late`() async throws {
    let (staged, watcher) = try await stage()
    let before = try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      try await transaction.send([Call(backend)])[0].integer(0, 0)
    }
    let start = MonotonicInstant.now()
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: .now() + .seconds(1)) { transaction in
        _ = try await transaction.commit([Call(slowAtCommit)])
      }
    }
    #expect(error == .outcomeUnknown)
    #expect(MonotonicInstant.now() - start < .seconds(3))
    let after = try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      try await transaction.send([Call(backend)])[0].integer(0, 0)
    }
    #expect(before != after)
    #expect(staged.lost(.write) == 1)
    // It was committed after all, or will be: only the database knows.
    try await Stage.eventually("the commit is seen") {
      try await watcher.query("select count(*) from slow").integer(0, 0) == 1
    }
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `end at their deadline, also while the body does something else`() async throws {
    let (staged, watcher) = try await stage()
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: .now() + .seconds(1)) { transaction in
        _ = try await transaction.send([Call(insert, [.text("a")])])
        try await Stage.eventually("the connection is taken away") { staged.lost(.write) == 1 }
        _ = try await transaction.commit([Call(insert, [.text("b")])])
      }
    }
    #expect(error == .timedOut)
    #expect(try await slugs(watcher) == [])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `say that the connection was lost when their session is killed`() async throws {
    let (staged, watcher) = try await stage()
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        let pid = try await transaction.send([Call(insert, [.text("a")]), Call(backend)])[1]
        _ = try await watcher.query(
          "select pg_terminate_backend($1)", [.integer(pid.integer(0, 0) ?? 0)])
        try await Stage.eventually("the pool has noticed") { staged.lost(.write) == 1 }
        _ = try await transaction.commit([Call(insert, [.text("b")])])
      }
    }
    #expect(error == .connectionLost)
    #expect(try await slugs(watcher) == [])
    try await staged.pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.commit([Call(insert, [.text("c")])])
    }
    #expect(try await slugs(watcher) == ["c"])
    await staged.pool.close()
    await watcher.close()
  }

  @Test func `wait for a connection in their order, and not past the bound`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let watcher = try await Stage.connect(database.conninfo)
    try await watcher.script(schema)
    var settings = PoolSettings()
    settings.writeConnections = 1
    settings.writeLimit = 2
    let staged = try await StagedPool.ready(database.conninfo, statements, settings)
    let pool = staged.pool
    try await pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.send([Call(count)])
      let errors = await withTaskGroup(of: PostgresError?.self) { group in
        for _ in 0..<3 {
          group.addTask {
            await Stage.failure {
              try await pool.transaction(deadline: .now() + .seconds(2)) { transaction in
                _ = try await transaction.send([Call(count)])
              }
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(errors == [.overloaded, .overloaded, .timedOut])
      _ = try await transaction.commit([Call(insert, [.text("a")])])
    }
    #expect(staged.events.contains(.shed(.write)))
    #expect(try await slugs(watcher) == ["a"])
    await pool.close()
    await watcher.close()
  }

  @Test func `go to another connection when the server has become read-only`() async throws {
    let (staged, watcher) = try await stage()
    let database = try await watcher.query("select current_database()").text(0, 0) ?? ""
    try await watcher.script(
      "alter database \(database) set default_transaction_read_only = on")
    let assassin = try await Stage.connect(
      try await TestCluster.shared.conninfo(database: "postgres"))
    _ = try await assassin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> $2",
      [.text(database), .integer(await watcher.backend)])
    try await Stage.eventually("no writer is accepted") {
      await staged.pool.readiness != .ready && staged.failedConnects > 0
    }
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.send([Call(count)])
      }
    }
    guard case .unavailable = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try await assassin.script(
      "alter database \(database) set default_transaction_read_only = off")
    try await Stage.eventually("the pool heals") {
      await staged.pool.readiness == .ready
    }
    await staged.pool.close()
    await watcher.close()
    await assassin.close()
  }

  @Test func `give a connection up that answers read-only`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let watcher = try await Stage.connect(database.conninfo)
    try await watcher.script(schema)
    let lock = Statement("lock", "set transaction read only")
    let staged = try await StagedPool.ready(database.conninfo, statements + [lock])
    let error = await Stage.failure {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit([Call(lock), Call(insert, [.text("a")])])
      }
    }
    guard case .unavailable = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(staged.lost(.write) == 1)
    await staged.pool.close()
    await watcher.close()
  }
}
