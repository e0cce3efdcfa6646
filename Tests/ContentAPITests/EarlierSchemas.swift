import Assets
import ContentAPI
import EventLoop
import LocalPostgres
import Postgres
import Testing

/// Every earlier version is kept beside these tests as `schemas/N.sql`.
@Suite struct EarlierSchemas {
  @Test(arguments: 1..<Schema.version)
  func `migrated equal a fresh one`(version: Int) async throws {
    let fresh = try await dump { connection in
      try await connection.script(Assets.schema)
    }
    let migrated = try await dump { connection in
      let path =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        .joined(separator: "/") + "/schemas/\(version).sql"
      try await connection.script(String(decoding: try Files.read(path), as: UTF8.self))
      _ = try await connection.query(
        "insert into colophon.posts (slug, title, body) values ('a', 'T', 'B')")
      let migration = try await Schema.migrate(connection, runtimeRole: LocalCluster.role)
      #expect(migration.from == version)
      #expect(migration.to == Schema.version)
      // What was there before there was a search is found once the service has read it.
      let unread = try await connection.query(
        "select count(*) from colophon.search s where s.language = ''")
      #expect(unread.text(0, 0) == (version < 3 ? "1" : "0"))
      let unrendered = try await connection.query(
        "select count(*) from colophon.posts p where length(p.json_hash) <> 32")
      #expect(unrendered.text(0, 0) == "0")
    }
    let difference = migrated.difference(from: fresh).map { "\($0)" }
    #expect(difference.isEmpty)
  }

  /// What pg_dump says of the schema.
  private func dump(_ make: (Connection) async throws -> Void) async throws -> [String] {
    let database = try await TestCluster.shared.makeDatabase()
    let loop = TestCluster.shared.loop
    let connection = try await Connection.open(
      database.conninfo, on: loop, deadline: .now() + .seconds(20))
    try await make(connection)
    await connection.close()
    let (exit, output) = try await PgDump(loop: loop).run(database.conninfo)
    try #require(exit == .status(0), "\(String(decoding: output, as: UTF8.self))")
    try await database.drop()
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
      .filter { !$0.hasPrefix("--") && !$0.hasPrefix("\\") }
  }

  private actor PgDump: LoopBound {
    let loop: EventLoop
    init(loop: EventLoop) { self.loop = loop }

    func run(_ conninfo: String) async throws -> (ChildProcess.Exit, [UInt8]) {
      let path = try await ServerPrograms.find(on: loop).folder + "/pg_dump"
      var program = ChildProcess.Program(path, ["--schema-only", "-n", "colophon", conninfo])
      program.output = .captured
      return try await ChildProcess.run(program, on: loop)
    }
  }
}
