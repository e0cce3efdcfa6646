import ContentAPI
import EventLoop
import JSON
import LocalPostgres
import Postgres
import Testing

/// What becomes of what is in memory when content changes, or comes due, or cannot be asked for.
@Suite struct CachedChanges {
  private static let memory = CachedReads.memory

  /// Every target that is kept, asked for so that it is.
  private static func keepAll(_ site: Site) async throws -> [String] {
    var kept: [String] = []
    for target in try await CachedReads.targets(site) where !target.contains("since=") {
      _ = try await site.get(target)
      if try await site.get(target).wasAtHand { kept.append(target) }
    }
    return kept
  }

  private static func seen(
    _ targets: [String], at site: Site
  ) async throws -> [CachedReads.Seen] {
    var seen: [CachedReads.Seen] = []
    for target in targets { seen.append(.init(try await site.get(target))) }
    return seen
  }

  /// Looks until there is nothing new: what others had begun on the server before the last
  /// write, in whatever database, counts until it has ended.
  private static func comeToRest(_ site: Site) async throws {
    let position = try #require(site.cache?.position)
    let deadline = MonotonicInstant.now() + .seconds(60)
    var number: UInt64?
    while number != position.number {
      try #require(MonotonicInstant.now() < deadline)
      number = position.number
      try await site.look()
    }
  }

  /// All kinds of writes, by what they are.
  private static let writes: [(method: String, path: String, json: String, isMarkdown: Bool)] = [
    ("PUT", "/v1/posts/public", Site.json(title: "Other", tags: ["t"]), false),
    ("PATCH", "/v1/posts/second", #"{"tags":["u"],"featured":true}"#, false),
    ("POST", "/v1/posts", Site.json(title: "Fourth", tags: ["t", "v"]), false),
    ("DELETE", "/v1/posts/second", "", false),
    ("POST", "/v1/posts/second/restore", "", false),
    ("POST", "/v1/posts/public/revisions/1/restore", "", false),
    ("PATCH", "/v1/posts/third", #"{"slug":"moved"}"#, false),
    ("DELETE", "/v1/posts/moved?permanently=true", "", false),
    ("PUT", "/v1/posts/draft", Site.json(title: "Out", tags: ["t"]), false),
    ("PATCH", "/v1/tags/t", #"{"name":"Coffee"}"#, false),
    ("DELETE", "/v1/tags/u", "", false),
    ("PUT", "/v1/projects/p", #"{"name":"Q"}"#, false),
    ("POST", "/v1/projects", #"{"name":"R"}"#, false),
    ("DELETE", "/v1/projects/r", "", false),
    ("PATCH", "/v1/profile", #"{"name":"Somebody"}"#, false),
    ("PUT", "/v1/newsletter", #"{"name":"Letter"}"#, false),
  ]

  @Test func `are seen at once on every loop of the process that wrote`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await CachedReads.prepare(site)
      try await site.withReplica(sharingProcess: true) { loop in
        try await site.withReplica(memory: Site.Memory.none) { plain in
          try await site.look()
          var changed = 0
          for (number, write) in Self.writes.enumerated() {
            let targets = try await Self.keepAll(site)
            #expect(try await Self.keepAll(loop) == targets)
            #expect(targets.count > 20)
            let before = try await Self.seen(targets, at: site)
            let writer = number % 2 == 0 ? site : loop
            let answer = try await writer.send(write.method, write.path, write.json)
            #expect((200..<300).contains(answer.status), "\(write.path) \(answer.text)")
            let expected = try await Self.seen(targets, at: plain)
            for one in [loop, site] {
              for (target, (seen, expected)) in zip(
                targets, zip(try await Self.seen(targets, at: one), expected))
              {
                #expect(seen == expected, "\(write.method) \(write.path): \(target)")
              }
            }
            if before != expected { changed += 1 }
          }
          #expect(changed == Self.writes.count)
        }
      }
    }
  }

  @Test func `of another process are seen after a look, and never silently later than a second`()
    async throws
  {
    let clock = TestClock()
    try await Site.run(memory: Self.memory, clock: clock) { site in
      try await CachedReads.prepare(site)
      try await site.withReplica { other in
        for (number, write) in Self.writes.enumerated() {
          try await site.look()
          let targets = try await Self.keepAll(site)
          let before = try await Self.seen(targets, at: site)
          let answer = try await other.send(write.method, write.path, write.json)
          #expect((200..<300).contains(answer.status), "\(write.path) \(answer.text)")
          // As long as nobody has looked it may be as before, but says so when it may be older than
          // a second.
          clock.advance(by: .milliseconds(899))
          let silent = try await site.get("/v1/posts")
          #expect(silent.wasAtHand)
          #expect(silent["Age"] == nil)
          clock.advance(by: .milliseconds(1))
          let old = try await site.get("/v1/posts")
          #expect(old.wasAtHand)
          #expect(old["Age"] == "1")
          #expect(old.body == silent.body)
          #expect(old["ETag"] == silent["ETag"])
          if number % 3 == 0 {
            clock.advance(by: .seconds(86_399))
            #expect(try await site.get("/v1/posts")["Age"] == "86400")
          }

          try await site.look()
          let after = try await Self.seen(targets, at: site)
          #expect(after != before, "\(write.method) \(write.path)")
          for (target, (seen, expected)) in zip(
            targets, zip(after, try await Self.seen(targets, at: other)))
          {
            #expect(seen == expected, "\(write.method) \(write.path): \(target)")
          }
          // Others change nothing.
          try await Self.comeToRest(site)
          let known = try await site.get("/v1/posts")
          try await Self.comeToRest(site)
          #expect(try await site.get("/v1/posts").body == known.body)
        }
        clock.advance(by: .seconds(86_401))
        #expect(!(try await site.get("/v1/posts").wasAtHand), "a day is the most")
      }
    }
  }

  @Test func `by plain SQL are noticed, whichever program sends it`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await CachedReads.prepare(site)
      for (sql, target) in [
        (
          """
          insert into colophon.posts (slug, title, body, status, published_at)
          values ('imported', 'Imported', 'x', 'published', '2026-01-01T00:00:00Z')
          """, "/v1/changes"
        ),
        ("update colophon.posts set title = 'T' where slug = 'public'", "/v1/posts/public"),
        ("update colophon.tags set name = 'Mate' where slug = 't'", "/v1/tags/t"),
        ("update colophon.projects set name = 'X'", "/v1/projects/p"),
        ("update colophon.profile set name = 'X'", "/v1/profile"),
        ("update colophon.newsletter set name = 'X'", "/v1/newsletter"),
        ("delete from colophon.posts where slug = 'public'", "/v1/posts/public"),
      ] {
        try await site.look()
        let before = try await site.get(target)
        #expect(try await site.get(target).wasAtHand)
        try await site.sql(sql)
        try await site.look()
        let after = try await site.get(target)
        #expect(!after.wasAtHand, "\(sql)")
        #expect(after.body != before.body, "\(sql)")
      }
    }
  }

  @Test func `are noticed behind any number of transactions of others that go on`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await CachedReads.prepare(site)
      let early = try await site.connect()
      try await early.script(
        "begin; update colophon.posts set title = 'Early' where slug = 'public'")
      var others: [Connection] = []
      for _ in 0..<70 {
        let connection = try await site.connect()
        try await connection.script("begin; select pg_current_xact_id()")
        others.append(connection)
      }
      let last = try await site.connect()
      try await last.script(
        """
        begin; select pg_current_xact_id();
        update colophon.posts set title = 'Last' where slug = 'second'
        """)
      func title(_ slug: String) async throws -> String? {
        try await site.get("/v1/posts/" + slug).json["title"]?.stringValue
      }
      // One write behind all of them; then one among them, and one that began before them all.
      try await site.sql("update colophon.posts set title = 'Late' where slug = 'third'")
      try await site.look()
      #expect(try await title("third") == "Late")
      for connection in [last, early] {
        #expect(try await title("public") == "public")
        #expect(try await title("third") == "Late")
        if connection === last { #expect(try await title("second") == "second") }
        try await connection.script("commit")
        try await site.look()
        #expect(try await title("second") == "Last")
      }
      #expect(try await title("public") == "Early")
      try await site.sql("update colophon.posts set title = 'Latest' where slug = 'third'")
      try await site.look()
      #expect(try await title("third") == "Latest")
      for connection in others + [early, last] { await connection.close() }
    }
  }

  @Test func `that nobody was allowed to make cost nothing`() async throws {
    try await Site.run(memory: Self.memory, clock: TestClock()) { site in
      try await CachedReads.prepare(site)
      try await site.look()
      _ = try await site.get("/v1/posts")
      let json = ["Content-Type: application/json"]
      let reader = json + ["Authorization: Bearer " + site.reader]
      let body = Array(Site.json(title: "T").utf8)
      for (line, lines, status) in [
        ("PUT /v1/posts/public", json, 401), ("DELETE /v1/posts/public", [], 401),
        ("PUT /v1/posts/public", json + ["Authorization: Bearer wrong"], 401),
        ("POST /v1/posts", reader, 403), ("DELETE /v1/tags/t", reader, 403),
        ("PUT /v1/nothing", json, 404), ("PATCH /v1/archive", json, 405),
      ] {
        #expect(try await site.send(line, lines, body: body).status == status, "\(line)")
        #expect(try await site.get("/v1/posts").wasAtHand, "\(line)")
      }
      #expect(try await site.signUp("reader@example.com").status == 202)
      #expect(try await site.get("/v1/posts").wasAtHand)
    }
  }

  @Test func `that come by themselves show when they are due, and nobody keeps a list past that`()
    async throws
  {
    let clock = TestClock()
    try await Site.run(memory: Self.memory, clock: clock) { site in
      try await CachedReads.prepare(site)
      try await site.publish("due", tags: ["t", "u", "new"], at: "2026-03-12T09:00:30Z")
      try await site.withReplica(memory: Site.Memory.none) { plain in
        try await site.look()
        let targets = try await Self.keepAll(site)
        let before = try await Self.seen(targets, at: site)
        func expectFreshness(atMost seconds: Int, _ changing: [String]) async throws {
          for target in changing {
            let answer = try await site.get(target)
            let age = answer["Cache-Control"]?.split(separator: "max-age=").last?
              .prefix { $0 != "," }
            #expect(age.flatMap { Int($0) } ?? 99 <= seconds, "\(target)")
            #expect(answer["Cache-Control"]?.contains("while-revalidate") == false, "\(target)")
          }
        }
        try await site.setClock("2026-03-12T09:00:30Z")
        let after = try await Self.seen(targets, at: plain)
        let changing = zip(targets, zip(before, after)).filter { $0.1.0.body != $0.1.1.body }
          .map(\.0)
        #expect(changing.count > 10)
        try await site.setClock(Site.start)

        try await expectFreshness(atMost: 30, changing)
        for (seconds, left) in [(10, 20), (19, 1)] {
          clock.advance(by: .seconds(seconds))
          try await site.setClock("2026-03-12T09:00:30Z", plusSeconds: -left)
          #expect(try await site.look() <= .milliseconds(200))
          // Once more, should the look have found that a transaction of others has ended.
          try await expectFreshness(atMost: left, changing)
          let hits = try #require(site.cache?.counts.hits)
          try await expectFreshness(atMost: left, changing)
          #expect(try #require(site.cache?.counts.hits) > hits, "from memory")
        }
        // Nobody looks between this and the instant itself.
        try await site.sql(
          "update colophon.test_clock set instant = timestamptz '2026-03-12T09:00:29.95Z'")
        clock.advance(by: .milliseconds(950))
        let wait = try await site.look()
        #expect(wait > .milliseconds(50) && wait <= .milliseconds(52))
        try await expectFreshness(atMost: 0, changing)
        try await site.setClock("2026-03-12T09:00:30Z")
        clock.advance(by: .milliseconds(50))
        for (target, (seen, expected)) in zip(
          targets, zip(try await Self.seen(targets, at: site), after))
        where !target.hasPrefix("/v1/changes") {
          #expect(seen == expected, "\(target)")
        }
        #expect(try await site.get("/v1/posts/due").status == 200)
        // Whoever looks afterwards finds that something has changed.
        let number = try #require(site.cache?.position.number)
        try await site.look()
        #expect(try #require(site.cache?.position.number) != number)
        _ = plain
      }
    }
  }
}
