import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct Draining {
    @Test func `loses no request of clients that go on sending`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        // Something slow keeps it from finding itself idle, as it would be among many more clients.
        let slow = try await stage.beginSlowly(served, key: database.key)
        let load = Load(served.address, key: database.key, expecting: .ending)
        async let running = load.run(connections: 64, requests: 100_000, on: stage)
        #expect(await stage.comesToHold { load.tally.answers > 1000 })
        let start = MonotonicInstant.now()
        await served.program.send(SIGTERM)
        #expect(
          await stage.comesToHold {
            (try? await stage.health(served, "/readyz")) == 503
          })
        load.end()
        let tally = await running
        let took = MonotonicInstant.now() - start
        note("under load it took connections for \(took) after SIGTERM")
        #expect(took < .seconds(15), "nothing of the 20 s is left for what has begun")
        await slow.send("}")
        guard case .answered(let answer) = await slow.answer() else {
          Issue.record("what had begun was not finished")
          return
        }
        #expect(answer.status == 201)
        #expect(try await served.program.exit() == .status(0))
        #expect(tally.failures == [])
        #expect(tally.keptOpen == 0)
        #expect(tally.answers > 1000)
        try await load.expectAcknowledgedWrites(in: database.conninfo, stage)
      }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `finishes what has begun, and tells health checks meanwhile`(_ signal: Int32) async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let idle = try #require(await Wire.open(served.address, on: stage.loop))
        guard case .answered(let first) = await idle.exchange(Message.get("/v1/posts")) else {
          Issue.record("no answer before the signal")
          return
        }
        #expect(first["connection"]?.lowercased() != "close")
        let slow = try await stage.beginSlowly(served, key: database.key)

        await served.program.send(signal)
        #expect(
          await stage.comesToHold { (try? await stage.health(served, "/readyz")) == 503 })
        #expect(try await stage.health(served, "/livez") == 200)
        guard case .answered(let last) = await idle.exchange(Message.get("/v1/posts")) else {
          Issue.record("a kept connection got no answer after the signal")
          return
        }
        #expect(last.status == 200)
        #expect(last["connection"]?.lowercased() == "close")
        #expect(await served.program.process.ended == nil)

        #expect(try await stage.health(served, "/readyz") == 503)
        #expect(try await stage.health(served, "/livez") == 200)
        await slow.send("}")
        guard case .answered(let answer) = await slow.answer() else {
          Issue.record("what had begun was not finished")
          return
        }
        #expect(answer.status == 201)
        #expect(answer["connection"]?.lowercased() == "close")
        #expect(try await served.program.exit() == .status(0))
        let slugs = try await stage.ask(database.conninfo, "select slug from colophon.posts")
        #expect(slugs == ["slow"])
      }
    }

    @Test func `is bounded`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_DRAIN_SECONDS": "2"])
        let slow = try await stage.beginSlowly(served, key: database.key)
        let start = MonotonicInstant.now()
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        // Without its own bound it would be 20 s.
        #expect(MonotonicInstant.now() - start < .seconds(12))
        await slow.close()
      }
    }

    @Test func `ends at once at the second signal`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let slow = try await stage.beginSlowly(served, key: database.key)
        await served.program.send(SIGTERM)
        #expect(
          await stage.comesToHold { (try? await stage.health(served, "/readyz")) == 503 })
        let start = MonotonicInstant.now()
        await served.program.send(SIGTERM)
        _ = try await served.program.exit()
        // The promise is 1.5 s, on a machine that does nothing else; the drain would take 20.
        #expect(MonotonicInstant.now() - start < .seconds(8))
        await slow.close()
      }
    }

    @Test func `takes new connections as long as others may not know that it ends`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let slow = try await stage.beginSlowly(served, key: database.key)
        await served.program.send(SIGTERM)
        #expect(
          await stage.comesToHold { (try? await stage.health(served, "/readyz")) == 503 })
        for _ in 0..<8 {
          let answer = try await stage.get(served.address, "/v1/posts")
          #expect(answer.status == 200)
          #expect(answer["connection"]?.lowercased() == "close")
        }
        await slow.send("}")
        _ = await slow.answer()
        #expect(try await served.program.exit() == .status(0))
      }
    }
  }
}

extension Stage {
  /// Begins a PUT of the post `slow` and waits until its handler waits for the content, of which
  /// only the last brace is missing.
  fileprivate func beginSlowly(_ served: Served, key: String) async throws -> Wire {
    let body = #"{"title":"Slow","body":".""#
    let wire = try #require(await Wire.open(served.address, on: loop))
    await wire.send(
      Message.head(
        "PUT /v1/posts/slow",
        [
          "Authorization: Bearer \(key)", "Content-Type: application/json",
          "Content-Length: \(body.utf8.count + 1)", "Expect: 100-continue",
        ]))
    guard case .answered(let interim) = await wire.answer(interim: true), interim.status == 100
    else {
      Issue.record("the content was not asked for")
      throw Overdue()
    }
    await wire.send(body)
    return wire
  }
}
