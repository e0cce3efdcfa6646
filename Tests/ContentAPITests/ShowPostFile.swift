import JSON
import Testing

private let markdown = ["Accept: text/markdown"]

@Suite struct ShowPostFile {
  @Test func `gives the file back that was sent, and sending it again changes nothing`()
    async throws
  {
    let file = """
      ---
      title: "Ünïcode: a # b"
      slug: a-post
      type: essay
      date: 2026-03-01T08:00:00.5Z
      tags: [b, "2024"]
      featured: true
      featured_order: 3
      excerpt: "One\\ntwo"
      cover_image:
        url: https://example.com/a.png
        alt: A
      canonical_url: https://example.com/
      meta_title: M
      meta_description: D
      ---

      ---
      # Hello\r
      no end
      """
    try await Site.run { site in
      let created = try await site.put("a-post", markdown: file)
      #expect(created.status == 201)
      let shown = try await site.get("/v1/posts/a-post", markdown)
      #expect(shown.status == 200)
      #expect(shown.text == file)
      #expect(shown["Content-Type"] == "text/markdown; charset=utf-8")
      #expect(shown["Vary"] == "Accept, Authorization")
      #expect(shown["Last-Modified"] == created["Last-Modified"])
      #expect(
        shown["Cache-Control"]
          == "public, max-age=60, stale-while-revalidate=30, stale-if-error=86400")
      let again = try await site.put("a-post", markdown: shown.text)
      #expect(again.status == 200)
      #expect(again["ETag"] == created["ETag"])
      try await Site.run { other in
        let posted = try await other.post(markdown: shown.text)
        #expect(posted.status == 201)
        #expect(posted.json["slug"]?.stringValue == "a-post")
        #expect(try await other.get("/v1/posts/a-post", markdown).body == shown.body)
      }
    }
  }

  @Test func `leaves out what has its default, and an excerpt that nobody wrote`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let answer = try await site.get("/v1/posts/a", markdown)
      #expect(
        answer.text == "---\ntitle: a\nslug: a\ndate: 2026-03-12T09:00:00Z\n---\nAbout a.")
    }
  }

  @Test(arguments: [
    ([], false), (["Accept: */*"], false), (["Accept: text/*"], true),
    (["Accept: text/markdown"], true), (["Accept: application/json, text/markdown"], false),
    (["Accept: application/json;q=0.5, text/markdown;q=0.6"], true),
    (["Accept: text/markdown;q=0.6", "Accept: */*;q=0.7"], false),
    (["Accept: text/markdown, */*;q=0.1"], true), (["Accept: text/markdown;q=0, */*"], false),
  ])
  func `comes where it is preferred to JSON`(lines: [String], isFile: Bool) async throws {
    try await Site.run { site in
      try await site.publish("a")
      let answer = try await site.get("/v1/posts/a", lines)
      #expect(answer.status == 200)
      #expect((answer["Content-Type"] == "text/markdown; charset=utf-8") == isFile)
      #expect(
        try await site.get("/v1/posts/a", ["Accept: text/markdown;q=0, text/html"]).status == 406)
    }
  }

  @Test func `has a tag of its own, which serves a write too`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let json = try #require(try await site.get("/v1/posts/a")["ETag"])
      let file = try await site.get("/v1/posts/a", markdown)
      let tag = try #require(file["ETag"])
      #expect(tag != json && tag.hasPrefix("\"1-"))
      let unchanged = try await site.get("/v1/posts/a", markdown + ["If-None-Match: " + tag])
      #expect(unchanged.status == 304)
      #expect(unchanged["ETag"] == tag)
      #expect(
        try await site.get("/v1/posts/a", markdown + ["If-None-Match: " + json]).status == 200)
      #expect(try await site.get("/v1/posts/a", ["If-None-Match: " + tag]).status == 200)
      #expect(try await site.get("/v1/posts/a", markdown + ["If-Match: " + json]).status == 412)
      let head = try await site.send("HEAD /v1/posts/a", markdown)
      #expect(head.status == 200)
      #expect(head["ETag"] == tag)
      #expect(head["Content-Type"] == file["Content-Type"])
      #expect(try await site.put("a", markdown: file.text, ["If-Match: " + tag]).status == 200)
      let changed = try await site.put("a", markdown: file.text + "!", ["If-Match: " + tag])
      #expect(changed.json["version"]?.integerValue == 2)
      let other = try await site.get("/v1/posts/a", markdown)
      #expect(other["ETag"] != tag && other["ETag"]?.hasPrefix("\"2-") == true)
      #expect(try await site.put("a", markdown: file.text, ["If-Match: " + tag]).status == 412)
    }
  }

  @Test func `shows drafts and scheduled posts to those who may see them, and to no cache`()
    async throws
  {
    try await Site.run { site in
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      try await site.publish("scheduled", at: "2026-03-12T09:00:01Z")
      try await site.publish("gone")
      _ = try await site.delete("gone")
      let reader = ["Authorization: Bearer " + site.reader]
      for slug in ["draft", "scheduled", "gone", "none", "-"] {
        let answer = try await site.get("/v1/posts/" + slug, markdown)
        #expect(answer.status == 404)
        #expect(answer["Content-Type"] == "application/problem+json")
      }
      let draft = try await site.get("/v1/posts/draft", markdown + reader)
      #expect(draft.text == "---\ntitle: T\nslug: draft\nstatus: draft\n---\nB")
      #expect(draft["Cache-Control"] == "private, no-store")
      let again = try await site.put("draft", markdown: draft.text)
      #expect(again.json["version"]?.integerValue == 1)
      let scheduled = try await site.get("/v1/posts/scheduled", markdown + reader)
      #expect(scheduled["Cache-Control"] == "private, no-store")
      #expect(
        try await site.put("scheduled", markdown: scheduled.text).json["version"]?.integerValue
          == 1)
      // The clock publishes it, and does not change the file.
      try await site.setClock(Site.start, plusSeconds: 10)
      let published = try await site.get("/v1/posts/scheduled", markdown)
      #expect(published.body == scheduled.body)
      #expect(published["ETag"] == scheduled["ETag"])

      let token = try await site.preview("draft").token
      let preview = try await site.get("/v1/posts/draft?preview=" + token, markdown)
      #expect(preview.body == draft.body)
      #expect(preview["Cache-Control"] == "private, no-store")
      #expect(try await site.get("/v1/posts/gone", markdown + site.authorized).status == 404)
    }
  }

  @Test func `leads on from a former slug`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      _ = try await site.patch("a", #"{"slug":"b"}"#)
      let answer = try await site.get("/v1/posts/a", markdown)
      #expect(answer.status == 301)
      #expect(answer["Location"] == "/v1/posts/b")
    }
  }

  @Test func `is whole: fields is refused by name`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let answer = try await site.get("/v1/posts/a?fields=title", markdown)
      #expect(answer.status == 400)
      #expect(answer.problem == "invalid-parameter")
      #expect(
        answer.json["errors"]?.arrayValue?.first?["parameter"]?.stringValue == "fields")
    }
  }
}
