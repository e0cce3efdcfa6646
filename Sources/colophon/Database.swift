import ContentAPI
import EventLoop
import Postgres

/// One session for a command, and the words for what can go wrong with it.
enum Database {
  static func open(_ url: String?, on loop: EventLoop) async throws -> Connection {
    guard let url else {
      throw Failure(
        "DATABASE_URL says where PostgreSQL is, such as postgresql://user@host/colophon; "
          + "without one there is: colophon dev")
    }
    var settings = SessionSettings(searchPath: "colophon")
    settings.applicationName = "colophon command"
    // A command changes the database and somebody waits for it: it needs the one that can be
    // written, and more patience than a request.
    settings.targetSessionAttributes = "read-write"
    settings.statementTimeout = .seconds(3600)
    settings.lockTimeout = .seconds(60)
    settings.idleInTransactionTimeout = .seconds(60)
    return try await explaining {
      try await Connection.open(
        url, on: loop, deadline: .now() + .seconds(10), settings: settings)
    }
  }

  /// The same for a database that this program can work with; of any other it says which command
  /// mends it.
  static func openMade(_ url: String?, on loop: EventLoop) async throws -> Connection {
    let connection = try await open(url, on: loop)
    switch try await explaining({ try await Schema.standing(connection) }) {
    case .serves: return connection
    case .missing: throw Failure("the database is not made yet; run: colophon migrate")
    case .older(let version):
      throw Failure(
        "the database has version \(version), this program needs \(Schema.version); "
          + "run: colophon migrate")
    case .newer(let oldest): throw tooNew(oldest)
    }
  }

  /// Makes a database or brings it to this version, unless that is for a newer program to do.
  static func migrate(
    _ connection: Connection, runtimeRole: String
  ) async throws -> Schema.Migration {
    try await explaining {
      if case .newer(let oldest) = try await Schema.standing(connection) { throw tooNew(oldest) }
      return try await Schema.migrate(connection, runtimeRole: runtimeRole)
    }
  }

  private static func tooNew(_ oldest: Int) -> Failure {
    Failure(
      "the database needs a program of version \(oldest) or newer, this one is \(Schema.version); "
        + "install the newer program")
  }

  /// Runs `body` and puts what PostgreSQL says into a sentence.
  static func explaining<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
      return try await body()
    } catch let error as PostgresError {
      switch error {
      case .unavailable(let reason): throw Failure("cannot connect to the database: \(reason)")
      case .timedOut: throw Failure("the database did not answer in time; is it frozen?")
      case .server(let error) where error.sqlState == "3F000" || error.sqlState == "42P01":
        throw Failure("the database is not made yet; run: colophon migrate")
      case .server(let error): throw Failure("the database refuses: \(error.message)")
      default: throw Failure("the connection to the database was lost; try again")
      }
    }
  }
}
