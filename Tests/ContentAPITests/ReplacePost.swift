import JSON
import Testing

@Suite struct ReplacePost {
  private static let file = """
    ---
    title: A post
    tags: [One tag, two]
    date: 2026-03-01 10:00
    ---
    Hello.
    """

  @Test func `creates a post that is not there, and replaces one that is`() async throws {
    try await Site.run { site in
      let created = try await site.put("a", json: Site.json(title: "One", tags: ["x"]))
      #expect(created.status == 201)
      #expect(created["Location"] == "/v1/posts/a")
      #expect(created.version == 1)
      try await site.setClock("2026-03-12T10:00:00Z")
      let replaced = try await site.put("a", json: Site.json(title: "Two", tags: ["y"]))
      #expect(replaced.status == 200)
      #expect(replaced["Location"] == nil)
      #expect(replaced.version == 2)
      #expect(replaced.json["title"]?.stringValue == "Two")
      #expect(replaced.json["id"] == created.json["id"])
      #expect(replaced.json["created_at"]?.stringValue == Site.start)
      #expect(replaced.json["updated_at"]?.stringValue == "2026-03-12T10:00:00Z")
      #expect(replaced["ETag"] == (try await site.get("/v1/posts/a"))["ETag"])
      #expect(try await site.get("/v1/posts?tag=x").total == 0)
      #expect(try await site.get("/v1/posts?tag=y").total == 1)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `changes nothing when the same file comes again`() async throws {
    try await Site.run { site in
      let first = try await site.put("a", markdown: Self.file)
      #expect(first.status == 201)
      try await site.setClock("2026-03-12T10:00:00Z")
      let second = try await site.put("a", markdown: Self.file)
      #expect(second.status == 200)
      #expect(second["ETag"] == first["ETag"])
      #expect(second.body == first.body)
      #expect(second["Last-Modified"] == first["Last-Modified"])
    }
  }

  @Test func `changes nothing when the same JSON comes again, in another order`() async throws {
    try await Site.run { site in
      let first = try await site.put(
        "a", json: #"{"title":"T","body":"B","status":"published","tags":["b","a"]}"#)
      let second = try await site.put(
        "a", json: #"{ "tags":["b","a"],"status":"published","slug":"a","body":"B","title":" T" }"#)
      #expect(second.status == 200)
      #expect(second["ETag"] == first["ETag"])
      let third = try await site.put(
        "a", json: #"{"title":"T","body":"B","status":"published","tags":["a","b"]}"#)
      #expect(third.version == 2, "the order of tags is the author's")
    }
  }

  @Test func `keeps the stored date, and gives every other absent member its default`()
    async throws
  {
    try await Site.run { site in
      _ = try await site.put(
        "a",
        json: """
          {"title":"T","body":"B","status":"published","published_at":"2026-01-01T00:00:00Z",
          "excerpt":"E","type":"essay","featured":true,"featured_order":1,"tags":["t"],
          "cover_image":{"url":"https://a/"},"canonical_url":"https://b/","meta_title":"M",
          "meta_description":"D"}
          """)
      let post = try await site.put("a", json: #"{"title":"T","body":"B"}"#).json
      #expect(post["status"]?.stringValue == "draft")
      #expect(post["published_at"]?.stringValue == "2026-01-01T00:00:00Z")
      #expect(post["excerpt"]?.stringValue == "B")
      #expect(post["type"]?.stringValue == "post")
      #expect(post["featured"]?.boolValue == false)
      #expect(post["tags"]?.arrayValue == [])
      for name in [
        "featured_order", "cover_image", "canonical_url", "meta_title", "meta_description",
      ] {
        #expect(post[name]?.isNull == true, "\(name)")
      }
      let again = try await site.put("a", json: Site.json(title: "T")).json
      #expect(again["status"]?.stringValue == "published")
      #expect(again["published_at"]?.stringValue == "2026-01-01T00:00:00Z")
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `schedules a post by the date that is stored`() async throws {
    try await Site.run { site in
      let later = "2026-03-13T00:00:00Z"
      _ = try await site.put("a", json: Site.json(title: "T", status: "draft", at: later))
      let scheduled = try await site.put("a", json: Site.json(title: "T", status: "scheduled"))
      #expect(scheduled.status == 200)
      #expect(scheduled.json["status"]?.stringValue == "scheduled")
      #expect(scheduled.json["published_at"]?.stringValue == later)
      _ = try await site.put("b", json: Site.json(title: "T", status: "draft"))
      for slug in ["b", "c"] {
        let undated = try await site.put(slug, json: Site.json(title: "T", status: "scheduled"))
        #expect(undated.status == 422)
        #expect(undated.places == ["/published_at"])
      }
      #expect(try await site.get("/v1/posts/c", site.authorized).status == 404)
    }
  }

  @Test func `publishes now when there is no date, and takes a post back`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Site.json(title: "T", status: "draft", tags: ["t"]))
      try await site.setClock("2026-03-12T10:00:00.75Z")
      let published = try await site.put("a", json: Site.json(title: "T", tags: ["t"]))
      #expect(published.json["published_at"]?.stringValue == "2026-03-12T10:00:00Z")
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
      _ = try await site.put("a", json: Site.json(title: "T", status: "draft", tags: ["t"]))
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      #expect(try await site.get("/v1/posts/a").status == 404)
      let later = Site.json(title: "T", tags: ["t"], at: "2026-03-12T11:00:00Z")
      #expect(try await site.put("a", json: later).json["status"]?.stringValue == "scheduled")
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `compares the version that If-Match names`() async throws {
    try await Site.run { site in
      let first = try #require(try await site.publish("a", tags: ["t"])["ETag"])
      let list = try #require(try await site.get("/v1/posts")["ETag"])
      let second = try await site.put("a", json: Site.json(title: "2"), ["If-Match: " + first])
      #expect(second.status == 200)
      let current = try #require(second["ETag"])
      for condition in [first, "W/" + current, "\"x\"", list, "\"1\"", first + ", \"99-0\""] {
        let stale = try await site.put(
          "a", json: Site.json(title: "3"), ["If-Match: " + condition])
        #expect(stale.status == 412, "\(condition)")
        #expect(stale.problem == "precondition-failed")
        #expect(stale["ETag"] == current)
      }
      #expect(try await site.get("/v1/posts/a")["ETag"] == current)
      let versionOnly = try await site.put("a", json: Site.json(title: "3"), ["If-Match: \"2-0\""])
      #expect(versionOnly.status == 200, "only the version counts, so any form's tag serves")
      let listed = try await site.put(
        "a", json: Site.json(title: "4"), ["If-Match: \"x\", \"3-0\""])
      #expect(listed.status == 200)
      let any = try await site.put("a", json: Site.json(title: "5"), ["If-Match: *"])
      #expect(any.version == 5)
      let broken = try await site.put("a", json: Site.json(title: "6"), ["If-Match: 5"])
      #expect(broken.status == 400)
    }
  }

  @Test func `answers 412 when If-Match meets no post`() async throws {
    try await Site.run { site in
      try await site.publish("trashed")
      _ = try await site.delete("trashed")
      for slug in ["missing", "trashed"] {
        for condition in ["*", "\"1-0\""] {
          let answer = try await site.put(
            slug, json: Site.json(title: "T"), ["If-Match: " + condition])
          #expect(answer.status == 412)
          #expect(answer["ETag"] == nil)
        }
      }
    }
  }

  @Test func `creates only, with If-None-Match`() async throws {
    try await Site.run { site in
      let only = ["If-None-Match: *"]
      let created = try await site.put("a", json: Site.json(title: "T"), only)
      #expect(created.status == 201)
      let again = try await site.put("a", json: Site.json(title: "T"), only)
      #expect(again.status == 412)
      #expect(again["ETag"] == created["ETag"])
      _ = try await site.delete("a")
      #expect(try await site.put("a", json: Site.json(title: "T"), only).status == 201)
      let tags = try await site.put("a", json: Site.json(title: "T"), ["If-None-Match: \"1-0\""])
      #expect(tags.status == 400)
    }
  }

  @Test func `renames nothing`() async throws {
    try await Site.run { site in
      let other = try await site.put("a", json: #"{"title":"T","body":"B","slug":"b"}"#)
      #expect(other.status == 422)
      #expect(other.places == ["/slug"])
      let all = try await site.put("a", json: #"{"title":"","body":"B","slug":"b"}"#)
      #expect(all.places == ["/title", "/slug"])
      let same = try await site.put("a", json: #"{"title":"T","body":"B","slug":"a"}"#)
      #expect(same.status == 201)
    }
  }

  @Test func `refuses an address that cannot be a slug`() async throws {
    let cases: [String] = ["Not_A_Slug", "-", "a--b", "%20", "%C3%A4"]
    try await Site.run { site in
      for slug in cases {
        let answer = try await site.put(slug, json: Site.json(title: "T"))
        #expect(answer.status == 422)
        #expect(answer.places == ["?slug"])
      }
    }
  }

  @Test func `brings a post back from the trash`() async throws {
    try await Site.run { site in
      let first = try await site.publish("a", tags: ["t"], at: "2026-03-01T00:00:00Z")
      _ = try await site.delete("a")
      let revived = try await site.put("a", json: Site.json(title: "a", tags: ["t"]))
      #expect(revived.status == 201)
      #expect(revived["Location"] == "/v1/posts/a")
      #expect(revived.version == 2)
      #expect(revived.json["id"] == first.json["id"])
      #expect(revived.json["trashed_at"]?.isNull == true)
      #expect(revived.json["published_at"]?.stringValue == "2026-03-01T00:00:00Z")
      #expect(try await site.get("/v1/posts?tag=t").slugs == ["a"])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `lets one of two through that carry the same If-Match`() async throws {
    try await Site.run { site in
      for round in 0..<10 {
        let slug = "a\(round)"
        let tag = try #require(try await site.publish(slug)["ETag"])
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
          for writer in 0..<4 {
            group.addTask {
              try await site.put(
                slug, json: Site.json(title: "W\(writer)"), ["If-Match: " + tag]
              ).status
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.sorted() == [200, 412, 412, 412])
        #expect(try await site.get("/v1/posts/" + slug).version == 2)
      }
    }
  }

  @Test func `makes one post of many that create it at once`() async throws {
    try await Site.run { site in
      for round in 0..<5 {
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
          for writer in 0..<8 {
            group.addTask {
              try await site.put("a\(round)", json: Site.json(title: "W\(writer)", tags: ["t"]))
                .status
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.sorted() == [200, 200, 200, 200, 200, 200, 200, 201])
      }
      #expect(try await site.get("/v1/posts?tag=t").total == 5)
      #expect(try await site.discrepancies() == [])
    }
  }
}

@Suite struct DeletePost {
  @Test func `answers 204 once and 404 from then on`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      let deleted = try await site.delete("a")
      #expect(deleted.status == 204)
      #expect(deleted.body.isEmpty)
      #expect(deleted["Cache-Control"] == "private, no-store")
      #expect(deleted["Content-Type"] == nil)
      for slug in ["a", "unknown", "Not_A_Slug"] {
        let answer = try await site.delete(slug)
        #expect(answer.status == 404)
        #expect(answer.problem == "not-found")
      }
      #expect(try await site.get("/v1/posts/a").status == 404)
    }
  }

  @Test func `takes the post out of lists and counters`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t", "u"])
      try await site.publish("b", tags: ["t"])
      _ = try await site.delete("a")
      #expect(try await site.get("/v1/posts").slugs == ["b"])
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
      #expect(try await site.get("/v1/posts?tag=u").total == 0)
      #expect(try await site.get("/v1/posts?tag=t,u").total == 1)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `takes drafts and scheduled posts`() async throws {
    try await Site.run { site in
      _ = try await site.put("draft", json: Site.json(title: "T", status: "draft", tags: ["t"]))
      try await site.publish("scheduled", tags: ["t"], at: "2026-04-01T00:00:00Z")
      #expect(try await site.delete("draft").status == 204)
      #expect(try await site.delete("scheduled").status == 204)
      try await site.setClock("2026-05-01T00:00:00Z")
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `compares the version that If-Match names`() async throws {
    try await Site.run { site in
      let tag = try #require(try await site.publish("a")["ETag"])
      let current = try #require(try await site.put("a", json: Site.json(title: "2"))["ETag"])
      for condition in [tag, "W/" + current, "\"x\""] {
        let stale = try await site.delete("a", ["If-Match: " + condition])
        #expect(stale.status == 412)
        #expect(stale["ETag"] == current)
      }
      #expect(try await site.delete("a", ["If-Match: " + current]).status == 204)
      #expect(try await site.delete("a", ["If-Match: *"]).status == 404)
    }
  }

  @Test func `succeeds once when many delete at once`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<6 { group.addTask { try await site.delete("a").status } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [204, 404, 404, 404, 404, 404])
      #expect(try await site.discrepancies() == [])
    }
  }
}
