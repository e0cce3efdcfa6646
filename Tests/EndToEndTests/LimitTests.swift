import EventLoop
import Testing

extension TheProgram {
  @Suite struct WithinItsLimits {
    /// Ten tokens for every client, and hours until the next.
    private static let narrow = ["address", "key", "credential"]
      .map { $0 + ":burst=10/10d,sustained=10/10d" }.joined(separator: ";")

    @Test func `refuses before the content is sent, and says no 100`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_RATE_LIMITS": Self.narrow])
        let authorization = "Authorization: Bearer \(database.key)"
        let head = Message.head(
          "POST /v1/posts",
          [
            authorization, "Content-Type: application/json", "Content-Length: 27",
            "Expect: 100-continue",
          ])
        // As long as there is quota, the client is asked for its content.
        let wire = try #require(await Wire.open(served.address, on: stage.loop))
        await wire.send(head)
        guard case .answered(let first) = await wire.answer(interim: true) else { throw Overdue() }
        #expect(first.status == 100)
        await wire.send(#"{"title":"A","body":"Text"}"#)
        guard case .answered(let made) = await wire.answer() else { throw Overdue() }
        #expect(made.status == 201)
        await wire.close()

        for _ in 0..<5 { _ = try await stage.get(served.address, "/none", [authorization]) }
        let other = try #require(await Wire.open(served.address, on: stage.loop))
        await other.send(head)
        guard case .answered(let refused) = await other.answer(interim: true) else {
          throw Overdue()
        }
        #expect(refused.status == 429)
        #expect(refused["connection"]?.lowercased() == "close")
        #expect(refused["retry-after"].flatMap { Int($0) } ?? 0 > 0)
        #expect(refused.text.contains("urn:colophon:problem:quota-exceeded"))
        await other.close()

        // A client that sends without being asked is answered all the same, and can go on.
        let third = try #require(await Wire.open(served.address, on: stage.loop))
        let post = Message.send("POST", "/v1/posts", key: database.key, body: "{}")
        for _ in 0..<2 {
          guard case .answered(let answer) = await third.exchange(post) else { throw Overdue() }
          #expect(answer.status == 429)
        }
        let nothing = Message.head("HEAD /v1/posts", [authorization])
        await third.send(nothing + nothing)
        for _ in 0..<2 {
          guard case .answered(let answer) = await third.answer(toHead: true) else {
            throw Overdue()
          }
          #expect(answer.status == 429)
          #expect(answer["content-length"].flatMap { Int($0) } ?? 0 > 0)
          #expect(answer["content-type"] == "application/problem+json")
        }
        await third.close()
      }
    }

    @Test func `counts all of its processors as one, and its private side not at all`() async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_RATE_LIMITS": Self.narrow])
        var statuses: [Int: Int] = [:]
        for _ in 0..<40 {
          statuses[try await stage.get(served.address, "/none").status, default: 0] += 1
        }
        #expect(statuses == [404: 10, 429: 30])
        for _ in 0..<40 { #expect(try await stage.health(served, "/readyz") == 200) }
        for _ in 0..<40 {
          #expect(try await stage.get(served.health, "/livez")["ratelimit"] == nil)
        }
      }
    }

    @Test func `lets a site generator have five hundred posts at once, by its defaults`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        // An empty value is none.
        let served = try await stage.serve(database.conninfo, ["COLOPHON_RATE_LIMITS": ""])
        let writer = try #require(await Wire.open(served.address, on: stage.loop))
        for index in 0..<500 {
          let body = #"{"title":"Post \#(index)","body":"Text.","status":"published"}"#
          let put = Message.send("PUT", "/v1/posts/p\(index)", key: database.key, body: body)
          guard case .answered(let answer) = await writer.exchange(put) else { throw Overdue() }
          try #require(answer.status == 201, "\(answer.text)")
        }
        await writer.close()
        let statuses = try await withThrowingTaskGroup(of: [Int].self) { group in
          for client in 0..<20 {
            group.addTask(executorPreference: stage.loop) {
              let wire = try #require(await Wire.open(served.address, on: stage.loop))
              var statuses: [Int] = []
              let items = (0..<25).map { "/v1/posts/p\(client * 25 + $0)" }
              for path in ["/v1/posts?page=\(client + 1)&limit=25"] + items {
                guard case .answered(let answer) = await wire.exchange(Message.get(path)) else {
                  throw Overdue()
                }
                statuses.append(answer.status)
              }
              await wire.close()
              return statuses
            }
          }
          return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(statuses == Array(repeating: 200, count: 520))
      }
    }

    @Test func `counts whom its proxies name, and believes nobody else`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        for (proxies, admitted) in [("", 10), ("192.0.2.0/24", 10), ("127.0.0.0/8", 30)] {
          let served = try await stage.serve(
            database.conninfo,
            ["COLOPHON_RATE_LIMITS": Self.narrow, "COLOPHON_TRUSTED_PROXIES": proxies])
          var count = 0
          for index in 0..<30 {
            let field = "X-Forwarded-For: 127.0.0.1, 203.0.113.\(index)"
            if try await stage.get(served.address, "/none", [field]).status == 404 { count += 1 }
          }
          #expect(count == admitted, "\(proxies)")
          await served.program.send(15)
          #expect(try await served.program.exit() == .status(0))
        }
      }
    }

    @Test(arguments: [
      ("COLOPHON_RATE_LIMITS", "address:burst=4/1s", "burst=5/1s"),
      ("COLOPHON_RATE_LIMITS", "adress:burst=10/1s", "address:burst=1000/60s"),
      ("COLOPHON_TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
      ("COLOPHON_CLIENT_HEADER", "Client-IP", "X-Forwarded-For"),
    ])
    func `does not start with what it does not understand`(
      name: String, value: String, example: String
    ) async throws {
      try await Stage.run { stage in
        let refused = try await stage.run(["serve"], ["DATABASE_URL": "x", name: value])
        #expect(refused.exit == .status(2))
        #expect(refused.output == "")
        #expect(refused.errors.contains("colophon: \(name) "))
        #expect(refused.errors.contains(example))
      }
    }
  }
}
