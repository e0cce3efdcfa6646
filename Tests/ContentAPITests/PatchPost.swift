import JSON
import Testing

@Suite struct PatchPost {
  @Test func `changes what it names and nothing else`() async throws {
    try await Site.run { site in
      let first = try await site.put(
        "a",
        json: """
          {"title":"One","body":"Body \\u00e9.","excerpt":"Mine","type":"essay","featured":true,
          "featured_order":3,"tags":["b","a"],"cover_image":{"url":"https://a/","alt":"A"},
          "canonical_url":"https://b/","meta_title":"M","meta_description":"D",
          "status":"published","published_at":"2026-03-01T10:00:00.5Z"}
          """)
      try await site.setClock("2026-03-12T10:00:00Z")
      let patched = try await site.patch("a", #"{"title":"Two"}"#)
      #expect(patched.status == 200)
      #expect(patched["Content-Type"] == "application/json")
      #expect(patched["Cache-Control"] == "private, no-store")
      #expect(patched["Content-Location"] == nil)
      #expect(patched.version == 2)
      let changed = try #require(patched.json.objectValue).filter { member in
        first.json[member.name] != member.value
      }
      #expect(changed.map(\.name) == ["title", "updated_at", "version"])
      #expect(patched.json["title"]?.stringValue == "Two")
      #expect(patched.json["updated_at"]?.stringValue == "2026-03-12T10:00:00Z")
      let shown = try await site.get("/v1/posts/a")
      #expect(shown["ETag"] == patched["ETag"])
      #expect(shown["Last-Modified"] == patched["Last-Modified"])
      #expect(shown.body == patched.body)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `takes application/json for the same`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["x", "y"])
      let patched = try await site.send(
        "PATCH /v1/posts/a", site.authorized + ["Content-Type: application/json; charset=utf-8"],
        body: Array(#"{"tags":["z"]}"#.utf8))
      #expect(patched.status == 200)
      #expect(patched.json["tags"]?.arrayValue?.map(\.stringValue) == ["z"])
      #expect(try await site.get("/v1/posts?tag=x").total == 0)
      #expect(try await site.get("/v1/posts?tag=z").total == 1)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `gives a member that is null its default again`() async throws {
    try await Site.run { site in
      _ = try await site.put(
        "a",
        json: """
          {"title":"T","body":"B","excerpt":"E","type":"essay","featured":true,"featured_order":1,
          "tags":["t"],"cover_image":{"url":"https://a/","alt":"A"},"canonical_url":"https://b/",
          "meta_title":"M","meta_description":"D","published_at":"2026-01-01T00:00:00Z"}
          """)
      let nothing = try await site.patch(
        "a",
        """
        {"excerpt":null,"type":null,"featured":null,"featured_order":null,"tags":null,
        "cover_image":null,"canonical_url":null,"meta_title":null,"meta_description":null,
        "published_at":null}
        """)
      let plain = try await site.put("b", json: #"{"title":"T","body":"B"}"#)
      for member in try #require(plain.json.objectValue)
      where !["id", "slug", "version"].contains(member.name) {
        #expect(nothing.json[member.name] == member.value, "\(member.name)")
      }
      #expect(nothing.version == 2)
    }
  }

  @Test func `merges into the cover image, too`() async throws {
    try await Site.run { site in
      _ = try await site.put(
        "a", json: #"{"title":"T","body":"B","cover_image":{"url":"https://a/","alt":"A"}}"#)
      let other = try await site.patch("a", #"{"cover_image":{"url":"https://b/"}}"#)
      #expect(other.json["cover_image"]?["url"]?.stringValue == "https://b/")
      #expect(other.json["cover_image"]?["alt"]?.stringValue == "A")
      let bare = try await site.patch("a", #"{"cover_image":{"alt":null}}"#)
      #expect(bare.json["cover_image"]?["url"]?.stringValue == "https://b/")
      #expect(bare.json["cover_image"]?["alt"]?.stringValue == "")
      let nowhere = try await site.patch("a", #"{"cover_image":{"url":null,"size":null}}"#)
      #expect(nowhere.status == 422)
      #expect(nowhere.places.sorted() == ["/cover_image/size", "/cover_image/url"])
    }
  }

  @Test func `derives anew what comes from the body, unless the author wrote it`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: #"{"title":"T","body":"One two."}"#)
      let derived = try await site.patch("a", #"{"body":"Three *words* now."}"#)
      #expect(derived.json["excerpt"]?.stringValue == "Three words now.")
      #expect(derived.json["word_count"]?.integerValue == 3)
      _ = try await site.patch("a", #"{"excerpt":"Mine"}"#)
      let kept = try await site.patch("a", #"{"body":"Four."}"#)
      #expect(kept.json["excerpt"]?.stringValue == "Mine")
      #expect(kept.json["word_count"]?.integerValue == 1)
      let again = try await site.patch("a", #"{"excerpt":null}"#)
      #expect(again.json["excerpt"]?.stringValue == "Four.")
    }
  }

  @Test(arguments: [
    "{}", #"{"title":"T"}"#, #"{"title":"  T "}"#, #"{"status":"scheduled"}"#,
    #"{"status":"published","published_at":"2026-03-01T12:00:00+02:00"}"#, #"{"excerpt":null}"#,
    #"{"excerpt":"  "}"#, #"{"slug":"a"}"#, #"{"cover_image":{"url":"https://a/"}}"#,
    #"{"tags":["b","a"],"type":"post","featured":null}"#,
  ])
  func `writes nothing when it changes nothing`(patch: String) async throws {
    try await Site.run { site in
      let first = try await site.put(
        "a",
        json: """
          {"title":"T","body":"B","status":"published","published_at":"2026-03-01T10:00:00Z",
          "tags":["b","a"],"cover_image":{"url":"https://a/"}}
          """)
      let before = try await site.value("select xmin::text || ctid::text from colophon.posts")
      try await site.setClock("2026-03-12T10:00:00Z")
      let patched = try await site.patch("a", patch)
      #expect(patched.status == 200, "\(patched.text)")
      #expect(patched["ETag"] == first["ETag"])
      #expect(patched.body == first.body)
      #expect(try await site.value("select xmin::text || ctid::text from colophon.posts") == before)
    }
  }

  @Test func `names every fault by the member of the patch`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let before = try await site.get("/v1/posts/a")
      let refused = try await site.patch(
        "a",
        """
        {"title":" ","nope":1,"gone":null,"version":7,"trashed_at":null,"tags":["x","X"],
        "featured":"yes","body":null,"published_at":"tomorrow","slug":null}
        """)
      #expect(refused.status == 422)
      #expect(refused.problem == "invalid-content")
      #expect(
        Set(refused.places) == [
          "/title", "/nope", "/gone", "/version", "/trashed_at", "/tags/1", "/featured", "/body",
          "/published_at", "/slug",
        ])
      #expect(refused.places.count == 10)
      #expect(try await site.get("/v1/posts/a")["ETag"] == before["ETag"])
    }
  }

  @Test(arguments: ["[]", "null", "\"title\"", "1", "[{\"title\":\"T\"}]"])
  func `refuses a patch that is no object`(patch: String) async throws {
    try await Site.run { site in
      try await site.publish("a")
      let refused = try await site.patch("a", patch)
      #expect(refused.status == 422)
      #expect(refused.places == [""])
    }
  }

  @Test func `refuses what is no JSON, and other kinds of patches`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      for broken in ["", "{", #"{"title":"A","title":"B"}"#, "{\"title\":\"\u{1}\"}"] {
        #expect(try await site.patch("a", broken).problem == "malformed-json", "\(broken)")
      }
      for type in ["application/json-patch+json", "text/markdown", "text/plain"] {
        let refused = try await site.send(
          "PATCH /v1/posts/a", site.authorized + ["Content-Type: " + type], body: Array("{}".utf8))
        #expect(refused.status == 415)
        #expect(refused["Accept-Patch"] == "application/merge-patch+json, application/json")
      }
    }
  }

  @Test func `needs a key that may write, and a post that is there`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      try await site.publish("trashed")
      _ = try await site.delete("trashed")
      let type = ["Content-Type: application/merge-patch+json"]
      let anonymous = try await site.send("PATCH /v1/posts/a", type, body: Array("{}".utf8))
      #expect(anonymous.status == 401)
      let reader = try await site.send(
        "PATCH /v1/posts/a", type + ["Authorization: Bearer " + site.reader],
        body: Array("{}".utf8))
      #expect(reader.status == 403)
      for slug in ["unknown", "trashed", "Not_A_Slug"] {
        let missing = try await site.patch(slug, "{}", ["If-Match: *"])
        #expect(missing.problem == "not-found", "\(slug)")
      }
    }
  }

  @Test func `compares the version that If-Match names`() async throws {
    try await Site.run { site in
      let first = try #require(try await site.publish("a")["ETag"])
      let second = try await site.patch("a", #"{"title":"2"}"#, ["If-Match: " + first])
      #expect(second.status == 200)
      let current = try #require(second["ETag"])
      for condition in [first, "W/" + current, "\"x\"", "\"1-0\""] {
        for patch in [#"{"title":"3"}"#, "{}"] {
          let stale = try await site.patch("a", patch, ["If-Match: " + condition])
          #expect(stale.problem == "precondition-failed", "\(condition)")
          #expect(stale["ETag"] == current)
        }
      }
      for condition in [current, "*", "\"x\", \"4-0\""] {
        let title = "{\"title\":\"\(condition.utf8.count)\"}"
        #expect(try await site.patch("a", title, ["If-Match: " + condition]).status == 200)
      }
      #expect(try await site.patch("a", "{}", ["If-Match: 5"]).status == 400)
    }
  }

  @Test func `lets exactly one of two win that change the same version`() async throws {
    try await Site.run { site in
      var tag = try #require(try await site.publish("a", tags: ["t"])["ETag"])
      for round in 0..<20 {
        let condition = ["If-Match: " + tag]
        async let one = site.patch("a", "{\"title\":\"one \(round)\"}", condition)
        async let two = site.put(
          "a", json: Site.json(title: "two \(round)", tags: ["u"]), condition)
        async let three = site.patch("a", "{\"tags\":[\"v\",\"r\(round)\"]}", condition)
        let answers = try await [one, two, three]
        #expect(answers.map(\.status).sorted() == [200, 412, 412])
        let winner = try #require(answers.first { $0.status == 200 })
        #expect(winner.version == round + 2)
        tag = try #require(winner["ETag"])
        #expect(answers.allSatisfy { $0["ETag"] == tag }, "the losers learn the current one")
      }
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `loses no update of those who read, patch and repeat`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: #"{"title":"0","body":"B"}"#)
      try await withThrowingTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            var done = 0
            while done < 15 {
              let post = try await site.get("/v1/posts/a", site.authorized)
              let number = Int(post.json["title"]?.stringValue ?? "") ?? -1
              let answer = try await site.patch(
                "a", "{\"title\":\"\(number + 1)\"}", ["If-Match: " + (post["ETag"] ?? "")])
              if answer.status == 200 { done += 1 }
            }
          }
        }
        try await group.waitForAll()
      }
      let post = try await site.get("/v1/posts/a", site.authorized)
      #expect(post.json["title"]?.stringValue == "60")
      #expect(post.version == 61)
    }
  }

  @Test func `merges patches of different members that arrive together`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      async let title = site.patch("a", #"{"title":"T"}"#)
      async let tags = site.patch("a", #"{"tags":["t"]}"#)
      async let type = site.patch("a", #"{"type":"note"}"#)
      #expect(try await [title, tags, type].map(\.status) == [200, 200, 200])
      let post = try await site.get("/v1/posts/a")
      #expect(post.version == 4)
      #expect(post.json["title"]?.stringValue == "T")
      #expect(post.json["tags"]?.arrayValue?.map(\.stringValue) == ["t"])
      #expect(post.json["type"]?.stringValue == "note")
      #expect(try await site.discrepancies() == [])
    }
  }
}

extension Site {
  /// With the key that may do everything; other `lines` come behind it.
  func patch(_ slug: String, _ json: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "PATCH /v1/posts/" + slug,
      authorized + ["Content-Type: application/merge-patch+json"] + lines, body: Array(json.utf8))
  }

  func restore(_ slug: String, _ lines: [String] = []) async throws -> Answer {
    try await send("POST /v1/posts/\(slug)/restore", authorized + lines)
  }
}
