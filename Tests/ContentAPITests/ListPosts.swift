import JSON
import Testing

@Suite struct ListPosts {
  @Test func `shows the newest first, and posts of one instant by id`() async throws {
    try await Site.run { site in
      for (slug, day) in [("a", "03"), ("b", "01"), ("c", "02"), ("d", "02"), ("e", "02")] {
        try await site.publish(slug, at: "2026-03-\(day)T00:00:00Z")
      }
      let answer = try await site.get("/v1/posts")
      #expect(answer.status == 200)
      #expect(answer.slugs.first == "a" && answer.slugs.last == "b")
      let same = answer.json["data"]?.arrayValue?.dropFirst().dropLast() ?? []
      let ids = same.map { $0["id"]?.stringValue ?? "" }
      #expect(ids == ids.sorted(by: >))
      #expect(answer.total == 5)
    }
  }

  @Test func `shows posts without their bodies and with everything else`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      let listed = try await site.get("/v1/posts").json["data"]?.arrayValue?.first
      let shown = try await site.get("/v1/posts/a").json
      #expect(listed?["body"] == nil)
      let members = shown.objectValue?.filter { $0.name != "body" }
      #expect(listed?.objectValue == members)
    }
  }

  @Test func `shows nothing that is not public, to nobody`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      try await site.publish("scheduled", at: "2027-01-01T00:00:00Z")
      _ = try await site.put("draft", json: Site.json(title: "D", status: "draft"))
      try await site.publish("trashed")
      _ = try await site.delete("trashed")
      #expect(try await site.get("/v1/posts").slugs == ["a"])
      let keyed = try await site.get("/v1/posts", site.authorized)
      #expect(keyed.slugs == ["a"])
      #expect(keyed["Cache-Control"] == "private, no-store")
      #expect(keyed["ETag"] == (try await site.get("/v1/posts"))["ETag"])
    }
  }

  @Test func `is empty where there is nothing`() async throws {
    try await Site.run { site in
      for path in ["/v1/posts", "/v1/posts?tag=unknown", "/v1/posts?tag=x,y"] {
        let answer = try await site.get(path)
        #expect(answer.status == 200)
        #expect(answer.slugs == [])
        #expect(answer.total == 0)
        #expect(answer.json["meta"]?["next_cursor"]?.isNull == true)
        #expect(answer.json["meta"]?["previous_cursor"]?.isNull == true)
      }
    }
  }

  @Test func `walks forward and back by cursors and links`() async throws {
    try await Site.run { site in
      for index in 1...7 {
        try await site.publish("p\(index)", tags: ["t"], at: "2026-03-0\(index)T00:00:00Z")
      }
      for query in ["limit=3", "tag=t&limit=3", "tag=t,u&limit=3"] {
        let first = try await site.get("/v1/posts?" + query)
        #expect(first.slugs == ["p7", "p6", "p5"])
        #expect(first.total == 7)
        #expect(first.json["meta"]?["limit"]?.integerValue == 3)
        #expect(first.previous == nil)
        let second = try await site.get("/v1/posts?\(query)&cursor=\(try #require(first.next))")
        #expect(second.slugs == ["p4", "p3", "p2"])
        #expect(second.total == 7)
        let third = try await site.get("/v1/posts?\(query)&cursor=\(try #require(second.next))")
        #expect(third.slugs == ["p1"])
        #expect(third.next == nil)
        let back = try await site.get("/v1/posts?\(query)&cursor=\(try #require(third.previous))")
        #expect(back.slugs == second.slugs)
        let start = try await site.get("/v1/posts?\(query)&cursor=\(try #require(back.previous))")
        #expect(start.slugs == first.slugs)
        #expect(start.previous == nil)
        let base = "/v1/posts?" + query
        #expect(
          second["Link"]
            == "<\(base)>; rel=\"first\", <\(base)&cursor=\(second.next!)>; rel=\"next\", "
            + "<\(base)&cursor=\(second.previous!)>; rel=\"prev\"")
        #expect(third["Link"]?.contains("rel=\"next\"") == false)
      }
    }
  }

  @Test func `lets a client change its step on the way`() async throws {
    try await Site.run { site in
      for index in 1...5 { try await site.publish("p\(index)", at: "2026-03-0\(index)T00:00:00Z") }
      let first = try await site.get("/v1/posts?limit=1")
      let rest = try await site.get("/v1/posts?limit=100&cursor=\(try #require(first.next))")
      #expect(rest.slugs == ["p4", "p3", "p2", "p1"])
    }
  }

  @Test func `has twenty posts on a page unless told`() async throws {
    try await Site.run { site in
      for index in 10...30 { try await site.publish("p\(index)") }
      let page = try await site.get("/v1/posts")
      #expect(page.slugs.count == 20)
      #expect(page.total == 21)
      #expect(page.json["meta"]?["limit"]?.integerValue == 20)
      let exact = try await site.get("/v1/posts?limit=21")
      #expect(exact.slugs.count == 21)
      #expect(exact.next == nil)
    }
  }

  @Test func `takes any of several tags, each post once`() async throws {
    try await Site.run { site in
      try await site.publish("ab", tags: ["a", "b"], at: "2026-03-03T00:00:00Z")
      try await site.publish("b", tags: ["b"], at: "2026-03-02T00:00:00Z")
      try await site.publish("c", tags: ["c"], at: "2026-03-01T00:00:00Z")
      try await site.publish("none", at: "2026-02-01T00:00:00Z")
      let expected = [
        ("a", ["ab"]), ("a,b", ["ab", "b"]), ("b,a", ["ab", "b"]), ("a,a", ["ab"]),
        ("a,c,unknown", ["ab", "c"]), ("a%2Cc", ["ab", "c"]),
      ]
      for (tags, slugs) in expected {
        let answer = try await site.get("/v1/posts?tag=" + tags)
        #expect(answer.slugs == slugs, "\(tags)")
        #expect(answer.total == slugs.count)
      }
      let cursor = try #require(try await site.get("/v1/posts?tag=a,b&limit=1").next)
      let same = try await site.get("/v1/posts?tag=b,a&cursor=" + cursor)
      #expect(same.slugs == ["b"], "the order of tags is no filter")
    }
  }

  @Test func `names every fault of its parameters at once`() async throws {
    try await Site.run { site in
      let cursor = "AQ"
      let cases: [(String, [String])] = [
        ("limit=0", ["?limit"]), ("limit=101", ["?limit"]), ("limit=", ["?limit"]),
        ("limit=1.0", ["?limit"]), ("limit=%2B1", ["?limit"]), ("limit=-1", ["?limit"]),
        ("limit=9223372036854775808", ["?limit"]), ("limit=1&limit=2", ["?limit"]),
        ("tag=", ["?tag"]), ("tag=A", ["?tag"]), ("tag=a,", ["?tag"]), ("tag=a--b", ["?tag"]),
        ("tag=a&tag=b", ["?tag"]), ("tag=%01a", ["?tag"]),
        ("tag=" + String(repeating: "t", count: 101), ["?tag"]),
        ("tag=" + (0..<33).map { "t\($0)" }.joined(separator: ","), ["?tag"]),
        ("cursor=", ["?cursor"]), ("cursor=" + cursor, ["?cursor"]), ("pages=2", ["?pages"]),
        ("Limit=1", ["?Limit"]), ("=1", ["?"]), ("x", ["?x"]),
        (
          "x=1&limit=0&tag=A&cursor=%21&y=&limit=0",
          ["?x", "?y", "?limit", "?tag", "?limit", "?cursor"]
        ),
      ]
      for (query, places) in cases {
        let answer = try await site.get("/v1/posts?" + query)
        #expect(answer.status == 400, "\(query)")
        #expect(answer.problem == "invalid-parameter", "\(query)")
        #expect(answer.places == places, "\(query)")
      }
      for query in ["tag=%00", "tag=%zz", "tag=%ff", "tag=%"] {
        #expect(try await site.get("/v1/posts?" + query).problem == "malformed-request")
      }
    }
  }

  @Test func `refuses a cursor of other filters, and one that was changed`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"], at: "2026-03-01T00:00:00Z")
      try await site.publish("b", tags: ["t"], at: "2026-03-02T00:00:00Z")
      let cursor = try #require(try await site.get("/v1/posts?tag=t&limit=1").next)
      for path in ["/v1/posts?limit=1&", "/v1/posts?tag=u&", "/v1/posts?tag=t,u&"] {
        let answer = try await site.get(path + "cursor=" + cursor)
        #expect(answer.status == 400, "\(path)")
        #expect(answer.places == ["?cursor"])
      }
      let bytes = Array(cursor.utf8)
      for index in bytes.indices {
        var other = bytes
        other[index] = other[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        let text = String(decoding: other, as: UTF8.self)
        #expect(try await site.get("/v1/posts?tag=t&cursor=" + text).status == 400, "at \(index)")
      }
      for text in [cursor + "A", String(cursor.dropLast()), cursor + "=", cursor + cursor] {
        #expect(try await site.get("/v1/posts?tag=t&cursor=" + text).status == 400)
      }
    }
  }

  @Test func `is not kept beyond the next publication`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("soon", tags: ["t"], at: "2026-03-12T09:00:45.5Z")
      try await site.publish("later", tags: ["u"], at: "2026-03-12T10:00:00Z")
      func age(_ path: String) async throws -> String {
        String(
          try await site.get(path)["Cache-Control"]?.split(separator: ",")[1].dropFirst() ?? "")
      }
      #expect(try await age("/v1/posts") == "max-age=45")
      #expect(try await age("/v1/posts?tag=t") == "max-age=45")
      #expect(try await age("/v1/posts?tag=u,t") == "max-age=45")
      #expect(try await age("/v1/posts?tag=u") == "max-age=60")
      #expect(try await age("/v1/posts?tag=none") == "max-age=60")
      try await site.setClock("2026-03-12T09:00:45Z")
      #expect(try await age("/v1/posts") == "max-age=0")
      try await site.setClock("2026-03-12T09:00:45.5Z")
      #expect(try await age("/v1/posts") == "max-age=60")
      #expect(try await site.get("/v1/posts?tag=t").total == 2)
    }
  }

  @Test func `has a tag that changes with its bytes, and no date`() async throws {
    try await Site.run { site in
      for slug in ["a", "b", "c"] { try await site.publish(slug, tags: ["t"]) }
      var tags: [String: [UInt8]] = [:]
      let cursor = try #require(try await site.get("/v1/posts?limit=1").next)
      let paths = [
        "/v1/posts", "/v1/posts?limit=3", "/v1/posts?limit=2", "/v1/posts?limit=1",
        "/v1/posts?limit=1&cursor=" + cursor, "/v1/posts?limit=2&cursor=" + cursor,
        "/v1/posts?tag=t&limit=2", "/v1/posts?tag=t,u&limit=2", "/v1/posts?tag=none",
      ]
      for path in paths {
        let answer = try await site.get(path)
        let tag = try #require(answer["ETag"])
        #expect(answer["Last-Modified"] == nil)
        #expect(tags[tag] == nil || tags[tag] == answer.body, "\(path)")
        tags[tag] = answer.body
        #expect(try await site.get(path, ["If-None-Match: " + tag]).status == 304)
        #expect(try await site.get(path)["ETag"] == tag)
      }
      #expect(tags.count == paths.count)
      let before = try await site.get("/v1/posts?limit=1&cursor=" + cursor)["ETag"]
      try await site.publish("d", at: "2025-01-01T00:00:00Z")
      let after = try await site.get("/v1/posts?limit=1&cursor=" + cursor)["ETag"]
      #expect(before != after, "the total is in the bytes")
    }
  }
}
