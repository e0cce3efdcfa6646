import ContentAPI
import EventLoop
import HTTP
import JSON
import Testing

/// What the log says of requests, read back as a program would.
@Suite struct LogOfRequests {
  @Test func `has one line for each, which says what became of it`() async throws {
    let file = try LogFile()
    try await Site.run(memory: .bytes(1 << 20), observer: Observer(file.log)) { site in
      try await site.look()
      let write = ["Idempotency-Key: k", "X-Request-Id: write"]
      for _ in 0..<2 { _ = try await site.post(json: Site.json(title: "A"), write) }
      _ = try await site.post(json: Site.json(title: "B"), write)
      try await site.look()
      for name in ["miss", "hit"] {
        _ = try await site.get("/v1/posts/a", ["X-Request-Id: \(name)"])
      }
      _ = try await site.send("HEAD /v1/posts/a", ["X-Request-Id: head"])
      _ = try await site.get("/v1/posts", ["Authorization: Bearer no", "X-Request-Id: bad"])
      _ = try await site.get("/v1/none?secret=1", ["X-Request-Id: none"])
      _ = try await site.send("BREW /v1/posts")
    }
    let lines = try file.lines()
    #expect(lines.allSatisfy { $0.text("event") == "request" && $0.text("level") == "info" })
    let said = lines.map { line in
      ["request_id", "client", "method", "route", "cache", "idempotency"].map { line.text($0) }
        + ["\(line["status"]?.integerValue ?? 0)", line.text("problem")]
    }
    #expect(
      said.dropLast() == [
        ["write", "key", "POST", "/v1/posts", "none", "run", "201", ""],
        ["write", "key", "POST", "/v1/posts", "none", "replayed", "201", ""],
        ["write", "key", "POST", "/v1/posts", "none", "refused", "422", "idempotency-key-reused"],
        ["miss", "address", "GET", "/v1/posts/{slug}", "miss", "none", "200", ""],
        ["hit", "address", "GET", "/v1/posts/{slug}", "hit", "none", "200", ""],
        ["head", "address", "HEAD", "/v1/posts/{slug}", "hit", "none", "200", ""],
        ["bad", "credential", "GET", "/v1/posts", "none", "none", "401", "unauthorized"],
        ["none", "address", "GET", "unknown", "none", "none", "404", "not-found"],
      ])
    #expect(
      said.last?[1...] == ["address", "", "unread", "none", "none", "501", "not-implemented"])
    #expect(!lines.contains { "\($0)".contains("secret") }, "no query")
    // How long it took, all in all and for the database.
    for line in lines {
      let total = try #require(line.number("duration_ms"))
      let database = try #require(line.number("database_ms"))
      let asks = ["write", "miss"].contains(line.text("request_id"))
      #expect(asks ? database > 0 && database <= total : database == 0, "\(line)")
    }
    #expect(lines[3]["bytes"]?.integerValue == lines[4]["bytes"]?.integerValue)
    #expect(lines[3]["bytes"]?.integerValue ?? 0 > 0)
    #expect(lines[5]["bytes"]?.integerValue == 0)
    // Named once and for all.
    #expect(Set(lines.map { $0.text("trace_id") }).count == lines.count)
    #expect(Set(lines.map { $0.text("span_id") }).count == lines.count)
    for line in lines {
      #expect(throws: Never.self) { try Instant(rfc3339: line.text("time")) }
    }
  }

  @Test func `writes any id so that a program reads the same`() async throws {
    let file = try LogFile()
    let ids = ["a\"b\\c", "\\u0000", "\"", "{}", String(repeating: "\"", count: 128)]
    try await Site.run(memory: .bytes(1 << 20), observer: Observer(file.log)) { site in
      try await site.look()
      for id in ids + ids { _ = try await site.get("/v1/posts", ["X-Request-Id: " + id]) }
    }
    let lines = try file.lines()
    #expect(lines.map { $0.text("request_id") } == ids + ids)
    #expect(lines.last?.text("cache") == "hit")
  }

  @Test func `continues a trace, on both ways to an answer`() async throws {
    let file = try LogFile()
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    try await Site.run(memory: .bytes(1 << 20), observer: Observer(file.log)) { site in
      try await site.look()
      for _ in 0..<2 {
        let answer = try await site.get(
          "/v1/posts", ["traceparent: 00-\(trace)-00f067aa0ba902b7-01", "tracestate: a=b"])
        #expect(answer["traceparent"] == nil && answer["tracestate"] == nil)
      }
      _ = try await site.get(
        "/v1/posts",
        ["traceparent: 00-\(trace)-00f067aa0ba902b7-01", "traceparent: 00-\(trace)-1-01"])
    }
    let lines = try file.lines()
    #expect(lines.map { $0.text("trace_id") == trace } == [true, true, false])
    #expect(!lines.map { $0.text("span_id") }.contains("00f067aa0ba902b7"))
    #expect(lines.allSatisfy { $0.text("trace_id").utf8.count == 32 })
  }

  @Test(arguments: [
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
    ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more", true),
    ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
    ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more", false),
    ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
    ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
    ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", false),
    ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false),
    ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false), ("00", false), ("", false),
  ])
  func `takes a trace from a valid field alone`(field: String, isValid: Bool) {
    let trace = Traces.trace(in: Array(field.utf8).span)
    #expect((trace != nil) == isValid)
    if let trace { #expect(trace.high == 0x4bf9_2f35_77b3_4da6 && trace.low != 0) }
  }

  @Test func `has what the level asks for`() async throws {
    for (level, count) in [(LogLevel.notice, 0), (.info, 2), (.debug, 2)] {
      let file = try LogFile(level)
      try await Site.run(observer: Observer(file.log)) { site in
        _ = try await site.get("/v1/posts")
        _ = try await site.get("/none")
      }
      #expect(try file.lines().count == count, "\(level)")
    }
    #expect(LogLevel("info") == .info && LogLevel("INFO") == nil && LogLevel("") == nil)
  }

  @Test func `says why a request has failed, and quotes nothing of what somebody wrote`()
    async throws
  {
    let file = try LogFile(.warning)
    try await Site.run(observer: Observer(file.log)) { site in
      _ = try await site.sql(
        """
        create function colophon.refuse() returns trigger language plpgsql as $$
        begin raise exception 'no place for % of %', new.title, 'eve@example.org'; end $$;
        """)
      _ = try await site.sql(
        """
        create trigger refuse before insert on colophon.posts for each row
        execute function colophon.refuse()
        """)
      let answer = try await site.post(
        json: Site.json(title: "k0lophon1234567890abcdefghij"), ["X-Request-Id: failed"])
      #expect(answer.status == 500)
      _ = try await site.get("/v1/posts", ["X-Request-Id: fine"])
    }
    let line = try #require(try file.lines().first)
    #expect(try file.lines().count == 1)
    #expect(line.text("request_id") == "failed" && line.text("level") == "error")
    #expect(line.text("problem") == "internal-error")
    #expect(
      line.text("cause") == "the database refused: P0001 no place for […] of [address]")
  }

  @Test func `is words where somebody reads along, on one line and without control characters`()
    async throws
  {
    let file = try LogFile(.info, .text)
    try await Site.run(observer: Observer(file.log)) { site in
      _ = try await site.sql(
        """
        create function colophon.refuse() returns trigger language plpgsql as $$
        begin raise exception E'first\\n\\x1b[2Jsecond'; end $$;
        """)
      _ = try await site.sql(
        """
        create trigger refuse before insert on colophon.posts for each row
        execute function colophon.refuse()
        """)
      _ = try await site.post(json: Site.json(title: "A"), ["X-Request-Id: failed"])
      _ = try await site.get("/v1/posts", ["X-Request-Id: fine"])
    }
    let text = file.text()
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 2)
    #expect(lines[0].contains("500 POST /v1/posts"))
    #expect(lines[0].contains("failed: the database refused: P0001 first [2Jsecond"))
    #expect(lines[1].contains("200 GET /v1/posts") && lines[1].hasSuffix("fine"))
    #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
  }
}

@Suite struct TimeOfRequests {
  /// Every read that asks the database, whichever way it takes to it.
  @Test func `knows what of it was the database's, on every route`() async throws {
    let file = try LogFile()
    var asked: [String] = []
    try await Site.run(observer: Observer(file.log)) { site in
      try await site.publish("a", tags: ["t"])
      _ = try await site.send(
        "PUT /v1/projects/a", site.authorized + ["Content-Type: application/json"],
        body: Array(#"{"name":"A"}"#.utf8))
      _ = try await site.send(
        "POST /v1/projects", site.authorized + ["Content-Type: application/json"],
        body: Array(#"{"name":"A"}"#.utf8))
      for route in ContentAPI.routes
      where route.method == .get
        && !["/openapi.yaml", "/docs", "/newsletter/thanks"].contains(route.template)
      {
        let path = route.template.replacing(
          "{slug}", with: route.template.contains("tags") ? "t" : "a"
        )
        .replacing("{version}", with: "1").replacing("{key}", with: "none")
        let query = route.parameters.contains("token") ? "?token=none" : ""
        let answer = try await site.get(
          path + query, route.access == .everyone ? [] : site.authorized)
        #expect(answer.status < 500, "\(path)")
        asked.append(route.template)
      }
    }
    let lines = try file.lines().filter { $0.text("method") == "GET" }
    #expect(lines.map { $0.text("route") } == asked)
    for line in lines {
      #expect(line.number("database_ms") ?? 0 > 0, "\(line)")
    }
  }

  @Test func `is told to who has a key, in answers that nobody keeps`() async throws {
    try await Site.run { site in
      let created = try await site.post(json: Site.json(title: "A"))
      let seen = try await site.get("/v1/posts/a", site.authorized)
      let missed = try await site.get("/v1/posts/b", site.authorized)
      for answer in [created, seen, missed] {
        let timing = try #require(answer["Server-Timing"])
        let parts = timing.split(separator: ", ").map { $0.split(separator: ";dur=") }
        #expect(parts.map { String($0[0]) } == ["total", "db"])
        let times = parts.compactMap { Double($0[1]) }
        #expect(times.count == 2 && times[0] >= times[1] && times[1] > 0, "\(timing)")
      }
      for answer in [
        try await site.get("/v1/posts/a"), try await site.get("/none"),
        try await site.get("/v1/posts", ["Authorization: Bearer bad"]),
      ] {
        #expect(answer["Server-Timing"] == nil)
      }
    }
  }
}
