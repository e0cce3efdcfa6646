import EventLoop
import LocalPostgres
import Postgres
import Synchronization
import Testing
import Turns

private let echo = Statement("echo", "select $1::int")
private let divide = Statement("divide", "select $1::int / $2::int")
private let sleep = Statement("sleep", "select $1::int from pg_sleep($2::float8)")
private let terminate = """
  select count(pg_terminate_backend(pid)) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
  """

@Suite(.turns) struct ReadsOfAPool {
  @Test func `get their own result or their own error, a thousand at once`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(database.conninfo, [divide])
    let pool = staged.pool
    let wrong = await withTaskGroup(of: String?.self) { group in
      for index in 1...1000 {
        group.addTask(executorPreference: Stage.loop) {
          let divisor = index % 7 == 0 ? 0 : 1
          do throws(PostgresError) {
            let rows = try await pool.read(
              Call(divide, [.integer(index), .integer(divisor)]), deadline: Stage.soon)
            return divisor == 1 && rows.integer(0, 0) == index ? nil : "\(index): a wrong result"
          } catch {
            return divisor == 0 && error.serverError?.sqlState == "22012"
              ? nil : "\(index): \(error)"
          }
        }
      }
      return await group.reduce(into: [String]()) { wrong, one in
        if let one { wrong.append(one) }
      }
    }
    #expect(wrong == [])
    #expect(await pool.resentReads > 0)
    await pool.close()
  }

  @Test func `are planned once for all values, queries for the values of each`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let mode = Statement("mode", "select current_setting('plan_cache_mode')")
    let pool = try await StagedPool.ready(database.conninfo, [mode]).pool
    let read = try await pool.read(Call(mode), deadline: Stage.soon)
    #expect(read.text(0, 0) == "force_generic_plan")
    let query = try await pool.query(Call(mode), deadline: Stage.soon)
    #expect(query.text(0, 0) == "force_custom_plan")
    await pool.close()
  }

  @Test func `of one tick leave with one Sync`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    var settings = PoolSettings()
    settings.readConnections = 1
    let staged = try await StagedPool.ready(database.conninfo, [echo], settings)
    let pool = staged.pool
    let syncs = await Task(executorPreference: Stage.loop) {
      let before = await pool.readSyncs
      await withTaskGroup(of: Void.self) { group in
        for index in 0..<100 {
          group.addTask(executorPreference: Stage.loop) {
            _ = try? await pool.read(Call(echo, [.integer(index)]), deadline: Stage.soon)
          }
        }
      }
      return await pool.readSyncs - before
    }.value
    #expect(syncs == 1)
    await pool.close()
  }

  @Test func `of one tick go together while they are few`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let pool = try await StagedPool.ready(database.conninfo, [echo]).pool
    for (reads, expected) in [(2, 1), (32, 1), (33, 2), (64, 2)] {
      let syncs = await Task(executorPreference: Stage.loop) {
        let before = await pool.readSyncs
        await withTaskGroup(of: Void.self) { group in
          for index in 0..<reads {
            group.addTask(executorPreference: Stage.loop) {
              _ = try? await pool.read(Call(echo, [.integer(index)]), deadline: Stage.soon)
            }
          }
        }
        return await pool.readSyncs - before
      }.value
      #expect(syncs == expected, "\(reads) reads")
    }
    await pool.close()
  }

  @Test func `are answered at their deadline, and their late answers go to nobody`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    var settings = PoolSettings()
    settings.readConnections = 1
    settings.stallLimit = Stage.patience
    let staged = try await StagedPool.ready(database.conninfo, [echo, sleep], settings)
    let pool = staged.pool
    async let late = Stage.failure {
      _ = try await pool.read(
        Call(sleep, [.integer(1), .text("2")]), deadline: .now() + .milliseconds(500))
    }
    #expect(await late == .timedOut)
    #expect(staged.events.contains(.timedOut(.read)))
    let rows = try await pool.read(Call(echo, [.integer(2)]), deadline: Stage.soon)
    #expect(rows.integer(0, 0) == 2)
    #expect(staged.lost(.read) == 0)
    await pool.close()
  }

  @Test func `are sent again when their session is killed`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(database.conninfo, [echo, sleep])
    let pool = staged.pool
    let assassin = try await Stage.connect(database.conninfo)
    let isOver = Flag()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<20 {
        group.addTask(executorPreference: Stage.loop) {
          var number = reader
          while !isOver.isSet {
            let rows = try await pool.read(Call(echo, [.integer(number)]), deadline: Stage.soon)
            #expect(rows.integer(0, 0) == number)
            number += 1
          }
        }
      }
      group.addTask {
        defer { isOver.set() }
        let killed = try await assassin.query(terminate).integer(0, 0)
        #expect((killed ?? 0) >= 3)
        try await Stage.eventually("both readers are lost") { staged.lost(.read) >= 2 }
        try await Stage.eventually("the pool heals") {
          await pool.readiness == .ready
        }
      }
      try await group.waitForAll()
    }
    await assassin.close()
    await pool.close()
  }

  @Test func `are refused when too many are inside`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    var settings = PoolSettings()
    settings.readConnections = 1
    settings.readLimit = 1
    let staged = try await StagedPool.ready(database.conninfo, [echo, sleep], settings)
    let pool = staged.pool
    let errors = await withTaskGroup(of: PostgresError?.self) { group in
      for _ in 0..<3 {
        group.addTask {
          await Stage.failure {
            _ = try await pool.read(
              Call(sleep, [.integer(1), .text("1")]), deadline: Stage.soon)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(errors == [.overloaded, .overloaded, nil])
    #expect(staged.events.contains(.shed(.read)))
    let rows = try await pool.read(Call(echo, [.integer(1)]), deadline: Stage.soon)
    #expect(rows.integer(0, 0) == 1)
    await pool.close()
  }

  @Test func `with U+0000 are refused before they are sent`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(database.conninfo, [echo])
    let pool = staged.pool
    #expect(
      await Stage.failure {
        _ = try await pool.read(Call(echo, [.text("1\0")]), deadline: Stage.soon)
      } == .invalidParameter)
    await pool.close()
  }
}

private final class Flag: Sendable {
  private let value = Mutex(false)
  var isSet: Bool { value.withLock { $0 } }
  func set() { value.withLock { $0 = true } }
}

@Suite(.turns) struct QueriesOfAPool {
  @Test func `are stopped by the server a little before their deadline`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(database.conninfo, [echo, sleep])
    let pool = staged.pool
    // On a busy machine the server may be late, and then its connection is given up: but not always.
    var isStopped = false
    for _ in 0..<20 where !isStopped {
      let lost = staged.lost(.query)
      let error = await Stage.failure {
        _ = try await pool.query(
          Call(sleep, [.integer(1), .integer(30)]), deadline: .now() + .milliseconds(500))
      }
      #expect(error == .timedOut)
      isStopped = staged.lost(.query) == lost
      try await Stage.eventually("the pool heals") { await pool.readiness == .ready }
    }
    #expect(isStopped)
    let rows = try await pool.query(Call(echo, [.integer(5)]), deadline: Stage.soon)
    #expect(rows.integer(0, 0) == 5)
    await pool.close()
  }

  @Test func `run one at a time and keep their errors to themselves`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let staged = try await StagedPool.ready(database.conninfo, [divide])
    let pool = staged.pool
    await withTaskGroup(of: Bool.self) { group in
      for divisor in [0, 1, 0, 1, 0, 1] {
        group.addTask(executorPreference: Stage.loop) {
          let error = await Stage.failure {
            _ = try await pool.query(
              Call(divide, [.integer(1), .integer(divisor)]), deadline: Stage.soon)
          }
          return (error == nil) == (divisor == 1)
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    await pool.close()
  }

  @Test func `are sent on the connection of the pool that lends one`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let session = Statement("session", "select pg_backend_pid()")
    let lender = try await StagedPool.ready(database.conninfo, [session], .ofLoop(0)).pool
    let pool = try await StagedPool.ready(
      database.conninfo, [session], .ofLoop(1), lender: lender
    ).pool
    let own = try await pool.query(Call(session), deadline: Stage.soon).integer(0, 0)
    let lent = try await lender.query(Call(session), deadline: Stage.soon).integer(0, 0)
    #expect(own == lent)
    await lender.close()
    let error = await Stage.failure {
      _ = try await pool.query(Call(session), deadline: Stage.soon)
    }
    #expect(error == .unavailable("closing"))
    #expect(await pool.readiness == .ready)
    await pool.close()
  }
}
