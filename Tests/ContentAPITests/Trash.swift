import JSON
import Postgres
import Testing

@Suite struct Trash {
  @Test func `gives a post back as it was`() async throws {
    try await Site.run { site in
      let first = try await site.publish("a", tags: ["t", "u"])
      let shown = try await site.get("/v1/posts/a")
      try await site.setClock("2026-03-12T10:00:00Z")
      #expect(try await site.delete("a").status == 204)
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      try await site.setClock("2026-03-12T11:00:00Z")
      let restored = try await site.restore("a")
      #expect(restored.status == 200)
      #expect(restored["Content-Type"] == "application/json")
      #expect(restored["Cache-Control"] == "private, no-store")
      #expect(restored["ETag"] == first["ETag"], "the same bytes have the same tag")
      #expect(restored.body == first.body)
      let again = try await site.get("/v1/posts/a")
      #expect(again.body == shown.body)
      #expect(again["Last-Modified"] == shown["Last-Modified"])
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
      #expect(try await site.get("/v1/posts").slugs == ["a"])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `keeps the status, which the time may have fulfilled meanwhile`() async throws {
    try await Site.run { site in
      _ = try await site.put("draft", json: Site.json(title: "T", status: "draft", tags: ["t"]))
      try await site.publish("soon", tags: ["t"], at: "2026-03-12T10:00:00Z")
      try await site.publish("late", tags: ["t"], at: "2026-03-12T12:00:00Z")
      for slug in ["draft", "soon", "late"] { _ = try await site.delete(slug) }
      try await site.setClock("2026-03-12T11:00:00Z")
      try await site.publish("other", tags: ["t"])
      #expect(try await site.get("/v1/posts?tag=t").total == 1, "nothing comes out of the trash")
      for (slug, status) in [("draft", "draft"), ("soon", "published"), ("late", "scheduled")] {
        let restored = try await site.restore(slug)
        #expect(restored.json["status"]?.stringValue == status)
        #expect(restored.json["trashed_at"]?.isNull == true)
        #expect(restored.version == 1)
      }
      #expect(try await site.get("/v1/posts?tag=t").slugs == ["soon", "other"])
      #expect(try await site.get("/v1/posts?tag=t").total == 2)
      #expect(try await site.discrepancies() == [])
      try await site.setClock("2026-03-12T12:00:00Z")
      #expect(try await site.get("/v1/posts?tag=t").total == 3)
    }
  }

  @Test func `has nothing to restore but what lies in it`() async throws {
    try await Site.run { site in
      try await site.publish("live")
      for slug in ["live", "unknown", "Not_A_Slug"] {
        let missing = try await site.restore(slug, ["If-Match: *"])
        #expect(missing.problem == "not-found", "\(slug)")
      }
      try await site.publish("a")
      _ = try await site.delete("a")
      #expect(try await site.restore("a").status == 200)
      #expect(try await site.restore("a").status == 404)
      #expect(try await site.get("/v1/posts/live").version == 1)
    }
  }

  @Test func `is closed to those who may not write`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      _ = try await site.delete("a")
      let path = "POST /v1/posts/a/restore"
      #expect(try await site.send(path).status == 401)
      let reader = try await site.send(path, ["Authorization: Bearer " + site.reader])
      #expect(reader.status == 403)
      let writer = try await site.send(path, ["Authorization: Bearer " + site.writer])
      #expect(writer.status == 200)
      let unknown = try await site.send(path + "?hard=true", site.authorized)
      #expect(unknown.status == 400)
      #expect(unknown.places == ["?hard"])
    }
  }

  @Test func `is 404 for everything else`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      _ = try await site.delete("a")
      #expect(try await site.get("/v1/posts/a").status == 404)
      #expect(try await site.get("/v1/posts/a", site.authorized).status == 404)
      #expect(try await site.send("HEAD /v1/posts/a", site.authorized).status == 404)
      #expect(try await site.patch("a", "{}").status == 404)
      #expect(try await site.delete("a").status == 404)
      #expect(try await site.get("/v1/posts").total == 0)
      let taken = try await site.post(json: #"{"title":"T","body":"B","slug":"a"}"#)
      #expect(taken.status == 409)
      let derived = try await site.post(json: #"{"title":"A","body":"B"}"#)
      #expect(derived.slug == "a-2")
      let revived = try await site.put("a", json: Site.json(title: "Two"))
      #expect(revived.status == 201)
      #expect(revived.version == 2)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `compares versions on the way in, out and away`() async throws {
    try await Site.run { site in
      let first = try #require(try await site.publish("a")["ETag"])
      let current = try #require(try await site.patch("a", #"{"title":"T"}"#)["ETag"])
      let version = current.prefix { $0 != "-" }
      func expectStale(_ answer: Answer) {
        #expect(answer.problem == "precondition-failed")
        #expect(answer["ETag"]?.prefix { $0 != "-" } == version)
      }
      expectStale(try await site.delete("a", ["If-Match: " + first]))
      expectStale(try await site.erase("a", ["If-Match: " + first]))
      #expect(try await site.delete("a", ["If-Match: " + current]).status == 204)
      expectStale(try await site.restore("a", ["If-Match: " + first]))
      expectStale(try await site.erase("a", ["If-Match: W/" + current]))
      #expect(try await site.restore("a", ["If-Match: " + current]).status == 200)
      #expect(try await site.get("/v1/posts/a")["ETag"] == current)
      #expect(try await site.erase("a", ["If-Match: " + current]).status == 204)
      #expect(try await site.erase("a", ["If-Match: " + current]).status == 404)
    }
  }

  @Test func `lets go for good, the slug and the former ones too`() async throws {
    try await Site.run { site in
      for slug in ["live", "trashed"] {
        try await site.publish("was-" + slug, tags: ["t", slug])
        _ = try await site.patch("was-" + slug, "{\"slug\":\"\(slug)\"}")
      }
      _ = try await site.put("draft", json: Site.json(title: "T", status: "draft"))
      try await site.publish("scheduled", tags: ["t"], at: "2026-03-13T00:00:00Z")
      _ = try await site.delete("trashed")
      for slug in ["live", "trashed", "draft", "scheduled"] {
        let gone = try await site.erase(slug)
        #expect(gone.status == 204)
        #expect(gone.body == [])
        #expect(gone["Cache-Control"] == "private, no-store")
        #expect(try await site.erase(slug).status == 404)
        #expect(try await site.restore(slug).status == 404)
      }
      for table in ["posts", "listings", "former_slugs"] {
        #expect(try await site.value("select count(*) from colophon.\(table)") == "0", "\(table)")
      }
      #expect(try await site.get("/v1/posts").total == 0)
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      #expect(try await site.discrepancies() == [])
      let new = try await site.post(json: #"{"title":"T","body":"B","slug":"live"}"#)
      #expect(new.status == 201)
      #expect(new.version == 1)
    }
  }

  @Test func `is where a deletion leads unless it says otherwise`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      for value in ["1", "yes", "True", "", "true&permanently=true", "true&really=1"] {
        let refused = try await site.send(
          "DELETE /v1/posts/a?permanently=" + value, site.authorized)
        #expect(refused.problem == "invalid-parameter", "\(value)")
        #expect(refused.places == (value.contains("really") ? ["?really"] : ["?permanently"]))
      }
      #expect(try await site.get("/v1/posts/a").status == 200)
      let trashed = try await site.send("DELETE /v1/posts/a?permanently=false", site.authorized)
      #expect(trashed.status == 204)
      #expect(try await site.restore("a").status == 200)
    }
  }

  @Test func `takes a post once, whoever deletes it at the same time`() async throws {
    try await Site.run { site in
      for round in 0..<10 {
        try await site.publish("a", tags: ["t"])
        async let one = site.delete("a")
        async let two = site.delete("a")
        async let three = site.erase("a")
        let statuses = try await [one, two, three].map(\.status)
        #expect(statuses[2] == 204, "\(round)")
        #expect(statuses.filter { $0 == 204 }.count <= 2)
        #expect(try await site.get("/v1/posts?tag=t").total == 0)

        try await site.publish("a", tags: ["t"])
        _ = try await site.delete("a")
        async let back = site.restore("a")
        async let again = site.restore("a")
        #expect(try await [back.status, again.status].sorted() == [200, 404])
        #expect(try await site.get("/v1/posts?tag=t").total == 1)
      }
      #expect(try await site.discrepancies() == [])
    }
  }
}

extension Site {
  func erase(_ slug: String, _ lines: [String] = []) async throws -> Answer {
    try await send("DELETE /v1/posts/\(slug)?permanently=true", authorized + lines)
  }
}
