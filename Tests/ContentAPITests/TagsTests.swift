import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

@Suite struct ListTags {
  @Test func `shows what published posts name, the most used first`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["b", "a"])
      try await site.publish("two", tags: ["b", "c"])
      try await site.publish("later", tags: ["b", "d"], at: "2026-03-12T10:00:00Z")
      _ = try await site.put("draft", json: #"{"title":"T","body":"B","tags":["e"]}"#)
      _ = try await site.send("PUT", "/v1/tags/f", #"{"name":"Empty"}"#)
      let answer = try await site.get("/v1/tags")
      #expect(answer.status == 200)
      #expect(answer.slugs == ["b", "a", "c"])
      #expect(answer.total == 3)
      let first = try #require(answer.json["data"]?.arrayValue?.first)
      #expect(
        first.objectValue?.map(\.name) == ["slug", "name", "description", "posts_count"])
      #expect(first["name"]?.stringValue == "b")
      #expect(first["description"]?.isNull == true)
      #expect(first["posts_count"]?.integerValue == 2)
      #expect(
        answer["Cache-Control"]
          == "public, max-age=60, stale-while-revalidate=30, stale-if-error=86400")
      #expect(answer["Last-Modified"] == nil)
    }
  }

  @Test func `counts a post that has come due, before and after a write counts it`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["b"])
      try await site.publish("later", tags: ["a", "b"], at: "2026-03-12T10:00:00Z")
      try await site.setClock("2026-03-12T09:59:30Z")
      let before = try await site.get("/v1/tags")
      #expect(before.slugs == ["b"])
      #expect(before["Cache-Control"] == "public, max-age=30, stale-if-error=86400")
      #expect(try await site.get("/v1/tags/a").status == 404)
      try await site.setClock("2026-03-12T10:00:00Z")
      for counted in [false, true] {
        if counted { try await site.publish("other") }
        let after = try await site.get("/v1/tags")
        #expect(after.slugs == ["b", "a"])
        #expect(after.json["data"]?.arrayValue?.map { $0["posts_count"]?.integerValue } == [2, 1])
        #expect(try await site.get("/v1/tags/a").count == 1)
        #expect(try await site.get("/v1/tags/b").count == 2)
        #expect(after["ETag"] != before["ETag"])
      }
      #expect(try await site.discrepancies().isEmpty)
    }
  }

  @Test func `walks in both orders and both directions`() async throws {
    try await Site.run { site in
      for number in 0..<23 {
        try await site.publish(
          "post-\(number)", tags: ["t\(number)", "t\(number % 7)", "t\(number % 3)"].uniqued)
      }
      _ = try await site.send("PUT", "/v1/tags/t5", #"{"name":"Aa"}"#)
      _ = try await site.send("PUT", "/v1/tags/t9", #"{"name":"aA"}"#)
      _ = try await site.send("PUT", "/v1/tags/t1", #"{"name":"Ä last"}"#)
      let all = try await site.get("/v1/tags?limit=100")
      let counts = (all.json["data"]?.arrayValue ?? []).map {
        ($0["slug"]?.stringValue ?? "", $0["posts_count"]?.integerValue ?? 0)
      }
      let expected = counts.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 > $1.1 }.map(\.0)
      #expect(all.slugs == expected)
      #expect(all.slugs.count == 23)
      for limit in [1, 4, 22, 23, 24] {
        #expect(
          try await site.walk("/v1/tags?sort=-posts_count&limit=\(limit)").flatMap(\.self)
            == expected)
      }
      let byName = try await site.walk("/v1/tags?sort=name&limit=5").flatMap(\.self)
      #expect(byName.prefix(3) == ["t5", "t9", "t0"])
      #expect(byName.last == "t1")
      #expect(Set(byName) == Set(expected))
    }
  }

  @Test func `links to its neighbours with its own parameters`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      try await site.publish("one", tags: ["a", "b", "c"])
      let first = try await site.get("/v1/tags?sort=name&limit=1")
      let next = try #require(first.next)
      let base = "https://example.com/v1/tags?sort=name&limit=1"
      #expect(
        first["Link"] == "<\(base)>; rel=\"first\", <\(base)&cursor=\(next)>; rel=\"next\"")
      let second = try await site.get("/v1/tags?sort=name&limit=1&cursor=" + next)
      let previous = try #require(second.previous)
      #expect(second["Link"]?.hasSuffix("<\(base)&cursor=\(previous)>; rel=\"prev\"") == true)
      #expect(second["ETag"] != first["ETag"])
      let tag = try #require(second["ETag"])
      let again = try await site.get(
        "/v1/tags?sort=name&limit=1&cursor=" + next, ["If-None-Match: " + tag])
      #expect(again.status == 304)
    }
  }

  @Test func `names every fault of a query at once`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["a", "b"])
      let cursor = try #require(try await site.get("/v1/tags?limit=1").next)
      let answer = try await site.get("/v1/tags?sort=slug&limit=0&cursor=x&page=2")
      #expect(answer.status == 400)
      #expect(Set(answer.places) == ["?page", "?sort", "?limit", "?cursor"])
      let bad = [
        "sort=name&cursor=" + cursor, "cursor=" + cursor.dropLast(), "cursor=" + cursor + "A",
        "cursor=", "cursor=AgA", "sort=-name", "limit=101", "limit=1&limit=1",
      ]
      for query in bad {
        #expect(try await site.get("/v1/tags?" + query).status == 400, "\(query)")
      }
      #expect(try await site.get("/v1/tags?limit=2&cursor=" + cursor).slugs == ["b"])
    }
  }
}

@Suite struct ShowTag {
  @Test func `answers 404 for what no published post names`() async throws {
    try await Site.run { site in
      _ = try await site.put("draft", json: #"{"title":"T","body":"B","tags":["a"]}"#)
      try await site.publish("gone", tags: ["b"])
      _ = try await site.delete("gone")
      for slug in ["a", "b", "c", "Not_A_Slug", ""] {
        let answer = try await site.get("/v1/tags/" + slug)
        #expect(answer.status == 404)
        #expect(answer.problem == "not-found")
      }
    }
  }

  @Test func `changes its ETag with its count, and not its version`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["a"])
      let one = try await site.get("/v1/tags/a")
      try await site.publish("two", tags: ["a"])
      let two = try await site.get("/v1/tags/a")
      #expect(one["ETag"] != two["ETag"])
      #expect(one["ETag"]?.hasPrefix("\"1-") == true)
      #expect(two["ETag"]?.hasPrefix("\"1-") == true)
      let tag = try #require(two["ETag"])
      #expect(try await site.get("/v1/tags/a", ["If-None-Match: " + tag]).status == 304)
    }
  }
}

@Suite struct EditTag {
  @Test func `PUT makes what no post names, and replaces what one does`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      let made = try await site.send("PUT", "/v1/tags/a", #"{"name":" Ä  ","description":"D\nE"}"#)
      #expect(made.status == 201)
      #expect(made["Location"] == "https://example.com/v1/tags/a")
      #expect(made["Cache-Control"] == "private, no-store")
      #expect(made.json["name"]?.stringValue == "Ä")
      #expect(made.count == 0)
      #expect(try await site.get("/v1/tags/a").status == 404)

      try await site.publish("one", tags: ["a", "b"])
      let shown = try await site.get("/v1/tags/a")
      #expect(shown.json["description"]?.stringValue == "D\nE")
      #expect(shown.count == 1)
      let replaced = try await site.send("PUT", "/v1/tags/b", #"{"name":"B","slug":"b"}"#)
      #expect(replaced.status == 200)
      #expect(replaced["Location"] == nil)
      #expect(replaced["ETag"]?.hasPrefix("\"2-") == true)
      #expect(replaced["ETag"] == (try await site.get("/v1/tags/b")["ETag"]))
      let same = try await site.send("PUT", "/v1/tags/b", #"{"name":"B"}"#)
      #expect(same["ETag"] == replaced["ETag"])
      let plain = try await site.send("PUT", "/v1/tags/b", "{}")
      #expect(plain.json["name"]?.stringValue == "b")
      #expect(plain["ETag"]?.hasPrefix("\"3-") == true)
    }
  }

  @Test func `names every fault at once`() async throws {
    try await Site.run { site in
      let long = String(repeating: "x", count: 1001)
      let answer = try await site.send(
        "PUT", "/v1/tags/a",
        #"{"name":1,"description":"\#(long)","slug":"b","posts_count":3,"colour":"red"}"#)
      #expect(answer.status == 422)
      #expect(answer.problem == "invalid-content")
      #expect(
        Set(answer.places) == ["/name", "/description", "/slug", "/posts_count", "/colour"])
      #expect(try await site.send("PUT", "/v1/tags/a", "[]").places == [""])
      #expect(try await site.send("PUT", "/v1/tags/A", "{}").places == ["?slug"])
      #expect(
        try await site.send("PUT", "/v1/tags/a", #"{"name":"a\u0000b"}"#).places == ["/name"])
      let patch = try await site.send("PUT", "/v1/tags/a", "{}")
      #expect(patch.status == 201)
      let removed = try await site.send(
        "PATCH", "/v1/tags/a", #"{"colour":null,"posts_count":null,"slug":null}"#)
      #expect(removed.status == 422)
      #expect(Set(removed.places) == ["/colour", "/posts_count", "/slug"])
    }
  }

  @Test func `needs the scope posts:write`() async throws {
    try await Site.run { site in
      for method in ["PUT", "PATCH", "DELETE"] {
        let lines = ["Content-Type: application/json", "Authorization: Bearer " + site.reader]
        let answer = try await site.send(method + " /v1/tags/a", lines, body: Array("{}".utf8))
        #expect(answer.status == 403)
        #expect(try await site.send(method + " /v1/tags/a", [lines[0]]).status == 401)
      }
      let text = ["Content-Type: text/plain"] + site.authorized
      let put = try await site.send("PUT /v1/tags/a", text)
      #expect(put.status == 415)
      #expect(put["Accept-Put"] == "application/json")
      let patch = try await site.send("PATCH /v1/tags/a", text)
      #expect(patch["Accept-Patch"] == "application/merge-patch+json, application/json")
    }
  }

  @Test func `keeps to If-Match and If-None-Match`() async throws {
    try await Site.run { site in
      #expect(
        try await site.send("PUT", "/v1/tags/a", "{}", ["If-Match: *"]).status == 412)
      #expect(
        try await site.send("PUT", "/v1/tags/a", "{}", ["If-None-Match: *"]).status == 201)
      let exists = try await site.send("PUT", "/v1/tags/a", "{}", ["If-None-Match: *"])
      #expect(exists.status == 412)
      let tag = try #require(exists["ETag"])
      #expect(
        try await site.send("PATCH", "/v1/tags/a", #"{"name":"B"}"#, ["If-Match: " + tag]).status
          == 200)
      for method in ["PUT", "PATCH"] {
        let stale = try await site.send(
          method, "/v1/tags/a", #"{"name":"C"}"#, ["If-Match: " + tag])
        #expect(stale.status == 412)
        #expect(stale["ETag"]?.hasPrefix("\"2-") == true)
      }
      #expect(try await site.delete(path: "/v1/tags/a", ["If-Match: " + tag]).status == 412)
      #expect(
        try await site.delete(path: "/v1/tags/a", ["If-Match: \"9-x\", \"2-y\""]).status == 204)
      #expect(try await site.delete(path: "/v1/tags/a").status == 404)
      #expect(try await site.send("PATCH", "/v1/tags/a", "{}").status == 404)
    }
  }

  @Test func `a patch leaves what it does not name`() async throws {
    try await Site.run { site in
      _ = try await site.send("PUT", "/v1/tags/a", #"{"name":"N","description":"D"}"#)
      let named = try await site.send("PATCH", "/v1/tags/a", #"{"name":"M"}"#)
      #expect(named.json["description"]?.stringValue == "D")
      let bare = try await site.send("PATCH", "/v1/tags/a", #"{"description":null}"#)
      #expect(bare.json["description"]?.isNull == true)
      #expect(bare.json["name"]?.stringValue == "M")
      let same = try await site.send("PATCH", "/v1/tags/a", "{}")
      #expect(same["ETag"] == bare["ETag"])
    }
  }
}

@Suite struct RenameTag {
  @Test func `takes every post along and leaves their versions alone`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      try await site.publish("one", tags: ["x", "old", "y"])
      try await site.publish("two", tags: ["old"])
      try await site.publish("later", tags: ["old"], at: "2026-03-13T09:00:00Z")
      _ = try await site.put("draft", json: #"{"title":"T","body":"B","tags":["old"]}"#)
      try await site.publish("trashed", tags: ["old"])
      _ = try await site.delete("trashed")
      _ = try await site.send("POST", "/v1/projects", #"{"name":"P","tags":["old","z"]}"#)
      _ = try await site.send("PUT", "/v1/tags/old", #"{"name":"Name"}"#)
      let before = try await site.get("/v1/posts/one")
      try await site.setClock("2026-03-12T12:00:00Z")

      let renamed = try await site.send(
        "PATCH", "/v1/tags/old", #"{"slug":"new","description":"D"}"#)
      #expect(renamed.status == 200)
      #expect(renamed["Content-Location"] == "https://example.com/v1/tags/new")
      #expect(renamed.slug == "new")
      #expect(renamed.count == 2)
      #expect(renamed.json["name"]?.stringValue == "Name")
      #expect(try await site.get("/v1/tags/old").status == 404)
      #expect(try await site.get("/v1/tags/new")["ETag"] == renamed["ETag"])

      let after = try await site.get("/v1/posts/one")
      #expect(after.tags == ["x", "new", "y"])
      #expect(after.version == before.version)
      #expect(after.json["updated_at"] == before.json["updated_at"])
      #expect(after["ETag"] != before["ETag"])
      #expect(Set(try await site.get("/v1/posts?tag=new").slugs) == ["one", "two"])
      #expect(try await site.get("/v1/posts?tag=old").total == 0)
      #expect(try await site.get("/v1/posts/draft", site.authorized).tags == ["new"])
      #expect(try await site.get("/v1/projects/p").tags == ["new", "z"])
      #expect(
        try await site.value("select tags::text from colophon.posts where slug = 'trashed'")
          == "{new}")
      #expect(try await site.discrepancies().isEmpty)
      try await site.setClock("2026-03-13T09:00:00Z")
      #expect(try await site.get("/v1/tags/new").count == 3)
      #expect(try await site.get("/v1/posts?tag=new").total == 3)
    }
  }

  @Test func `refuses a slug that another tag has`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["a", "b"])
      let answer = try await site.send("PATCH", "/v1/tags/a", #"{"slug":"b"}"#)
      #expect(answer.status == 409)
      #expect(answer.problem == "slug-taken")
      #expect(answer.places == ["/slug"])
      _ = try await site.send("PUT", "/v1/tags/empty", "{}")
      #expect(try await site.send("PATCH", "/v1/tags/a", #"{"slug":"empty"}"#).status == 409)
      #expect(try await site.send("PATCH", "/v1/tags/a", #"{"slug":"A b"}"#).status == 422)
      #expect(try await site.get("/v1/posts/one").tags == ["a", "b"])
      #expect(try await site.discrepancies().isEmpty)
    }
  }

  @Test func `a deleted tag is taken off everything`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["a", "b"])
      try await site.publish("later", tags: ["a"], at: "2026-03-13T09:00:00Z")
      _ = try await site.put("draft", json: #"{"title":"T","body":"B","tags":["c","a"]}"#)
      _ = try await site.send("POST", "/v1/projects", #"{"name":"P","tags":["a"]}"#)
      let answer = try await site.delete(path: "/v1/tags/a")
      #expect(answer.status == 204)
      #expect(answer.body.isEmpty)
      #expect(try await site.get("/v1/tags/a").status == 404)
      let one = try await site.get("/v1/posts/one")
      #expect(one.tags == ["b"])
      #expect(one.version == 1)
      #expect(try await site.get("/v1/posts/draft", site.authorized).tags == ["c"])
      #expect(try await site.get("/v1/projects/p").tags == [])
      #expect(try await site.get("/v1/posts?tag=a").total == 0)
      #expect(try await site.discrepancies().isEmpty)
      try await site.publish("two", tags: ["a"])
      #expect(try await site.get("/v1/tags/a").count == 1)
    }
  }

  @Test func `a tag without a row of its own is known by its slug, and can be edited`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("one", tags: ["a"])
      let before = try await site.get("/v1/tags/a")
      try await site.sql("delete from colophon.tags")
      let shown = try await site.get("/v1/tags/a")
      #expect(shown.text == before.text)
      #expect(shown["ETag"] == before["ETag"])
      let listed = try await site.get("/v1/tags").json["data"]?.arrayValue?.first
      #expect(listed?["name"]?.stringValue == "a")
      let named = try await site.send("PATCH", "/v1/tags/a", #"{"slug":"b"}"#)
      #expect(named.status == 200)
      #expect(try await site.get("/v1/posts/one").tags == ["b"])
    }
  }

  /// Renames back and forth, deletions, and posts that come, go and change their tags, all at once.
  @Test func `counters are right while tags are renamed and posts are written`() async throws {
    try await Site.run { site in
      let slugs = ["red", "green", "blue", "grey"]
      for number in 0..<12 {
        let tags = [slugs[number % 4], slugs[(number + 1) % 4]]
        try await site.publish("post-\(number)", tags: tags)
      }
      try await withThrowingTaskGroup(of: Set<Int>.self) { group in
        for writer in 0..<4 {
          group.addTask {
            var statuses: Set<Int> = []
            for round in 0..<15 {
              let number = (writer * 5 + round) % 12
              let tags = [slugs[(writer + round) % 4], slugs[(round * 3 + 1) % 4]].uniqued
              if round % 5 == 4 {
                statuses.insert(try await site.delete("post-\(number)").status)
              } else {
                let json = Site.json(
                  title: "T\(round)", status: round % 3 == 0 ? "draft" : "published", tags: tags)
                statuses.insert(try await site.put("post-\(number)", json: json).status)
              }
            }
            return statuses
          }
        }
        for renamer in 0..<3 {
          group.addTask {
            var statuses: Set<Int> = []
            for round in 0..<10 {
              let (from, to) = (slugs[(renamer + round) % 4], slugs[(renamer * 2 + round + 1) % 4])
              if round % 4 == 3 {
                statuses.insert(try await site.delete(path: "/v1/tags/" + from).status)
              } else {
                statuses.insert(
                  try await site.send("PATCH", "/v1/tags/" + from, #"{"slug":"\#(to)"}"#).status)
              }
            }
            return statuses
          }
        }
        for try await statuses in group {
          #expect(statuses.isSubset(of: [200, 201, 204, 404, 409]), "\(statuses)")
        }
      }
      // A tag may have lost its row; nothing else may be wrong.
      let wrong = try await site.discrepancies().filter { !$0.hasPrefix("tag ") }
      #expect(wrong.isEmpty, "\(wrong)")
      let listed = try await site.get("/v1/tags?limit=100").json["data"]?.arrayValue ?? []
      for tag in listed {
        let published = try await site.value(
          """
          select count(*) from colophon.posts
          where $1 = any (tags) and status = 'published' and trashed_at is null
          """, [.text(tag["slug"]?.stringValue ?? "")])
        #expect(published == tag["posts_count"]?.integerValue.map(String.init))
      }
      #expect(
        try await site.value(
          """
          select count(*)::text from colophon.posts p
          where cardinality(p.tags) <> (select count(distinct t) from unnest(p.tags) t)
          """) == "0")
    }
  }

  @Test func `waits for a writer and takes what he wrote along`() async throws {
    try await Site.run { site in
      try await site.publish("one", tags: ["old"])
      let other = try await site.connect()
      _ = try await other.query("begin")
      _ = try await other.query(
        "select from colophon.posts where slug = 'one' for no key update")
      async let renamed = site.send("PATCH", "/v1/tags/old", #"{"slug":"new"}"#)
      try await site.waitForLock()
      // Published without the tag meanwhile: the rename must look again.
      _ = try await other.query("update colophon.posts set tags = '{}' where slug = 'one'")
      _ = try await other.query("delete from colophon.listings where tag = 'old'")
      _ = try await other.query(
        "update colophon.counters set posts = posts - 1 where tag = 'old'")
      _ = try await other.query("commit")
      #expect(try await renamed.status == 200)
      await other.close()
      #expect(try await site.get("/v1/posts/one").tags == [])
      #expect(try await site.discrepancies().isEmpty)
    }
  }
}

extension Site {
  /// Returns when some session waits for a lock.
  func waitForLock() async throws {
    let deadline = MonotonicInstant.now() + .seconds(10)
    while try await value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
      == "0"
    {
      if MonotonicInstant.now() > deadline { throw BadRequestOfTest(requestLine: "no lock") }
      await loop.sleep(for: .milliseconds(5))
    }
  }
}

extension [String] {
  /// Each once, in order.
  fileprivate var uniqued: [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
