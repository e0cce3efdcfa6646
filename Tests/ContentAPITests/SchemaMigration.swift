import Assets
import ContentAPI
import EventLoop
import LocalPostgres
import Postgres
import Testing

@Suite struct SchemaMigration {
  @Test func `makes the schema in an empty database, and nothing the second time`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      #expect(try await Schema.standing(connection) == .missing)
      let first = try await Schema.migrate(connection, runtimeRole: database.role)
      #expect(first.from == nil)
      #expect(first.to == Schema.version)
      #expect(first.leftToDo == [])
      #expect(try await Schema.standing(connection) == .serves)
      let before = try await database.catalog()
      let second = try await Schema.migrate(connection, runtimeRole: database.role)
      #expect(second.from == Schema.version)
      #expect(second.to == Schema.version)
      #expect(second.leftToDo == [])
      #expect(try await database.catalog() == before)
      await connection.close()
    }
  }

  @Test func `makes it once when several try at once`() async throws {
    try await Database.run { database in
      let made = try await withThrowingTaskGroup(of: Int?.self) { group in
        for _ in 0..<4 {
          group.addTask {
            let connection = try await database.connect()
            let migration = try await Schema.migrate(connection, runtimeRole: database.role)
            await connection.close()
            return migration.from
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(made.count { $0 == nil } == 1)
    }
  }

  @Test func `tells who may serve by the two versions in the database`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      _ = try await Schema.migrate(connection, runtimeRole: database.role)
      let version = Schema.version
      func standing(_ set: String) async throws -> Schema.Standing {
        try await connection.script("update colophon.schema_version set \(set)")
        return try await Schema.standing(connection)
      }
      #expect(try await standing("version = \(version + 1)") == .serves)
      #expect(
        try await standing("oldest_binary = \(version + 1)") == .newer(oldestBinary: version + 1))
      let newer = try await Schema.migrate(connection, runtimeRole: database.role)
      #expect(newer.from == version + 1 && newer.to == version + 1, "it goes back to nothing")
      _ = try await connection.query(
        """
        alter table colophon.schema_version drop constraint schema_version_range
        """)
      #expect(
        try await standing("version = \(version - 1), oldest_binary = \(version - 1)")
          == .older(version: version - 1))
      await connection.close()
    }
  }

  @Test func `gives the runtime role its rights and no more`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      _ = try await Schema.migrate(connection, runtimeRole: database.role)
      await connection.close()
      let runtime = try await database.connect(as: database.role)
      #expect(try await Schema.standing(runtime) == .serves)
      for table in ["posts", "tags", "listings", "counters", "api_keys"] {
        _ = try await runtime.query("select count(*) from colophon.\(table)")
        _ = try await runtime.query("delete from colophon.\(table)")
      }
      for statement in [
        "create table colophon.mine (x integer)", "create temporary table mine (x integer)",
        "truncate colophon.posts", "drop table colophon.posts", "create schema mine",
        "alter table colophon.posts add column x integer",
        "update colophon.schema_version set version = 9",
        "create or replace function colophon.clock() returns timestamptz language sql return now()",
      ] {
        let state: String?
        do throws(PostgresError) {
          _ = try await runtime.query(statement)
          state = nil
        } catch {
          state = error.serverError?.sqlState
        }
        #expect(state == "42501", "\(statement)")
      }
      await runtime.close()
    }
  }

  @Test func `says what is left to do when the role is missing`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      let migration = try await Schema.migrate(connection, runtimeRole: "nobody \"here\"")
      #expect(migration.leftToDo.first == "create role \"nobody \"\"here\"\"\" login")
      #expect(migration.leftToDo.contains { $0.hasPrefix("revoke temporary on database") })
      #expect(migration.leftToDo.contains { $0.hasPrefix("grant usage on schema colophon to") })
      // What it says is what helps.
      for statement in migration.leftToDo {
        try await connection.script(
          statement.replacing("\"nobody \"\"here\"\"\"", with: database.spareRole))
      }
      let again = try await Schema.migrate(connection, runtimeRole: database.spareRole)
      #expect(again.leftToDo == [])
      try await connection.script("drop owned by \(database.spareRole)")
      try await connection.script("drop role \(database.spareRole)")
      await connection.close()
    }
  }

  @Test func `says what is left to do when it may not do it`() async throws {
    try await Database.run { database in
      let owner = try await database.connect()
      let name = database.name
      try await owner.script(
        """
        create role \(database.spareRole) login;
        grant create on database \(name) to \(database.spareRole)
        """)
      let migrator = try await database.connect(as: database.spareRole)
      let migration = try await Schema.migrate(migrator, runtimeRole: database.role)
      #expect(migration.from == nil)
      #expect(migration.leftToDo == ["revoke temporary on database \(name) from public"])
      for statement in migration.leftToDo { try await owner.script(statement) }
      let again = try await Schema.migrate(migrator, runtimeRole: database.role)
      #expect(again.leftToDo == [])
      await migrator.close()
      try await owner.script("drop owned by \(database.spareRole) cascade")
      try await owner.script("revoke create on database \(name) from \(database.spareRole)")
      try await owner.script("drop role \(database.spareRole)")
      await owner.close()
    }
  }

  @Test func `needs no grant for whoever owns the tables`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      let user = try await connection.query("select current_user").text(0, 0) ?? ""
      #expect(try await Schema.migrate(connection, runtimeRole: user).leftToDo == [])
      await connection.close()
    }
  }
}

@Suite struct Statements {
  @Test func `prepare and may be run by the runtime role on a fresh schema`() async throws {
    try await Database.run { database in
      let owner = try await database.connect()
      _ = try await Schema.migrate(owner, runtimeRole: database.role)
      await owner.close()
      let connection = try await database.connect(as: database.role)
      let statements =
        ContentAPI.statements + KeyRegister.statements + MailRegister.statements
      #expect(Set(statements.map(\.name)).count == statements.count)
      for (index, statement) in statements.enumerated() {
        try await connection.script("prepare s\(index) as \(statement.sql)")
        let types = try await connection.query(
          "select cardinality(parameter_types) from pg_prepared_statements where name = 's\(index)'"
        )
        let nulls = Array(repeating: "null", count: types.integer(0, 0) ?? 0)
        // The executor asks for the rights on every table when it starts, and then stops.
        let arguments = nulls.isEmpty ? "" : "(\(nulls.joined(separator: ", ")))"
        _ = try await connection.query("explain execute s\(index)\(arguments)")
      }
      await connection.close()
    }
  }

  @Test func `name constraints that there are`() async throws {
    try await Database.run { database in
      let connection = try await database.connect()
      _ = try await Schema.migrate(connection, runtimeRole: database.role)
      var named: Set<String> = []
      for source in try Repository.sources("Sources/ContentAPI") {
        for match in source.matches(of: /on constraint ([a-z_]+)/) {
          named.insert(String(match.output.1))
        }
      }
      #expect(!named.isEmpty)
      for name in named {
        let rows = try await connection.query(
          "select from pg_constraint where conname = $1 and connamespace = 'colophon'::regnamespace",
          [.text(name)])
        #expect(rows.count == 1, "\(name)")
      }
      await connection.close()
    }
  }
}

/// An empty database of a test, with a runtime role.
struct Database: Sendable {
  let name: String
  /// A role that is there.
  let role = "colophon_test_runtime"
  /// A role that a test may make and has to drop.
  var spareRole: String { "spare_of_" + name }

  private let database: TestDatabase
  private let loop: EventLoop

  static func run(_ body: (Database) async throws -> Void) async throws {
    try await TestCluster.shared.makeTemplate("runtime role") { conninfo in
      let connection = try await Connection.open(
        conninfo, on: TestCluster.shared.loop, deadline: .now() + .seconds(20),
        settings: .patient)
      try await connection.script("create role colophon_test_runtime login")
      await connection.close()
    }
    let database = try await TestCluster.shared.makeDatabase()
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    try await body(Database(name: database.name, database: database, loop: loop))
    try await database.drop()
  }

  private init(name: String, database: TestDatabase, loop: EventLoop) {
    self.name = name
    self.database = database
    self.loop = loop
  }

  /// As the superuser, or as a role.
  func connect(as role: String? = nil) async throws -> Connection {
    try await Connection.open(
      database.conninfo + (role.map { " user=" + $0 } ?? ""), on: loop,
      deadline: .now() + .seconds(20),
      settings: .patient)
  }

  /// All that the schema is, with its rights.
  func catalog() async throws -> String? {
    let connection = try await connect()
    let rows = try await connection.query(
      """
      select md5(
        (select string_agg(c::text, ',' order by c.oid) from pg_class c
          where c.relnamespace = 'colophon'::regnamespace)
        || (select string_agg(p.oid || p.proname || p.prosrc, ',' order by p.oid) from pg_proc p
          where p.pronamespace = 'colophon'::regnamespace)
        || (select nspacl::text from pg_namespace where nspname = 'colophon')
        || (select v::text from colophon.schema_version v))
      """)
    await connection.close()
    return rows.text(0, 0)
  }
}
