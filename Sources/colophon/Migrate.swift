import ContentAPI
import EventLoop
import Postgres

/// `colophon migrate`.
struct Migrate {
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let connection = try await Database.open(configuration.databaseURL, on: loop)
    let migration = try await Database.migrate(
      connection, runtimeRole: configuration.runtimeRole)
    await connection.close()
    let outcome =
      switch migration.from {
      case nil: "The database is made; it has version \(migration.to)."
      case migration.to: "The database has version \(migration.to) already."
      case let from?: "The database went from version \(from) to \(migration.to)."
      }
    Terminal.note(outcome)
    if !migration.leftToDo.isEmpty {
      Terminal.note(
        "To let \(configuration.runtimeRole) serve it, somebody with the rights has to run:")
      for statement in migration.leftToDo { Terminal.print(statement + ";") }
    }
    return .done
  }
}
