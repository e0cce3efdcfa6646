import JSON
import Postgres
import Testing

@Suite struct RenamePost {
  /// Former slugs with the slug of the post that each leads to.
  private func formerSlugs(_ site: Site) async throws -> [String] {
    let rows = try await site.sql(
      """
      select f.slug || ' -> ' || p.slug from colophon.former_slugs f
        join colophon.posts p on p.id = f.post_id order by 1
      """)
    return (0..<rows.count).map { rows.text($0, 0) ?? "" }
  }

  @Test func `moves the post, says where to, and remembers where it was`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      let first = try await site.publish("old", tags: ["t"])
      let renamed = try await site.patch("old", #"{"slug":"new","title":"T"}"#)
      #expect(renamed.status == 200)
      #expect(renamed["Content-Location"] == "https://api.example.com/v1/posts/new")
      #expect(renamed["Location"] == nil)
      #expect(renamed.slug == "new")
      #expect(renamed.version == 2)
      #expect(renamed.json["id"] == first.json["id"])
      #expect(try await site.get("/v1/posts/new")["ETag"] == renamed["ETag"])
      #expect(try await site.get("/v1/posts?tag=t").slugs == ["new"])
      #expect(try await formerSlugs(site) == ["old -> new"])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `answers 404 under the old slug to whoever would write there`() async throws {
    try await Site.run { site in
      try await site.publish("old")
      _ = try await site.patch("old", #"{"slug":"new"}"#)
      #expect(try await site.patch("old", #"{"title":"T"}"#).status == 404)
      #expect(try await site.delete("old").status == 404)
      #expect(
        try await site.send("DELETE /v1/posts/old?permanently=true", site.authorized).status == 404)
      #expect(try await site.restore("old").status == 404)
      #expect(try await formerSlugs(site) == ["old -> new"])
      #expect(try await site.get("/v1/posts/new").version == 2)
    }
  }

  @Test func `refuses a slug that another post has, in the trash or not`() async throws {
    try await Site.run { site in
      let first = try await site.publish("a", tags: ["t"])
      try await site.publish("live")
      try await site.publish("trashed")
      _ = try await site.delete("trashed")
      for slug in ["live", "trashed"] {
        let taken = try await site.patch("a", #"{"title":"T","tags":["u"],"slug":"\#(slug)"}"#)
        #expect(taken.status == 409)
        #expect(taken.problem == "slug-taken")
        #expect(taken.places == ["/slug"])
      }
      #expect(try await site.get("/v1/posts/a")["ETag"] == first["ETag"])
      #expect(try await formerSlugs(site) == [])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test(arguments: ["Not A Slug", "-a", "a--b", "", String(repeating: "a", count: 201)])
  func `refuses what is no slug`(slug: String) async throws {
    try await Site.run { site in
      try await site.publish("a")
      let refused = try await site.patch("a", "{\"slug\":\"\(slug)\"}")
      #expect(refused.status == 422)
      #expect(refused.places == ["/slug"])
    }
  }

  @Test func `ends what a slug led to when a post takes it, whichever way`() async throws {
    try await Site.run { site in
      for name in ["put", "post", "derived", "patch", "revived"] {
        try await site.publish("x-" + name)
        _ = try await site.patch("x-" + name, "{\"slug\":\"y-\(name)\"}")
      }
      #expect(try await formerSlugs(site).count == 5)
      _ = try await site.put("x-put", json: Site.json(title: "T"))
      _ = try await site.post(json: #"{"title":"T","body":"B","slug":"x-post"}"#)
      _ = try await site.post(json: #"{"title":"X derived","body":"B"}"#)
      try await site.publish("other")
      #expect(try await site.patch("other", #"{"slug":"x-patch"}"#).status == 200)
      #expect(
        try await formerSlugs(site) == ["other -> x-patch", "x-revived -> y-revived"])
      // A post in the trash has its slug as any other has.
      _ = try await site.put("x-revived", json: Site.json(title: "T"))
      _ = try await site.delete("x-revived")
      #expect(try await formerSlugs(site) == ["other -> x-patch"])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `goes back to a slug that the post had`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      for slug in ["b", "c", "a"] {
        let current = try #require(try await site.get("/v1/posts").slugs.first)
        #expect(try await site.patch(current, "{\"slug\":\"\(slug)\"}").slug == slug)
      }
      #expect(try await formerSlugs(site) == ["b -> a", "c -> a"])
      #expect(try await site.get("/v1/posts/a").version == 4)
    }
  }

  @Test func `takes over a row that a program of an earlier version left`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      try await site.publish("b")
      try await site.sql(
        """
        insert into colophon.former_slugs (slug, post_id)
        select 'a', id from colophon.posts where slug = 'b'
        """)
      #expect(try await site.patch("a", #"{"slug":"c"}"#).status == 200)
      #expect(try await formerSlugs(site) == ["a -> c"])
    }
  }

  @Test func `is done by PATCH alone`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let refused = try await site.put("a", json: #"{"title":"T","body":"B","slug":"b"}"#)
      #expect(refused.status == 422)
      #expect(refused.places == ["/slug"])
      #expect(try await formerSlugs(site) == [])
    }
  }

  @Test func `lets one of two have a slug that both want, and never swaps by half`() async throws {
    try await Site.run { site in
      for round in 0..<10 {
        try await site.publish("a\(round)")
        try await site.publish("b\(round)")
        async let one = site.patch("a\(round)", "{\"slug\":\"c\(round)\"}")
        async let two = site.patch("b\(round)", "{\"slug\":\"c\(round)\"}")
        async let three = site.post(json: "{\"title\":\"T\",\"body\":\"B\",\"slug\":\"c\(round)\"}")
        let answers = try await [one, two, three].map(\.status)
        #expect(answers.filter { $0 == 409 }.count == 2, "\(answers)")
        #expect(answers.filter { [200, 201].contains($0) }.count == 1, "\(answers)")

        try await site.publish("d\(round)")
        try await site.publish("e\(round)")
        async let there = site.patch("d\(round)", "{\"slug\":\"e\(round)\"}")
        async let back = site.patch("e\(round)", "{\"slug\":\"d\(round)\"}")
        #expect(try await [there.status, back.status] == [409, 409])
      }
      let strays = try await site.sql(
        "select from colophon.former_slugs f join colophon.posts p on p.slug = f.slug")
      #expect(strays.count == 0)
      #expect(try await site.discrepancies() == [])
    }
  }
}
