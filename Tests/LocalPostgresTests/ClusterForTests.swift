import EventLoop
import LocalPostgres
import Synchronization
import Testing
import Turns

@Suite(.turns) struct ClusterForTests {
  @Test func `makes databases that know nothing of each other`() async throws {
    try await Stage.run { stage in
      let first = try await TestCluster.shared.makeDatabase()
      let second = try await TestCluster.shared.makeDatabase()
      #expect(first.name != second.name)
      try await stage.run(first.conninfo, "create table mine as select 1")
      let missing = "select to_regclass('mine') is null"
      try await stage.expect("f", from: first.conninfo, missing)
      try await stage.expect("t", from: second.conninfo, missing)
    }
  }

  @Test func `makes a template once and copies it`() async throws {
    try await Stage.run { stage in
      let count = Count()
      let name = "a \"template\""
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            try await TestCluster.shared.makeTemplate(name) { conninfo in
              count.value.add(1, ordering: .relaxed)
              try await Stage.run { stage in
                try await stage.run(conninfo, "create table copied as select 7 as number")
              }
            }
            let database = try await TestCluster.shared.makeDatabase(from: name)
            try await Stage.run { stage in
              try await stage.expect("7", from: database.conninfo, "select number from copied")
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(count.value.load(ordering: .relaxed) == 1)
    }
  }

  @Test func `drops a database`() async throws {
    try await Stage.run { stage in
      let database = try await TestCluster.shared.makeDatabase()
      let conninfo = try await TestCluster.shared.conninfo(database: "postgres")
      let count = "select count(*) from pg_database where datname = '\(database.name)'"
      try await stage.expect("1", from: conninfo, count)
      try await database.drop()
      try await stage.expect("0", from: conninfo, count)
    }
  }

  @Test func `of one's own can be restarted, frozen and stopped`() async throws {
    try await Stage.run { stage in
      let cluster = try await TestCluster.start()
      let conninfo = try await cluster.conninfo(database: "postgres")
      let pid = try await cluster.pid()
      try await cluster.restart(.immediate)
      let restarted = try await cluster.pid()
      #expect(restarted != pid)
      try await stage.expect("1", from: conninfo, "select 1")

      try await cluster.freeze()
      #expect(await stage.comesToHold { state(restarted) == "T" })
      try await cluster.thaw()
      try await stage.expect("1", from: conninfo, "select 1")

      try await cluster.freeze()
      await cluster.stop()
      #expect(OtherProcess.arguments(restarted).isEmpty)
    }
  }

  @Test func `removes what a process that was killed has left`() async throws {
    try await Stage.run { stage in
      let child = try await ChildProcess.start(.init("/bin/true"), on: stage.loop)
      _ = await child.exit()
      let left = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-test-\(child.pid)-")
      let cluster = try await TestCluster.start()
      #expect(Files.status(left) == nil)
      await cluster.stop()
    }
  }

  private final class Count: Sendable {
    let value = Atomic(0)
  }

  /// The state of a process as proc(5) has it, behind the parenthesis that ends its name.
  private func state(_ pid: Int32) -> Character? {
    guard let content = try? Files.read("/proc/\(pid)/stat") else { return nil }
    return String(decoding: content, as: UTF8.self).split(separator: ")").last?.dropFirst().first
  }
}
