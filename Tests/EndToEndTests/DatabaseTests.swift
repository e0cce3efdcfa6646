import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct WithoutItsDatabase {
    /// A cluster of its own, a database, the program on it, and clients at it.
    private static func underLoad(
      _ fault:
        @Sendable @escaping (Stage, TestCluster, MadeDatabase, Served) async throws -> Void
    ) async throws {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          let served = try await stage.serve(database.conninfo)
          let load = Load(served.address, key: database.key, expecting: .databaseAway)
          async let running = load.run(connections: 24, requests: 20_000, on: stage)
          #expect(await stage.comesToHold { load.tally.successes > 300 })

          try await fault(stage, cluster, database, served)
          let back = MonotonicInstant.now()
          let healed = await stage.comesToHold {
            (try? await stage.health(served, "/readyz")) == 200
          }
          #expect(healed)
          let write = Message.send(
            "PUT", "/v1/posts/healed", key: database.key, body: #"{"title":"Healed","body":"."}"#)
          let hasWritten = try await stage.comesToHold {
            (200..<300).contains(try await stage.ask(served.address, write).status)
          }
          #expect(hasWritten)
          let took = MonotonicInstant.now() - back
          note("healed \(took) after the database was back; \(load.tally.statuses)")
          // The promise is 5 s, on a machine that does nothing else.
          #expect(took < .seconds(10))

          let before = load.tally.successes
          #expect(await stage.comesToHold { load.tally.successes > before + 300 })
          load.stop()
          let tally = await running
          #expect(tally.failures == [])
          #expect(tally.refusals == 0)
          #expect(await served.program.process.ended == nil)
          try await load.expectAcknowledgedWrites(in: database.conninfo, stage)
          #expect(
            !served.program.errors.contains(#""level":"error""#), "\(served.program.errors)")
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }

    @Test(arguments: [LocalCluster.Shutdown.fast, .immediate])
    func `says 503 while it restarts, heals, and has lost no acknowledged write`(
      _ shutdown: LocalCluster.Shutdown
    ) async throws {
      try await Self.underLoad { _, cluster, _, _ in try await cluster.restart(shutdown) }
    }

    @Test func `replaces sessions that were terminated`() async throws {
      try await Self.underLoad { stage, _, database, _ in
        for _ in 0..<3 {
          _ = try await stage.ask(
            database.conninfo,
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()
            """)
        }
      }
    }

    @Test func `keeps its deadlines when it is frozen`() async throws {
      try await Self.underLoad { stage, cluster, database, served in
        try await cluster.freeze()
        let start = MonotonicInstant.now()
        #expect(
          try await stage.comesToHold {
            try await stage.health(served, "/readyz") == 503
          })
        note("unready \(MonotonicInstant.now() - start) after the database froze")
        // The promises are 3 s here and 10 s below, on a machine that does nothing else.
        #expect(MonotonicInstant.now() - start < .seconds(8))
        #expect(try await stage.health(served, "/livez") == 200)
        let write = Message.send(
          "PUT", "/v1/posts/frozen", key: database.key, body: #"{"title":"Frozen","body":"."}"#)
        for request in [Message.get("/v1/posts"), Message.get("/v1/posts/changed-1"), write] {
          let asked = MonotonicInstant.now()
          let answer = try await stage.ask(served.address, request)
          #expect(answer.status == 503)
          #expect(answer["retry-after"] != nil)
          #expect(answer["cache-control"] == "no-store")
          #expect(MonotonicInstant.now() - asked < .seconds(15))
        }
        #expect(try await stage.health(served, "/livez") == 200)
        try await cluster.thaw()
      }
    }

    @Test func `ends in order while the database is away`() async throws {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          let served = try await stage.serve(database.conninfo)
          try await cluster.freeze()
          let reader = try #require(await Wire.open(served.address, on: stage.loop))
          await reader.send(Message.get("/v1/posts"))
          await served.program.send(SIGTERM)
          guard case .answered(let answer) = await reader.answer() else {
            Issue.record("what had begun got no answer")
            throw Overdue()
          }
          #expect(answer.status == 503)
          #expect(try await served.program.exit() == .status(0))
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }

    @Test func `ends within its bound while the database is frozen`() async throws {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          let served = try await stage.serve(
            database.conninfo, ["COLOPHON_DRAIN_SECONDS": "1"])
          // Every processor knows the key, so that the write gets as far as its transaction, where it
          // waits for eight seconds: much longer than the bound.
          for _ in 0..<32 {
            let known = try await stage.get(
              served.address, "/v1/posts", ["Authorization: Bearer \(database.key)"])
            #expect(known.status == 200)
          }
          try await cluster.freeze()
          let writer = try #require(await Wire.open(served.address, on: stage.loop))
          await writer.send(
            Message.send(
              "PUT", "/v1/posts/a", key: database.key,
              body: #"{"title":"A","body":"."}"#))
          #expect(
            await stage.comesToHold {
              (try? await stage.health(served, "/readyz")) == 503
            })
          let start = MonotonicInstant.now()
          await served.program.send(SIGTERM)
          #expect(try await served.program.exit() == .status(0))
          let took = MonotonicInstant.now() - start
          note("with a frozen database and a bound of 1 s it ended \(took) after SIGTERM")
          #expect(took < .seconds(7))
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }
  }
}
