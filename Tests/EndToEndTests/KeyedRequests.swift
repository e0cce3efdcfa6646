import EventLoop
import Glibc
import JSON
import LocalPostgres
import Postgres
import Testing

extension TheProgram {
  /// Requests under a key, over connections, servers and clients that end.
  @Suite struct KeyedRequests {
    private static let key = ["Idempotency-Key: k"]

    private static func post(_ database: MadeDatabase, _ title: String = "A post") -> [UInt8] {
      Message.send(
        "POST", "/v1/posts", key: database.key, key, body: #"{"title":"\#(title)","body":"."}"#)
    }

    private static func put(
      _ database: MadeDatabase, _ title: String, _ fields: [String] = key
    ) -> [UInt8] {
      Message.send(
        "PUT", "/v1/posts/a", key: database.key, fields,
        body: #"{"title":"\#(title)","body":"."}"#)
    }

    /// The row of the post `a`.
    private static let rowOfA = "select 1 from colophon.posts where slug = 'a' for update"
    /// A post `a` of which nobody knows yet.
    private static let newRowOfA =
      "insert into colophon.posts (slug, title, body) values ('a', 'A post', '.')"

    /// Holds a lock until the connection is closed.
    private static func holding(
      _ lock: String, _ database: MadeDatabase, _ stage: Stage
    ) async throws -> Connection {
      var settings = SessionSettings()
      settings.idleInTransactionTimeout = .seconds(60)
      let connection = try await Connection.open(
        database.conninfo, on: stage.loop, deadline: .now() + .seconds(60), settings: settings)
      try await connection.script("begin; " + lock)
      return connection
    }

    /// Waits until a session other than `known` waits for a lock; which.
    private static func waiting(
      _ database: MadeDatabase, _ stage: Stage, besides known: String = "0",
      at location: SourceLocation = #_sourceLocation
    ) async throws -> String {
      var found: [String] = []
      let isSo = try await stage.comesToHold {
        found = try await stage.ask(
          database.conninfo,
          """
          select pid::text from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and pid <> \(known)
          """)
        return !found.isEmpty
      }
      #expect(isSo, sourceLocation: location)
      return found.first ?? "0"
    }

    /// Sends a request until it is decided: told to come again, it comes again.
    private static func decided(
      _ address: SocketAddress, _ request: [UInt8], _ stage: Stage
    ) async throws -> Answer? {
      var answer: Answer?
      _ = try await stage.comesToHold {
        let next = try await stage.ask(address, request)
        if ![409, 503].contains(next.status) { answer = next }
        return answer != nil
      }
      return answer
    }

    private static func posts(_ database: MadeDatabase, _ stage: Stage) async throws -> [String] {
      try await stage.ask(
        database.conninfo, "select slug || ' ' || version from colophon.posts order by slug")
    }

    @Test func `are one post when fifty come at once to two servers`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let servers = [
          try await stage.serve(database.conninfo), try await stage.serve(database.conninfo),
        ]
        var wires: [Wire] = []
        for number in 0..<50 {
          let address = servers[number % 2].address
          wires.append(try #require(await Wire.open(address, on: stage.loop)))
        }
        for wire in wires { await wire.send(Self.post(database)) }
        var answers: [Answer] = []
        for wire in wires {
          guard case .answered(let answer) = await wire.answer() else {
            Issue.record("one got no answer")
            continue
          }
          await wire.close()
          answers.append(answer)
        }
        #expect(answers.count == 50)
        #expect(answers.allSatisfy { $0.status == 201 })
        for name in ["etag", "location", "last-modified", "content-type", "content-length"] {
          #expect(Set(answers.map { $0[name] ?? "" }).count == 1, "\(name)")
        }
        #expect(Set(answers.map(\.body)).count == 1)
        #expect(answers.count { $0["idempotent-replayed"] == "true" } == 49)
        #expect(answers.count { $0["idempotent-replayed"] == nil } == 1)
        #expect(try await Self.posts(database, stage) == ["a-post 1"])
      }
    }

    @Test func `run on another server when the first was killed before COMMIT`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (one, other) = (
          try await stage.serve(database.conninfo), try await stage.serve(database.conninfo)
        )
        #expect(try await stage.ask(one.address, Self.put(database, "1", [])).status == 201)
        let holder = try await Self.holding(Self.rowOfA, database, stage)
        let first = try #require(await Wire.open(one.address, on: stage.loop))
        await first.send(Self.put(database, "2"))
        let backend = try await Self.waiting(database, stage)
        await one.program.send(SIGKILL)
        #expect(try await one.program.exit() == .signal(SIGKILL))
        guard case .cut = await first.answer() else {
          Issue.record("the first was answered")
          return
        }
        // What the dead one began still has the key, until PostgreSQL notices its end.
        async let second = Self.decided(other.address, Self.put(database, "2"), stage)
        _ = try await Self.waiting(database, stage, besides: backend)
        await holder.close()
        let answer = try #require(try await second)
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer["idempotent-replayed"] == nil)
        #expect(try await Self.posts(database, stage) == ["a 2"])
      }
    }

    @Test func `are replayed when the server was killed after COMMIT`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let relay = try await Relay.start(before: database.conninfo, on: stage.loop)
        let one = try await stage.serve(
          relay.conninfo(to: database.conninfo), Relay.withoutReports)
        let other = try await stage.serve(database.conninfo)
        #expect(try await stage.ask(one.address, Self.put(database, "1", [])).status == 201)
        await relay.arm(.silent)
        let first = try #require(await Wire.open(one.address, on: stage.loop))
        await first.send(Self.put(database, "2"))
        #expect(await stage.comesToHold { await relay.struck == [.silent: 1] })
        #expect(await relay.executed == [.silent: 1])
        await one.program.send(SIGKILL)
        #expect(try await one.program.exit() == .signal(SIGKILL))
        guard case .cut = await first.answer() else {
          Issue.record("the first was answered")
          return
        }
        let answer = try await stage.ask(other.address, Self.put(database, "2"))
        #expect(answer.status == 200)
        #expect(answer["idempotent-replayed"] == "true")
        #expect(try JSONReader.read(answer.body.span)["version"]?.integerValue == 2)
        #expect(try await Self.posts(database, stage) == ["a 2"])
        await relay.stop()
      }
    }

    @Test(arguments: [Relay.Fault.before, .after, .swallowed])
    func `are told that the outcome is unknown while the database stays away`(
      _ fault: Relay.Fault
    ) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let relay = try await Relay.start(before: database.conninfo, on: stage.loop)
        let served = try await stage.serve(
          relay.conninfo(to: database.conninfo), Relay.withoutReports)
        await relay.arm(fault, closingDoor: true)
        let start = MonotonicInstant.now()
        let lost = try await stage.ask(served.address, Self.post(database))
        let took = MonotonicInstant.now() - start
        note("the outcome was told to be unknown after \(took)")
        #expect(took < .seconds(9))
        #expect(lost.status == 503)
        #expect(lost["retry-after"].flatMap { Int($0) } != nil)
        #expect(lost["idempotency-key"] == "k")
        #expect(lost["idempotent-replayed"] == nil)
        let problem = try JSONReader.read(lost.body.span)
        #expect(problem["type"]?.stringValue == "urn:colophon:problem:outcome-unknown")
        #expect(lost.text.contains("retry with the same key"))
        #expect(await relay.struck == [fault: 1])

        await relay.openDoor()
        let hasHealed = await stage.comesToHold {
          (try? await stage.health(served, "/readyz")) == 200
        }
        #expect(hasHealed)
        let told = try await stage.ask(served.address, Self.post(database))
        #expect(told.status == 201, "\(told.text)")
        #expect(told["idempotent-replayed"] == (fault == .before ? nil : "true"))
        #expect(try await Self.posts(database, stage) == ["a-post 1"])
        await relay.stop()
      }
    }

    @Test func `are replayed by another server while COMMIT stays unanswered`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let relay = try await Relay.start(before: database.conninfo, on: stage.loop)
        let one = try await stage.serve(
          relay.conninfo(to: database.conninfo), Relay.withoutReports)
        let other = try await stage.serve(database.conninfo)
        await relay.arm(.silent)
        let first = try #require(await Wire.open(one.address, on: stage.loop))
        await first.send(Self.post(database))
        #expect(await stage.comesToHold { await relay.struck == [.silent: 1] })
        let replay = try await stage.ask(other.address, Self.post(database))
        #expect(replay.status == 201)
        #expect(replay["idempotent-replayed"] == "true")
        // Whoever asks the first server again waits with the first.
        let again = try await stage.ask(one.address, Self.post(database))
        #expect(again.status == 409)
        #expect(again["retry-after"] != nil)
        guard case .answered(let answer) = await first.answer() else {
          Issue.record("the first got no answer")
          return
        }
        #expect(answer.status == 503)
        #expect(answer.text.contains("outcome-unknown"))
        #expect(answer["retry-after"] != nil)
        let told = try await stage.ask(one.address, Self.post(database))
        #expect(told.body == replay.body)
        #expect(told["idempotent-replayed"] == "true")
        #expect(try await Self.posts(database, stage) == ["a-post 1"])
        await relay.stop()
      }
    }

    @Test func `are not begun when their client hangs up in the middle of the content`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let request = Self.post(database)
        for missing in [1, 10] {
          let client = try #require(await Wire.open(served.address, on: stage.loop))
          await client.send(Array(request.dropLast(missing)))
          await client.close()
        }
        let answer = try await stage.ask(served.address, request)
        #expect(answer.status == 201)
        #expect(answer["idempotent-replayed"] == nil)
        #expect(try await Self.posts(database, stage) == ["a-post 1"])
      }
    }

    @Test func `say which of them did it when the one that was first lost its COMMIT`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let relay = try await Relay.start(before: database.conninfo, on: stage.loop)
        let one = try await stage.serve(
          relay.conninfo(to: database.conninfo), Relay.withoutReports)
        let other = try await stage.serve(database.conninfo)
        let holder = try await Self.holding(Self.newRowOfA, database, stage)
        let first = try #require(await Wire.open(one.address, on: stage.loop))
        await first.send(Self.put(database, "A post"))
        let backend = try await Self.waiting(database, stage)
        let second = try #require(await Wire.open(other.address, on: stage.loop))
        await second.send(Self.put(database, "A post"))
        _ = try await Self.waiting(database, stage, besides: backend)
        // The first is undone; as a rule the second, which waits for it, is faster than its recovery.
        await relay.arm(.before)
        await holder.close()
        guard case .answered(let early) = await first.answer(),
          case .answered(let late) = await second.answer()
        else {
          Issue.record("one got no answer")
          return
        }
        #expect(await relay.struck == [.before: 1])
        #expect(early.status == 201, "\(early.text)")
        #expect(late.status == 201, "\(late.text)")
        #expect(early.body == late.body)
        // Whoever was faster did it, and only the other's answer is one that had been given.
        let marks = [early, late].compactMap { $0["idempotent-replayed"] }
        #expect(marks == ["true"])
        #expect(try await Self.posts(database, stage) == ["a 1"])
        await relay.stop()
      }
    }

    @Test func `are finished when their client hangs up`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        #expect(try await stage.ask(served.address, Self.put(database, "1", [])).status == 201)
        let holder = try await Self.holding(Self.rowOfA, database, stage)
        let client = try #require(await Wire.open(served.address, on: stage.loop))
        await client.send(Self.put(database, "2"))
        let backend = try await Self.waiting(database, stage)
        await client.close()
        // On both of its processors the server has served others since, so it has noticed.
        for _ in 0..<8 {
          #expect(try await stage.get(served.address, "/openapi.yaml").status == 200)
        }
        #expect(try await Self.waiting(database, stage) == backend)
        await holder.close()
        let isWritten = try await stage.comesToHold {
          try await Self.posts(database, stage) == ["a 2"]
        }
        #expect(isWritten)
        let answer = try await stage.ask(served.address, Self.put(database, "2"))
        #expect(answer.status == 200)
        #expect(answer["idempotent-replayed"] == "true")
        #expect(try await Self.posts(database, stage) == ["a 2"])
      }
    }

    @Test func `do not spend their key on content that is too large`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let large = Message.send(
          "POST", "/v1/posts", key: database.key, Self.key,
          body: String(repeating: "a", count: 2 << 20))
        #expect(try await stage.ask(served.address, large).status == 413)
        let chunk = String(repeating: "a", count: 65_536)
        let fields =
          ["Authorization: Bearer \(database.key)", "Content-Type: application/json"]
          + Self.key + ["Transfer-Encoding: chunked"]
        let chunked =
          Message.head("POST /v1/posts", fields)
          + String(repeating: "10000\r\n\(chunk)\r\n", count: 33) + "0\r\n\r\n"
        #expect(try await stage.ask(served.address, Array(chunked.utf8)).status == 413)
        let answer = try await stage.ask(served.address, Self.post(database))
        #expect(answer.status == 201)
        #expect(answer["idempotent-replayed"] == nil)
      }
    }
  }
}
