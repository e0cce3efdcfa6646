import EventLoop
package import Postgres

/// Looks a database over with the role that will serve it: what it is, what the role may, and
/// whether its settings keep the promises of README. Changes nothing.
package struct DatabaseCheck: Sendable {
  private let connection: Connection
  private let runtimeRole: String
  private let loops: Int

  /// - Parameters:
  ///   - connection: opened with `session(to:)`.
  ///   - runtimeRole: whom `migrate` grants to.
  ///   - loops: how many a server on this machine has.
  package init(_ connection: Connection, runtimeRole: String, loops: Int) {
    self.connection = connection
    self.runtimeRole = runtimeRole
    self.loops = loops
  }

  /// What a session of the check is set to: as those of the service, but content with any server
  /// where there is but one, so that it can say which it has met.
  package static func session(to conninfo: String) -> SessionSettings {
    var session = PoolSettings().session
    if (try? Destination(conninfo))?.hosts.count == 1 { session.targetSessionAttributes = "any" }
    session.applicationName = "colophon check"
    return session
  }

  /// Throws when the database does not answer.
  ///
  /// - Parameter another: opens one more connection like that of the check.
  package func findings(
    another: () async throws(PostgresError) -> Connection
  ) async throws(PostgresError) -> [Finding] {
    let start = MonotonicInstant.now()
    let facts = try await query(Self.facts)
    let took = MonotonicInstant.now() - start
    var findings = [await server(facts)]
    findings.append(Self.clocks(of: number(facts, "clock"), WallClock.unixMilliseconds(), took))
    if let pooler = try await pooler(facts, another) { findings.append(pooler) }
    findings.append(settings(facts))
    findings.append(durability(facts))
    if let idle = idleTimeout(facts) { findings.append(idle) }
    findings.append(room(facts))
    let standing = try await Schema.standing(connection)
    findings.append(schema(standing))
    if standing != .missing {
      findings += try await role(facts)
    }
    return findings
  }

  private func query(_ sql: String) async throws(PostgresError) -> Rows {
    try await connection.query(sql, deadline: .now() + .seconds(5))
  }

  /// Columns by the names that `facts` gives them.
  private static let columns = [
    ("version", "current_setting('server_version')"),
    ("number", "current_setting('server_version_num')::int"),
    ("encoding", "current_setting('server_encoding')"),
    ("standby", "pg_is_in_recovery()"),
    ("read_only", "current_setting('default_transaction_read_only') = 'on'"),
    ("process", "pg_backend_pid()"),
    ("clock", "(extract(epoch from statement_timestamp()) * 1000)::bigint"),
    ("time_zone", "current_setting('TimeZone')"),
    ("isolation", "current_setting('default_transaction_isolation')"),
    ("statement_timeout", "current_setting('statement_timeout')"),
    ("commit", "current_setting('synchronous_commit')"),
    ("fsync", "current_setting('fsync') = 'on'"),
    ("full_page_writes", "current_setting('full_page_writes') = 'on'"),
    ("idle_timeout", "current_setting('idle_session_timeout')"),
    ("role", "current_user::text"),
    ("superuser", "(select rolsuper from pg_roles where rolname = current_user)"),
    ("role_limit", "(select rolconnlimit from pg_roles where rolname = current_user)"),
    (
      "database_limit",
      "(select datconnlimit from pg_database where datname = current_database())"
    ),
    (
      "slots",
      """
      current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
      """
    ),
    ("taken", "(select sum(numbackends)::int from pg_stat_database where datid <> 0)"),
    (
      "ours",
      """
      (select count(*)::int from pg_stat_activity
        where usename = current_user and application_name like 'colophon%')
      """
    ),
  ]

  private static let facts =
    "select " + columns.map { "\($0.1) as \($0.0)" }.joined(separator: ", ")

  private static func column(_ name: String) -> Int {
    columns.firstIndex { $0.0 == name } ?? columns.count
  }

  private func text(_ facts: Rows, _ name: String) -> String {
    facts.text(0, Self.column(name)) ?? ""
  }

  private func number(_ facts: Rows, _ name: String) -> Int {
    facts.integer(0, Self.column(name)) ?? 0
  }

  private func holds(_ facts: Rows, _ name: String) -> Bool {
    facts.boolean(0, Self.column(name)) ?? false
  }

  private func server(_ facts: Rows) async -> Finding {
    let name = "PostgreSQL \(text(facts, "version").prefix { $0 != " " })"
    if number(facts, "number") < 150_000 {
      return Finding(.wrong, "server", "\(name) is too old; Colophon needs 15 or newer")
    }
    if holds(facts, "standby") {
      return Finding(
        .wrong, "server",
        "\(name) is a standby, which takes no writes; let DATABASE_URL lead to the primary, or to "
          + "both: host=one,two")
    }
    if holds(facts, "read_only") {
      return Finding(
        .wrong, "server",
        "\(name) refuses writes to this role; alter role \(text(facts, "role")) reset "
          + "default_transaction_read_only, and the same for the database")
    }
    if text(facts, "encoding") != "UTF8" {
      return Finding(
        .wrong, "server",
        "the database is in \(text(facts, "encoding")), which cannot hold every text; make it anew "
          + "with createdb -E UTF8 -T template0")
    }
    return Finding(.good, "server", name + (await connection.usesTLS ? ", by TLS" : ""))
  }

  /// Compares the two clocks, in milliseconds since 1970. The database looked at its own at some
  /// moment of the round trip that has just ended, most likely in the middle.
  package static func clocks(of database: Int, _ here: Int64, _ roundTrip: Duration) -> Finding {
    let half = roundTrip.wholeNanoseconds / 2_000_000
    let difference = Int64(database) - (here - half)
    if difference.magnitude > 2000 + half.magnitude {
      let words =
        "\(difference.magnitude / 1000) s " + (difference < 0 ? "behind" : "ahead of")
      return Finding(
        .wrong, "clocks",
        "the database's is \(words) this machine's, and posts come out by the database's; set both "
          + "by NTP: timedatectl set-ntp true")
    }
    return Finding(.good, "clocks", "within \(max(1, difference.magnitude)) ms of each other")
  }

  /// A pooler makes up the number by which its clients may cancel. Where two sessions of it turn out
  /// to be one, it deals sessions out by the transaction.
  private func pooler(
    _ facts: Rows, _ another: () async throws(PostgresError) -> Connection
  ) async throws(PostgresError) -> Finding? {
    if await connection.backend == number(facts, "process") { return nil }
    func mark(_ connection: Connection, _ name: String) async throws(PostgresError) {
      _ = try await connection.query(
        "select set_config('colophon.check', $1, false)", [.text(name)])
    }
    let other = try await another()
    try await mark(connection, "one")
    try await mark(other, "other")
    let mine = try await query("select current_setting('colophon.check', true)").text(0, 0)
    await other.close()
    if mine != "one" {
      return Finding(
        .wrong, "pooler",
        "the one between here and PostgreSQL deals sessions out by the transaction, and statements "
          + "are prepared for a session; connect to PostgreSQL itself, or set pool_mode = session")
    }
    return Finding(
      .doubtful, "pooler",
      "there is one between here and PostgreSQL; the service has a pool of its own and needs none")
  }

  private func settings(_ facts: Rows) -> Finding {
    let expected = [
      ("TimeZone", text(facts, "time_zone"), "UTC"),
      ("default_transaction_isolation", text(facts, "isolation"), "read committed"),
      ("statement_timeout", text(facts, "statement_timeout"), "5s"),
    ]
    for (name, value, wanted) in expected where value != wanted {
      let isOwn = name == "statement_timeout" && value != "0"
      return Finding(
        isOwn ? .doubtful : .wrong, "sessions",
        isOwn
          ? "\(name) is \(value) instead of \(wanted), by `options` in DATABASE_URL or PGOPTIONS"
          : "\(name) is \(value), though every session asks for \(wanted): something between here "
            + "and the database drops `options`; connect to PostgreSQL itself")
    }
    return Finding(.good, "sessions", "have the settings that they ask for")
  }

  private func durability(_ facts: Rows) -> Finding {
    for name in ["fsync", "full_page_writes"] where !holds(facts, name) {
      return Finding(
        .wrong, "durability",
        "\(name) is off: a power cut may destroy the whole database; alter system set \(name) = on, "
          + "then select pg_reload_conf()")
    }
    let commit = text(facts, "commit")
    guard ["on", "remote_apply"].contains(commit) else {
      return Finding(
        .wrong, "durability",
        "synchronous_commit is \(commit): writes that were answered may be lost; something between "
          + "here and the database drops `options`")
    }
    return Finding(.good, "durability", "what is answered is on disk")
  }

  private func idleTimeout(_ facts: Rows) -> Finding? {
    let value = text(facts, "idle_timeout")
    if value == "0" { return nil }
    return Finding(
      .doubtful, "idle sessions",
      "idle_session_timeout is \(value): the service loses and opens connections all the time; "
        + "alter role \(text(facts, "role")) set idle_session_timeout = 0")
  }

  private func room(_ facts: Rows) -> Finding {
    let need = 1 + (0..<loops).reduce(0) { $0 + PoolSettings.ofLoop($1).connections }
    let others = number(facts, "taken") - number(facts, "ours")
    let limits = [number(facts, "role_limit"), number(facts, "database_limit")].filter { $0 >= 0 }
    let room = min(number(facts, "slots") - others, limits.min() ?? .max)
    let words = "a server here takes \(need), by its number of processors"
    if need > room {
      return Finding(
        .wrong, "connections",
        "\(words), and there is room for \(max(0, room)); raise max_connections, or the limit of "
          + "role and database")
    }
    return Finding(.good, "connections", "\(words); there is room for \(room)")
  }

  private func schema(_ standing: Schema.Standing) -> Finding {
    switch standing {
    case .serves: Finding(.good, "schema", "this program may serve it")
    case .missing:
      Finding(.wrong, "schema", "there is none; run colophon migrate as the owner's role")
    case .older(let version):
      Finding(
        .wrong, "schema",
        "it has version \(version), this program needs \(Schema.version); run colophon migrate as "
          + "the owner's role")
    case .newer(let oldest):
      Finding(
        .wrong, "schema",
        "it needs a program of version \(oldest), this one is \(Schema.version); install a newer "
          + "one")
    }
  }

  private static let rights = """
    select
      exists (select from pg_class where relnamespace = 'colophon'::regnamespace
        and pg_has_role(current_user, relowner, 'usage')),
      has_schema_privilege('colophon', 'create'),
      has_database_privilege(current_database(), 'create'),
      has_database_privilege(current_database(), 'temporary')
    """

  private func role(_ facts: Rows) async throws(PostgresError) -> [Finding] {
    let name = text(facts, "role")
    let instead = "serve as the role that migrate grants to, \(runtimeRole)"
    if holds(facts, "superuser") {
      return [Finding(.wrong, "role", "\(name) is a superuser, who may do everything; \(instead)")]
    }
    let rights = try await query(Self.rights)
    if rights.boolean(0, 0) == true {
      return [
        Finding(
          .wrong, "role",
          "\(name) owns the tables, so that a fault could change them; \(instead)")
      ]
    }
    let excesses = [
      (1, "make tables in the schema", "revoke create on schema colophon from"),
      (2, "make schemas", "revoke create on database … from"),
    ].filter { rights.boolean(0, $0.0) == true }
    if let (_, what, statement) = excesses.first {
      return [
        Finding(
          .wrong, "role", "\(name) may \(what), which serving does not need; \(statement) \(name)")
      ]
    }
    let missing = try await Schema.missingGrants(connection, to: name)
    if missing.isEmpty {
      return [Finding(.good, "role", "\(name) may read and write rows, and nothing else")]
    }
    return missing.map {
      Finding(.wrong, "role", "\(name) has other rights than migrate gives; the owner runs: \($0)")
    }
  }
}
