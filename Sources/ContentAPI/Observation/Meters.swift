import EventLoop
import HTTP
import Postgres

/// What one loop has counted since the start. Everything is added to on the loop's thread and read by
/// whoever asks for `/metrics`.
package final class Meters: Sendable {
  let requests = Counters(RouteNumber.names.count * Meters.statusClasses * Histogram.width)
  let bytes = Counters(RouteNumber.names.count * Meters.statusClasses)
  /// Requests that have begun, and that are over.
  let flights = Counters(2)
  let calls = Counters(PoolRole.allCases.count * Histogram.width)
  let databaseErrors = Counters(DatabaseErrorClass.allCases.count)
  let lag = Counters(Histogram.width)

  /// 2xx, 3xx, 4xx, 5xx.
  static let statusClasses = 4

  let databaseEvents = Counters(PoolRole.allCases.count * DatabaseEventKind.allCases.count)

  func database(_ event: PoolEvent) {
    let (role, kind) = DatabaseEventKind.of(event)
    let roles = PoolRole.allCases
    let kinds = DatabaseEventKind.allCases
    guard let row = roles.firstIndex(of: role), let column = kinds.firstIndex(of: kind) else {
      return
    }
    databaseEvents.addAlone(at: row * kinds.count + column)
  }

  package init() {}

  static func statusClass(of status: Int) -> Int { min(max(status / 100, 2), 5) - 2 }

  func begin() { flights.addAlone(at: 0) }

  func answered(_ request: borrowing AnsweredRequest) {
    let place = request.route.value * Self.statusClasses + Self.statusClass(of: request.status)
    Histogram.add(request.total, to: requests, at: place)
    bytes.addAlone(request.bytes, at: place)
    flights.addAlone(at: 1)
  }

  func databaseCall(_ role: PoolRole, took: Int64, failed error: PostgresError?) {
    Histogram.add(took, to: calls, at: PoolRole.allCases.firstIndex(of: role) ?? 0)
    guard let error, let place = DatabaseErrorClass.allCases.firstIndex(of: .init(error)) else {
      return
    }
    databaseErrors.addAlone(at: place)
  }
}

/// How often something has taken how long.
struct Histogram {
  /// By bucket, not summed up.
  private(set) var buckets = Array(repeating: 0, count: width - 1)
  private(set) var nanoseconds: Int64 = 0

  var count: Int { buckets.reduce(0, +) }

  /// Adds the histogram at `place` among several that a loop has counted.
  mutating func add(_ counters: Counters, at place: Int) {
    for bucket in buckets.indices { buckets[bucket] += counters[place * Self.width + bucket] }
    nanoseconds += Int64(counters[place * Self.width + Self.width - 1])
  }

  /// The upper ends of the buckets, in microseconds; above the last there is one more.
  static let bounds: [19 of Int64] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
  ]
  /// Numbers that one takes: its buckets, and the sum in nanoseconds.
  static let width = bounds.count + 2

  /// Adds `nanoseconds` to the histogram at `place` among several.
  static func add(_ nanoseconds: Int64, to counters: Counters, at place: Int) {
    var bucket = 0
    let bounds = bounds
    while bucket < bounds.count, nanoseconds > bounds[bucket] * 1000 { bucket += 1 }
    counters.addAlone(at: place * width + bucket)
    counters.addAlone(Int(nanoseconds), at: place * width + width - 1)
  }
}

/// What kinds of failures of the database are told apart.
enum DatabaseErrorClass: String, CaseIterable {
  case unavailable
  case overloaded
  case timedOut = "timed_out"
  case connectionLost = "connection_lost"
  case outcomeUnknown = "outcome_unknown"
  /// The server's, by what PostgreSQL calls their class (appendix A).
  case integrity = "integrity_constraint"
  case data = "data_exception"
  case rollback = "transaction_rollback"
  case privilege = "syntax_or_access"
  case resources = "insufficient_resources"
  case lock = "object_not_in_state"
  case intervention = "operator_intervention"
  case other

  init(_ error: PostgresError) {
    switch error {
    case .unavailable: self = .unavailable
    case .overloaded: self = .overloaded
    case .timedOut: self = .timedOut
    case .connectionLost: self = .connectionLost
    case .outcomeUnknown: self = .outcomeUnknown
    case .invalidParameter: self = .other
    case .server(let error):
      self =
        switch error.sqlState.prefix(2) {
        case "22": .data
        case "23": .integrity
        case "40": .rollback
        case "42": .privilege
        case "53", "54": .resources
        case "55": .lock
        case "57": .intervention
        default: .other
        }
    }
  }
}

/// What a pool tells of, without its words.
enum DatabaseEventKind: String, CaseIterable {
  case connected
  case connectFailed = "connect_failed"
  case lost
  case shed
  case timedOut = "timed_out"

  static func of(_ event: PoolEvent) -> (PoolRole, DatabaseEventKind) {
    switch event {
    case .connected(let role, _): (role, .connected)
    case .connectFailed(let role, _): (role, .connectFailed)
    case .lost(let role, _): (role, .lost)
    case .shed(let role): (role, .shed)
    case .timedOut(let role): (role, .timedOut)
    }
  }
}
