import EventLoop
import Glibc
import LocalPostgres
import Testing
import Turns

@Suite(.turns) struct PrivateCluster {
  @Test func `starts on a folder that is not there yet`() async throws {
    try await Stage.run { stage in
      try await stage.withCluster { cluster in
        let conninfo = cluster.conninfo()
        try await stage.expect("colophon", from: conninfo, "select current_user")
        try await stage.expect("UTF8", from: conninfo, "show server_encoding")
        let addresses = "select current_setting('listen_addresses') = ''"
        try await stage.expect("t", from: conninfo, addresses)
      }
    }
  }

  @Test func `lets nobody into the folders of its data and its socket`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { cluster in
        let user = UserAccount.effectiveUser
        for part in ["/cluster", "/run"] {
          let status = try #require(Files.status(cluster.dataFolder + part))
          #expect(status.mode == 0o700)
          #expect(user == 0 ? status.owner != 0 : status.owner == user)
        }
        let methods = """
          select string_agg(distinct type || ' ' || auth_method, ', ') from pg_hba_file_rules
          """
        #expect(try await stage.ask(cluster.conninfo(), methods) == "host reject, local trust")
      }
    }
  }

  @Test func `keeps its data over stop and start`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { cluster in
        try await stage.run(cluster.conninfo(), "create table kept as select 7 as number")
      }
      #expect(Files.status(stage.data + "/run") == nil)
      try await stage.withCluster { cluster in
        try await stage.expect("7", from: cluster.conninfo(), "select number from kept")
      }
    }
  }

  @Test func `is refused a second time while it lives`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { cluster in
        await #expect(throws: LocalPostgresError.inUse(folder: cluster.dataFolder)) {
          _ = try await stage.start()
        }
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
    }
  }

  @Test func `starts again at once after its server was killed`() async throws {
    try await Stage.runOnCluster { stage in
      let first = try await stage.start()
      try await stage.run(first.conninfo(), "create table kept as select 7 as number")
      OtherProcess.send(SIGKILL, to: first.pid)
      await first.exit()
      await first.stop()
      #expect(Files.status(stage.data + "/cluster/postmaster.pid") != nil)
      try await stage.withCluster { cluster in
        try await stage.expect("7", from: cluster.conninfo(), "select number from kept")
      }
    }
  }

  @Test func `starts again when its killed server's number is another process's`() async throws {
    try await Stage.runOnCluster { stage in
      let first = try await stage.start()
      OtherProcess.send(SIGKILL, to: first.pid)
      await first.exit()
      await first.stop()
      let path = stage.data + "/cluster/postmaster.pid"
      let owner = try #require(Files.status(path)?.owner)
      let account = try #require(UserAccount(user: owner))
      var program = ChildProcess.Program("/bin/sleep", ["60"])
      program.user = owner == UserAccount.effectiveUser ? nil : account
      program.deathSignal = SIGKILL
      let other = try await ChildProcess.start(program, on: stage.loop)
      let file = PostmasterFile.replacing(pid: other.pid, in: try Files.read(path))
      try Files.write(file, to: path, mode: 0o600)
      try Files.setOwner(path, account)
      try await stage.withCluster { cluster in
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
      #expect(await other.ended == nil)
      await other.send(SIGKILL)
      _ = await other.exit()
    }
  }

  @Test func `ends with the thread that started it`() async throws {
    try await Stage.runOnCluster { stage in
      // The end of a thread is to its children what the end of the process is.
      let doomed = try EventLoop()
      try doomed.start()
      let path = stage.data
      let cluster = try await Task(executorPreference: doomed) {
        try await LocalCluster.start(dataFolder: path, for: .tests, on: doomed)
      }.value
      let pid = cluster.pid
      #expect(!OtherProcess.arguments(pid).isEmpty)
      doomed.stop()
      #expect(await stage.comesToHold { OtherProcess.arguments(pid).isEmpty })
    }
  }

  @Test func `waits for the server of a process that has just been killed`() async throws {
    try await Stage.runOnCluster { stage in
      let doomed = try EventLoop()
      try doomed.start()
      let path = stage.data
      let cluster = try await Task(executorPreference: doomed) {
        try await LocalCluster.start(dataFolder: path, for: .tests, on: doomed)
      }.value
      let pid = cluster.pid
      // The lock goes with a killed process; here the process lives on and only its file can go.
      Files.remove(path + "/lock")
      doomed.stop()
      try await stage.withCluster { cluster in
        #expect(cluster.pid != pid)
        #expect(OtherProcess.arguments(pid).isEmpty)
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
    }
  }

  @Test func `tells of the end of its server`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { cluster in
        OtherProcess.send(SIGINT, to: cluster.pid)
        await cluster.exit()
        #expect(Files.status(stage.data + "/cluster/postmaster.pid") == nil)
      }
    }
  }

  @Test func `comes back from a restart with its data, on the same socket`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { cluster in
        let conninfo = cluster.conninfo()
        try await stage.run(conninfo, "create table kept as select 7 as number")
        for shutdown in [LocalCluster.Shutdown.fast, .immediate] {
          let pid = cluster.pid
          try await cluster.restart(shutdown)
          #expect(cluster.pid != pid)
          try await stage.expect("7", from: conninfo, "select number from kept")
        }
      }
    }
  }

  @Test(arguments: [
    "it's \"quoted\" \\ $HOME, große ", String(repeating: "long-", count: 30),
  ])
  func `lives in a folder of any name`(name: String) async throws {
    try await Stage.run { stage in
      try await stage.withCluster("\(stage.folder)/\(name)") { cluster in
        #expect(cluster.dataFolder == "\(stage.folder)/\(name)")
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
    }
  }

  @Test func `removes its socket's folder under tmp, also a killed run's`() async throws {
    try await Stage.run { stage in
      let path = "\(stage.folder)/\(String(repeating: "long-", count: 30))"
      let record = path + "/socket-folder"
      try await stage.withCluster(path) { _ in }
      #expect(Files.status(record) == nil)
      let left = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-")
      try Files.write(Array(left.utf8), to: record, mode: 0o600)
      try await stage.withCluster(path) { _ in
        #expect(Files.status(left) == nil)
        let folder = String(decoding: try Files.read(record), as: UTF8.self)
        #expect(Files.status(folder)?.mode == 0o700)
      }
    }
  }

  @Test func `does not remove what a forged record names`() async throws {
    try await Stage.runOnCluster { stage in
      let precious = stage.folder + "/precious"
      try Files.makeFolder(precious, mode: 0o700)
      try await stage.withCluster { _ in }
      for name in [precious, "\(precious)/../precious"] {
        try Files.write(Array(name.utf8), to: stage.data + "/socket-folder", mode: 0o600)
        try await stage.withCluster { _ in }
        #expect(Files.status(precious) != nil)
      }
    }
  }

  @Test func `is made anew when the first initdb was killed`() async throws {
    try await Stage.run { stage in
      let half = stage.data + "/cluster.new-abcdef"
      try Files.makeFolder(stage.data, mode: 0o711)
      try Files.makeFolder(half, mode: 0o700)
      try Files.write(Array("15\n".utf8), to: half + "/PG_VERSION", mode: 0o600)
      try await stage.withCluster { cluster in
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
      #expect(Files.status(half) == nil)
    }
  }

  @Test func `says in the server's words why it does not start`() async throws {
    try await Stage.runOnCluster { stage in
      try await stage.withCluster { _ in }
      let path = stage.data + "/cluster/postgresql.auto.conf"
      let owner = try #require(Files.status(path)?.owner)
      try Files.write(Array("no_such_setting = 1\n".utf8), to: path, mode: 0o600)
      try Files.setOwner(path, try #require(UserAccount(user: owner)))
      do {
        _ = try await stage.start()
        Issue.record("it has started")
      } catch let error as LocalPostgresError {
        #expect(error.description.contains("no_such_setting"))
      }
      Files.remove(path)
      try await stage.withCluster { _ in }
    }
  }

  @Test func `names the missing version of a cluster that another one has made`() async throws {
    try await Stage.run { stage in
      try Files.makeFolder(stage.data, mode: 0o711)
      try Files.makeFolder(stage.data + "/cluster", mode: 0o755)
      try Files.write(Array("9\n".utf8), to: stage.data + "/cluster/PG_VERSION", mode: 0o644)
      await #expect(throws: LocalPostgresError.versionMissing(9, folder: stage.data)) {
        _ = try await stage.start()
      }
    }
  }

  @Test func `names a folder that root's server can reach instead`() async throws {
    try await Stage.run { stage in
      try Files.setMode(stage.folder, 0o700)
      guard UserAccount.effectiveUser == 0 else {
        // An ordinary user's server is that user, who can reach its own folders.
        try await stage.withCluster { _ in }
        return
      }
      do {
        _ = try await stage.start()
        Issue.record("it has started")
      } catch LocalPostgresError.unreachable(let folder, _, let working) {
        #expect(folder == stage.data)
        let names = try #require(working).split(separator: "/")
        let parent = names.dropLast().map { "/\($0)" }.joined()
        #expect(try #require(Files.status(parent)).mode & 0o001 != 0)
      }
      #expect(Files.status(stage.data) == nil)
    }
  }

  @Test func `opens root's own empty folder for its server`() async throws {
    try await Stage.run { stage in
      try Files.makeFolder(stage.data, mode: 0o700)
      try await stage.withCluster { cluster in
        try await stage.expect("1", from: cluster.conninfo(), "select 1")
      }
    }
  }

  @Test func `refuses a file and a folder in no folder`() async throws {
    try await Stage.run { stage in
      try Files.write([], to: stage.data, mode: 0o600)
      for path in [stage.data, stage.folder + "/missing/data"] {
        await #expect(throws: LocalPostgresError.self) { _ = try await stage.start(path) }
      }
    }
  }
}
