import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

@Suite struct Revisions {
  @Test func `are the versions of a post, the newest first, with who wrote them`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      let laptop = try await site.makeKey("laptop", [.postsWrite])
      let desk = try await site.makeKey("desk", [.postsWrite, .postsReadDrafts])
      _ = try await site.put("a", json: #"{"title":"One","body":"First *text*.","tags":["t"]}"#)
      try await site.setClock(Site.start, plusSeconds: 60)
      let lines = ["Content-Type: application/json"]
      _ = try await site.send(
        "PATCH /v1/posts/a", lines + [laptop], body: Array(#"{"title":"Two"}"#.utf8))
      try await site.setClock(Site.start, plusSeconds: 120)
      _ = try await site.send(
        "PUT /v1/posts/a", lines + [desk],
        body: Array(#"{"title":"Three","body":"B","excerpt":"Own."}"#.utf8))

      let page = try await site.get("/v1/posts/a/revisions", [desk])
      #expect(page.status == 200)
      #expect(page["Cache-Control"] == "private, no-store")
      #expect(
        String(decoding: page.body, as: UTF8.self).hasPrefix(
          """
          {"data":[{"version" : 3, "title" : "Three", "tags" : [], "excerpt" : "Own.", \
          "created_at" : "2026-03-12T09:02:00Z", "author" : "desk"},\
          {"version" : 2, "title" : "Two", "tags" : ["t"], "excerpt" : "First text.", \
          "created_at" : "2026-03-12T09:01:00Z", "author" : "laptop"},\
          {"version" : 1, "title" : "One", "tags" : ["t"], "excerpt" : "First text.", \
          "created_at" : "2026-03-12T09:00:00Z", "author" : "test"}],\
          "meta":{"total":3,"limit":20,"next_cursor":null,"previous_cursor":null}}
          """), "\(page.text)")
      #expect(
        page["Link"] == "<https://api.example.com/v1/posts/a/revisions?limit=20>; rel=\"first\"")

      let bodies = ["First *text*.", "First *text*.", "B"]
      for version in 1...3 {
        let one = try await site.revision(version, of: "a")
        #expect(one.status == 200)
        #expect(one.version == version)
        #expect(one.json["body"]?.stringValue == bodies[version - 1])
        #expect(one["ETag"]?.hasPrefix("\"\(version)-") == true)
        #expect(
          one.json.objectValue?.map(\.name)
            == ["version", "title", "body", "tags", "excerpt", "created_at", "author"])
        #expect(one.json["title"] == page.json["data"]?.arrayValue?[3 - version]["title"])
        let known = ["If-None-Match: " + (one["ETag"] ?? "")]
        #expect(try await site.revision(version, of: "a", known).status == 304)
      }
      for version in ["0", "4", "01", "-1", "x", "99999999999", "2147483648"] {
        let none = try await site.get("/v1/posts/a/revisions/" + version, site.authorized)
        #expect(none.status == 404, "\(version)")
      }
      #expect(try await site.get("/v1/posts/none/revisions", site.authorized).status == 404)
    }
  }

  @Test func `are walked page by page, both ways`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      try await site.publish("b")
      for number in 2...11 { _ = try await site.patch("a", "{\"title\":\"\(number)\"}") }
      var page = try await site.get("/v1/posts/a/revisions?limit=4", site.authorized)
      var pages = [page.versions]
      let cursor = try #require(page.next)
      while let next = page.next {
        page = try await site.get(
          "/v1/posts/a/revisions?limit=4&cursor=" + next, site.authorized)
        #expect(page.total == 11)
        pages.append(page.versions)
      }
      #expect(pages == [[11, 10, 9, 8], [7, 6, 5, 4], [3, 2, 1]])
      var back: [[Int]] = []
      while let previous = page.previous {
        page = try await site.get(
          "/v1/posts/a/revisions?limit=4&cursor=" + previous, site.authorized)
        back.append(page.versions)
      }
      #expect(back == [[7, 6, 5, 4], [11, 10, 9, 8]])
      for query in ["cursor=" + cursor + "x", "limit=0", "limit=101", "page=1", "fields=title"] {
        let refused = try await site.get("/v1/posts/a/revisions?" + query, site.authorized)
        #expect(refused.status == 400, "\(query)")
      }
      let foreign = try await site.get("/v1/posts/b/revisions?cursor=" + cursor, site.authorized)
      #expect(foreign.status == 400)
      #expect(foreign.places == ["?cursor"])
    }
  }

  @Test func `are there for keys that may see drafts only, as long as the post is`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      _ = try await site.patch("a", #"{"title":"T"}"#)
      for path in ["/v1/posts/a/revisions", "/v1/posts/a/revisions/1"] {
        #expect(try await site.get(path).status == 401)
        #expect(
          try await site.get(path, ["Authorization: Bearer " + site.writer]).status == 403)
        #expect(
          try await site.get(path, ["Authorization: Bearer " + site.reader]).status == 200)
      }
      _ = try await site.delete("a")
      #expect(try await site.revision(1, of: "a").status == 404)
      #expect(try await site.restore("a", version: 1).status == 404)
      _ = try await site.restore("a")
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [2, 1])
      // Who revives a post makes a version of it.
      _ = try await site.delete("a")
      _ = try await site.put("a", json: Site.json(title: "a", at: Site.start))
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [3, 2, 1])
      _ = try await site.erase("a")
      #expect(try await site.value("select count(*) from colophon.revisions") == "0")
      try await site.publish("a")
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [1])
    }
  }

  @Test func `are not made by what changes nothing`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("a", tags: ["t"])
      _ = try await site.patch("a", #"{"title":"a"}"#)
      _ = try await site.patch("a", #"{"title":"b"}"#, ["If-Match: \"7-x\""])
      _ = try await site.patch("a", #"{"title":""}"#)
      _ = try await site.restore("a", version: 1)
      _ = try await site.send("PATCH", "/v1/tags/t", #"{"slug":"u"}"#)
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [1])
      #expect(try await site.value("select count(*) from colophon.revisions") == "0")
      // A key's second write is none.
      for _ in 0..<3 { _ = try await site.patch("a", #"{"title":"c"}"#, ["Idempotency-Key: k"]) }
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [2, 1])
    }
  }

  @Test func `bring a post back to what it was, as a new version`() async throws {
    try await Site.run { site in
      _ = try await site.put(
        "a",
        json: """
          {"title":"Old","body":"Old text.","tags":["x","y"],"status":"draft","type":"note"}
          """)
      try await site.publish("a", tags: ["z"])
      try await site.publish("other", tags: ["z"])
      let stale = try await site.restore("a", version: 1, ["If-Match: \"1-x\""])
      #expect(stale.status == 412)
      #expect(stale["ETag"]?.hasPrefix("\"2-") == true)
      #expect(try await site.restore("a", version: 3).status == 404)

      let answer = try await site.restore(
        "a", version: 1, ["If-Match: \"2-x\"", "Idempotency-Key: k"])
      #expect(answer.status == 200)
      #expect(answer.version == 3)
      #expect(answer.json["title"]?.stringValue == "Old")
      #expect(answer.json["body"]?.stringValue == "Old text.")
      #expect(answer.json["excerpt"]?.stringValue == "Old text.")
      #expect(answer.json["word_count"]?.integerValue == 2)
      #expect(answer.tags == ["x", "y"])
      // What a revision does not have stays.
      #expect(answer.json["status"]?.stringValue == "published")
      #expect(answer.json["type"]?.stringValue == "post")
      #expect(try await site.get("/v1/posts/a")["ETag"] == answer["ETag"])
      #expect(try await site.get("/v1/posts?tag=x").slugs == ["a"])
      #expect(try await site.get("/v1/posts?tag=z").slugs == ["other"])
      #expect(try await site.get("/v1/posts/a/revisions", site.authorized).versions == [3, 2, 1])
      #expect(try await site.discrepancies() == [])

      let again = try await site.restore(
        "a", version: 1, ["If-Match: \"2-x\"", "Idempotency-Key: k"])
      #expect(again["Idempotent-Replayed"] == "true")
      #expect(again.body == answer.body)
      // Without the author's own excerpt it goes by the text again.
      _ = try await site.patch("a", #"{"excerpt":"Own."}"#)
      #expect(
        try await site.restore("a", version: 3).json["excerpt"]?.stringValue == "Old text.")
      #expect(try await site.restore("a", version: 4).json["excerpt"]?.stringValue == "Own.")
    }
  }

  @Test func `bring tags back that were renamed or deleted since`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["old", "gone", "stays"])
      _ = try await site.patch("a", #"{"title":"T"}"#)
      _ = try await site.send("PATCH", "/v1/tags/old", #"{"slug":"new","name":"New"}"#)
      _ = try await site.delete(path: "/v1/tags/gone")
      #expect(try await site.revision(1, of: "a").tags == ["old", "gone", "stays"])
      #expect(try await site.revision(2, of: "a").tags == ["new", "stays"])
      #expect(try await site.restore("a", version: 1).tags == ["old", "gone", "stays"])
      #expect(try await site.get("/v1/tags/old").json["name"]?.stringValue == "old")
      #expect(try await site.get("/v1/tags/gone").count == 1)
      #expect(try await site.get("/v1/tags/new").status == 404)
      #expect(try await site.restore("a", version: 2).tags == ["new", "stays"])
      #expect(try await site.get("/v1/tags/new").json["name"]?.stringValue == "New")
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `lose nothing to writers at the same time`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let titles = try await withThrowingTaskGroup(of: [Int: String].self) { group in
        for writer in 0..<6 {
          group.addTask {
            var titles: [Int: String] = [:]
            for step in 0..<15 {
              let answer =
                step % 5 == 4
                ? try await site.restore("a", version: 1)
                : try await site.patch("a", "{\"title\":\"\(writer)-\(step)\"}")
              let version = try #require(answer.version, "\(answer.text)")
              titles[version] = answer.json["title"]?.stringValue
            }
            return titles
          }
        }
        return try await group.reduce(into: [1: "a"]) {
          // One that restores what is there already makes no version.
          $0.merge($1) { one, other in
            #expect(one == other)
            return one
          }
        }
      }
      let last = try #require(titles.keys.max())
      #expect(last > 70)
      #expect(titles.keys.sorted() == Array(1...last))
      for version in 1...last {
        let revision = try await site.revision(version, of: "a")
        #expect(revision.json["title"]?.stringValue == titles[version], "\(version)")
      }
      #expect(
        try await site.value("select count(*) from colophon.revisions") == "\(last - 1)")
    }
  }

  @Test func `are kept of posts that another program writes`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let write = "update colophon.posts set title = $1::text, version = version + 1"
      try await site.sql(write, [.text("b")])
      try await site.sql(write, [.text("c")])
      let page = try await site.get("/v1/posts/a/revisions", site.authorized)
      #expect(page.versions == [3, 2, 1])
      let data = page.json["data"]?.arrayValue ?? []
      #expect(data.map { $0["title"]?.stringValue } == ["c", "b", "a"])
      #expect(data.map { $0["author"]?.stringValue } == [nil, nil, "test"])
      _ = try await site.patch("a", #"{"title":"d"}"#)
      #expect(
        try await site.revision(4, of: "a").json["author"]?.stringValue == "test")
    }
  }

  @Test func `take over a long text as it was compressed`() async throws {
    try await Site.run { site in
      // No two paragraphs alike: it stays long when it is compressed, and is stored beside its row.
      let text = (0..<3000).map { "Line \($0 &* 7919) of \($0 * $0)." }.joined(separator: " ")
      _ = try await site.put("a", json: "{\"title\":\"T\",\"body\":\"\(text)\"}")
      let size = "select pg_column_size(body) || ' ' || pg_column_compression(body) from "
      let before = try #require(try await site.value(size + "colophon.posts"))
      _ = try await site.patch("a", #"{"body":"short"}"#)
      #expect(try await site.value(size + "colophon.revisions") == before)
      #expect(try await site.revision(1, of: "a").json["body"]?.stringValue == text)
      #expect(try await site.restore("a", version: 1).json["body"]?.stringValue == text)
    }
  }
}

extension Site {
  func revision(
    _ version: Int, of slug: String, _ lines: [String] = []
  ) async throws -> Answer {
    try await get("/v1/posts/\(slug)/revisions/\(version)", authorized + lines)
  }

  func restore(
    _ slug: String, version: Int, _ lines: [String] = []
  ) async throws -> Answer {
    try await send("POST /v1/posts/\(slug)/revisions/\(version)/restore", authorized + lines)
  }

  /// Makes a key; the field line that sends it.
  func makeKey(_ name: String, _ scopes: [Scope]) async throws -> String {
    let key = APIKey(random: RandomBytes.make(30))
    let connection = try await connect()
    try await KeyRegister(connection).create(name: name, scopes: scopes, key: key)
    await connection.close()
    return "Authorization: Bearer " + key.text
  }
}

extension Answer {
  /// The versions of a page of revisions.
  var versions: [Int] {
    (json["data"]?.arrayValue ?? []).map { $0["version"]?.integerValue ?? 0 }
  }
}
