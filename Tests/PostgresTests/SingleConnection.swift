import EventLoop
import LocalPostgres
import Postgres
import Testing
import Turns

@Suite(.turns) struct ResultsOfAConnection {
  @Test func `come as text, number, truth and bytes`() async throws {
    let connection = try await Stage.connection()
    let rows = try await connection.query(
      #"""
      select 'grüße', 42, true, '\x00ff10'::bytea, null::text, -9223372036854775808, 'x' as "last"
      """#
    )
    #expect(rows.count == 1)
    #expect(rows.columns == 7)
    #expect(rows.affected == 1)
    #expect(rows.name(6) == "last")
    #expect(rows.text(0, 0) == "grüße")
    #expect(rows.integer(0, 1) == 42)
    #expect(rows.boolean(0, 2) == true)
    #expect(rows.bytes(0, 3) == [0, 255, 16])
    #expect(rows.isNull(0, 4) && rows.text(0, 4) == nil)
    #expect(rows.integer(0, 5) == .min)
    #expect(rows.withBytes(0, 0) { $0.count } == 7)
    await connection.close()
  }

  @Test func `give nil, never a trap, where they are asked for what is not there`() async throws {
    let connection = try await Stage.connection()
    let rows = try await connection.query("select 'word', '', '9223372036854775808', '-', 2")
    for column in [-1, 5, .max, .min] {
      #expect(rows.text(0, column) == nil)
      #expect(rows.bytes(0, column) == nil)
      #expect(rows.isNull(0, column))
      #expect(rows.name(column) == nil)
    }
    #expect(rows.text(1, 0) == nil && rows.text(-1, 0) == nil)
    for column in 0..<4 { #expect(rows.integer(0, column) == nil) }
    #expect(rows.boolean(0, 4) == nil)
    await connection.close()
  }

  @Test func `count what a statement changed`() async throws {
    let connection = try await Stage.connection()
    try await connection.script("create table t (n int); insert into t values (1), (2), (3)")
    #expect(try await connection.query("update t set n = n + 1 where n > 1").affected == 2)
    #expect(try await connection.query("create table u ()").affected == 0)
    await connection.close()
  }
}

@Suite(.turns) struct ParametersOfACall {
  @Test func `arrive as they were given`() async throws {
    let connection = try await Stage.connection()
    let long = String(repeating: "ä\"'\\$1;--\u{1F600}", count: 90_000)
    #expect(long.utf8.count > 1 << 20)
    for text in ["", "O'Reilly \"quoted\" \\ back", long] {
      let rows = try await connection.query("select $1::text", [.text(text)])
      #expect(rows.text(0, 0) == text)
    }
    let bytes = (0...255).map { UInt8($0) }
    let rows = try await connection.query(
      "select $1::text is null, $2::bigint, $3::boolean, $4::bytea, $5::boolean",
      [.null, .integer(.min), .boolean(false), .bytes(bytes), .boolean(true)])
    #expect(rows.boolean(0, 0) == true)
    #expect(rows.integer(0, 1) == .min)
    #expect(rows.boolean(0, 2) == false)
    #expect(rows.bytes(0, 3) == bytes)
    #expect(rows.boolean(0, 4) == true)
    let empty = try await connection.query("select $1::bytea", [.bytes([])])
    #expect(empty.bytes(0, 0) == [])
    await connection.close()
  }

  @Test func `may be arrays with anything in them`() async throws {
    let connection = try await Stage.connection()
    let elements: [String?] = ["", nil, "NULL", "a,b", "{x}", "\"\\'", " spaced ", "ß\n"]
    let rows = try await connection.query(
      "select e, e is null from unnest($1::text[]) with ordinality u (e, n) order by n",
      [.textArray(elements)])
    #expect((0..<rows.count).map { rows.text($0, 0) } == elements)
    let none = try await connection.query(
      "select cardinality($1::text[]), (select sum(e) from unnest($2::bigint[]) e)",
      [.textArray([]), .integerArray([1, -2, 40])])
    #expect(none.integer(0, 0) == 0)
    #expect(none.integer(0, 1) == 39)
    await connection.close()
  }

  @Test func `are refused with U+0000, instead of being cut off`() async throws {
    let connection = try await Stage.connection()
    for parameter in [Parameter.text("a\0b"), .textArray(["a", nil, "\0"])] {
      let error = await Stage.failure { _ = try await connection.query("select $1", [parameter]) }
      #expect(error == .invalidParameter)
    }
    #expect(await Stage.failure { try await connection.script("select 1\0") } == .invalidParameter)
    let many = [Parameter](repeating: .null, count: 65_536)
    #expect(
      await Stage.failure { _ = try await connection.query("select 1", many) } == .invalidParameter)
    #expect(try await connection.query("select 1").integer(0, 0) == 1)
    await connection.close()
  }
}

@Suite(.turns) struct ErrorsOfTheServer {
  @Test func `name the state and the constraint`() async throws {
    let connection = try await Stage.connection()
    try await connection.script(
      "create table posts (slug text constraint posts_slug_key unique not null)")
    _ = try await connection.query("insert into posts values ('a')")
    let twice = await Stage.failure {
      _ = try await connection.query("insert into posts values ('a')")
    }
    #expect(twice?.serverError?.sqlState == "23505")
    #expect(twice?.serverError?.constraint == "posts_slug_key")
    #expect(twice?.serverError?.table == "posts")
    let missing = await Stage.failure {
      _ = try await connection.query("insert into posts values (null)")
    }
    #expect(missing?.serverError?.sqlState == "23502")
    #expect(missing?.serverError?.column == "slug")
    #expect(try await connection.query("select count(*) from posts").integer(0, 0) == 1)
    await connection.close()
  }

  @Test func `undo a whole script`() async throws {
    let connection = try await Stage.connection()
    let error = await Stage.failure {
      try await connection.script("create table t (); select 1/0; create table u ()")
    }
    #expect(error?.serverError?.sqlState == "22012")
    #expect(try await connection.query("select to_regclass('t') is null").boolean(0, 0) == true)
    await connection.close()
  }
}

@Suite(.turns) struct SessionOfAConnection {
  @Test func `is set up as it must be, around what the operator wishes`() async throws {
    let conninfo = try await TestCluster.shared.makeDatabase().conninfo
    var settings = SessionSettings(searchPath: "colophon, \"odd\\schema\"")
    settings.statementTimeout = .seconds(7)
    let connection = try await Connection.open(
      conninfo
        + " options='-c work_mem=5MB -c lock_timeout=1234 -c synchronous_commit=off"
        + " -c TimeZone=Asia/Tokyo'",
      on: Stage.loop, deadline: Stage.soon, settings: settings)
    func show(_ name: String) async throws -> String? {
      try await connection.query("select current_setting($1)", [.text(name)]).text(0, 0)
    }
    let expected = [
      "search_path": "colophon, \"odd\\schema\"", "plan_cache_mode": "force_generic_plan",
      "jit": "off", "default_transaction_isolation": "read committed",
      "synchronous_commit": "on", "statement_timeout": "7s", "lock_timeout": "1234ms",
      "work_mem": "5MB", "TimeZone": "UTC", "client_encoding": "UTF8",
      "application_name": "colophon", "idle_in_transaction_session_timeout": "10s",
      "client_connection_check_interval": "2s",
    ]
    for (name, value) in expected { #expect(try await show(name) == value, "\(name)") }
    await connection.close()
  }

  @Test func `answers calls in their order, also when many are made at once`() async throws {
    let connection = try await Stage.connection()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for index in 0..<100 {
        group.addTask {
          try await connection.query("select $1::int", [.integer(index)]).integer(0, 0) == index
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
    await connection.close()
  }

  @Test func `ends every call when it is closed`() async throws {
    let connection = try await Stage.connection()
    async let slow = Stage.failure { _ = try await connection.query("select pg_sleep(30)") }
    async let queued = Stage.failure { _ = try await connection.query("select 1") }
    let watcher = try await Stage.connect(
      try await TestCluster.shared.conninfo(database: "postgres"))
    let backend = await connection.backend
    try await Stage.eventually("the call is under way") {
      try await watcher.query(
        "select 1 from pg_stat_activity where pid = $1 and state = 'active'", [.integer(backend)]
      ).count == 1
    }
    await connection.close()
    #expect(await slow == .connectionLost)
    #expect(await queued == .connectionLost)
    #expect(
      await Stage.failure { _ = try await connection.query("select 1") } == .connectionLost)
    await watcher.close()
  }

  @Test func `is given up when an answer does not come in time`() async throws {
    let connection = try await Stage.connection()
    let error = await Stage.failure {
      _ = try await connection.query("select pg_sleep(30)", deadline: .now() + .milliseconds(100))
    }
    #expect(error == .timedOut)
    #expect(
      await Stage.failure { _ = try await connection.query("select 1") } == .connectionLost)
  }

  @Test func `refuses what it cannot connect to, and says why`() async throws {
    for conninfo in ["host=/nonexistent", "nonsense=1", "host=127.0.0.1 port=1"] {
      let error = await Stage.failure { _ = try await Stage.connect(conninfo) }
      guard case .unavailable(let text) = error else {
        Issue.record("\(conninfo): \(String(describing: error))")
        continue
      }
      #expect(!text.isEmpty)
    }
  }

  @Test func `does not repeat a malformed connection string, which may hold a password`() async {
    for conninfo in [
      "password=two secret-words", "postgres://u:secret%zz@h/d", "postgres://[secret",
      "host=x password='secret", "secret=1", "postgres://u@h/d?secret", "port=5 secret",
    ] {
      let error = await Stage.failure { _ = try await Stage.connect(conninfo) }
      guard case .unavailable(let text) = error else {
        Issue.record("\(conninfo): \(String(describing: error))")
        continue
      }
      #expect(!text.contains("secret"))
    }
  }

  @Test func `goes on to the next host when one refuses or swallows`() async throws {
    let database = try await TestCluster.shared.makeDatabase()
    let first = try await Stage.connect(database.conninfo)
    let row = try await first.query(
      "select current_setting('unix_socket_directories'), current_setting('port')")
    let folder = try #require(row.text(0, 0))
    let port = try #require(row.text(0, 1))
    await first.close()
    // Nobody accepts what this socket's queue takes in.
    let silent = try Socket.listen(
      on: SocketAddress(octets: [127, 0, 0, 1], port: 0), sharingPort: false)
    let silentPort = try silent.localAddress().port
    let connection = try await Connection.open(
      database.conninfo
        + " host='/nonexistent,127.0.0.1,\(folder)' port='1,\(silentPort),\(port)'",
      on: Stage.loop, deadline: Stage.soon)
    #expect(try await connection.query("select 1").integer(0, 0) == 1)
    await connection.close()
  }
}
