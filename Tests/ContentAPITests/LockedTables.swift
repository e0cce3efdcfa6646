import EventLoop
import Postgres
import Testing

/// Tables that a stranger has locked, as somebody who mends something by hand does.
@Suite struct LockedTables {
  @Test func `turn what needs them to 503 in time, and nothing else`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let stranger = try await site.connect()
      try await stranger.script("begin; lock table colophon.posts in access exclusive mode")
      let start = MonotonicInstant.now()
      async let item = site.get("/v1/posts/a")
      async let list = site.get("/v1/posts?limit=3")
      async let search = site.get("/v1/posts?q=word")
      async let feed = site.get("/atom.xml")
      async let write = site.put("a", json: Site.json(title: "A"), ["Idempotency-Key: k"])
      for answer in [
        try await item, try await list, try await search, try await feed, try await write,
      ] {
        #expect(answer.status == 503, "\(answer.text)")
        #expect(answer.problem == "unavailable")
        #expect(answer["Retry-After"] != nil)
        #expect(answer["Cache-Control"] == "no-store")
      }
      // lock_timeout is 3 s, on a machine that does nothing else.
      #expect(MonotonicInstant.now() - start < .seconds(10))
      #expect(try await site.get("/v1/projects").status == 200, "what lies elsewhere is at hand")
      try await stranger.script("rollback")
      await stranger.close()
      #expect(try await site.get("/v1/posts/a").status == 200)
      #expect(
        try await site.put("a", json: Site.json(title: "A"), ["Idempotency-Key: k"]).status == 200)
    }
  }
}
