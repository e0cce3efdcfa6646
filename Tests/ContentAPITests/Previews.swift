import ContentAPI
import JSON
import Postgres
import Testing

@Suite struct Previews {
  @Test func `show a draft or a scheduled post to whoever has the link`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      _ = try await site.put("draft", json: Site.json(title: "D", status: "draft"))
      _ = try await site.put(
        "later", json: Site.json(title: "L", status: "scheduled", at: "2026-04-01T00:00:00Z"))
      for (slug, status) in [("draft", "draft"), ("later", "scheduled")] {
        let preview = try await site.preview(slug)
        #expect(preview.status == 201)
        #expect(preview["Cache-Control"] == "private, no-store")
        #expect(preview["Location"] == nil)
        #expect(preview.names == ["expires_at", "token", "url"])
        #expect(preview.json["expires_at"]?.stringValue == "2026-03-19T09:00:00Z")
        let token = preview.token
        #expect(token.utf8.count == 43)
        #expect(
          preview.json["url"]?.stringValue
            == "https://api.example.com/v1/posts/\(slug)?preview=\(token)")

        let path = "/v1/posts/\(slug)?preview=\(token)"
        let shown = try await site.get(path)
        #expect(shown.status == 200)
        #expect(shown["Cache-Control"] == "private, no-store")
        #expect(shown.json["status"]?.stringValue == status)
        let editor = try await site.get("/v1/posts/" + slug, site.authorized)
        #expect(shown.body == editor.body)
        #expect(shown["ETag"] == editor["ETag"])
        let known = "If-None-Match: " + (shown["ETag"] ?? "")
        #expect(try await site.get(path, [known]).status == 304)
        #expect(try await site.get(path, [known])["Cache-Control"] == "private, no-store")
        #expect(try await site.get(path + "&fields=title").names == ["title"])
        let head = try await site.send("HEAD " + path)
        #expect(head.status == 200)
        #expect(head["ETag"] == shown["ETag"])
        // Without the token it is not there, whatever else one knows of it.
        for lines in [[], [known], ["If-None-Match: *"], ["If-Match: *"]] {
          #expect(try await site.get("/v1/posts/" + slug, lines).status == 404)
        }
        #expect(try await site.get(path + "&preview=" + token).status == 400)
      }
    }
  }

  @Test func `end after seven days`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "D", status: "draft"))
      let path = "/v1/posts/a?preview=" + (try await site.preview("a").token)
      try await site.setClock("2026-03-19T08:59:59Z")
      #expect(try await site.get(path).status == 200)
      try await site.setClock("2026-03-19T09:00:00Z")
      #expect(try await site.get(path).status == 404)
      // The next one of any post takes it away.
      _ = try await site.put("b", json: Site.json(title: "D", status: "draft"))
      _ = try await site.preview("b")
      #expect(try await site.value("select count(*) from colophon.previews") == "1")
    }
  }

  @Test func `say nothing of tokens that are unknown, expired or of another post`() async throws {
    try await Site.run { site in
      try await site.publish("public")
      for slug in ["a", "b"] {
        _ = try await site.put(slug, json: Site.json(title: "D", status: "draft"))
      }
      let expired = try await site.preview("a").token
      let expiredOfPublic = try await site.preview("public").token
      try await site.setClock("2026-03-19T09:00:00Z")
      let other = try await site.preview("b").token
      let tokens = [
        expired, expiredOfPublic, other, "", "x", String(other.dropLast()), other + "A",
        String(repeating: "A", count: 43), "%F0%9F%98%80", other.uppercased(),
      ]
      for slug in ["a", "public", "none"] {
        let plain = try await site.get("/v1/posts/" + slug)
        for token in tokens {
          let answer = try await site.get("/v1/posts/\(slug)?preview=\(token)")
          #expect(answer.status == plain.status, "\(slug) \(token)")
          #expect(answer["ETag"] == plain["ETag"])
          #expect(answer["Cache-Control"]?.hasSuffix("no-store") == true)
          if plain.status == 200 { #expect(answer.body == plain.body) }
          #expect(answer.problem == plain.problem)
          #expect(answer.json["detail"] == plain.json["detail"])
        }
      }
    }
  }

  @Test func `stand in the database as digests only, whatever key they came under`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "D", status: "draft"))
      let key = ["Idempotency-Key: k"]
      let first = try await site.preview("a", key)
      let second = try await site.preview("a", key)
      #expect(first["Idempotency-Key"] == "k")
      #expect(second["Idempotent-Replayed"] == nil)
      #expect(first.token != second.token)
      for token in [first.token, second.token] {
        #expect(try await site.get("/v1/posts/a?preview=" + token).status == 200)
      }
      #expect(try await site.get("/v1/idempotency/k", site.authorized).status == 404)
      #expect(try await site.patch("a", #"{"title":"T"}"#, key)["Idempotent-Replayed"] == nil)
      let bad = try await site.preview("a", ["Idempotency-Key: \"x"])
      #expect(bad.problem == "idempotency-key-invalid")

      let tables = try await site.sql(
        "select c.oid::regclass::text from pg_class c where c.relkind = 'r'")
      #expect(tables.count > 50)
      var found = 0
      for index in 0..<tables.count {
        let table = tables.text(index, 0) ?? ""
        for token in [first.token, second.token] {
          // As text, as bytes, as bytes of bytes.
          let count = try await site.value(
            """
            select count(*) from \(table) t
            where position($1::text in t::text) > 0
              or position(encode(convert_to($1::text, 'UTF8'), 'hex') in t::text) > 0
            """, [.text(token)])
          #expect(count == "0", "\(table)")
          let digests = try await site.value(
            """
            select count(*) from \(table) t
            where position(encode(sha256(convert_to($1::text, 'UTF8')), 'hex') in t::text) > 0
            """, [.text(token)])
          found += Int(digests ?? "") ?? 0
        }
      }
      #expect(found == 2, "the digests are there, once each")
    }
  }

  @Test func `are ten of one post at most, and the newest`() async throws {
    try await Site.run { site in
      for slug in ["a", "b"] {
        _ = try await site.put(slug, json: Site.json(title: "D", status: "draft"))
      }
      let other = try await site.preview("b").token
      var tokens: [String] = []
      for second in 0..<12 {
        try await site.setClock(Site.start, plusSeconds: second)
        tokens.append(try await site.preview("a").token)
      }
      for (index, token) in tokens.enumerated() {
        let status = try await site.get("/v1/posts/a?preview=" + token).status
        #expect(status == (index < 2 ? 404 : 200), "\(index)")
      }
      #expect(try await site.get("/v1/posts/b?preview=" + other).status == 200)
      // And however many are made at once, of this post and of others.
      let answers = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<40 {
          group.addTask { try await site.preview(number % 2 == 0 ? "a" : "b").status }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.allSatisfy { $0 == 201 })
      #expect(
        try await site.value(
          """
          select string_agg(n::text, ' ') from (
            select count(*) as n from colophon.previews group by post_id) s
          """) == "10 10")
    }
  }

  @Test func `end with their post, and rest with it in the trash`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "D", status: "draft"))
      let path = "/v1/posts/a?preview=" + (try await site.preview("a").token)
      _ = try await site.delete("a")
      #expect(try await site.get(path).status == 404)
      #expect(try await site.preview("a").status == 404)
      _ = try await site.restore("a")
      #expect(try await site.get(path).status == 200)
      _ = try await site.erase("a")
      #expect(try await site.get(path).status == 404)
      #expect(try await site.value("select count(*) from colophon.previews") == "0")
    }
  }

  @Test func `follow their post to another slug`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "D", status: "draft"))
      let token = try await site.preview("a").token
      _ = try await site.patch("a", #"{"slug":"b"}"#)
      #expect(try await site.get("/v1/posts/b?preview=" + token).status == 200)
      let moved = try await site.get("/v1/posts/a?fields=title&preview=" + token)
      #expect(moved.status == 301)
      #expect(moved["Location"] == "/v1/posts/b?fields=title&preview=" + token)
      #expect(moved["Cache-Control"] == "private, no-store")
      #expect(try await site.get("/v1/posts/a").status == 404)
      #expect(try await site.get("/v1/posts/a?preview=x").status == 404)
    }
  }

  @Test func `go on working once the post is out`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "D", status: "draft"))
      let path = "/v1/posts/a?preview=" + (try await site.preview("a").token)
      _ = try await site.patch("a", #"{"status":"published"}"#)
      try await site.setClock("2027-01-01T00:00:00Z")
      let shown = try await site.get(path)
      #expect(shown.status == 200)
      #expect(shown["Cache-Control"] == "private, no-store")
    }
  }
}

extension Site {
  func preview(_ slug: String, _ lines: [String] = []) async throws -> Answer {
    try await send("POST /v1/posts/\(slug)/previews", authorized + lines)
  }
}

extension Answer {
  /// Of a preview.
  var token: String { json["token"]?.stringValue ?? "" }
}
