import Testing

/// Reads under a slug that a post had before.
@Suite struct MovedPosts {
  @Test func `are found after several renames, by every read and with its query`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      try await site.publish("a")
      for (old, new) in [("a", "b"), ("b", "c"), ("c", "d")] {
        _ = try await site.patch(old, "{\"slug\":\"\(new)\"}")
      }
      for old in ["a", "b", "c"] {
        for method in ["GET", "HEAD"] {
          let moved = try await site.send("\(method) /v1/posts/\(old)")
          #expect(moved.status == 301)
          #expect(moved["Location"] == "https://api.example.com/v1/posts/d")
          #expect(moved["Cache-Control"] == "public, max-age=60")
          #expect(moved["Vary"] == "Accept, Authorization")
          #expect(moved["ETag"] == nil)
          #expect(moved.body.isEmpty)
        }
      }
      let fields = try await site.get("/v1/posts/a?fields=title,slug")
      #expect(fields["Location"] == "https://api.example.com/v1/posts/d?fields=title,slug")
      #expect(try await site.get("/v1/posts/a?fields=x").status == 400)
      let conditional = try await site.get("/v1/posts/a", ["If-None-Match: *"])
      #expect(conditional.status == 301)
      let keyed = try await site.get("/v1/posts/a", site.authorized)
      #expect(keyed.status == 301)
      #expect(keyed["Cache-Control"] == "private, no-store")
      let revision = try await site.get("/v1/posts/a/revisions/2", site.authorized)
      #expect(revision["Location"] == "https://api.example.com/v1/posts/d/revisions/2")
      let revisions = try await site.get("/v1/posts/b/revisions?limit=2", site.authorized)
      #expect(revisions["Location"] == "https://api.example.com/v1/posts/d/revisions?limit=2")
      #expect(try await site.get("/v1/posts/a/revisions").status == 401)
      // Writes do not follow.
      #expect(try await site.patch("a", "{}").status == 404)
      #expect(try await site.restore("a", version: 1).status == 404)
      #expect(try await site.preview("a").status == 404)
    }
  }

  @Test func `are found only while everybody may see them`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      _ = try await site.patch("a", #"{"slug":"b"}"#)
      func status() async throws -> Int { try await site.get("/v1/posts/a").status }
      #expect(try await status() == 301)
      _ = try await site.patch("b", #"{"status":"draft"}"#)
      #expect(try await status() == 404)
      #expect(try await site.get("/v1/posts/a", site.authorized).status == 404)
      _ = try await site.patch(
        "b", #"{"status":"scheduled","published_at":"2026-03-12T09:10:00Z"}"#)
      #expect(try await status() == 404)
      try await site.setClock("2026-03-12T09:10:00Z")
      #expect(try await status() == 301)
      _ = try await site.delete("b")
      #expect(try await status() == 404)
      _ = try await site.restore("b")
      #expect(try await status() == 301)
      _ = try await site.erase("b")
      #expect(try await status() == 404)
    }
  }

  @Test func `are found no more once another post has the slug, seen or not`() async throws {
    try await Site.run { site in
      for (name, status) in [("x", "draft"), ("y", "published")] {
        try await site.publish("old-" + name)
        _ = try await site.patch("old-" + name, "{\"slug\":\"new-\(name)\"}")
        #expect(try await site.get("/v1/posts/old-" + name).status == 301)
        _ = try await site.put("old-" + name, json: Site.json(title: "T", status: status))
        #expect(try await site.get("/v1/posts/old-" + name).status == (name == "x" ? 404 : 200))
        _ = try await site.erase("old-" + name)
        #expect(try await site.get("/v1/posts/old-" + name).status == 404)
      }
    }
  }

  @Test func `are found there and back while they are renamed`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for round in 0..<60 {
            let (old, new) = round % 2 == 0 ? ("a", "b") : ("b", "a")
            let renamed = try await site.patch(old, "{\"slug\":\"\(new)\"}")
            #expect(renamed.status == 200)
          }
        }
        for slug in ["a", "b"] {
          group.addTask {
            // Before the first rename there was no b.
            var isThere = slug == "a"
            for _ in 0..<150 {
              let status = try await site.get("/v1/posts/" + slug).status
              if isThere { #expect([200, 301].contains(status)) }
              isThere = isThere || status != 404
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
