import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct Secrets {
    @Test func `are in no log, argument, environment, metric or dump`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        // A rule that the program does not know: PostgreSQL's refusal quotes the row.
        _ = try await stage.ask(
          database.conninfo,
          "alter table colophon.posts add constraint strange check (title <> 'Refused')")
        let (old, new) = try await Self.makeKeys(database, stage)
        let bad = String(old.dropLast()) + "!"
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_TRUSTED_PROXIES": "127.0.0.1"])

        let (email, client, text) = ("ada.lovelace@example.org", "198.51.100.77", "Said to nobody.")
        let forwarded = "X-Forwarded-For: \(client)"
        var statuses: [Int] = []
        for key in [old, new, bad] {
          let authorized = ["Authorization: Bearer \(key)", forwarded]
          for title in ["Taken", "Refused"] {
            let put = Message.send(
              "PUT", "/v1/posts/a", key: key, [forwarded],
              body: #"{"title":"\#(title)","body":"\#(text)"}"#)
            statuses.append(try await stage.ask(served.address, put).status)
          }
          for target in ["/v1/posts?status=all", "/v1/posts?key=\(key)", "/v1/\(key)"] {
            statuses.append(try await stage.get(served.address, target, authorized).status)
          }
        }
        #expect(
          statuses == [201, 500, 200, 400, 404, 200, 500, 200, 400, 404, 401, 401, 401, 401, 404])
        let preview = try await stage.ask(
          served.address, Message.send("POST", "/v1/posts/a/previews", key: new, body: ""))
        let token = try #require(preview.text.firstMatch(of: /"token":"([A-Za-z0-9_-]{22,})"/))
          .output.1
        let shown = try await stage.get(served.address, "/v1/posts/a?preview=\(token)", [forwarded])
        #expect(shown.text.contains(text))
        for address in [email, email + ",eve@example.org"] {
          let signUp = Message.send(
            "POST", "/v1/newsletter/subscriptions", key: new, [forwarded],
            body: #"{"email":"\#(address)"}"#)
          let status = try await stage.ask(served.address, signUp).status
          #expect(status == (address == email ? 202 : 422))
        }

        let pid = served.program.pid
        let environment = String(
          decoding: try Files.read("/proc/\(pid)/environ"), as: UTF8.self)
        let metrics = try await stage.get(served.health, "/metrics").text
        let dump = try await Self.dump(database, stage)
        let arguments = OtherProcess.arguments(pid).joined(separator: " ")
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        let log = served.program.errors + served.program.output
        #expect(log.contains("23514"), "the faults were not logged: \(log)")
        #expect(metrics.contains("colophon_"))
        #expect(dump.contains("INSERT INTO colophon.api_keys"))

        let places = [
          "log": log, "arguments": arguments, "environment": environment, "metrics": metrics,
          "dump": dump,
        ]
        for (name, place) in places {
          for secret in [old, new, bad] {
            #expect(!place.contains(secret.suffix(39).prefix(30)), "a key is in the \(name)")
          }
          #expect(!place.contains(token), "a token is in the \(name)")
          if name != "dump" {
            #expect(!place.contains(text), "text is in the \(name)")
            #expect(!place.contains("lovelace"), "an address is in the \(name)")
          }
        }
        // Mail has to be sent to an address, so there is one place that has it.
        let rows = dump.split(separator: "\n").filter { $0.contains("lovelace") }
        #expect(rows.count == 1)
        #expect(rows.allSatisfy { $0.hasPrefix("INSERT INTO colophon.subscriptions ") })
        #expect(!dump.contains(client), "the address of a client is in the dump")
      }
    }

    /// A key and the one that is to replace it, both active.
    private static func makeKeys(
      _ database: MadeDatabase, _ stage: Stage
    ) async throws -> (old: String, new: String) {
      let environment = ["DATABASE_URL": database.conninfo]
      let made = try await stage.run(
        ["key", "create", "two", "--scope", "posts:write,posts:read_drafts"], environment)
      let old = String(made.output.dropLast())
      let id = String(old.dropFirst("colophon_".count).prefix(16))
      let rotated = try await stage.run(["key", "rotate", id], environment)
      let new = String(rotated.output.dropLast())
      try #require(old.utf8.count == 65 && new.utf8.count == 65 && old != new)
      return (old, new)
    }

    /// Every row of the database, in plain text.
    private static func dump(_ database: MadeDatabase, _ stage: Stage) async throws -> String {
      let folder = try await ServerPrograms.find(on: stage.loop).folder
      let dump = try await stage.start(
        command: [folder + "/pg_dump", "--inserts", "-n", "colophon", database.conninfo]
      ).finished()
      try #require(dump.exit == .status(0), "\(dump.errors)")
      return dump.output
    }
  }

  @Suite struct FieldsOfAnswers {
    @Test func `hold nothing of a request that could end a line`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(
          database.conninfo, ["COLOPHON_CORS_ORIGINS": "https://example.com"])
        let made = try await stage.ask(
          served.address,
          Message.send(
            "POST", "/v1/posts", key: database.key, body: #"{"title":"A","body":".","slug":"a"}"#))
        #expect(made["location"] == "/v1/posts/a")
        // Bytes that some server or other has let into a header field.
        let strange: [[UInt8]] = [
          Array("a\u{e9}b".utf8), [0x61, 0x80, 0x62], Array("a b".utf8), Array("a\tb".utf8),
          Array("a%0d%0aInjected:%20yes".utf8), Array("a\u{560d}\u{560a}Injected: yes".utf8),
          Array("\"a\\\"b\"".utf8), Array("a,b".utf8),
        ]
        let fields = [
          "X-Request-Id", "Idempotency-Key", "Origin", "traceparent", "X-Forwarded-Host",
          "Forwarded", "Access-Control-Request-Method", "Access-Control-Request-Headers",
          "If-None-Match", "Accept", "Prefer", "Expect",
        ]
        let body = Array(#"{"title":"A","body":"."}"#.utf8)
        for line in [
          "PUT /v1/posts/a", "GET /v1/posts/a%0d%0aInjected:%20yes",
          "GET /v1/posts?tag=%0d%0aInjected:%20yes", "GET /v1/posts?limit=1",
          "OPTIONS /v1/posts/a", "TRACE /v1/posts", "PUT /v1/posts/a%0aInjected:%20yes",
        ] {
          for field in fields {
            for value in strange {
              var request = Array("\(line) HTTP/1.1\r\nHost: localhost\r\n".utf8)
              request += Array("Authorization: Bearer \(database.key)\r\n".utf8)
              request += Array("Content-Type: application/json\r\n".utf8)
              request += Array("Content-Length: \(body.count)\r\n\(field): ".utf8)
              request += value + Array("\r\n\r\n".utf8) + body
              let answer = try await stage.ask(served.address, request)
              #expect(answer["injected"] == nil, "\(line), \(field)")
              #expect(answer["x-content-type-options"] == "nosniff", "\(line), \(field)")
              #expect(answer["server"] == nil && answer["via"] == nil && answer["date"] != nil)
              #expect(answer["access-control-allow-origin"] == nil, "\(line), \(field)")
              for (name, value) in answer.fields {
                #expect(
                  value.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(name): \(value)")
              }
              if line.hasPrefix("TRACE") { #expect([405, 417].contains(answer.status)) }
              if ["PUT", "GET"].contains(line.prefix(3)) {
                #expect(answer["cache-control"]?.contains("no-store") == true, "\(line), \(field)")
              }
            }
          }
        }
      }
    }
  }
}
