import EventLoop
import LocalPostgres
import Postgres
import Testing

/// A loop and a temporary folder for one test; what runs in the folder has to be stopped by the test.
struct Stage: Sendable {
  let loop: EventLoop
  let folder: String
  var data: String { folder + "/data" }

  /// Runs `body` on the thread of a new loop, and removes the folder after it.
  static func run(_ body: @Sendable @escaping (Stage) async throws -> Void) async throws {
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    let folder = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-stage-")
    defer { Files.remove(folder) }
    // Root's server is another user's, who has to get in.
    try Files.setMode(folder, 0o711)
    try await Task(executorPreference: loop) {
      try await body(Stage(loop: loop, folder: folder))
    }.value
  }

  /// The same with a cluster in `data` that has been made and stopped: for tests that are not about
  /// making one, which takes longer than all that they do.
  static func runOnCluster(
    _ body: @Sendable @escaping (Stage) async throws -> Void
  ) async throws {
    let made = try await made.value
    try await run { stage in
      let copy = ChildProcess.Program("/bin/cp", ["-a", made, stage.data])
      let (exit, _) = try await ChildProcess.run(copy, on: stage.loop)
      try #require(exit == .status(0))
      try await body(stage)
    }
  }

  private static let made = Task { () async throws -> String in
    let folder = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-stage-")
    ProcessEnd.add { Files.remove(folder) }
    try Files.setMode(folder, 0o711)
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    try await Task(executorPreference: loop) {
      try await LocalCluster.start(dataFolder: folder + "/data", for: .tests, on: loop).stop()
    }.value
    return folder + "/data"
  }

  func start(_ path: String? = nil) async throws -> LocalCluster {
    try await LocalCluster.start(dataFolder: path ?? data, for: .tests, on: loop)
  }

  /// Starts a cluster for as long as `body` runs.
  func withCluster(
    _ path: String? = nil, _ body: (LocalCluster) async throws -> Void
  ) async throws {
    let cluster = try await start(path)
    do {
      try await body(cluster)
    } catch {
      await cluster.stop()
      throw error
    }
    await cluster.stop()
  }

  /// The first value that `sql` gives.
  func ask(_ conninfo: String, _ sql: String) async throws -> String? {
    let connection = try await Connection.open(
      conninfo, on: loop, deadline: .now() + .seconds(60))
    do {
      let rows = try await connection.query(sql)
      await connection.close()
      return rows.isEmpty ? nil : rows.text(0, 0)
    } catch {
      await connection.close()
      throw error
    }
  }

  func run(_ conninfo: String, _ sql: String) async throws {
    _ = try await ask(conninfo, sql)
  }

  /// Expects the first value that `sql` gives.
  func expect(
    _ value: String, from conninfo: String, _ sql: String,
    at location: SourceLocation = #_sourceLocation
  ) async throws {
    let answer = try await ask(conninfo, sql)
    #expect(answer == value, sourceLocation: location)
  }

  /// Waits until a program that has just been written can be run. Other tests start programs of
  /// theirs, which hold this one's file open for writing until they are executed (ETXTBSY).
  func canRun(_ path: String) async -> Bool {
    await comesToHold {
      var program = ChildProcess.Program(path)
      program.output = .discarded
      return (try? await ChildProcess.run(program, on: loop)) != nil
    }
  }

  /// Waits until `condition` holds, a minute at most; whether it came to hold.
  func comesToHold(_ condition: () async -> Bool) async -> Bool {
    let deadline = MonotonicInstant.now() + .seconds(60)
    while await !condition() {
      if .now() > deadline { return false }
      await loop.sleep(for: .milliseconds(5))
    }
    return true
  }
}
