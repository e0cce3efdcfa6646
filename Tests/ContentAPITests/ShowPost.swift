import JSON
import Testing

@Suite struct ShowPost {
  @Test func `answers the published post with its body`() async throws {
    try await Site.run { site in
      let created = try await site.post(
        json: """
          {"title":" Ünïcode ","slug":"a-post","body":"# Hello\\n\\nThis *is* it.","type":"essay",
          "status":"published","tags":["b","a"],"featured":true,"featured_order":3,
          "cover_image":{"url":"https://example.com/a.png","alt":"A"},
          "canonical_url":"https://example.com/","meta_title":"M","meta_description":"D",
          "published_at":"2026-03-01T10:00:00.5+02:00"}
          """)
      #expect(created.status == 201)
      let answer = try await site.get("/v1/posts/a-post")
      #expect(answer.status == 200)
      #expect(answer["Content-Type"] == "application/json")
      let post = answer.json
      #expect(post["title"]?.stringValue == "Ünïcode")
      #expect(post["body"]?.stringValue == "# Hello\n\nThis *is* it.")
      #expect(post["excerpt"]?.stringValue == "This is it.")
      #expect(post["type"]?.stringValue == "essay")
      #expect(post["status"]?.stringValue == "published")
      #expect(post["tags"]?.arrayValue?.map(\.stringValue) == ["b", "a"])
      #expect(post["featured"]?.boolValue == true)
      #expect(post["featured_order"]?.integerValue == 3)
      #expect(post["cover_image"]?["url"]?.stringValue == "https://example.com/a.png")
      #expect(post["cover_image"]?["alt"]?.stringValue == "A")
      #expect(post["canonical_url"]?.stringValue == "https://example.com/")
      #expect(post["meta_title"]?.stringValue == "M")
      #expect(post["meta_description"]?.stringValue == "D")
      #expect(post["reading_time"]?.integerValue == 1)
      #expect(post["word_count"]?.integerValue == 4)
      #expect(post["published_at"]?.stringValue == "2026-03-01T08:00:00.5Z")
      #expect(post["created_at"]?.stringValue == Site.start)
      #expect(post["updated_at"]?.stringValue == Site.start)
      #expect(post["version"]?.integerValue == 1)
      #expect(post["trashed_at"]?.isNull == true)
    }
  }

  @Test func `answers null for what is absent, never nothing`() async throws {
    try await Site.run { site in
      _ = try await site.post(json: #"{"title":"T","body":"B"}"#)
      let post = try await site.get("/v1/posts/t", site.authorized).json
      for name in [
        "featured_order", "cover_image", "canonical_url", "meta_title", "meta_description",
        "published_at", "trashed_at",
      ] {
        #expect(post[name]?.isNull == true, "\(name)")
      }
      #expect(post["tags"]?.arrayValue == [])
      #expect(post["type"]?.stringValue == "post")
      #expect(post["featured"]?.boolValue == false)
    }
  }

  @Test func `answers 404 for a draft, a scheduled post, a trashed one and an unknown one`()
    async throws
  {
    try await Site.run { site in
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      try await site.publish("scheduled", at: "2026-03-12T09:00:01Z")
      try await site.publish("trashed")
      #expect(try await site.delete("trashed").status == 204)
      var bodies: Set<String> = []
      for slug in ["draft", "scheduled", "trashed", "unknown", "Not_A_Slug", "-", "a%2Fb", ""] {
        let answer = try await site.get("/v1/posts/" + slug, ["X-Request-Id: same"])
        #expect(answer.status == 404, "\(slug)")
        #expect(answer.problem == "not-found")
        #expect(answer["Cache-Control"] == "no-store")
        bodies.insert(answer.text)
      }
      #expect(bodies.count == 1, "nobody learns which of them it was")
      let trashed = try await site.get("/v1/posts/trashed", site.authorized)
      #expect(trashed.status == 404)
    }
  }

  @Test func `shows drafts and scheduled posts to a key that may see them, and to no cache`()
    async throws
  {
    try await Site.run { site in
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      try await site.publish("scheduled", at: "2026-03-12T09:00:01Z")
      try await site.publish("published")
      for slug in ["draft", "scheduled", "published"] {
        let answer = try await site.get(
          "/v1/posts/" + slug, ["Authorization: Bearer " + site.reader])
        #expect(answer.status == 200)
        #expect(answer.json["status"]?.stringValue == slug)
        #expect(answer["Cache-Control"] == "private, no-store")
        let other = try await site.get(
          "/v1/posts/" + slug, ["Authorization: Bearer " + site.writer])
        #expect(other.status == (slug == "published" ? 200 : 404))
      }
    }
  }

  @Test func `carries validators and may be cached`() async throws {
    try await Site.run { site in
      try await site.publish("a", at: "2026-03-01T00:00:00Z")
      let answer = try await site.get("/v1/posts/a")
      let tag = try #require(answer["ETag"])
      #expect(tag.hasPrefix("\"1-") && tag.hasSuffix("\"") && tag.utf8.count == 36)
      #expect(answer["Last-Modified"] == "Thu, 12 Mar 2026 09:00:00 GMT")
      #expect(
        answer["Cache-Control"]
          == "public, max-age=60, stale-while-revalidate=30, stale-if-error=86400")
      #expect(answer["Vary"] == "Accept, Authorization")
      #expect(answer["X-Content-Type-Options"] == "nosniff")
      #expect(try await site.get("/v1/posts/a")["ETag"] == tag)
    }
  }

  @Test func `is the same for everybody, byte for byte, whoever puts it together`() async throws {
    try await Site.run { site in
      let body = "\"Quotes\" and \\ `\\n`,\ttabs,\r\nlines,\u{7F}\u{2028} é 日 👩‍🚀 <b>&amp;</b> end"
      let bodies = (0..<9).map { String(repeating: "x", count: $0) + body } + [body + body, "\\"]
      for (number, body) in bodies.enumerated() {
        var json = JSONWriter()
        json.string(body)
        let text = String(decoding: json.bytes, as: UTF8.self)
        let put = try await site.put(
          "a-\(number)", json: "{\"title\":\"T\",\"status\":\"published\",\"body\":\(text)}")
        #expect(put.status == 201)
        let answer = try await site.get("/v1/posts/a-\(number)")
        #expect(answer.json["body"]?.stringValue == body)
        // Of who may see drafts it is PostgreSQL that puts the document together.
        let other = try await site.get(
          "/v1/posts/a-\(number)", ["Authorization: Bearer " + site.reader])
        #expect(answer.body == other.body)
        for name in ["ETag", "Last-Modified", "Content-Type"] {
          #expect(answer[name] == other[name])
        }
      }
    }
  }

  @Test func `answers 304 for a tag that the client has`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      for condition in [tag, "W/" + tag, "\"x\", " + tag, "*", "\"x\",,W/" + tag] {
        let answer = try await site.get("/v1/posts/a", ["If-None-Match: " + condition])
        #expect(answer.status == 304, "\(condition)")
        #expect(answer.body.isEmpty)
        #expect(answer["ETag"] == tag)
        #expect(answer["Cache-Control"] != nil)
        #expect(answer["Vary"] != nil)
        #expect(answer["Last-Modified"] != nil)
        #expect(answer["Content-Type"] == nil)
      }
      let lines = try await site.get(
        "/v1/posts/a", ["If-None-Match: \"x\"", "If-None-Match: " + tag])
      #expect(lines.status == 304)
      let other = try await site.get("/v1/posts/a", ["If-None-Match: \"x\", W/\"y\""])
      #expect(other.status == 200)
      let unquoted = try await site.get("/v1/posts/a", ["If-None-Match: x"])
      #expect(unquoted.status == 400)
      #expect(unquoted.problem == "malformed-request")
    }
  }

  @Test func `compares If-Modified-Since unless If-None-Match decides`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let same = ["If-Modified-Since: Thu, 12 Mar 2026 09:00:00 GMT"]
      #expect(try await site.get("/v1/posts/a", same).status == 304)
      let later = ["If-Modified-Since: Thu, 12 Mar 2026 10:00:00 GMT"]
      #expect(try await site.get("/v1/posts/a", later).status == 304)
      let earlier = ["If-Modified-Since: Thu, 12 Mar 2026 08:59:59 GMT"]
      #expect(try await site.get("/v1/posts/a", earlier).status == 200)
      let unreadable = ["If-Modified-Since: yesterday"]
      #expect(try await site.get("/v1/posts/a", unreadable).status == 200)
      let both = try await site.get("/v1/posts/a", same + ["If-None-Match: \"x\""])
      #expect(both.status == 200)
    }
  }

  @Test func `answers 412 when If-Match names another representation`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      #expect(try await site.get("/v1/posts/a", ["If-Match: " + tag]).status == 200)
      #expect(try await site.get("/v1/posts/a", ["If-Match: *"]).status == 200)
      for condition in ["W/" + tag, "\"1-0\""] {
        let answer = try await site.get("/v1/posts/a", ["If-Match: " + condition])
        #expect(answer.status == 412)
        #expect(answer.problem == "precondition-failed")
        #expect(answer["ETag"] == tag)
      }
    }
  }

  @Test func `answers HEAD with GET's own fields`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      for path in ["/v1/posts/a", "/v1/posts?tag=t&limit=1", "/openapi.yaml", "/v1/posts/none"] {
        let get = try await site.get(path, ["X-Request-Id: same"])
        let head = try await site.send("HEAD " + path, ["X-Request-Id: same"])
        #expect(head.status == get.status)
        #expect(head.fields.map(\.name) == get.fields.map(\.name))
        #expect(head.fields.map(\.value) == get.fields.map(\.value))
        // The writer measures the body for Content-Length and keeps it back.
        #expect(head.body == get.body)
      }
    }
  }

  @Test func `is JSON for most, and 406 for whoever takes no form of it`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      for accept in [
        "application/json", "application/*", "*/*", "text/html, */*;q=0.1",
        "text/html;q=0, application/json;q=0.001",
      ] {
        let answer = try await site.get("/v1/posts/a", ["Accept: " + accept])
        #expect(answer.status == 200 && answer["Content-Type"] == "application/json")
      }
      for accept in ["text/html", "application/json;q=0, text/markdown;q=0, */*", "image/*"] {
        let answer = try await site.get("/v1/posts/a", ["Accept: " + accept])
        #expect(answer.status == 406, "\(accept)")
        #expect(answer.problem == "not-acceptable")
      }
      #expect(try await site.get("/v1/posts/a", ["Accept: json"]).status == 400)
    }
  }

  @Test func `takes no query parameter but fields`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let answer = try await site.get("/v1/posts/a?field=title&b=1&b=2")
      #expect(answer.status == 400)
      #expect(answer.problem == "invalid-parameter")
      #expect(answer.places == ["?field", "?b", "?b"])
    }
  }

  @Test func `changes its tag and date when its time comes`() async throws {
    try await Site.run { site in
      try await site.publish("a", at: "2026-03-12T10:00:00Z")
      let before = try await site.get("/v1/posts/a", site.authorized)
      #expect(before["Last-Modified"] == "Thu, 12 Mar 2026 09:00:00 GMT")
      try await site.setClock("2026-03-12T10:00:00Z")
      let after = try await site.get("/v1/posts/a", site.authorized)
      #expect(after["Last-Modified"] == "Thu, 12 Mar 2026 10:00:00 GMT")
      #expect(after["ETag"] != before["ETag"])
      #expect(after.version == 1)
      let anonymous = try await site.get("/v1/posts/a")
      #expect(anonymous["ETag"] == after["ETag"])
      #expect(anonymous["Cache-Control"]?.hasPrefix("public") == true)
    }
  }
}
