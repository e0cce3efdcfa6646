import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  /// A primary and its hot standby, each a server of its own.
  @Suite struct WithAStandby {
    private struct Pair: Sendable {
      let primary: TestCluster
      let standby: TestCluster
      /// On the primary.
      let database: MadeDatabase
      /// The same on the standby.
      let copy: String

      /// Whichever of the two can be written.
      var either: String {
        let hosts = [database.conninfo, copy].map(Self.host).joined(separator: ",")
        return Self.replacingHost(of: database.conninfo, hosts) + " target_session_attrs=read-write"
      }

      /// As the test cluster writes it.
      private static func host(_ conninfo: String) -> String {
        let word = conninfo.split(separator: " ").first { $0.hasPrefix("host='") } ?? ""
        return String(word.dropFirst(6).dropLast())
      }

      private static func replacingHost(of conninfo: String, _ host: String) -> String {
        (["host='\(host)'"] + conninfo.split(separator: " ").filter { !$0.hasPrefix("host=") })
          .joined(separator: " ")
      }

      init(_ primary: TestCluster, _ standby: TestCluster, _ database: MadeDatabase) async throws {
        self.primary = primary
        self.standby = standby
        self.database = database
        let host = Self.host(try await standby.conninfo(database: "postgres"))
        copy = Self.replacingHost(of: database.conninfo, host)
      }
    }

    private static func run(
      _ body: @Sendable @escaping (Stage, Pair) async throws -> Void
    ) async throws {
      try await Stage.run { stage in
        let primary = try await TestCluster.start()
        var standby: TestCluster?
        let outcome: Result<Void, any Error>
        do {
          let database = try await MadeDatabase.make(in: primary, stage)
          let copy = try await TestCluster.start(standbyOf: primary)
          standby = copy
          let isFollowed = try await stage.comesToHold {
            try await stage.ask(database.conninfo, "select state from pg_stat_replication")
              == ["streaming"]
          }
          #expect(isFollowed)
          outcome = .success(try await body(stage, try await Pair(primary, copy, database)))
        } catch {
          outcome = .failure(error)
        }
        await standby?.stop()
        await primary.stop()
        try outcome.get()
      }
    }

    @Test func `goes over to it when the primary is killed, and has lost no acknowledged write`()
      async throws
    {
      try await Self.run { stage, pair in
        _ = try await stage.ask(
          pair.database.conninfo, "alter system set synchronous_standby_names = '*'")
        _ = try await stage.ask(pair.database.conninfo, "select pg_reload_conf()::text")
        let isInStep = try await stage.comesToHold {
          try await stage.ask(
            pair.database.conninfo, "select sync_state from pg_stat_replication") == ["sync"]
        }
        #expect(isInStep)
        let ledger = Ledger(
          key: pair.database.key, gate: 10_000, deadline: .now() + .seconds(240))
        var services: [Served] = []
        for index in 0..<2 {
          services.append(
            try await stage.serve(
              pair.either, ["COLOPHON_READ_DATABASE_URL": pair.copy]))
          ledger.setServer(index, services[index].address)
        }
        async let running: Void = ledger.run(clients: 8, writes: 80, seed: 1, on: stage)
        #expect(await stage.comesToHold { ledger.decided >= 200 || ledger.hasFailed })

        try await pair.primary.kill()
        let killed = MonotonicInstant.now()
        for served in services {
          let isRead = try await stage.comesToHold {
            try await stage.get(served.address, "/v1/posts?limit=7")["age"] != nil
          }
          #expect(isRead)
        }
        note(
          "read from the standby \(MonotonicInstant.now() - killed) after the primary was killed")
        // None of these is in memory.
        for limit in 1...20 {
          let answer = try await stage.get(services[limit % 2].address, "/v1/posts?limit=\(limit)")
          #expect(answer.status == 200, "\(answer.text)")
          #expect(answer["age"] != nil)
        }
        let decided = ledger.decided
        #expect(decided < 640, "there is something left to be written")

        _ = try await stage.ask(pair.copy, "select pg_promote()::text")
        let promoted = MonotonicInstant.now()
        #expect(await stage.comesToHold { ledger.decided > decided || ledger.hasFailed })
        let resumed = MonotonicInstant.now()
        note(
          "writes are possible again \(resumed - killed) after the kill, \(resumed - promoted) after "
            + "the promotion")
        // The promise is 10 s, on a machine that does nothing else.
        #expect(resumed - killed < .seconds(25))
        await running
        let isFresh = try await stage.comesToHold {
          for served in services
          where try await stage.get(served.address, "/v1/posts?limit=8")["age"] != nil {
            return false
          }
          return true
        }
        #expect(isFresh)
        await ledger.replayAll(on: stage)
        #expect(ledger.tally.failures == [])
        #expect(ledger.decided == 640)
        try await LedgerUnderFaults.expectBooksToAgree(
          ledger.tally, MadeDatabase(conninfo: pair.copy, key: pair.database.key), stage)
        for served in services {
          #expect(!served.program.errors.contains(#""level":"error""#), "\(served.program.errors)")
        }
      }
    }

    @Test func `reads from it while the primary is frozen, and says how old that is`() async throws
    {
      try await Self.run { stage, pair in
        let served = try await stage.serve(
          pair.database.conninfo, ["COLOPHON_READ_DATABASE_URL": pair.copy])
        func put(_ text: String) async throws -> Int {
          try await stage.ask(
            served.address,
            Message.send(
              "PUT", "/v1/posts/kept", key: pair.database.key,
              body: #"{"title":"Kept","body":"\#(text)","status":"published"}"#)
          ).status
        }
        func get(_ target: String, _ fields: [String] = []) async throws -> Answer {
          try await stage.get(served.address, target, fields)
        }
        func metric(_ name: String) async throws -> String? {
          try await stage.get(served.health, "/metrics").text.split(separator: "\n")
            .first { $0.hasPrefix("colophon_\(name) ") }.map(String.init)
        }
        #expect(try await put("old") == 201)
        let target = "/v1/posts?limit=3&fields=slug,title"
        let before = try await get(target)
        #expect(before["age"] == nil)
        let isThere = try await stage.comesToHold {
          try await stage.ask(pair.copy, "select body from colophon.posts") == ["old"]
        }
        #expect(isThere)

        // What is written now gets to the standby, but cannot be seen there.
        _ = try await stage.ask(pair.copy, "select pg_wal_replay_pause()::text")
        let isPaused = try await stage.comesToHold {
          try await stage.ask(pair.copy, "select pg_get_wal_replay_pause_state()") == ["paused"]
        }
        #expect(isPaused)
        let paused = MonotonicInstant.now()
        #expect(try await put("new") == 200)
        let kept = try await get("/v1/posts/kept")
        #expect(kept.text.contains(#""new""#))
        // The program asks for its own changes too, and what it read before it heard of them goes.
        // When it asks once more, it has taken the answer before.
        func lastAsked() async throws -> String? {
          try await stage.ask(
            pair.database.conninfo,
            """
            select max(query_start)::text from pg_stat_activity
            where query like 'with newest as materialized%'
            """
          ).first
        }
        for _ in 0..<2 {
          let last = try await stage.ask(pair.database.conninfo, "select clock_timestamp()::text")[
            0]
          #expect(try await stage.comesToHold { try await lastAsked() ?? "" > last })
        }
        // Every processor has it in memory.
        for _ in 0..<32 { #expect(try await get("/v1/posts/kept").body == kept.body) }

        try await pair.primary.freeze()
        #expect(try await stage.comesToHold { try await stage.health(served, "/readyz") == 503 })
        let answers = try await metric("cache_answers")
        var slowest = Duration.zero
        for _ in 0..<20 {
          let asked = MonotonicInstant.now()
          let answer = try await get("/v1/posts/kept")
          slowest = max(slowest, .now() - asked)
          #expect(answer.body == kept.body, "what is in memory is newer than the standby")
          #expect(answer["etag"] == kept["etag"])
          #expect(answer["age"] != nil)
        }
        note("with the primary frozen, from memory within \(slowest)")
        // The promise is a second, on a machine that does nothing else.
        #expect(slowest < .seconds(5))
        slowest = .zero
        for limit in 4...24 {
          let asked = MonotonicInstant.now()
          let answer = try await get("/v1/posts?limit=\(limit)&fields=slug,title")
          slowest = max(slowest, .now() - asked)
          #expect(answer.status == 200, "\(answer.text)")
          #expect(answer.text.contains(#""kept""#))
          let age = try #require(answer["age"].flatMap { Int($0) })
          #expect(age >= Int((asked - paused).components.seconds))
        }
        note("with the primary frozen, from the standby within \(slowest)")
        #expect(slowest < .seconds(5))
        #expect(try await get("/v1/posts/kept?fields=body").text.contains(#""old""#))
        let again = try await get("/v1/posts?limit=5&fields=slug,title")
        let unchanged = try await get(
          "/v1/posts?limit=5&fields=slug,title", ["If-None-Match: \(again["etag"] ?? "")"])
        #expect(unchanged.status == 304)
        #expect(unchanged["age"] != nil)
        let absent = try await get("/v1/posts/none")
        #expect(absent.status == 404)
        #expect(absent["age"] != nil)
        #expect(try await metric("cache_answers") == answers, "nothing of this is kept")

        for (target, fields) in [
          ("/v1/changes", []),
          ("/v1/posts?limit=9", ["Authorization: Bearer \(pair.database.key)"]),
          ("/v1/posts/kept?preview=of-somebody", []),
        ] {
          #expect(try await get(target, fields).status == 503, "\(target)")
        }
        #expect(try await put("lost") == 503)

        try await pair.primary.thaw()
        let isFresh = try await stage.comesToHold {
          let answer = try await get("/v1/posts/kept?fields=body")
          return answer["age"] == nil && answer.text.contains(#""new""#)
        }
        #expect(isFresh)
      }
    }

    @Test func `does without one that is not there`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_READ_DATABASE_URL": "host=\(stage.folder)/none"])
        #expect(try await stage.health(served, "/readyz") == 200)
        #expect(try await stage.get(served.address, "/v1/posts").status == 200)
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
      }
    }
  }
}
