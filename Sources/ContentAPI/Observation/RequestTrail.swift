import EventLoop
import Postgres
import Synchronization

/// What a request leaves behind on the long way to its answer, for the log and the metrics.
final class RequestTrail: Sendable {
  private let meters: Meters
  private let waited = Atomic<Int64>(0)
  private let cacheOutcome = Atomic<UInt8>(0)
  private let keyOutcome = Atomic<UInt8>(0)
  private let lastCause = Mutex<String?>(nil)

  init(_ meters: Meters) { self.meters = meters }

  /// How long it has waited for the database, in nanoseconds.
  var databaseTime: Int64 { waited.load(ordering: .relaxed) }

  var cache: AnsweredRequest.CacheOutcome {
    get { .init(rawValue: cacheOutcome.load(ordering: .relaxed)) ?? .none }
    set { cacheOutcome.store(newValue.rawValue, ordering: .relaxed) }
  }

  var key: AnsweredRequest.KeyOutcome {
    get { .init(rawValue: keyOutcome.load(ordering: .relaxed)) ?? .none }
    set { keyOutcome.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// What went wrong last, though the request may have gone on.
  var cause: String? { lastCause.withLock { $0 } }

  /// The request has failed with this, because of what went wrong before or by itself.
  func failed(_ error: any Error) {
    let own = (error as? PostgresError)?.cause
    lastCause.withLock { cause in
      cause = own ?? cause ?? (error as? Problem)?.detail ?? "\(error)"
    }
  }

  /// A call of the database is over, which began at `start` and failed with `error` or not.
  fileprivate func note(_ role: PoolRole, since start: MonotonicInstant, _ error: PostgresError?) {
    let took = (MonotonicInstant.now() - start).wholeNanoseconds
    waited.wrappingAdd(took, ordering: .relaxed)
    meters.databaseCall(role, took: took, failed: error)
    if let error { lastCause.withLock { $0 = error.cause } }
  }
}

/// The pool's calls, made for a request.
extension Pool {
  nonisolated func read(
    _ call: Call, deadline: MonotonicInstant, for trail: RequestTrail
  ) async throws(PostgresError) -> Rows {
    let start = MonotonicInstant.now()
    do throws(PostgresError) {
      let rows = try await read(call, deadline: deadline)
      trail.note(.read, since: start, nil)
      return rows
    } catch {
      trail.note(.read, since: start, error)
      throw error
    }
  }

  nonisolated func query(
    _ call: Call, deadline: MonotonicInstant, for trail: RequestTrail
  ) async throws(PostgresError) -> Rows {
    let start = MonotonicInstant.now()
    do throws(PostgresError) {
      let rows = try await query(call, deadline: deadline)
      trail.note(.query, since: start, nil)
      return rows
    } catch {
      trail.note(.query, since: start, error)
      throw error
    }
  }

  /// What the body throws counts as the database's when it comes from there.
  nonisolated func transaction<Result>(
    deadline: MonotonicInstant, for trail: RequestTrail,
    _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    let start = MonotonicInstant.now()
    do {
      let result = try await transaction(deadline: deadline, body)
      trail.note(.write, since: start, nil)
      return result
    } catch {
      trail.note(.write, since: start, error as? PostgresError)
      throw error
    }
  }
}

extension PostgresError {
  /// For the log.
  var cause: String {
    switch self {
    case .unavailable(let reason): "no connection to the database: \(reason)"
    case .overloaded: "too many calls wait for the database"
    case .timedOut: "the database did not answer in time"
    case .connectionLost: "the connection to the database was lost"
    case .outcomeUnknown: "the connection to the database was lost while COMMIT was under way"
    case .server(let error): "the database refused: \(error)"
    case .invalidParameter: "a parameter cannot be sent to the database"
    }
  }
}
