import EventLoop
import JSON
import Postgres
import Testing

/// Bytes that nobody sends by intention, and a database that loses its sessions.
@Suite struct Hostile {
  @Test func `queries are refused or answered, whatever they say`() async throws {
    try await Site.run { site in
      for index in 0..<3 { try await site.publish("p\(index)", tags: ["t"]) }
      let cursor = try #require(try await site.get("/v1/posts?limit=1").next)
      let targets = [
        "/v1/posts?limit=2&tag=t,u", "/v1/posts?limit=1&cursor=\(cursor)", "/v1/posts/p1",
        "/v1/posts?tag=t", "/openapi.yaml",
      ].map { Array($0.utf8) }
      let tokens = [
        "&", "=", ",", "?", "/", "%", "%00", "%2C", "%ff", "+", "limit=", "tag=", "cursor=",
        "99999999999999999999", "-", "'", "\"", ";", "..", "%20", "A", "_", "#",
      ].map { Array($0.utf8) }
      var random = SeededRandom(seed: 17)
      var statuses: [Int: Int] = [:]
      for _ in 0..<1_500 {
        let bytes = random.mutate(targets[random.next(below: targets.count)], with: tokens)
          .filter { (0x21...0x7e).contains($0) }
        let target = String(decoding: bytes, as: UTF8.self)
        guard target.hasPrefix("/") else { continue }
        let answer = try await site.get(target)
        statuses[answer.status, default: 0] += 1
        #expect([200, 400, 404].contains(answer.status), "\(target)")
        #expect(answer.status == 200 || answer.problem != nil, "\(target)")
      }
      for status in [200, 400, 404] { #expect(statuses[status] ?? 0 > 10, "\(statuses)") }
    }
  }

  @Test func `bodies are refused or stored, whatever they hold`() async throws {
    try await Site.run { site in
      let json = Array(
        """
        {"title":"T é","slug":"a","body":"# B\\n\\n*c* \\u00e9","status":"scheduled","tags":["a","b-2"],
        "featured":true,"featured_order":3,"cover_image":{"url":"https://e.com/a","alt":"x"},
        "canonical_url":"https://e.com","published_at":"2026-03-12T09:00:00Z","excerpt":null}
        """.utf8)
      let markdown = Array(
        "---\ntitle: 'T'\ntags: [a, B c]\ndate: 2026-03-12\ncover_image: {url: https://e.com}\n---\n# B\n"
          .utf8)
      let tokens = [
        "\"", "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", ",", ":", "null", "1e999", "-0",
        "\u{0}", "\u{feff}", "\u{2028}", "---\n", "\n", "  ", "'", "|\n", "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z", "+25:00", "draft: yes\n",
      ].map { Array($0.utf8) }
      var random = SeededRandom(seed: 19)
      var statuses: [Int: Int] = [:]
      for round in 0..<1_200 {
        let isJSON = round % 2 == 0
        let type = isJSON ? "application/json" : "text/markdown"
        let answer = try await site.send(
          "PUT /v1/posts/a", site.authorized + ["Content-Type: " + type],
          body: random.mutate(isJSON ? json : markdown, with: tokens))
        statuses[answer.status, default: 0] += 1
        #expect([200, 201, 400, 422].contains(answer.status), "\(answer.text)")
        #expect(answer.status < 300 || answer.problem != nil)
        if answer.status == 422 { #expect(!answer.places.isEmpty) }
      }
      for status in [200, 400, 422] { #expect(statuses[status] ?? 0 > 10, "\(statuses)") }
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `losses of sessions turn into 503 and never into a wrong answer`() async throws {
    try await Site.run { site in
      let patience = MonotonicInstant.now() + .seconds(60)
      try await withThrowingTaskGroup(of: Void.self) { group in
        let rounds = Rounds()
        for writer in 0..<4 {
          group.addTask {
            var step = 0
            // A PUT may be sent again until it is answered; each has to be done in the end.
            while await rounds.left > 0 || step < 40 {
              step += 1
              let slug = "w\(writer)-\(step % 5)"
              let json = Site.json(title: "T\(step)", tags: ["t"])
              var answer = try await site.put(slug, json: json)
              while answer.status == 503, MonotonicInstant.now() < patience {
                #expect(["unavailable", "outcome-unknown"].contains(answer.problem))
                #expect(answer["Retry-After"] == "1")
                await site.loop.sleep(for: .milliseconds(5))
                answer = try await site.put(slug, json: json)
              }
              #expect([200, 201].contains(answer.status), "\(answer.text)")
              #expect(answer.json["title"]?.stringValue == "T\(step)")
              let list = try await site.get("/v1/posts?tag=t")
              #expect([200, 503].contains(list.status), "\(list.text)")
            }
          }
        }
        let connection = try await site.connect()
        while await rounds.left > 0, MonotonicInstant.now() < patience {
          let lost = try await connection.query(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and usename = '\(Site.role)' and state = 'active'
            """
          ).count
          if lost > 0 { await rounds.end() }
          await site.loop.sleep(for: .milliseconds(3))
        }
        #expect(await rounds.left == 0)
        await connection.close()
        try await group.waitForAll()
      }
      #expect(try await site.discrepancies() == [])
    }
  }

  /// How many times sessions are still to be lost in the middle of their work.
  private actor Rounds {
    private(set) var left = 8
    func end() { left -= 1 }
  }
}
