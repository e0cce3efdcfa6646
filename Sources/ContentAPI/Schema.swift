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
    /// The version that the database has now.
    package let to: Int
    /// Statements that somebody with more rights has still to run.
    package let leftToDo: [String]
  }

  /// Whether this program may serve a database.
  package enum Standing: Sendable, Equatable {
    case serves
    /// There is no schema.
    case missing
    /// The database is older than this program.
    case older(version: Int)
    /// The database wants a newer program.
    case newer(oldestBinary: Int)
  }

  /// Looks, and changes nothing.
  package static func standing(_ connection: Connection) async throws(PostgresError) -> Standing {
    guard let (current, oldest) = try await versions(connection) else { return .missing }
    if current < version { return .older(version: current) }
    if oldest > version { return .newer(oldestBinary: oldest) }
    return .serves
  }

  /// Brings the database to this program's version and gives the runtime role its rights. Several
  /// may try at once: an advisory lock lets one after the other.
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

  /// A statement about the runtime role, and what is true when it has taken effect; $1 is the role.
  private struct Grant {
    let statement: String
    let holds: String
  }

  private static func grants(to role: String, database: String) -> [Grant] {
    let tables = """
      from pg_class c where c.relnamespace = 'colophon'::regnamespace and c.relkind = 'r'
        and c.relname <> 'schema_version'
      """
    return [
      Grant(
        statement: "revoke temporary on database \(database) from public",
        holds: "not has_database_privilege('public', current_database(), 'temporary')"),
      Grant(
        statement: "grant connect on database \(database) to \(role)",
        holds: "has_database_privilege($1::text, current_database(), 'connect')"),
      Grant(
        statement: "grant usage on schema colophon to \(role)",
        holds: "has_schema_privilege($1::text, 'colophon', 'usage')"),
      Grant(
        statement:
          "grant select, insert, update, delete on all tables in schema colophon to \(role)",
        holds: """
          has_table_privilege($1::text, 'colophon.schema_version', 'select')
            and (select bool_and(has_table_privilege($1::text, c.oid, 'select')
              and has_table_privilege($1::text, c.oid, 'insert')
              and has_table_privilege($1::text, c.oid, 'update')
              and has_table_privilege($1::text, c.oid, 'delete')) \(tables))
          """),
      Grant(
        statement: "revoke insert, update, delete on colophon.schema_version from \(role)",
        holds: """
          (select r.rolsuper from pg_roles r where r.rolname = $1::text)
            or not has_table_privilege(
              $1::text, 'colophon.schema_version', 'insert, update, delete')
          """),
      Grant(
        statement: "grant usage on all sequences in schema colophon to \(role)",
        holds: """
          (select coalesce(bool_and(has_sequence_privilege($1::text, c.oid, 'usage')), true)
            from pg_class c
            where c.relnamespace = 'colophon'::regnamespace and c.relkind = 'S')
          """),
    ]
  }

  /// Runs what may be run; returns the rest.
  private static func grant(
    _ connection: Connection, to role: String
  ) async throws(PostgresError) -> [String] {
    let names = try await connection.query(
      """
      select quote_ident($1::text), quote_ident(current_database()),
        exists (select from pg_roles where rolname = $1::text), current_user::text = $1::text
      """, [.text(role)])
    // Whoever owns the tables needs no grant.
    if names.boolean(0, 3) == true { return [] }
    let name = names.text(0, 0) ?? ""
    let grants = grants(to: name, database: names.text(0, 1) ?? "")
    guard names.boolean(0, 2) == true else {
      return ["create role \(name) login"] + grants.map(\.statement)
    }
    for grant in grants {
      do throws(PostgresError) {
        try await connection.script(grant.statement)
      } catch {
        guard case .server(let error) = error, error.sqlState == "42501" else { throw error }
      }
    }
    return try await missing(of: grants, connection, to: role).map(\.statement)
  }

  /// The statements that would give a role what `serve` needs, or take from it what it must not
  /// have, and have not been run. The schema is there.
  package static func missingGrants(
    _ connection: Connection, to role: String
  ) async throws(PostgresError) -> [String] {
    let names = try await connection.query(
      "select quote_ident($1::text), quote_ident(current_database())", [.text(role)])
    let grants = grants(to: names.text(0, 0) ?? "", database: names.text(0, 1) ?? "")
    return try await missing(of: grants, connection, to: role).map(\.statement)
  }

  /// A grant without the right to grant may be a warning only, so what holds now is asked for.
  private static func missing(
    of grants: [Grant], _ connection: Connection, to role: String
  ) async throws(PostgresError) -> [Grant] {
    let held = try await connection.query(
      "select " + grants.map(\.holds).joined(separator: ", "), [.text(role)])
    return grants.indices.filter { held.boolean(0, $0) != true }.map { grants[$0] }
  }
}
