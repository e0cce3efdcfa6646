package import EventLoop
import Glibc
import Synchronization

/// A private PostgreSQL cluster: a folder, and the server that runs on it as a child of this process.
///
/// Nobody but the server's user and root gets in: the server listens on one Unix socket, and both
/// the socket's folder (mode 0700) and the socket are that user's alone. The kernel has checked who
/// comes before PostgreSQL sees a connection, so `trust` is the authentication; `peer` would check
/// the same again and need a map from root to the one role, `colophon`.
///
/// The server hears of the death of the thread that started it and shuts down (SIGINT), so a cluster
/// must be started on a loop whose thread lives as long as the process. Owner: whoever started it.
package actor LocalCluster: LoopBound {
  /// The role that owns everything in a cluster; its superuser.
  package static let role = "colophon"

  /// What the cluster is for, which decides how durable it is.
  package enum Purpose: Sendable {
    /// Survives a power failure, like production.
    case development
    /// Survives the end of the server, but not of the machine: nothing is flushed to the disk.
    case tests
  }

  /// How the server is shut down.
  package enum Shutdown: Sendable {
    /// Clients are disconnected, everything is written (SIGINT).
    case fast
    /// Everything is dropped at once; the next start recovers (SIGQUIT).
    case immediate
  }

  package nonisolated let loop: EventLoop
  private let folder: DataFolder
  private let programs: ServerPrograms
  private let account: ServerAccount
  private let purpose: Purpose
  private nonisolated let socketFolder: String
  private var lock: Descriptor?
  private var server: ChildProcess?
  private nonisolated let serverPid = Atomic<Int32>(0)

  /// Starts the server on `dataFolder`, which is made with a cluster in it where it is missing, and
  /// returns when it accepts connections: typically after 0.1 s, a new cluster after a second, at
  /// most a minute when there is much to recover. A server of a process that was killed is waited
  /// for. `programs` are found when nil. With a primary, a cluster that has to be made becomes its
  /// hot standby.
  package static func start(
    dataFolder: String, for purpose: Purpose = .development, programs: ServerPrograms? = nil,
    standbyOf primary: LocalCluster? = nil, on loop: EventLoop
  ) async throws(LocalPostgresError) -> LocalCluster {
    let folder = try DataFolder(dataFolder)
    let account = try ServerAccount.choose(for: folder)
    let programs = try await suitable(programs, for: folder, on: loop)
    try await account.makeReachable(folder, programs, on: loop)
    let cluster: LocalCluster
    do {
      guard let lock = try Files.lock(folder.lock) else {
        throw LocalPostgresError.inUse(folder: folder.path)
      }
      try await endServerLeftBehind(on: folder, loop)
      folder.removeUnfinished()
      if !folder.hasCluster {
        if let primary {
          try await copyCluster(of: primary, to: folder, programs, account, on: loop)
        } else {
          try await makeCluster(in: folder, programs, account, purpose, on: loop)
        }
      }
      try folder.disownPostmasterFile(for: account)
      cluster = LocalCluster(
        folder, programs, account, purpose,
        socketFolder: try folder.makeSocketFolder(for: account), lock: lock, loop: loop)
    } catch let error as SystemError {
      throw .system(error)
    } catch let error as LocalPostgresError {
      throw error
    } catch {
      preconditionFailure("\(error)")
    }
    do {
      try await cluster.startServer()
    } catch {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  private init(
    _ folder: DataFolder, _ programs: ServerPrograms, _ account: ServerAccount,
    _ purpose: Purpose, socketFolder: String, lock: consuming Descriptor, loop: EventLoop
  ) {
    self.folder = folder
    self.programs = programs
    self.account = account
    self.purpose = purpose
    self.socketFolder = socketFolder
    self.lock = consume lock
    self.loop = loop
  }

  /// Where to connect to, in libpq's keyword form, as the superuser.
  package nonisolated func conninfo(database: String = "postgres") -> String {
    ConnectionString.local(socketFolder: socketFolder, database: database)
  }

  /// The number of the server's first process; 0 when it does not run. It changes with a restart.
  package nonisolated var pid: Int32 { serverPid.load(ordering: .relaxed) }

  /// The data folder: absolute, without links.
  package nonisolated var dataFolder: String { folder.path }

  /// Waits for the end of the server that runs now, whoever ends it.
  package func exit() async {
    _ = await server?.exit()
  }

  /// Stops the server and lets go of the data folder; the data stays. Bounded: a server that does
  /// not end in 10 s is made to. May be called again.
  package func stop(_ shutdown: Shutdown = .fast) async {
    await stopServer(shutdown)
    if lock != nil { folder.removeSocketFolder() }
    lock = nil
  }

  /// Stops the server and starts it again on the same folder and socket.
  package func restart(_ shutdown: Shutdown = .fast) async throws(LocalPostgresError) {
    await stopServer(shutdown)
    try await startServer()
  }

  private func stopServer(_ shutdown: Shutdown) async {
    guard let server else { return }
    await server.send(shutdown == .fast ? SIGINT : SIGQUIT)
    if await !hasEnded(server, within: .seconds(10)) {
      await server.send(SIGQUIT)
      if await !hasEnded(server, within: .seconds(6)) {
        // Its backends are sessions of their own; those that hang do not notice its end.
        let backends = OtherProcess.children(of: server.pid)
        await server.send(SIGKILL)
        for backend in backends { OtherProcess.send(SIGKILL, to: backend) }
        _ = await server.exit()
      }
    }
    serverPid.store(0, ordering: .relaxed)
    self.server = nil
  }

  private func hasEnded(_ server: ChildProcess, within duration: Duration) async -> Bool {
    let deadline = MonotonicInstant.now() + duration
    while await server.ended == nil {
      if .now() > deadline { return false }
      await loop.sleep(for: .milliseconds(5))
    }
    return true
  }

  // Starting

  private static let marker = "cluster_name=colophon"

  private var arguments: [String] {
    var settings = [
      Self.marker, "listen_addresses=", "port=5432",
      "unix_socket_directories=\(socketFolder)", "unix_socket_permissions=0700",
      "logging_collector=off", "log_destination=stderr", "log_checkpoints=off",
    ]
    if purpose == .tests {
      settings += [
        "fsync=off", "full_page_writes=off", "synchronous_commit=on", "shared_buffers=32MB",
        "max_connections=200", "autovacuum=off", "max_logical_replication_workers=0",
        // Without one, no COMMIT would ever wait for a standby, which tests make them do.
        "max_wal_senders=1",
      ]
    }
    return ["-D", folder.cluster] + settings.flatMap { ["-c", $0] }
  }

  private func startServer() async throws(LocalPostgresError) {
    let deadline = MonotonicInstant.now() + .seconds(60)
    while true {
      Files.remove(folder.log)
      var program = account.program(programs.postgres, arguments)
      program.output = .file(folder.log)
      program.deathSignal = SIGINT
      let server: ChildProcess
      do { server = try await ChildProcess.start(program, on: loop) } catch {
        throw .system(error)
      }
      self.server = server
      serverPid.store(server.pid, ordering: .relaxed)
      if try await isReady(server, by: deadline) { return }
      serverPid.store(0, ordering: .relaxed)
      self.server = nil
      let log = folder.logLines
      // Backends of a server that was killed end soon after it, and the next one must wait for them.
      guard log.contains("pre-existing shared memory block"), .now() < deadline else {
        throw .notStarted(reason: "did not start", log: log)
      }
      await loop.sleep(for: .milliseconds(20))
    }
  }

  /// False when the server has ended.
  private func isReady(
    _ server: ChildProcess, by deadline: MonotonicInstant
  ) async throws(LocalPostgresError) -> Bool {
    while await server.ended == nil {
      if let file = folder.postmaster, file.pid == server.pid, file.isReady { return true }
      if .now() > deadline {
        throw .notStarted(reason: "was not ready within a minute", log: folder.logLines)
      }
      await loop.sleep(for: .milliseconds(5))
    }
    return false
  }

  private static func suitable(
    _ programs: ServerPrograms?, for folder: DataFolder, on loop: EventLoop
  ) async throws(LocalPostgresError) -> ServerPrograms {
    guard let version = folder.version else {
      if let programs { return programs }
      return try await .find(on: loop)
    }
    if let programs {
      if programs.version == version { return programs }
      throw .versionMissing(version, folder: folder.path)
    }
    do {
      return try await .find(version: version, on: loop)
    } catch {
      throw .versionMissing(version, folder: folder.path)
    }
  }

  /// Waits for the server of a process that was killed: it is shutting down. One that hangs in it is
  /// killed if it is ours; one that somebody has started by hand is left alone.
  private static func endServerLeftBehind(
    on folder: DataFolder, _ loop: EventLoop
  ) async throws(LocalPostgresError) {
    let start = MonotonicInstant.now()
    var signals: [(Int32, after: Duration)] = [
      (SIGINT, .seconds(5)), (SIGQUIT, .seconds(10)), (SIGKILL, .seconds(16)),
    ]
    while let server = folder.runningServer {
      let waited = MonotonicInstant.now() - start
      if waited > .seconds(10), !server.arguments.contains(marker) {
        throw .inUse(folder: folder.path)
      }
      if waited > .seconds(20) { throw .inUse(folder: folder.path) }
      if let next = signals.first, waited > next.after, server.arguments.contains(marker) {
        signals.removeFirst()
        let backends = next.0 == SIGKILL ? OtherProcess.children(of: server.pid) : []
        for pid in [server.pid] + backends { OtherProcess.send(next.0, to: pid) }
      }
      await loop.sleep(for: .milliseconds(5))
    }
  }

  /// Makes the cluster beside its place and moves it there when it is whole, so that an initdb that
  /// is killed leaves nothing that looks like one.
  private static func makeCluster(
    in folder: DataFolder, _ programs: ServerPrograms, _ account: ServerAccount,
    _ purpose: Purpose, on loop: EventLoop
  ) async throws {
    var failure = ""
    // C.UTF-8 knows the letters of all languages and sorts by code point; before glibc 2.35 not
    // every system has it.
    for locale in ["C.UTF-8", "C"] {
      let unfinished = try folder.makeUnfinished()
      try account.give(unfinished)
      var program = account.program(
        programs.initdb,
        [
          "--pgdata=\(unfinished)", "--username=\(role)", "--encoding=UTF8", "--locale=\(locale)",
          "--auth-local=trust", "--auth-host=reject", "--no-instructions",
        ] + (purpose == .tests ? ["--no-sync"] : []))
      program.output = .captured
      program.deathSignal = SIGKILL
      let (exit, output) = try await ChildProcess.run(program, on: loop)
      if exit == .status(0) {
        try Files.rename(unfinished, to: folder.cluster)
        return
      }
      Files.remove(unfinished)
      failure = LocalPostgresError.lastLines(output)
      guard failure.contains("invalid locale name") else { break }
    }
    throw LocalPostgresError.notMade(output: failure)
  }

  /// Makes the cluster as a copy that follows its primary.
  private static func copyCluster(
    of primary: LocalCluster, to folder: DataFolder, _ programs: ServerPrograms,
    _ account: ServerAccount, on loop: EventLoop
  ) async throws {
    let unfinished = try folder.makeUnfinished()
    try account.give(unfinished)
    var program = account.program(
      programs.baseBackup,
      [
        "--pgdata=\(unfinished)", "--dbname=\(primary.conninfo())", "--write-recovery-conf",
        "--wal-method=fetch", "--checkpoint=fast", "--no-sync",
      ])
    program.output = .captured
    program.deathSignal = SIGKILL
    let (exit, output) = try await ChildProcess.run(program, on: loop)
    guard exit == .status(0) else {
      Files.remove(unfinished)
      throw LocalPostgresError.notMade(output: LocalPostgresError.lastLines(output))
    }
    try Files.rename(unfinished, to: folder.cluster)
  }
}
