/// The size and the patience of a pool. The defaults are for one loop. A class that is never called
/// may have no connection.
package struct PoolSettings: Sendable {
  package var session = SessionSettings()
  /// Connections that share all short reads; 2–4.
  package var readConnections = 2
  /// Connections for `query`, one call each at a time.
  package var queryConnections = 1
  /// Connections for transactions, one each at a time.
  package var writeConnections = 4
  /// How many of these may be with short writes that share one. PostgreSQL does the same work in a
  /// third less time with a process for each processor than with as many as could wait, and those who
  /// wait make the next share larger.
  package var sharedConnections = 1
  /// How many calls of a class may be inside, waiting or under way, before others are refused.
  package var readLimit = 2048
  package var queryLimit = 16
  package var writeLimit = 128
  /// For one attempt; with several hosts each gets its share, but not less than a second.
  package var connectLimit = Duration.seconds(3)
  /// When to connect again.
  package var backoff = Backoff()
  /// A read connection that has been silent so long with calls outstanding counts as stalled: it
  /// gets no more, and when all are, the pool is not ready.
  package var stallLimit = Duration.milliseconds(1500)
  /// How long after its deadline a call may stay unanswered, unless it is a COMMIT, before its
  /// connection is given up.
  package var grace = Duration.seconds(1)

  /// Those of one of several loops. Only every second has a connection for `query`, and lends it to
  /// the next: what takes long has never more than half of the processors (rounded up), and short
  /// reads find one that is free.
  package static func ofLoop(_ number: Int) -> PoolSettings {
    var settings = PoolSettings()
    settings.queryConnections = number % 2 == 0 ? 1 : 0
    settings.queryLimit = 2 * settings.queryLimit
    return settings
  }

  /// How many connections it may have at once.
  package var connections: Int { readConnections + queryConnections + writeConnections }

  /// For a server that can be written, with no place to find names in but PostgreSQL's own: the
  /// statements of a pool say in which schema each table is.
  package init() {
    session.targetSessionAttributes = "read-write"
    session.searchPath = "pg_catalog, pg_temp"
  }
}

/// What a connection of a pool is for.
package enum PoolRole: String, Sendable, CaseIterable {
  case read, query, write
}

/// A value for each role. Every call asks for several: a dictionary would hash and allocate.
struct ByRole<Value> {
  private var read: Value
  private var query: Value
  private var write: Value

  init(_ value: (PoolRole) -> Value) {
    read = value(.read)
    query = value(.query)
    write = value(.write)
  }

  subscript(role: PoolRole) -> Value {
    get {
      switch role {
      case .read: read
      case .query: query
      case .write: write
      }
    }
    _modify {
      switch role {
      case .read: yield &read
      case .query: yield &query
      case .write: yield &write
      }
    }
  }
}

/// Everything that a pool tells its observer. Texts are for logs only.
package enum PoolEvent: Sendable, Equatable {
  case connected(PoolRole, afterMilliseconds: Int)
  case connectFailed(PoolRole, String)
  /// A connection that stood has ended.
  case lost(PoolRole, String)
  /// A call was refused with `.overloaded`.
  case shed(PoolRole)
  /// A call ended with `.timedOut`, or a commit with `.outcomeUnknown` for want of time.
  case timedOut(PoolRole)
}

/// Whether a pool can do its work at this moment.
package enum Readiness: Sendable, Equatable {
  case ready
  /// With a text for logs.
  case unavailable(String)
}
