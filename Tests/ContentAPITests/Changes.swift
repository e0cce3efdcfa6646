import ContentAPI
import EventLoop
import JSON
import LocalPostgres
import Postgres
import Testing

@Suite struct ChangesFeed {
  /// What is told behind a cursor, `+post/a` and `-post/a`, and the cursor behind that.
  private func news(_ site: Site, _ mirror: inout Mirror) async throws -> [String] {
    let before = mirror.told.count
    try await mirror.catchUp(with: site)
    return Array(mirror.told[before...])
  }

  @Test func `tells everything public once, and then what moves`() async throws {
    try await Site.run { site in
      try await site.publish("b", tags: ["t"], at: "2026-03-02T00:00:00Z")
      try await site.publish("a", tags: ["t", "u"], at: "2026-03-01T00:00:00Z")
      _ = try await site.put("draft", json: Site.json(title: "D", status: "draft", tags: ["v"]))
      _ = try await site.send("PUT", "/v1/projects/j", #"{"name":"J"}"#)
      var mirror = Mirror()
      let first = try await news(site, &mirror)
      #expect(
        first == [
          "+profile/profile", "+newsletter/newsletter", "+project/j", "+tag/t", "+tag/u",
          "+post/a", "+post/b",
        ])
      mirror.expectEqual(try await Mirror.oracle(site))
      #expect(try await news(site, &mirror) == [])

      _ = try await site.patch("a", #"{"title":"A2"}"#)
      #expect(try await news(site, &mirror) == ["+post/a"])
      // Nothing changes, nothing is told.
      _ = try await site.patch("a", #"{"title":"A2"}"#)
      _ = try await site.put("draft", json: Site.json(title: "D2", status: "draft", tags: ["v"]))
      #expect(try await news(site, &mirror) == [])
      _ = try await site.patch("a", #"{"tags":["t","w"]}"#)
      #expect(try await news(site, &mirror) == ["+post/a", "-tag/u", "+tag/w"])
      _ = try await site.patch("a", #"{"slug":"c"}"#)
      #expect(try await news(site, &mirror) == ["-post/a", "+post/c"])
      _ = try await site.delete("c")
      #expect(
        try await news(site, &mirror) == ["-post/c", "+profile/profile", "+tag/t", "-tag/w"])
      _ = try await site.restore("c")
      #expect(
        try await news(site, &mirror) == ["+post/c", "+profile/profile", "+tag/t", "+tag/w"])
      _ = try await site.patch("c", #"{"status":"draft"}"#)
      _ = try await site.send("PATCH", "/v1/projects/j", #"{"slug":"k"}"#)
      _ = try await site.send("PATCH", "/v1/profile", #"{"name":"N"}"#)
      _ = try await site.send("PUT", "/v1/newsletter", #"{"name":"N"}"#)
      #expect(
        try await news(site, &mirror) == [
          "-post/c", "+tag/t", "-tag/w", "-project/j", "+project/k", "+profile/profile",
          "+newsletter/newsletter",
        ])
      mirror.expectEqual(try await Mirror.oracle(site))
    }
  }

  @Test func `tells of each post of a tag that is renamed, whose version stays`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("b", tags: ["t", "u"])
      try await site.publish("c", tags: ["u"])
      _ = try await site.put("d", json: Site.json(title: "D", status: "draft", tags: ["t"]))
      _ = try await site.send("PUT", "/v1/projects/j", #"{"name":"J","tags":["t"]}"#)
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      let version = mirror.resources["post/b"]?["version"]
      _ = try await site.send("PATCH", "/v1/tags/t", #"{"slug":"x","name":"X"}"#)
      #expect(
        Set(try await news(site, &mirror)) == [
          "+post/a", "+post/b", "+project/j", "-tag/t", "+tag/x",
        ])
      #expect(mirror.resources["post/b"]?["tags"]?.arrayValue == [.string("x"), .string("u")])
      #expect(mirror.resources["post/b"]?["version"] == version)
      _ = try await site.send("PATCH", "/v1/tags/u", #"{"description":"About u."}"#)
      #expect(try await news(site, &mirror) == ["+tag/u"])
      _ = try await site.delete(path: "/v1/tags/u")
      #expect(Set(try await news(site, &mirror)) == ["+post/b", "+post/c", "-tag/u"])
      mirror.expectEqual(try await Mirror.oracle(site))
    }
  }

  @Test func `tells of a scheduled post when its time has come, with its tags`() async throws {
    try await Site.run { site in
      try await site.publish("old", tags: ["t"])
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      try await site.publish("due", tags: ["t", "u"], at: "2026-03-12T10:00:00Z")
      try await site.publish("later", tags: ["v"], at: "2026-03-12T11:00:00Z")
      #expect(try await news(site, &mirror) == [])
      #expect(
        try await site.get(mirror.path)["Cache-Control"]?.hasPrefix("public, max-age=2,") == true)
      try await site.setClock("2026-03-12T09:59:59.5Z")
      #expect(try await news(site, &mirror) == [])
      #expect(
        try await site.get(mirror.path)["Cache-Control"]?.hasPrefix("public, max-age=0,") == true)
      try await site.setClock("2026-03-12T10:00:00Z")
      var other = mirror
      let come = ["+post/due", "+profile/profile", "+tag/t", "+tag/u"]
      #expect(try await news(site, &mirror) == come)
      #expect(try await news(site, &mirror) == [])
      mirror.expectEqual(try await Mirror.oracle(site))
      // A write that takes it into the counters changes nothing.
      _ = try await site.put("any", json: Site.json(title: "Any", status: "draft"))
      #expect(try await site.value("select counted from colophon.posts where slug = 'due'") == "t")
      #expect(try await news(site, &mirror) == [])
      other.limit = 1
      #expect(try await news(site, &other) == come)
      // Written and due at once: told once.
      try await site.setClock("2026-03-12T11:00:00Z")
      _ = try await site.patch("later", #"{"title":"L2","tags":["w"]}"#)
      let both = try await news(site, &mirror)
      #expect(both.sorted() == ["+post/later", "+profile/profile", "+tag/w", "-tag/v"])
      mirror.expectEqual(try await Mirror.oracle(site))
    }
  }

  @Test func `tells that a post has gone which came out and went before anybody asked`()
    async throws
  {
    try await Site.run { site in
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      try await site.publish("a", at: "2026-03-12T10:00:00Z")
      try await site.publish("b", at: "2026-03-12T11:00:00Z")
      try await site.setClock("2026-03-12T10:30:00Z")
      for slug in ["a", "b"] { _ = try await site.patch(slug, #"{"status":"draft"}"#) }
      try await site.setClock("2026-03-12T12:00:00Z")
      #expect(try await news(site, &mirror) == ["-post/a", "+profile/profile"])
      // Published again, with a date that has been told long since.
      _ = try await site.patch(
        "a", #"{"status":"published","published_at":"2020-01-01T00:00:00Z"}"#)
      #expect(try await news(site, &mirror) == ["+post/a", "+profile/profile"])
      // Back into the future, and out again.
      _ = try await site.patch("a", #"{"published_at":"2026-03-12T13:00:00Z"}"#)
      #expect(try await news(site, &mirror) == ["-post/a", "+profile/profile"])
      try await site.setClock("2026-03-12T13:00:00Z")
      #expect(try await news(site, &mirror) == ["+post/a", "+profile/profile"])
    }
  }

  @Test func `tells nothing of what was never public`() async throws {
    try await Site.run { site in
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      let start = mirror.cursor ?? ""
      let later = "2026-03-12T10:00:00Z"
      for status in ["draft", "scheduled"] {
        let json = Site.json(title: "S", status: status, tags: ["s"], at: later)
        _ = try await site.put("s-" + status, json: json)
        _ = try await site.patch("s-" + status, #"{"title":"S2"}"#)
        _ = try await site.patch("s-" + status, #"{"slug":"s2-\#(status)"}"#)
        _ = try await site.delete("s2-" + status)
        _ = try await site.restore("s2-" + status)
      }
      _ = try await site.send("PATCH", "/v1/tags/s", #"{"description":"S"}"#)
      _ = try await site.send("PATCH", "/v1/tags/s", #"{"slug":"s3"}"#)
      #expect(try await news(site, &mirror) == [])
      #expect(mirror.cursor != start, "it has moved on")
      _ = try await site.delete(path: "/v1/posts/s2-draft?permanently=true")
      _ = try await site.delete(path: "/v1/posts/s2-scheduled?permanently=true")
      _ = try await site.delete(path: "/v1/tags/s3")
      #expect(try await news(site, &mirror) == [])
      let rows = "select count(*) from colophon.changes where type = 'post'"
      #expect(try await site.value(rows) == "0", "no tombstone")
      try await site.setClock(later)
      #expect(try await news(site, &mirror) == [])
      let again = try await site.get("/v1/changes?since=" + start)
      #expect(again.json["data"]?.arrayValue == [])
      // Not with a key either: what it may see does not change what is public.
      let keyed = try await site.get("/v1/changes?since=" + start, site.authorized)
      #expect(keyed.json["data"]?.arrayValue == [])
      #expect(keyed["Cache-Control"] == "private, no-store")
    }
  }

  @Test func `skips no transaction of a lower number that commits later`() async throws {
    try await Site.run { site in
      try await site.publish("low", tags: ["t"])
      try await site.publish("high", tags: ["t"])
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      let slow = try await site.connect()
      // It has its number first, and writes behind a savepoint, as every write does.
      _ = try await slow.query("begin")
      let low = try await slow.query("select pg_current_xact_id()").text(0, 0)
      _ = try await slow.query("savepoint s")
      _ = try await slow.query(
        "update colophon.posts set title = 'Late', tags = '{late}', version = 9 where slug = 'low'"
      )
      _ = try await site.patch("high", #"{"tags":["t","new"]}"#)
      // It holds nobody back who has committed, nor waits for anybody: both move the tag t.
      #expect(try await news(site, &mirror) == ["+post/high", "+tag/new"])
      _ = try await site.delete("high")
      #expect(
        try await news(site, &mirror) == ["-post/high", "+profile/profile", "-tag/new", "+tag/t"])
      _ = try await slow.query("commit")
      let told = try await news(site, &mirror)
      // Beside the API it wrote no list, so what moved is told, and what it is now.
      #expect(told == ["+post/low", "-tag/late", "+tag/t"])
      #expect(mirror.resources["post/low"]?["title"]?.stringValue == "Late")
      let number = "select xid from colophon.changes where slug = 'low'"
      #expect(try await site.value(number) == low)
      #expect(try await news(site, &mirror) == [])

      // It wrote after others of a higher number, and what they wrote.
      _ = try await slow.query("begin")
      _ = try await slow.query("select pg_current_xact_id()")
      _ = try await site.patch("low", #"{"title":"Before"}"#)
      #expect(try await news(site, &mirror) == ["+post/low"])
      let cursor = mirror.cursor ?? ""
      _ = try await slow.query("update colophon.posts set title = 'After' where slug = 'low'")
      _ = try await slow.query("commit")
      #expect(try await site.get("/v1/changes?since=" + cursor).status == 200)
      #expect(try await news(site, &mirror) == ["+post/low"])
      #expect(mirror.resources["post/low"]?["title"]?.stringValue == "After")

      // One of another database of the same server: numbers are common to all.
      let stranger = try await TestCluster.shared.makeDatabase()
      let elsewhere = try await Connection.open(
        stranger.conninfo, on: site.loop, deadline: .now() + .seconds(20), settings: .patient)
      _ = try await elsewhere.query("begin")
      _ = try await elsewhere.query("select pg_current_xact_id()")
      try await site.publish("meanwhile")
      #expect(try await news(site, &mirror) == ["+post/meanwhile", "+profile/profile"])
      await elsewhere.close()
      try await stranger.drop()
      await slow.close()
    }
  }

  @Test func `waits for nobody, whichever tags two transactions move`() async throws {
    try await Site.run { site in
      let one = try await site.connect()
      let other = try await site.connect()
      try await site.publish("a", tags: ["t", "u"])
      try await site.publish("b", tags: ["u", "t"])
      _ = try await one.query("begin")
      _ = try await other.query("begin")
      _ = try await one.query("update colophon.posts set tags = '{}' where slug = 'a'")
      _ = try await other.query("update colophon.posts set tags = '{}' where slug = 'b'")
      _ = try await one.query("update colophon.profile set name = 'N'")
      _ = try await other.query(
        "insert into colophon.projects (slug, name, position) values ('j', 'J', 0)")
      _ = try await one.query("commit")
      _ = try await other.query("commit")
      // Both left a row for what both moved; one who writes later takes one away.
      let rows = "select count(*) from colophon.changes where type = 'tag' and slug = 't'"
      #expect(try await site.value(rows) == "2")
      let entries = try await site.get("/v1/changes?limit=100").json["data"]?.arrayValue ?? []
      #expect(entries.count { $0["type"]?.stringValue == "profile" } == 1)
      for _ in 0..<3 {
        try await site.publish("c", tags: ["t"])
        try await site.publish("c", tags: [])
      }
      #expect(Int(try await site.value(rows) ?? "9") ?? 9 <= 2)
      await one.close()
      await other.close()
    }
  }

  @Test func `pages through what one transaction wrote`() async throws {
    try await Site.run { site in
      for index in 0..<23 {
        try await site.publish("p\(index)", tags: ["t"], at: "2026-03-12T10:00:00Z")
      }
      var mirrors = [1, 2, 5, 22, 100].map { limit in
        var mirror = Mirror()
        mirror.limit = limit
        return mirror
      }
      for index in mirrors.indices { try await mirrors[index].catchUp(with: site) }
      try await site.setClock("2026-03-12T10:00:00Z")
      for index in mirrors.indices {
        let told = try await news(site, &mirrors[index])
        #expect(told.count { $0.hasPrefix("+post/") } == 23, "all due at one instant")
      }
      _ = try await site.send("PATCH", "/v1/tags/t", #"{"slug":"x"}"#)
      for index in mirrors.indices {
        let told = try await news(site, &mirrors[index])
        // The posts, both tags, and the profile, as posts have come out since they were written.
        #expect(told.count == 26 && Set(told).count == 26, "\(mirrors[index].limit)")
      }
      // While one reads page by page, the rest moves on.
      _ = try await site.send("PATCH", "/v1/tags/x", #"{"slug":"y"}"#)
      try await mirrors[1].catchUp(with: site, pages: 3)
      _ = try await site.send("PATCH", "/v1/tags/y", #"{"slug":"z"}"#)
      _ = try await site.delete("p3")
      let oracle = try await Mirror.oracle(site)
      for index in mirrors.indices {
        try await mirrors[index].catchUp(with: site)
        mirrors[index].expectEqual(oracle)
      }
      var large = Mirror()
      for index in 0..<9 {
        let body = String(repeating: "x", count: 524_288)
        _ = try await site.put(
          "large-\(index)", json: #"{"title":"L","body":"\#(body)","status":"published"}"#)
      }
      #expect(try await site.get("/v1/changes?limit=100").body.count < 6 << 20)
      try await large.catchUp(with: site)
      large.expectEqual(try await Mirror.oracle(site))
    }
  }

  @Test func `refuses what is no cursor, and limits out of range, by name`() async throws {
    try await Site.run { site in
      let cursor = try #require(try await site.get("/v1/changes").next)
      #expect(try await site.get("/v1/changes?since=" + cursor).status == 200)
      let list = try #require(
        Cursor(
          direction: .forward, filters: "", key: "0", id: "019ce15f-2c80-7cc3-98c4-dc0c0c07398f"))
      for since in ["", "x", "0", String(cursor.dropLast()), cursor + "A", list.text, "%20"] {
        let answer = try await site.get("/v1/changes?since=" + since)
        #expect(answer.status == 400 && answer.places == ["?since"], "\(since)")
      }
      for limit in ["0", "101", "-1", "", "x", "1.0", "99999999999999999999"] {
        let answer = try await site.get("/v1/changes?limit=" + limit)
        #expect(answer.status == 400 && answer.places == ["?limit"], "\(limit)")
      }
      let all = try await site.get("/v1/changes?limit=0&since=x&cursor=y&limit=2")
      #expect(all.problem == "invalid-parameter")
      #expect(Set(all.places) == ["?limit", "?since", "?cursor"])
      #expect(try await site.send("POST /v1/changes").status == 405)
    }
  }

  @Test func `has the same tag as long as nothing moves, and short leases`() async throws {
    // Alone on its server: the transactions of other databases show in a cursor too.
    let cluster = try await TestCluster.start()
    try await Site.run(on: cluster) { site in
      try await site.publish("a")
      let everything = try await site.get("/v1/changes")
      let path = "/v1/changes?since=" + (try #require(everything.next))
      let empty = try await site.get(path)
      #expect(empty["Cache-Control"] == "public, max-age=2, stale-if-error=86400")
      let tag = try #require(empty["ETag"])
      // Time passes, and drafts and others' transactions come and go.
      try await site.setClock("2026-03-12T10:00:00Z")
      _ = try await site.put("d", json: Site.json(title: "D", status: "draft"))
      let again = try await site.get(path, ["If-None-Match: " + tag])
      #expect(again.status == 304)
      #expect(again["ETag"] == tag)
      #expect(try await site.get("/v1/changes")["ETag"] == everything["ETag"])
      let head = try await site.send("HEAD " + path)
      #expect(head.status == 200)
      #expect(head["ETag"] == tag)
      _ = try await site.patch("a", #"{"title":"B"}"#)
      let moved = try await site.get(path, ["If-None-Match: " + tag])
      #expect(moved.status == 200)
      #expect(moved["ETag"] != tag)
      #expect(moved["Last-Modified"] == nil)
      #expect(moved.slugs == ["a"])
    }
    await cluster.stop()
  }
}
