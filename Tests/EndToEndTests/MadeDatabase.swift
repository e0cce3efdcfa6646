import EventLoop
import LocalPostgres
import Testing

/// A database that `colophon migrate` has made, with a key that `colophon key create` has.
struct MadeDatabase: Sendable {
  let conninfo: String
  let key: String

  /// One in the cluster that all tests share.
  static func make() async throws -> MadeDatabase {
    let key = try await template.value
    let database = try await TestCluster.shared.makeDatabase(from: templateName)
    return MadeDatabase(conninfo: database.conninfo, key: key)
  }

  /// One in a cluster of one's own.
  static func make(in cluster: TestCluster, _ stage: Stage) async throws -> MadeDatabase {
    let database = try await cluster.makeDatabase()
    try await migrate(database.conninfo, stage)
    let key = try await makeKey(database.conninfo, stage)
    return MadeDatabase(conninfo: database.conninfo, key: key)
  }

  private static let templateName = "colophon"

  private static let template = Task { () async throws -> String in
    try await TestCluster.shared.makeTemplate(templateName) { conninfo in
      try await Stage.run { try await migrate(conninfo, $0) }
    }
    return try await Stage.run { stage in
      try await makeKey(try await TestCluster.shared.conninfo(database: templateName), stage)
    }
  }

  private static func migrate(_ conninfo: String, _ stage: Stage) async throws {
    let migrated = try await stage.run(["migrate"], ["DATABASE_URL": conninfo])
    try #require(migrated.exit == .status(0), "\(migrated.errors)")
  }

  private static func makeKey(_ conninfo: String, _ stage: Stage) async throws -> String {
    let made = try await stage.run(
      ["key", "create", "tests", "--scope", "posts:write,posts:read_drafts"],
      ["DATABASE_URL": conninfo])
    try #require(made.exit == .status(0), "\(made.errors)")
    return String(made.output.dropLast())
  }

  /// The same database as another role.
  func conninfo(as role: String) -> String {
    conninfo + " " + ConnectionString.setting("user", role)
  }
}

extension Stage {
  /// Starts `colophon serve` on free ports, with limits that no load of a test reaches, and waits
  /// until it serves.
  func serve(
    _ conninfo: String, _ environment: [String: String] = [:]
  ) async throws -> Served {
    var environment = environment
    environment["DATABASE_URL"] = conninfo
    for name in ["COLOPHON_LISTEN", "COLOPHON_PRIVATE_LISTEN"] where environment[name] == nil {
      environment[name] = "127.0.0.1:0"
    }
    if environment["COLOPHON_RATE_LIMITS"] == nil {
      environment["COLOPHON_RATE_LIMITS"] = Self.wideLimits
    }
    let program = try await start(["serve"], environment)
    return Served(
      program: program, address: try await program.address(),
      health: try await program.privateAddress())
  }

  /// More than any load of a test asks for.
  static let wideLimits = ["address", "key", "credential"]
    .map { $0 + ":burst=1000000/1s,sustained=1000000/1s" }.joined(separator: ";")

  /// What /readyz or /livez says.
  func health(_ served: Served, _ path: String) async throws -> Int {
    try await get(served.health, path).status
  }
}

/// A `colophon serve` that serves.
struct Served: Sendable {
  let program: Program
  let address: SocketAddress
  let health: SocketAddress
}
