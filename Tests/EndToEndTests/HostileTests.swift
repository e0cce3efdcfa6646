import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct HostileRequests {
    private struct Attack: Sendable {
      let name: String
      let bytes: [UInt8]
      let status: Int
    }

    private static func put(_ body: [UInt8], _ key: String, _ type: String) -> [UInt8] {
      let head = Message.head(
        "PUT /v1/posts/a",
        [
          "Authorization: Bearer \(key)", "Content-Type: \(type)",
          "Content-Length: \(body.count)",
        ])
      return Array(head.utf8) + body
    }

    private static func attacks(_ key: String) -> [Attack] {
      func json(_ name: String, _ body: String, _ status: Int) -> Attack {
        Attack(name: name, bytes: put(Array(body.utf8), key, "application/json"), status: status)
      }
      func get(_ name: String, _ target: String, _ status: Int) -> Attack {
        Attack(name: name, bytes: Message.get(target), status: status)
      }
      func text(_ count: Int) -> String { String(repeating: "a", count: count) }
      let deep = 100_000
      let invalid: [UInt8] =
        Array(#"{"title":""#.utf8) + [0xff, 0xfe] + Array(#"","body":""}"#.utf8)
      let chunk = text(65_536)
      let chunked =
        Message.head(
          "PUT /v1/posts/a",
          [
            "Authorization: Bearer \(key)", "Content-Type: application/json",
            "Transfer-Encoding: chunked",
          ]) + String(repeating: "10000\r\n\(chunk)\r\n", count: 33) + "0\r\n\r\n"
      return [
        Attack(
          name: "a field of 1 MiB", bytes: Message.get("/v1/posts", ["X: \(text(1 << 20))"]),
          status: 431),
        Attack(
          name: "a head of 64 KiB",
          bytes: Message.get("/v1/posts", (0..<64).map { "X-\($0): \(text(1016))" }),
          status: 431),
        Attack(
          name: "1000 fields", bytes: Message.get("/v1/posts", (0..<1000).map { "X-\($0): 1" }),
          status: 431),
        get("a target of 64 KiB", "/v1/posts?tag=\(text(65_536))", 414),
        Attack(
          name: "NUL in the head", bytes: Array("GET /v1/posts\0 HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
          status: 400),
        Attack(name: "NULs alone", bytes: [UInt8](repeating: 0, count: 4096), status: 400),
        Attack(
          name: "bytes of no meaning",
          bytes: (0..<40_000).map { UInt8(truncatingIfNeeded: $0 * 7) },
          status: 400),
        Attack(
          name: "TLS", bytes: [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] + [UInt8](1...200), status: 400),
        get("NUL in the path", "/v1/posts/a%00b", 400),
        get("invalid UTF-8 in the path", "/v1/posts/%ff", 400),
        get("invalid UTF-8 in the query", "/v1/posts?tag=%ff", 400),
        get("a limit of 2^63", "/v1/posts?limit=9223372036854775808", 400),
        get("a limit of -2^63", "/v1/posts?limit=-9223372036854775808", 400),
        get("a limit of 400 digits", "/v1/posts?limit=\(String(repeating: "9", count: 400))", 400),
        get("a cursor of nothing", "/v1/posts?cursor=AAAA", 400),
        Attack(
          name: "a body of 2 MiB",
          bytes: put([UInt8](repeating: 0x61, count: 2 << 20), key, "application/json"), status: 413
        ),
        Attack(
          name: "a length of 2^64",
          bytes: Array(
            Message.head("PUT /v1/posts/a", ["Content-Length: 18446744073709551616"]).utf8),
          status: 400),
        Attack(name: "a chunked body of 2 MiB", bytes: Array(chunked.utf8), status: 413),
        Attack(
          name: "a chunk of 2^64 bytes",
          bytes: Array(
            (Message.head(
              "PUT /v1/posts/a",
              [
                "Authorization: Bearer \(key)", "Content-Type: application/json",
                "Transfer-Encoding: chunked",
              ]) + "10000000000000000\r\na").utf8), status: 400),
        json(
          "100,000 arrays",
          String(repeating: "[", count: deep) + String(repeating: "]", count: deep),
          400),
        json("100,000 objects", String(repeating: #"{"a":"#, count: deep), 400),
        json("half a surrogate", #"{"title":"\ud800","body":"."}"#, 400),
        json("the other half first", #"{"title":"\udc00\ud800","body":"."}"#, 400),
        json("U+0000", #"{"title":"a\u0000b","body":"."}"#, 422),
        json(
          "an order of 2^63", #"{"title":"a","body":".","featured_order":9223372036854775808}"#, 422
        ),
        json("an order of 1e400", #"{"title":"a","body":".","featured_order":1e400}"#, 422),
        json("a name twice", #"{"title":"a","title":"b","body":"."}"#, 400),
        json(
          "a year of six digits",
          #"{"title":"a","body":".","published_at":"123456-01-01T00:00:00Z"}"#, 422),
        Attack(
          name: "invalid UTF-8 in JSON", bytes: put(invalid, key, "application/json"), status: 400),
        Attack(
          name: "invalid UTF-8 in Markdown",
          bytes: put(Array("---\ntitle: a\n---\n".utf8) + [0xc3, 0x28], key, "text/markdown"),
          status: 400),
        Attack(
          name: "NUL in Markdown",
          bytes: put(Array("---\ntitle: a\n---\n\0".utf8), key, "text/markdown"), status: 422),
        Attack(
          name: "a megabyte of brackets",
          bytes: put(
            Array("---\ntitle: \(String(repeating: "[", count: 500_000))\n---\n.".utf8), key,
            "text/markdown"), status: 422),
        Attack(
          name: "two lengths",
          bytes: Array(
            Message.head("PUT /v1/posts/a", ["Content-Length: 1", "Content-Length: 2"]).utf8),
          status: 400),
        Attack(
          name: "no Host", bytes: Array("GET /v1/posts HTTP/1.1\r\n\r\n".utf8), status: 400),
        Attack(
          name: "HTTP/2", bytes: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), status: 505),
      ]
    }

    @Test func `are told what is wrong with them, and end nothing`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let good = Message.send(
          "PUT", "/v1/posts/kept", key: database.key,
          body: #"{"title":"Kept","body":".","status":"published"}"#)
        #expect(try await stage.ask(served.address, good).status == 201)
        for attack in Self.attacks(database.key) {
          let wire = try #require(await Wire.open(served.address, on: stage.loop))
          guard case .answered(let answer) = await wire.exchange(attack.bytes) else {
            Issue.record("\(attack.name) got no answer")
            continue
          }
          await wire.close()
          #expect(answer.status == attack.status, "\(attack.name): \(answer.text)")
          #expect(answer["content-type"] == "application/problem+json", "\(attack.name)")
          let after = try await stage.get(served.address, "/v1/posts/kept")
          #expect(after.status == 200, "\(attack.name)")
        }
        #expect(await served.program.process.ended == nil)
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        #expect(!served.program.errors.contains(#""level":"error""#), "\(served.program.errors)")
      }
    }

    @Test func `many at once keep nobody else waiting`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo)
        let good = Message.send(
          "PUT", "/v1/posts/kept", key: database.key,
          body: #"{"title":"Kept","body":".","status":"published"}"#)
        #expect(try await stage.ask(served.address, good).status == 201)
        let requests = Self.attacks(database.key).map(\.bytes)
        await withTaskGroup(of: Void.self) { group in
          for request in requests {
            group.addTask(executorPreference: stage.loop) {
              guard let wire = await Wire.open(served.address, on: stage.loop) else { return }
              _ = await wire.exchange(request)
              await wire.close()
            }
          }
          group.addTask(executorPreference: stage.loop) {
            var worst = Duration.zero
            for _ in 0..<50 {
              let start = MonotonicInstant.now()
              _ = try? await stage.get(served.address, "/v1/posts/kept")
              worst = max(worst, MonotonicInstant.now() - start)
            }
            note("the slowest read among hostile requests took \(worst)")
            // The promise is a second; what this must find takes minutes, in any build.
            #expect(worst < .seconds(10))
          }
        }
        #expect(await served.program.process.ended == nil)
      }
    }
  }
}
