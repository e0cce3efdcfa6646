import ContentAPI
import HTTP
import JSON
import Testing

/// What is answered from memory is what the database would be asked for.
@Suite struct CachedReads {
  static let memory = Site.Memory.bytes(8 << 20)

  /// What there is to be read, on every route that anybody may read.
  static func prepare(_ site: Site) async throws {
    for (slug, tags) in [("public", ["t", "u"]), ("second", ["t"]), ("third", ["u"])] {
      try await site.publish(slug, tags: tags, at: "2026-03-0\(slug.utf8.count - 4)T08:00:00Z")
    }
    _ = try await site.put("draft", json: Site.json(title: "Draft", status: "draft", tags: ["d"]))
    _ = try await site.send("PUT", "/v1/tags/t", #"{"name":"Tea","description":"Leaves"}"#)
    _ = try await site.send("POST", "/v1/projects", #"{"name":"P","tags":["t"],"featured":true}"#)
  }

  /// Requests for every route that anybody may read, with each parameter it takes.
  static func targets(_ site: Site) async throws -> [String] {
    // With a key, so that nothing is kept.
    let next = try #require(try await site.get("/v1/posts?limit=1", site.authorized).next)
    let since = try #require(try await site.get("/v1/changes", site.authorized).next)
    let values = [
      "limit": ["1", "0"], "cursor": [next, "x"], "fields": ["title", "nope"],
      "tag": ["t", "none"], "tags_all": ["t,u"], "sort": ["title", "name"], "featured": ["true"],
      "q": ["about"], "preview": ["x"], "since": [since, "x"], "token": ["x"],
      "status": ["all", "published"], "published_after": ["2026-03-02T00:00:00Z"],
    ]
    var targets = ["/v1/posts/draft", "/v1/posts/none", "/v1/posts?", "/v1/%70osts", "/v1/posts/"]
    for route in ContentAPI.routes where route.method == .get && route.access == .everyone {
      let slug = ["tags": "t", "projects": "p"]
      let kind = route.template.split(separator: "/").dropFirst().first.map(String.init) ?? ""
      let path = route.template.replacing("{slug}", with: slug[kind] ?? "public")
      targets.append(path)
      for name in route.parameters {
        targets += (values[name] ?? ["1"]).map { "\(path)?\(name)=\($0)" }
      }
      targets.append(path + "?nope=1")
    }
    return targets
  }

  /// An answer but for the id of the request where that is the server's, for what is left of a
  /// quota, which the other server has not counted, and for how far the feed of changes has got,
  /// which is counted in transactions of whatever database.
  struct Seen: Equatable, CustomStringConvertible {
    let status: Int
    let fields: [String]
    let body: [UInt8]

    init(_ answer: Answer) {
      status = answer.status
      let isOurs = answer["X-Request-Id"]?.hasPrefix("ab0000") == true
      let isFeed = answer.text.contains("\"changed_at\"")
      fields = answer.fields.filter {
        !$0.name.hasPrefix("RateLimit") && !(isFeed && $0.name == "ETag")
      }.map { $0.name + ": " + (isOurs && $0.name == "X-Request-Id" ? "ours" : $0.value) }.sorted()
      let isText = isFeed || answer.text.contains("\"instance\":\"ab0000")
      body =
        isText
        ? Array(
          answer.text.replacing(/"instance":"ab[0-9a-f]*"/, with: "")
            .replacing(/"next_cursor":"[^"]*"/, with: "").utf8) : answer.body
    }

    var description: String {
      "\(status) \(fields) \(String(decoding: body.prefix(300), as: UTF8.self))"
    }
  }

  /// The field lines that requests are tried with, given the entity tag of the answer.
  private static func variants(_ tag: String, _ date: String?, _ type: String) -> [[String]] {
    let other = #""other""#
    var variants: [[String]] = [[]]
    for value in [
      tag, "W/" + tag, "*", other, "\(other), \(tag)", "\(tag),\(tag)", "\(other),W/\(other)",
      String(tag.dropLast()), "w/" + tag, "W\\" + tag, "\"" + tag, "", ",", tag + ",", "* ",
      tag.uppercased(),
    ] {
      variants.append(["If-None-Match: " + value])
    }
    variants.append(["If-None-Match: " + tag, "If-None-Match: " + other])
    variants.append(["If-None-Match: " + other, "If-None-Match: " + tag])
    for value in [tag, "W/" + tag, "*", other, "\(other), \(tag)", "x", ""] {
      variants.append(["If-Match: " + value])
      variants.append(["If-Match: " + value, "If-None-Match: " + tag])
    }
    for value in [
      date ?? "x", "Thu, 01 Jan 2026 00:00:00 GMT", "Fri, 01 Jan 2038 00:00:00 GMT", "x",
    ] {
      variants.append(["If-Modified-Since: " + value])
      variants.append(["If-Modified-Since: " + value, "If-None-Match: " + other])
      variants.append(["If-Modified-Since: " + value, "If-None-Match: " + tag])
      variants.append(["If-Modified-Since: " + value, "If-Modified-Since: " + value])
    }
    let major = type.prefix { $0 != "/" }
    for value in [
      "*/*", type, type.uppercased(), "\(major)/*", "text/plain, */*", "text/plain,\(type)",
      "\(type);q=0", "\(type);q=0, */*", "*/*;q=0", "*/*;q=0.5", "text/plain",
      "text/plain;q=1,*/*;q=0.1",
      "*/*, @@", "@@, */*", "*/*,", ", ,*/*", "*/*, text", "\(type), */html", "*/* */*", "*/*\t",
      "\(type) , x/y", "a/b c/d, \(type)", "\"\(type)\"", "*", "", ",", "/", "text/plain,",
      "*/*, a/b/c", "\(type), (/)", "\(type)x", "é/é, */*", "*/*, text/", "*/*,/html",
    ] {
      variants.append(["Accept: " + value])
    }
    variants.append(["Accept: */*", "Accept: text/plain"])
    variants.append(["Accept: text/plain", "Accept: @@"])
    for value in ["https://one.example", "https://two.example", "null", "", "x"] {
      variants.append(["Origin: " + value])
      variants.append(["Origin: " + value, "If-None-Match: " + tag])
    }
    variants.append(["Origin: https://one.example", "Origin: https://one.example"])
    for value in [
      "mine", String(repeating: "x", count: 128), String(repeating: "x", count: 129),
      "with space", "é", "", "tab\there",
    ] {
      variants.append(["X-Request-Id: " + value])
    }
    variants.append(["X-Request-Id: a", "X-Request-Id: b"])
    for line in [
      "Authorization: Basic eDp5", "Authorization:", "Authorization: Bearer wrong",
      "Cache-Control: no-cache", "Idempotency-Key: k", "Range: bytes=0-1", "Content-Length: 0",
      "Prefer: wait=1", "Connection: close", "Expect: 100-continue", "Content-Type: text/plain",
    ] {
      variants.append([line])
    }
    return variants
  }

  @Test(arguments: ["*", "https://one.example,https://three.example", "off"])
  func `are answered as without a cache, whatever stands in the request`(origins: String)
    async throws
  {
    let crossOrigin = try #require(CrossOrigin(origins))
    try await Site.run(crossOrigin: crossOrigin, memory: Self.memory, clock: TestClock()) { site in
      try await Self.prepare(site)
      try await site.look()
      try await site.withReplica(memory: Site.Memory.none) { other in
        var atHand = 0
        var (asked, kept) = (0, 0)
        for target in try await Self.targets(site) {
          let first = try await site.get(target)
          #expect(!first.wasAtHand, "\(target)")
          let second = try await site.get(target)
          #expect(Seen(first) == Seen(second), "\(target)")
          #expect(Seen(first) == Seen(try await other.get(target)), "\(target)")
          if second.wasAtHand { kept += 1 }
          // The rest of the product is tried where there is something to be kept.
          let isPlain = ["/v1/posts", "/v1/posts/public", "/openapi.yaml", "/v1/tags/t"]
            .contains(target)
          guard origins == "*" ? second.wasAtHand : isPlain, !target.hasPrefix("/v1/changes") else {
            continue
          }
          let tag = try #require(first["ETag"])
          let type = try #require(first["Content-Type"]).prefix { $0 != ";" }
          for lines in Self.variants(tag, first["Last-Modified"], String(type)) {
            for method in isPlain ? ["GET", "HEAD"] : ["GET"] {
              let line = "\(method) \(target)"
              let answer = try await site.send(line, lines)
              let expected = try await other.send(line, lines)
              #expect(Seen(answer) == Seen(expected), "\(line) \(lines)")
              if answer.wasAtHand { atHand += 1 }
              asked += 1
            }
          }
        }
        #expect(kept > 20, "\(kept)")
        #expect(atHand > asked / 4, "\(atHand) of \(asked)")
      }
    }
  }

  @Test func `are at hand in the forms that programs ask in`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await Self.prepare(site)
      try await site.look()
      let tag = try #require(try await site.get("/v1/posts/public")["ETag"])
      for lines in [
        [], ["Accept: */*"], ["Accept: application/json"], ["Accept: text/html, */*"],
        ["Accept: application/json, text/plain, */*"], ["Origin: https://a.example"],
        ["X-Request-Id: mine"], ["If-None-Match: " + tag], ["If-None-Match: W/" + tag],
      ] {
        for method in ["GET", "HEAD"] {
          let answer = try await site.send(method + " /v1/posts/public", lines)
          #expect(answer.wasAtHand, "\(method) \(lines)")
          #expect(answer.status == (lines.first?.hasPrefix("If") == true ? 304 : 200))
        }
      }
      let counts = try #require(site.cache?.counts)
      #expect(counts.hits == 18)
      #expect(counts.misses == 1)
      #expect(counts.answers == 1)
      #expect(counts.bytes > 500)
    }
  }

  @Test func `keep nothing but what everybody is given`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await Self.prepare(site)
      _ = try await site.send("PATCH", "/v1/posts/third", #"{"slug":"moved"}"#)
      let preview = try await site.preview("draft").token
      try await site.look()
      let requests: [(target: String, lines: [String], status: Int)] = [
        ("/v1/posts?q=about", [], 200), ("/v1/posts?tag=t&q=about", [], 200),
        ("/v1/posts/draft?preview=" + preview, [], 200),
        ("/v1/posts", site.authorized, 200), ("/v1/posts/public", site.authorized, 200),
        ("/v1/posts/draft", site.authorized, 200), ("/v1/posts/none", [], 404),
        ("/v1/posts?limit=0", [], 400), ("/v1/posts/third", [], 301),
        ("/v1/posts", ["Accept: text/html"], 406), ("/v1/posts", ["Accept: @"], 400),
        ("/v1/posts", ["Authorization: Bearer x"], 401), ("/newsletter/thanks", [], 200),
        ("/newsletter/confirm?token=x", [], 404), ("http://localhost/v1/posts", [], 200),
      ]
      for (target, lines, status) in requests {
        for _ in 0..<3 {
          let answer = try await site.get(target, lines)
          #expect(!answer.wasAtHand, "\(target)")
          if target != "/newsletter/confirm?token=x" {
            #expect(answer.status == status, "\(target) \(answer.status)")
          }
        }
      }
      let counts = try #require(site.cache?.counts)
      #expect(counts.answers == 0)
      #expect(counts.hits == 0)
      // Whoever has a key does not get what others have been given.
      #expect(try await site.get("/v1/posts").status == 200)
      #expect(try await site.get("/v1/posts").wasAtHand)
      let keyed = try await site.get("/v1/posts", site.authorized)
      #expect(!keyed.wasAtHand)
      #expect(keyed["Cache-Control"]?.contains("no-store") == true)
    }
  }

  @Test func `take from the quota of their clients, and are refused when it is used up`()
    async throws
  {
    let clock = TestClock()
    let narrow = RateLimitedRequests.limits(
      burst: .init(10, per: 60), sustained: .init(1_000, per: 3_600))
    try await Site.run(limits: narrow, memory: Self.memory, clock: clock) { site in
      try await site.publish("a")
      try await site.look()
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      for _ in 1..<10 { #expect(try await site.get("/v1/posts/a").wasAtHand) }
      for lines in [[], ["If-None-Match: " + tag]] {
        let refused = try await site.get("/v1/posts/a", lines)
        #expect(refused.status == 429)
        #expect(refused.problem == "quota-exceeded")
        #expect(refused["Retry-After"] == "6")
        #expect(refused["Cache-Control"] == "no-store")
        #expect(refused["RateLimit"] == #""burst";r=0;t=6"#)
      }
      // Somebody else has a quota of his own, and a list costs two.
      #expect(try await site.send("GET /v1/posts", from: "192.0.2.1:1").status == 200)
      for _ in 0..<4 {
        #expect(try await site.send("GET /v1/posts", from: "192.0.2.1:1").wasAtHand)
      }
      #expect(try await site.send("GET /v1/posts", from: "192.0.2.1:1").status == 429)
      // What has not changed costs a quarter.
      for _ in 0..<40 {
        let answer = try await site.send(
          "GET /v1/posts/a", ["If-None-Match: " + tag], from: "192.0.2.2:1")
        #expect(answer.status == 304)
      }
      #expect(try await site.send("GET /v1/posts/a", from: "192.0.2.2:1").status == 429)
      #expect(
        try await site.send("GET /v1/posts/a", ["If-None-Match: " + tag], from: "192.0.2.2:1")
          .status == 429)
    }
  }
}
