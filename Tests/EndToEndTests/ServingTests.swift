import EventLoop
import Glibc
import JSON
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct Serving {
    @Test func `answers sixty-four clients that read and write, every one of them`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let load = Load(served.address, key: database.key, expecting: .served)
        let start = MonotonicInstant.now()
        let tally = await load.run(connections: 64, requests: 80, on: stage)
        note("\(tally.answers) requests under load took \(MonotonicInstant.now() - start)")
        #expect(tally.failures == [])
        #expect(tally.refusals == 0)
        #expect(tally.successes == 64 * 80)
        try await load.expectAcknowledgedWrites(in: database.conninfo, stage)
        let list = try await stage.get(served.address, "/v1/posts?tag=load&limit=1")
        let total = try JSONReader.read(list.body.span)["meta"]?["total"]?.integerValue
        #expect(total == tally.acknowledged.count)
        #expect(!served.program.errors.contains(database.key))
      }
    }

    @Test func `answers many that come at once with a key it has not seen`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        var wires: [Wire] = []
        for _ in 0..<200 {
          wires.append(try #require(await Wire.open(served.address, on: stage.loop)))
        }
        let request = Message.get("/v1/posts", ["Authorization: Bearer \(database.key)"])
        for wire in wires { await wire.send(request) }
        var statuses: [Int: Int] = [:]
        for wire in wires {
          if case .answered(let answer) = await wire.answer() {
            statuses[answer.status, default: 0] += 1
          }
          await wire.close()
        }
        #expect(statuses == [200: 200])
      }
    }

    @Test func `two on one database answer with the same bytes and ETags, also later`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let one = try await stage.serve(database.conninfo)
        for number in 0..<3 {
          let body =
            #"{"title":"Ünï \#(number)","body":"*x*","status":"published","tags":["a","b"]}"#
          let put = Message.send("PUT", "/v1/posts/p-\(number)", key: database.key, body: body)
          #expect(try await stage.ask(one.address, put).status == 201)
        }
        let targets = [
          "/v1/posts/p-1", "/v1/posts?limit=2", "/v1/posts?tag=a,b&limit=1", "/openapi.yaml",
        ]
        var answers: [[Answer]] = []
        func take(_ served: Served) async throws {
          var all: [Answer] = []
          for target in targets { all.append(try await stage.get(served.address, target)) }
          answers.append(all)
        }
        try await take(one)
        let other = try await stage.serve(database.conninfo)
        try await take(other)
        for served in [one, other] {
          await served.program.send(SIGTERM)
          #expect(try await served.program.exit() == .status(0))
        }
        try await take(try await stage.serve(database.conninfo))
        for (index, target) in targets.enumerated() {
          let first = answers[0][index]
          #expect(first.status == 200)
          #expect(first["etag"] != nil, "\(target)")
          for answer in answers.map({ $0[index] }) {
            #expect(answer.body == first.body, "\(target)")
            #expect(answer["etag"] == first["etag"], "\(target)")
          }
        }
      }
    }

    @Test func `keeps key and text out of its arguments and its log, also when it fails`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        // A rule that the program does not know: PostgreSQL's refusal quotes the row.
        _ = try await stage.ask(
          database.conninfo,
          "alter table colophon.posts add constraint strange check (title <> 'Refused')")
        let served = try await stage.serve(database.conninfo)
        let secret = "What nobody else may read."
        var failed: Answer?
        for title in ["Taken", "Refused"] {
          let put = Message.send(
            "PUT", "/v1/posts/a", key: database.key,
            body: #"{"title":"\#(title)","body":"\#(secret)"}"#)
          let answer = try await stage.ask(served.address, put)
          #expect(answer.status == (title == "Taken" ? 201 : 500))
          #expect(!answer.text.contains("strange"))
          failed = answer
        }
        let bad = String(database.key.dropLast()) + "!"
        let refused = try await stage.get(
          served.address, "/v1/posts", ["Authorization: Bearer \(bad)"])
        #expect(refused.status == 401)
        let arguments = OtherProcess.arguments(served.program.pid).joined(separator: " ")
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        let log = served.program.errors
        // From the id that the client was given to the cause, in one grep.
        let id = try #require(failed?["X-Request-Id"])
        let found = log.split(separator: "\n").filter { $0.contains(id) }
        #expect(found.count == 1, "\(log)")
        #expect(found.first?.contains("23514") == true && found.first?.contains("strange") == true)
        for text in [arguments, log, served.program.output] {
          #expect(!text.contains(database.key.suffix(39)))
          #expect(!text.contains(bad.suffix(39)))
          #expect(!text.contains(secret))
        }
      }
    }

    @Test func `goes on when nobody reads its log`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        _ = try await stage.ask(
          database.conninfo,
          "alter table colophon.posts add constraint strange check (title <> 'Refused')")
        // A pipe that is full: its reader is the program itself, who never reads.
        let program = try await stage.start(
          command: ["/bin/sh", "-c", "mkfifo log && exec \"$@\" 2<>log", "sh"]
            + [Stage.executable, "serve"],
          [
            "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
            "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0", "COLOPHON_RATE_LIMITS": Stage.wideLimits,
          ])
        let address = try await program.address()
        let wire = try #require(await Wire.open(address, on: stage.loop))
        let refused = Message.send(
          "PUT", "/v1/posts/a", key: database.key, body: #"{"title":"Refused","body":"."}"#)
        // Each leaves a line of some hundred bytes; a pipe takes 64 KiB, the program holds a megabyte
        // for each of its loops.
        for number in 0..<4000 {
          let request = number < 10 ? refused : Message.get("/v1/posts/none")
          guard case .answered(let answer) = await wire.exchange(request, within: .seconds(60))
          else {
            Issue.record("no answer after \(number) lines of log")
            return
          }
          try #require(answer.status == (number < 10 ? 500 : 404))
        }
        #expect(try await stage.get(address, "/v1/posts").status == 200)

        // What was lost is counted, once somebody reads again.
        let reader = try await stage.start(command: ["/bin/cat", "log"])
        #expect(
          await stage.comesToHold {
            _ = await wire.exchange(refused)
            return reader.output.contains(#""event":"log_lines_lost""#)
          })
        await wire.close()
        await program.send(SIGTERM)
        #expect(try await program.exit() == .status(0))
      }
    }

    @Test func `goes on where there is no standard error, or its reader has gone`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        for script in ["exec \"$@\" 2>&-", "exec \"$@\" 2> >(exec true)"] {
          let program = try await stage.start(
            command: ["/bin/bash", "-c", script, "bash", Stage.executable, "serve"],
            [
              "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
              "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0", "COLOPHON_RATE_LIMITS": Stage.wideLimits,
            ])
          let address = try await program.address()
          for _ in 0..<100 { #expect(try await stage.get(address, "/v1/posts").status == 200) }
          await program.send(SIGTERM)
          #expect(try await program.exit() == .status(0), "\(script)")
        }
      }
    }

    @Test func `is ready again after a kill in the middle of writes, and has lost none`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let load = Load(served.address, key: database.key, expecting: .killed)
        async let running = load.run(connections: 16, requests: 600, on: stage)
        #expect(await stage.comesToHold { load.tally.answers > 500 })
        await served.program.send(SIGKILL)
        #expect(try await served.program.exit() == .signal(SIGKILL))
        let start = MonotonicInstant.now()
        let again = try await stage.serve(database.conninfo)
        #expect(try await stage.health(again, "/readyz") == 200)
        let took = MonotonicInstant.now() - start
        note("ready \(took) after it was started again")
        #expect(took < .seconds(10))
        let tally = await running
        #expect(tally.failures == [])
        #expect(tally.acknowledged.count > 100)
        try await load.expectAcknowledgedWrites(in: database.conninfo, stage)
        let more = Load(again.address, key: database.key, expecting: .served)
        let after = await more.run(connections: 16, requests: 12, on: stage)
        #expect(after.failures == [])
      }
    }

    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func `says where it is, and calls itself as it is told to`(_ address: String) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo,
          [
            "COLOPHON_LISTEN": address, "COLOPHON_PRIVATE_LISTEN": address,
            "COLOPHON_PUBLIC_URL": "https://api.example.com/",
          ])
        #expect(try await stage.health(served, "/readyz") == 200)
        let post = Message.send(
          "POST", "/v1/posts", key: database.key,
          body: #"{"title":"Named","body":".","status":"published"}"#)
        let made = try await stage.ask(served.address, post)
        #expect(made["location"] == "https://api.example.com/v1/posts/named")
        let list = try await stage.get(served.address, "/v1/posts?limit=1")
        #expect(list["link"]?.hasPrefix("<https://api.example.com/v1/posts?limit=1") == true)
        // What is told to the machine is not told to strangers.
        for path in ["/livez", "/readyz", "/metrics"] {
          #expect(try await stage.get(served.address, path).status == 404)
        }
        #expect(try await stage.get(served.health, "/v1/posts").status == 404)
      }
    }

    @Test func `a port that is taken ends it`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let free = try #require(SocketAddress("127.0.0.1:0"))
        let taken = try Socket.listen(on: free, sharingPort: false)
        let address = try taken.localAddress().description
        for variable in ["COLOPHON_LISTEN", "COLOPHON_PRIVATE_LISTEN"] {
          var environment = [
            "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
            "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0",
          ]
          environment[variable] = address
          let refused = try await stage.run(["serve"], environment)
          #expect(refused.exit == .status(1))
          #expect(refused.output == "")
          #expect(refused.errors.contains(address))
          #expect(refused.errors.contains("taken"))
        }
      }
    }
  }
}
