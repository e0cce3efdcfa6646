import EventLoop
import Glibc
import JSON
import LocalPostgres
import Postgres
import Testing

extension TheProgram {
  /// Writes whose connection to the database, or whose server, is lost around COMMIT.
  @Suite struct LosingCommits {
    /// A write as a client sends it, and what it is answered with.
    private struct Write: Sendable {
      let method: String
      let target: String
      let body: String
      let status: Int
      /// What it leaves: `slug version` of the post, nil when it is gone.
      let leaves: (slug: String, version: Int)?

      func request(_ database: MadeDatabase, _ key: String?) -> [UInt8] {
        Message.send(
          method, target, key: database.key, key.map { ["Idempotency-Key: \($0)"] } ?? [],
          body: body)
      }

      /// One after the other, each finds what the one before it left.
      static func all(_ slug: String) -> [Write] {
        let path = "/v1/posts/\(slug)"
        func json(_ body: String) -> String {
          #"{"title":"\#(slug)","body":"\#(body)","status":"published"}"#
        }
        return [
          Write(
            method: "POST", target: "/v1/posts", body: json("1"), status: 201, leaves: (slug, 1)),
          Write(method: "PUT", target: path, body: json("2"), status: 200, leaves: (slug, 2)),
          Write(
            method: "PATCH", target: path, body: #"{"body":"3"}"#, status: 200, leaves: (slug, 3)),
          Write(
            method: "PUT", target: path + "-put", body: json("4"), status: 201,
            leaves: (slug + "-put", 1)),
          Write(method: "DELETE", target: path, body: "", status: 204, leaves: nil),
        ]
      }
    }

    /// A database of its own, a relay before it and the program behind that.
    private static func behindRelay(
      _ body:
        @Sendable @escaping (Stage, MadeDatabase, Relay, Served) async throws -> Void
    ) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let relay = try await Relay.start(before: database.conninfo, on: stage.loop)
        let served = try await stage.serve(
          relay.conninfo(to: database.conninfo), Relay.withoutReports)
        do {
          try await body(stage, database, relay, served)
        } catch {
          await relay.stop()
          throw error
        }
        await relay.stop()
      }
    }

    private static func versions(_ database: MadeDatabase, _ stage: Stage) async throws -> [String]
    {
      try await stage.ask(
        database.conninfo,
        """
        select slug || ' ' || version from colophon.posts where trashed_at is null order by slug
        """)
    }

    private static let openKeys =
      "select count(*)::text from colophon.idempotency_keys where status is null"

    @Test(arguments: [Relay.Fault.before, .after, .swallowed, .late], [true, false])
    func `are answered in the same request as if nothing had happened`(
      _ fault: Relay.Fault, _ isKeyed: Bool
    ) async throws {
      try await Self.behindRelay { stage, database, relay, served in
        var expected: [String: Int] = [:]
        for (number, write) in Write.all("post").enumerated() {
          let key = isKeyed ? "key-\(number)" : nil
          await relay.arm(fault)
          let commits = await relay.commits
          let answer = try await stage.ask(served.address, write.request(database, key))
          #expect(answer.status == write.status, "\(write.method): \(answer.text)")
          #expect(answer["idempotent-replayed"] == nil, "\(write.method)")
          #expect(await relay.struck == [fault: number + 1], "\(write.method)")
          if let leaves = write.leaves {
            expected[leaves.slug] = leaves.version
            let json = try JSONReader.read(answer.body.span)
            #expect(json["version"]?.integerValue == leaves.version)
            #expect(answer["etag"] != nil)
          } else {
            expected["post"] = nil
          }
          if answer.status == 201 {
            let slug = write.leaves?.slug ?? ""
            #expect(answer["location"]?.hasSuffix("/v1/posts/\(slug)") == true)
          }
          // Run again where COMMIT did not get through, found where it did.
          let due = fault == .before ? 0 : number + 1
          let deadline = MonotonicInstant.now() + .seconds(10)
          // The relay counts what it sees, and may see it later than the client is answered.
          while await relay.executed[fault] ?? 0 < due, .now() < deadline {
            await stage.loop.sleep(for: .milliseconds(5))
          }
          #expect(await relay.executed[fault] ?? 0 == due, "\(write.method)")
          // The second one does it, or says that the first did.
          #expect(await relay.commits == commits + 2, "\(write.method)")
          let stored = try await Self.versions(database, stage)
          #expect(stored == expected.map { "\($0) \($1)" }.sorted(), "\(write.method)")
          guard isKeyed else { continue }
          let replay = try await stage.ask(served.address, write.request(database, key))
          #expect(replay.status == answer.status)
          #expect(replay.body == answer.body)
          #expect(replay["etag"] == answer["etag"])
          #expect(replay["idempotent-replayed"] == "true")
        }
        #expect(try await stage.ask(database.conninfo, Self.openKeys) == ["0"])
      }
    }

    @Test func `are each there once when they have no key, however many there are`() async throws {
      try await Self.behindRelay { stage, database, relay, served in
        let (clients, writes) = (6, 30)
        let seed = UInt64.random(in: 0...999_999_999)
        note("the seed of lost COMMITs is \(seed)")
        await relay.beginStorm([.before, .after, .swallowed, .late], oneIn: 4, seed: seed)
        let answers = await withTaskGroup(of: [(title: String, status: Int)].self) { group in
          for client in 0..<clients {
            group.addTask(executorPreference: stage.loop) {
              var answers: [(title: String, status: Int)] = []
              for number in 0..<writes {
                let title = "w\(client)-\(number)"
                let post = Message.send(
                  "POST", "/v1/posts", key: database.key,
                  body: #"{"title":"\#(title)","body":"."}"#)
                let answer = try? await stage.ask(served.address, post)
                answers.append((title, answer?.status ?? 0))
              }
              return answers
            }
          }
          return await group.reduce(into: []) { $0 += $1 }
        }
        await relay.endStorm()
        let struck = await relay.struck
        for fault in [Relay.Fault.before, .after, .swallowed, .late] {
          #expect(struck[fault] ?? 0 > 0, "\(fault)")
        }
        // Three lost COMMITs in a row are more than a request sits out.
        let unknown = answers.filter { $0.status == 503 }.map(\.title)
        note("\(answers.count) writes without a key met \(struck), \(unknown.count) unknown")
        #expect(answers.allSatisfy { [201, 503].contains($0.status) }, "seed \(seed)")
        #expect(unknown.count < answers.count / 10)
        let stored = try await Self.versions(database, stage)
        let created = answers.filter { $0.status == 201 }.map { $0.title + " 1" }
        #expect(Set(stored).isSuperset(of: created), "seed \(seed)")
        #expect(Set(stored).subtracting(created).isSubset(of: unknown.map { $0 + " 1" }))
        #expect(try await stage.ask(database.conninfo, Self.openKeys) == ["0"])
      }
    }
  }
}
