import Assets
import EventLoop
package import Postgres

/// The database's layout as this program knows it: what brings a database here, and whether this
/// program may serve one that is elsewhere.
package enum Schema {
  /// The newest version that this program knows.
  package static let version = Assets.schemaSteps.last?.version ?? 1

  /// What `migrate` did.
  package struct Migration: Sendable {
    /// nil when there was no schema.
    package let from: Int?
    package let to: Int
    /// Statements that somebody with more rights has still to run.
    package let leftToDo: [String]
  }

  /// Whether this program may serve a database.
  package enum Standing: Sendable, Equatable {
    case serves
    case missing
    /// The database is older than this program.
    case older(version: Int)
    /// The database wants a newer program.
    case newer(oldestBinary: Int)
  }

  package static func standing(_ connection: Connection) async throws(PostgresError) -> Standing {
    guard let (current, oldest) = try await versions(connection) else { return .missing }
    if current < version { return .older(version: current) }
    if oldest > version { return .newer(oldestBinary: oldest) }
    return .serves
  }

  /// Brings the database to this program's version and gives the runtime role its rights. Several may
  /// try at once: an advisory lock lets one after the other.
  package static func migrate(
    _ connection: Connection, runtimeRole: String
  ) async throws(PostgresError) -> Migration {
    let lock = "hashtextextended('colophon.migrate', 0)"
    _ = try await connection.query("select pg_advisory_lock(\(lock))")
    let from = try await versions(connection)?.version
    if from == nil { try await connection.script(Assets.schema) }
    for step in Assets.schemaSteps where step.version > (from ?? version) {
      try await connection.script(step.sql)
    }
    let leftToDo = try await grant(connection, to: runtimeRole)
    _ = try await connection.query("select pg_advisory_unlock(\(lock))")
    return Migration(from: from, to: max(version, from ?? 0), leftToDo: leftToDo)
  }

  private static func versions(
    _ connection: Connection
  ) async throws(PostgresError) -> (version: Int, oldestBinary: Int)? {
    let there = try await connection.query(
      "select to_regclass('colophon.schema_version') is not null")
    guard there.boolean(0, 0) == true else { return nil }
    let rows = try await connection.query(
      "select version, oldest_binary from colophon.schema_version")
    guard let version = rows.integer(0, 0), let oldest = rows.integer(0, 1) else { return nil }
    return (version, oldest)
  }

  /// Runs what may be run; returns the rest.
  private static func grant(
    _ connection: Connection, to role: String
  ) async throws(PostgresError) -> [String] {
    let names = try await connection.query(
      """
      select quote_ident($1::text), quote_ident(current_database()),
        exists (select from pg_roles where rolname = $1::text), current_user::text = $1::text,
        quote_literal($1::text)
      """, [.text(role)])
    let name = names.text(0, 0) ?? ""
    let database = names.text(0, 1) ?? ""
    let literal = names.text(0, 4) ?? ""
    // Whoever owns the tables needs no grant.
    if names.boolean(0, 3) == true { return [] }
    // The database's owner alone may do the first two. To others PostgreSQL says no more than a
    // warning, so what they are to bring about is asked for.
    let grants: [(statement: String, effect: String)] = [
      (
        "revoke temporary on database \(database) from public",
        "select not has_database_privilege('public', current_database(), 'temporary')"
      ),
      (
        "grant connect on database \(database) to \(name)",
        "select has_database_privilege(\(literal), current_database(), 'connect')"
      ),
      ("grant usage on schema colophon to \(name)", ""),
      ("grant select, insert, update, delete on all tables in schema colophon to \(name)", ""),
      ("revoke insert, update, delete on colophon.schema_version from \(name)", ""),
      ("grant usage on all sequences in schema colophon to \(name)", ""),
    ]
    guard names.boolean(0, 2) == true else {
      return ["create role \(name) login"] + grants.map(\.statement)
    }
    var left: [String] = []
    for (statement, effect) in grants {
      var isDone = effect.isEmpty
      do throws(PostgresError) {
        try await connection.script(statement)
      } catch {
        guard case .server(let error) = error, error.sqlState == "42501" else { throw error }
        isDone = false
      }
      if !effect.isEmpty { isDone = try await connection.query(effect).boolean(0, 0) == true }
      if !isDone { left.append(statement) }
    }
    return left
  }
}
