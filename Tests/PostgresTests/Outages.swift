import EventLoop
import LocalPostgres
import Postgres
import Testing
import Turns

private let echo = Statement("echo", "select $1::int")

/// Each with a server of its own.
@Suite(.serialized, .turns) struct OutagesOfTheServer {
  private func stage() async throws -> (TestCluster, StagedPool) {
    let cluster = try await TestCluster.start()
    let conninfo = try await cluster.makeDatabase().conninfo
    return (cluster, try await StagedPool.ready(conninfo, [echo]))
  }

  private func read(
    _ pool: Pool, within limit: Duration = .seconds(10)
  ) async -> PostgresError? {
    await Stage.failure {
      _ = try await pool.read(Call(echo, [.integer(1)]), deadline: .now() + limit)
    }
  }

  @Test func `heal within five seconds after a restart`() async throws {
    let (cluster, staged) = try await stage()
    for shutdown in [LocalCluster.Shutdown.fast, .immediate] {
      try await cluster.restart(shutdown)
      try await Stage.eventually("the pool heals") {
        await staged.pool.readiness == .ready
      }
      #expect(await read(staged.pool) == nil)
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit([Call(echo, [.integer(1)])])
      }
    }
    await staged.pool.close()
    await cluster.stop()
  }

  @Test func `are told at once to every call, with one attempt at a time`() async throws {
    let (cluster, staged) = try await stage()
    await cluster.stop()
    try await Stage.eventually("the outage is known") {
      if case .unavailable = await read(staged.pool) { true } else { false }
    }
    let start = MonotonicInstant.now()
    let attempts = staged.failedConnects
    for _ in 0..<100 {
      guard case .unavailable = await read(staged.pool) else {
        Issue.record("a read during the outage")
        break
      }
    }
    let refused = await Stage.failure {
      try await staged.pool.transaction(deadline: Stage.soon) { transaction in
        _ = try await transaction.commit()
      }
    }
    guard case .unavailable = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
    #expect(MonotonicInstant.now() - start < .seconds(10))
    #expect(await staged.pool.readiness != .ready)
    try await Stage.eventually("two more attempts") { staged.failedConnects >= attempts + 2 }
    #expect(MonotonicInstant.now() - start >= .seconds(1))
    await staged.pool.close()
  }

  @Test func `let a frozen server take no longer than the deadline`() async throws {
    let (cluster, staged) = try await stage()
    let pool = staged.pool
    try await cluster.freeze()
    let start = MonotonicInstant.now()
    async let reading = read(pool, within: .seconds(2))
    async let asking = Stage.failure {
      _ = try await pool.query(
        Call(echo, [.integer(1)]), deadline: .now() + .seconds(2))
    }
    async let writing = Stage.failure {
      try await pool.transaction(deadline: .now() + .seconds(2)) { transaction in
        _ = try await transaction.send([Call(echo, [.integer(1)])])
      }
    }
    async let committing = Stage.failure {
      try await pool.transaction(deadline: .now() + .seconds(2)) { transaction in
        _ = try await transaction.commit([Call(echo, [.integer(1)])])
      }
    }
    #expect(await reading == .timedOut)
    #expect(await asking == .timedOut)
    #expect(await writing == .timedOut)
    #expect(await committing == .outcomeUnknown)
    #expect(MonotonicInstant.now() - start < .seconds(8))
    try await Stage.eventually("the pool says so") {
      await pool.readiness != .ready
    }
    try await cluster.thaw()
    try await Stage.eventually("the pool heals") {
      await pool.readiness == .ready
    }
    #expect(await read(pool) == nil)
    await pool.close()
    await cluster.stop()
  }

  @Test func `are noticed when nobody asks for anything`() async throws {
    let (cluster, staged) = try await stage()
    try await cluster.freeze()
    try await Stage.eventually("the pool is not ready") {
      await staged.pool.readiness != .ready
    }
    try await cluster.thaw()
    try await Stage.eventually("the pool heals") {
      await staged.pool.readiness == .ready
    }
    await staged.pool.close()
    await cluster.stop()
  }
}

@Suite(.turns) struct LifeOfAPool {
  @Test func `begins not ready and ends with a refusal of new calls`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = StagedPool(database.conninfo, [echo])
    let call = Call(echo, [.integer(1)])
    #expect(await staged.pool.readiness == .unavailable("not started"))
    await staged.pool.start()
    let rows = try await staged.pool.read(call, deadline: Stage.soon)
    #expect(rows.integer(0, 0) == 1)
    await staged.pool.close()
    #expect(
      await Stage.failure { _ = try await staged.pool.read(call, deadline: Stage.soon) }
        == .unavailable("closing"))
    #expect(await staged.pool.readiness == .unavailable("closing"))
  }

  @Test func `ends only when what runs has ended`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(
      database.conninfo, [Statement("sleep", "select 7 from pg_sleep(0.2)")])
    let pool = staged.pool
    let sleep = Call(Statement("sleep", ""))
    let closing = try await pool.transaction(deadline: Stage.soon) { transaction in
      _ = try await transaction.send([sleep])
      let closing = Task(executorPreference: Stage.loop) { await pool.close() }
      try await Stage.eventually("the pool closes") {
        await pool.readiness == .unavailable("closing")
      }
      #expect(try await transaction.commit([sleep])[0].integer(0, 0) == 7)
      return closing
    }
    await closing.value
  }

  @Test func `finds names in PostgreSQL's own schema alone, whatever the operator says`()
    async throws
  {
    let database = try await TestCluster.shared.makeDatabase()
    let path = Statement("path", "select current_setting('search_path')")
    let pool = Pool(
      conninfo: database.conninfo + " options='-c search_path=public'", statements: [path],
      loop: Stage.loop)
    await pool.start()
    let rows = try await pool.read(Call(path), deadline: Stage.soon)
    #expect(rows.text(0, 0) == "pg_catalog, pg_temp")
    await pool.close()
  }

  @Test func `does not become ready with a statement that cannot be prepared`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = StagedPool(database.conninfo, [Statement("wrong", "select nonsense")])
    await staged.pool.start()
    try await Stage.eventually("it is told") { staged.failedConnects > 0 }
    guard case .unavailable(let text) = await staged.pool.readiness else {
      Issue.record("ready")
      return
    }
    #expect(text.contains("nonsense"))
    await staged.pool.close()
  }
}
