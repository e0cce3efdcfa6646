import JSON
import Testing

@Suite struct ScheduledPosts {
  @Test func `appear everywhere at once, because their time has come and nobody writes`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("old", tags: ["t"], at: "2026-03-01T00:00:00Z")
      try await site.publish("due", tags: ["t", "u"], at: "2026-03-12T10:00:00.000001Z")
      let state = """
        select md5((select string_agg(p::text, ',' order by p.id) from colophon.posts p)
          || (select string_agg(l::text, ',' order by l::text) from colophon.listings l)
          || (select string_agg(c::text, ',' order by c::text) from colophon.counters c))
        """
      let before = try await site.value(state)
      func look() async throws -> [Int?] {
        let item = try await site.get("/v1/posts/due")
        let all = try await site.get("/v1/posts")
        let tag = try await site.get("/v1/posts?tag=u")
        let any = try await site.get("/v1/posts?tag=t,u")
        let page = try await site.get("/v1/posts?tag=t&limit=1")
        return [
          item.status, all.total, all.slugs.count, tag.total, tag.slugs.count, any.total,
          any.slugs.count, page.total, page.slugs == ["due"] ? 1 : 0, page.next == nil ? 0 : 1,
        ]
      }
      for instant in [Site.start, "2026-03-12T10:00:00Z"] {
        try await site.setClock(instant)
        #expect(try await look() == [404, 1, 1, 0, 0, 1, 1, 1, 0, 0])
      }
      try await site.setClock("2026-03-12T10:00:00.000001Z")
      #expect(try await look() == [200, 2, 2, 1, 1, 2, 2, 2, 1, 1])
      #expect(try await site.get("/v1/posts/due").json["status"]?.stringValue == "published")
      #expect(
        try await site.get("/v1/posts").json["data"]?.arrayValue?.first?["status"]?.stringValue
          == "published")
      #expect(try await site.value(state) == before, "reading writes nothing")
    }
  }

  @Test func `are taken into the counters by a later write, which changes no answer`() async throws
  {
    try await Site.run { site in
      try await site.publish("due", tags: ["t"], at: "2026-03-12T10:00:00Z")
      try await site.setClock("2026-03-12T10:00:00Z")
      let item = try await site.get("/v1/posts/due")
      let list = try await site.get("/v1/posts?tag=t")
      let counted = "select counted from colophon.posts where slug = 'due'"
      #expect(try await site.value(counted) == "f")
      _ = try await site.put("other", json: Site.json(title: "O", status: "draft"))
      #expect(try await site.value(counted) == "t")
      #expect(try await site.discrepancies() == [])
      #expect(try await site.get("/v1/posts/due")["ETag"] == item["ETag"])
      #expect(try await site.get("/v1/posts?tag=t")["ETag"] == list["ETag"])
    }
  }

  @Test func `are counted right while many of them wait to be taken in`() async throws {
    try await Site.run { site in
      for index in 0..<120 {
        try await site.publish("p\(index)", tags: ["t"], at: "2026-03-12T10:00:00Z")
      }
      try await site.setClock("2026-03-12T10:00:00Z")
      for taken in [50, 100, 120, 120] {
        #expect(try await site.get("/v1/posts?tag=t").total == 120)
        _ = try await site.put("d\(taken)", json: Site.json(title: "\(taken)", status: "draft"))
        _ = try await site.delete("d\(taken)")
        let counted = try await site.value("select count(*) from colophon.posts where counted")
        #expect(Int(counted ?? "") ?? 0 >= taken)
        #expect(try await site.discrepancies() == [])
      }
      #expect(try await site.get("/v1/posts?tag=t").total == 120)
    }
  }

  @Test func `that have come out and were counted stay out when the clock is set back`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("due", tags: ["t"], at: "2026-03-12T10:00:00Z")
      try await site.setClock("2026-03-12T10:00:00Z")
      _ = try await site.put("other", json: Site.json(title: "O", status: "draft"))
      try await site.setClock(Site.start)
      #expect(try await site.get("/v1/posts/due").status == 200)
      let list = try await site.get("/v1/posts?tag=t")
      #expect(list.slugs == ["due"])
      #expect(list.total == 1)
      let again = try await site.put(
        "due", json: Site.json(title: "due", tags: ["t"], at: "2026-03-12T10:00:00Z"))
      #expect(again.status == 200)
      #expect(again.json["status"]?.stringValue == "published")
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `come back into the future when they are given a later date`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      let later = Site.json(title: "a", tags: ["t"], at: "2026-03-12T10:00:00Z")
      #expect(try await site.put("a", json: later).json["status"]?.stringValue == "scheduled")
      #expect(try await site.get("/v1/posts/a").status == 404)
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      #expect(try await site.discrepancies() == [])
      try await site.setClock("2026-03-12T10:00:00Z")
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
    }
  }
}
