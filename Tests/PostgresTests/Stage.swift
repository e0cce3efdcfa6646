import EventLoop
import LocalPostgres
import Postgres
import Synchronization
import Testing

/// What the tests of this target share: a loop, and pools that write down what they tell.
enum Stage {
  static let loop: EventLoop = {
    do {
      let loop = try EventLoop()
      try loop.start()
      return loop
    } catch {
      preconditionFailure("no loop for the tests: \(error)")
    }
  }()

  static func connect(_ conninfo: String) async throws -> Connection {
    try await Connection.open(conninfo, on: loop, deadline: soon)
  }

  /// A connection to a database of its own.
  static func connection() async throws -> Connection {
    try await connect(try await TestCluster.shared.makeDatabase().conninfo)
  }

  static var soon: MonotonicInstant { .now() + patience }

  /// For what has to happen; a machine that runs tests may be very busy.
  static let patience = Duration.seconds(60)

  /// Waits until something has happened, and fails when it has not in time.
  static func eventually(
    _ what: String, within limit: Duration = patience,
    _ condition: () async throws -> Bool
  ) async throws {
    let deadline = MonotonicInstant.now() + limit
    while try await !condition() {
      if MonotonicInstant.now() >= deadline {
        Issue.record("not within \(limit): \(what)")
        return
      }
      await loop.sleep(for: .milliseconds(2))
    }
  }

  /// The error that `body` throws, or nil.
  static func failure(_ body: () async throws -> Void) async -> PostgresError? {
    do {
      try await body()
      return nil
    } catch let error as PostgresError {
      return error
    } catch {
      Issue.record(error)
      return nil
    }
  }
}

/// A pool, and what it has told its observer.
struct StagedPool: Sendable {
  let pool: Pool
  private let told: Told

  private final class Told: Sendable {
    let events = Mutex<[PoolEvent]>([])
  }

  var events: [PoolEvent] { told.events.withLock { $0 } }

  init(
    _ conninfo: String, _ statements: [Statement], _ settings: PoolSettings = PoolSettings(),
    lender: Pool? = nil
  ) {
    let told = Told()
    self.told = told
    // The tables of these tests are where whoever makes one without a word gets it.
    var settings = settings
    settings.session.searchPath = nil
    pool = Pool(
      conninfo: conninfo, statements: statements, settings: settings, lender: lender,
      loop: Stage.loop
    ) { event in told.events.withLock { $0.append(event) } }
  }

  static func ready(
    _ conninfo: String, _ statements: [Statement], _ settings: PoolSettings = PoolSettings(),
    lender: Pool? = nil
  ) async throws -> StagedPool {
    let staged = StagedPool(conninfo, statements, settings, lender: lender)
    await staged.pool.start()
    let wanted =
      settings.readConnections + settings.queryConnections + settings.writeConnections
    try await Stage.eventually("all connections stand") { staged.connected == wanted }
    #expect(await staged.pool.readiness == .ready)
    return staged
  }

  func lost(_ role: PoolRole) -> Int {
    events.count { if case .lost(role, _) = $0 { true } else { false } }
  }

  var connected: Int {
    events.count { if case .connected = $0 { true } else { false } }
  }

  var failedConnects: Int {
    events.count { if case .connectFailed = $0 { true } else { false } }
  }
}
