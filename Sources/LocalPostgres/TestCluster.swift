package import EventLoop
import Glibc
import Postgres
import Synchronization

/// A cluster for tests, in a temporary folder that goes when the process ends. Tests share one,
/// which starts on first use, and have a database of their own each; a test that stops or freezes
/// the server starts another for itself.
///
/// All of them live on one loop whose thread ends with the process. A process that is killed takes
/// its servers along, but leaves their folders; the next process that starts a cluster removes them.
package actor TestCluster: LoopBound {
  /// The one that the tests of this process share.
  package static let shared = TestCluster()

  private static let thread: EventLoop = {
    do {
      let loop = try EventLoop()
      try loop.start()
      return loop
    } catch {
      preconditionFailure("no event loop for the test cluster: \(error)")
    }
  }()

  package nonisolated let loop = TestCluster.thread
  private var starting: Task<LocalCluster, any Error>?
  private var templates: [String: Task<Void, any Error>] = [:]
  private var databaseCount = 0
  private nonisolated let remains = Remains()

  /// What it is a standby of.
  private var primary: LocalCluster?

  private init() {}

  /// Starts a cluster of the caller's own; `stop` it.
  package static func start() async throws -> TestCluster {
    let cluster = TestCluster()
    _ = try await cluster.server()
    return cluster
  }

  /// Starts a hot standby of `primary`, by pg_basebackup; `stop` it.
  package static func start(standbyOf primary: TestCluster) async throws -> TestCluster {
    let cluster = TestCluster()
    await cluster.follow(try await primary.server())
    _ = try await cluster.server()
    return cluster
  }

  /// Makes a database: empty, or a copy of a template that `makeTemplate` has made. It takes some
  /// 10 ms. Its name has not been used before in this cluster.
  package func makeDatabase(from template: String? = nil) async throws -> TestDatabase {
    databaseCount += 1
    let name = "test_\(databaseCount)"
    let source = template.map { "template " + ConnectionString.identifier($0) } ?? ""
    // Without fsync, copying files is several times faster than logging every page.
    try await execute(
      "create database \(ConnectionString.identifier(name)) \(source) strategy file_copy")
    return TestDatabase(name: name, conninfo: try await conninfo(database: name), cluster: self)
  }

  /// Makes a template once: whoever asks again for one of that name gets the first, made or failed.
  /// `schema` must have closed its connections to it when it returns.
  package func makeTemplate(
    _ name: String, schema: @Sendable @escaping (_ conninfo: String) async throws -> Void
  ) async throws {
    let making =
      templates[name]
      ?? Task(executorPreference: loop) {
        try await self.execute("create database \(ConnectionString.identifier(name))")
        try await schema(try await self.conninfo(database: name))
      }
    templates[name] = making
    try await making.value
  }

  /// Where to connect to, in libpq's keyword form, as the superuser.
  package func conninfo(database: String) async throws -> String {
    try await server().conninfo(database: database)
  }

  /// Stops the server and starts it again; connections to it break, `conninfo` stays the same.
  package func restart(_ shutdown: LocalCluster.Shutdown = .fast) async throws {
    try await server().restart(shutdown)
  }

  /// The number of the server's first process; changes with a restart. Throws what starting it did.
  package func pid() async throws -> Int32 { try await server().pid }

  /// Stops all processes of the server (SIGSTOP): connections are accepted by the kernel, but
  /// nothing is ever answered until `thaw`. Only for a cluster of one's own.
  package func freeze() async throws { try await send(SIGSTOP) }

  /// Lets all processes of the server go on.
  package func thaw() async throws { try await send(SIGCONT) }

  /// Kills all processes of the server at once, as when its machine fails.
  package func kill() async throws { try await send(SIGKILL) }

  private func send(_ signal: Int32) async throws {
    let pid = try await pid()
    for process in [pid] + OtherProcess.children(of: pid) {
      OtherProcess.send(signal, to: process)
    }
  }

  /// Stops the server and removes its folder. Nothing else may be asked of this value afterwards.
  package func stop() async {
    guard let server = try? await starting?.value else { return }
    try? await thaw()
    await server.stop(.immediate)
    remains.clear()
  }

  private func follow(_ primary: LocalCluster) { self.primary = primary }

  private func server() async throws -> LocalCluster {
    let task = starting ?? Task(executorPreference: loop) { try await self.startServer() }
    starting = task
    return try await task.value
  }

  private func startServer() async throws -> LocalCluster {
    Remains.removeOfDeadProcesses()
    let folder = try Files.makeTemporaryFolder(
      prefix: "\(Remains.prefix)\(Environment.processIdentifier)-")
    let remains = remains
    remains.folder.withLock { $0 = folder }
    ProcessEnd.add { remains.clear() }
    return try await LocalCluster.start(
      dataFolder: folder, for: .tests, standbyOf: primary, on: loop)
  }

  fileprivate func execute(_ sql: String) async throws {
    // A machine that runs tests may be very busy.
    var settings = SessionSettings()
    settings.statementTimeout = .seconds(60)
    let connection = try await Connection.open(
      try await conninfo(database: "postgres"), on: loop, deadline: .now() + .seconds(20),
      settings: settings)
    do {
      _ = try await connection.query(sql, deadline: .now() + .seconds(60))
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
  }
}

/// A database of one test.
package struct TestDatabase: Sendable {
  package let name: String
  /// Where to connect to, in libpq's keyword form, as the superuser.
  package let conninfo: String
  fileprivate let cluster: TestCluster

  fileprivate init(name: String, conninfo: String, cluster: TestCluster) {
    self.name = name
    self.conninfo = conninfo
    self.cluster = cluster
  }

  /// Drops it, and whoever is connected to it. It goes with the cluster anyway; many tests need the
  /// 8 MB that each holds.
  package func drop() async throws {
    try await cluster.execute(
      "drop database \(ConnectionString.identifier(name)) with (force)")
  }
}

/// What a cluster for tests leaves, and its removal at the end of the process: from whatever thread
/// calls exit(3), while the loop still runs.
private final class Remains: Sendable {
  static let prefix = "/tmp/colophon-test-"

  let folder = Mutex<String?>(nil)

  /// Ends the server if it still runs and removes the folder; may be called again.
  func clear() {
    let left = folder.withLock { folder in
      defer { folder = nil }
      return folder
    }
    guard let left, let folder = try? DataFolder(left) else { return }
    Self.end(folder)
    Files.remove(folder.path)
  }

  /// Removes the folders of this user's processes that have ended without doing it themselves.
  static func removeOfDeadProcesses() {
    for name in Files.names(in: "/tmp") {
      let path = "/tmp/\(name)"
      guard path.hasPrefix(prefix),
        let pid = Int32(path.dropFirst(prefix.count).prefix { $0 != "-" }),
        !OtherProcess.exists(pid), Files.status(path)?.owner == UserAccount.effectiveUser,
        let folder = try? DataFolder(path)
      else { continue }
      end(folder)
      Files.remove(folder.path)
    }
  }

  private static func end(_ folder: DataFolder) {
    for attempt in 0..<1000 {
      guard let server = folder.runningServer else { break }
      if attempt == 0 { OtherProcess.send(SIGQUIT, to: server.pid) }
      if attempt >= 500 {
        let backends = OtherProcess.children(of: server.pid)
        for pid in [server.pid] + backends { OtherProcess.send(SIGKILL, to: pid) }
      }
      usleep(2000)
    }
    folder.removeSocketFolder()
  }
}
