import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

/// Writes that wait for a connection at the same time and are committed together.
@Suite struct SharedWrites {
  private func all(
    _ writes: [@Sendable () async throws -> Answer]
  ) async throws -> [Answer] {
    try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
      for (number, write) in writes.enumerated() {
        group.addTask { (number, try await write()) }
      }
      let answers = try await group.reduce(into: [Int: Answer]()) { $0[$1.0] = $1.1 }
      return writes.indices.compactMap { answers[$0] }
    }
  }

  private static func json(_ slug: String, isPublished: Bool = true) -> String {
    """
    {"title":"Title of \(slug)","slug":"\(slug)","body":"Body of \(slug).","tags":["one","two"],\
    "status":"\(isPublished ? "published" : "draft")"}
    """
  }

  private static func project(
    _ json: String, _ lines: [String], _ site: Site
  ) async throws -> Answer {
    try await site.send(
      "POST /v1/projects", site.authorized + ["Content-Type: application/json"] + lines,
      body: Array(json.utf8))
  }

  private static func key(_ key: String) -> String { "Idempotency-Key: \(key)" }

  /// No key is without an answer, and tags count the posts that are out.
  private func expectOrder(_ site: Site, posts: Int) async throws {
    let open = "select count(*)::text from colophon.idempotency_keys where status is null"
    #expect(try await site.value(open) == "0")
    let list = try await site.get("/v1/posts?tag=two&limit=100")
    #expect(list.json["meta"]?["total"]?.integerValue == posts)
    #expect(list.json["data"]?.arrayValue?.count == posts)
    let tags = try await site.get("/v1/tags/two")
    #expect(tags.json["posts_count"]?.integerValue == posts)
  }

  @Test func `are few transactions, and still each its own`() async throws {
    try await Site.run { site in
      let slugs = (10..<50).map { "post-\($0)" }
      let answers = try await all(
        slugs.map { slug in
          {
            try await site.post(
              json: Self.json(slug, isPublished: !slug.hasSuffix("7")),
              slug.hasSuffix("3") ? [] : [Self.key(slug)])
          }
        })
      for (slug, answer) in zip(slugs, answers) {
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer["Location"]?.hasSuffix("/v1/posts/\(slug)") == true)
        #expect(answer.json["body"]?.stringValue == "Body of \(slug).")
        let shown = try await site.get("/v1/posts/\(slug)", site.authorized)
        #expect(shown.body == answer.body)
        #expect(shown["ETag"] == answer["ETag"])
        #expect(shown["Last-Modified"] == answer["Last-Modified"])
        guard !slug.hasSuffix("3") else { continue }
        let replay = try await site.post(
          json: Self.json(slug, isPublished: !slug.hasSuffix("7")), [Self.key(slug)])
        #expect(replay["Idempotent-Replayed"] == "true")
        #expect(replay.body == answer.body)
      }
      let transactions = try await site.value(
        "select count(distinct xmin::text)::text from colophon.posts")
      #expect(Int(transactions ?? "") ?? 40 < 20, "\(transactions ?? "")")
      try await expectOrder(site, posts: 36)
    }
  }

  @Test func `keep what one is refused out of the answers of the others`() async throws {
    try await Site.run { site in
      // In memory of another server, so that the database has to say what has been answered.
      try await site.withReplica { other in
        for (slug, key) in [("known", "known"), ("taken", "first")] {
          let answer = try await other.post(json: Self.json(slug), [Self.key(key)])
          #expect(answer.status == 201)
        }
      }
      var writes: [@Sendable () async throws -> Answer] = []
      var expected: [(status: Int, slug: String?)] = []
      for number in 0..<8 {
        let slug = "new-\(number)"
        writes.append { try await site.post(json: Self.json(slug), [Self.key(slug)]) }
        expected.append((201, slug))
        writes.append {
          try await site.post(json: Self.json("taken"), [Self.key("taken-\(number)")])
        }
        expected.append((409, nil))
        writes.append { try await site.post(json: Self.json("known"), [Self.key("known")]) }
        expected.append((201, "known"))
        writes.append { try await site.post(json: Self.json("else"), [Self.key("first")]) }
        expected.append((422, nil))
      }
      let answers = try await all(writes)
      for (answer, expected) in zip(answers, expected) {
        #expect(answer.status == expected.status, "\(answer.text)")
        if let slug = expected.slug { #expect(answer.json["slug"]?.stringValue == slug) }
        switch answer.status {
        case 201:
          let isReplay = answer["Idempotent-Replayed"] == "true"
          #expect(isReplay == (expected.slug == "known"))
        case 409:
          #expect(answer.problem == "slug-taken")
          #expect(answer["Location"] == nil && answer["ETag"] == nil)
          #expect(answer["Content-Type"] == "application/problem+json")
        default: #expect(answer.problem == "idempotency-key-reused")
        }
      }
      try await expectOrder(site, posts: 10)
      let replay = try await site.post(json: Self.json("taken"), [Self.key("taken-3")])
      #expect(replay.status == 409)
      #expect(replay["Idempotent-Replayed"] == "true")
      #expect(replay.body == answers[13].body)
    }
  }

  @Test func `give each of one title a slug of its own, with what else is written`() async throws {
    try await Site.run { site in
      let answers = try await all(
        (0..<24).map { number in
          {
            switch number % 3 {
            case 0: try await site.post(json: Site.json(title: "A Title"))
            case 1:
              try await Self.project(#"{"name":"A Title"}"#, [Self.key("\(number)")], site)
            default:
              try await Self.project(#"{"name":"N","slug":"project-\#(number)"}"#, [], site)
            }
          }
        })
      #expect(answers.allSatisfy { $0.status == 201 })
      let suffixes = [""] + (2...8).map { "-\($0)" }
      for kind in [0, 1] {
        let own = answers.indices.filter { $0 % 3 == kind }.map { answers[$0] }
        let slugs = own.map { $0.json["slug"]?.stringValue ?? "" }
        let wanted = Set(suffixes.map { "a-title\($0)" })
        #expect(Set(slugs) == wanted)
        for (answer, slug) in zip(own, slugs) {
          #expect(answer["Location"] == (kind == 0 ? "/v1/posts/" : "/v1/projects/") + slug)
        }
      }
    }
  }

  @Test func `do not wait for one whose key or slug is held elsewhere`() async throws {
    try await Site.run { site in
      let holder = try await site.connect()
      try await holder.script(
        """
        begin;
        insert into colophon.posts (slug, title, body) values ('held', 'Held', '');
        """)
      async let held = site.post(json: Self.json("held"), [Self.key("held")])
      let slugs = (0..<30).map { "free-\($0)" }
      let answers = try await all(
        slugs.map { slug in { try await site.post(json: Self.json(slug), [Self.key(slug)]) } })
      #expect(answers.allSatisfy { $0.status == 201 })
      #expect(try await site.value("select count(*)::text from colophon.posts") == "30")
      try await holder.script("rollback")
      let last = try await held
      #expect(last.status == 201)
      try await expectOrder(site, posts: 31)
      await holder.close()
    }
  }
}
