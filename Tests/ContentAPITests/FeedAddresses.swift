import ContentAPI
import JSON
import Testing

/// Where feeds and sitemaps lead.
@Suite struct FeedAddresses {
  @Test func `lead to the page of a post, as precisely as that is known`() async throws {
    let canonical = "https://Example.com/ü/{a}|[b]?q=1&r='%zz'%20#x#y"
    let encoded = "https://Example.com/%C3%BC/%7Ba%7D%7C%5Bb%5D?q=1&r='%25zz'%20#x%23y"
    func check(_ site: Site, _ page: String, home: String) async throws {
      _ = try await site.put("a", json: Site.json(title: "A", at: "2026-03-01T00:00:00Z"))
      for path in ["/feed.json", "/atom.xml", "/rss.xml"] {
        let answer = try await site.get(path)
        let entries =
          try path == "/feed.json"
          ? FeedEntry.json(answer)
          : path == "/atom.xml" ? FeedEntry.atom(answer) : FeedEntry.rss(answer)
        #expect(entries.map(\.url) == [encoded, page])
      }
      #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml")) == [home, page])
    }
    func publishCanonical(_ site: Site) async throws {
      let answer = try await site.put(
        "c",
        json: JSONValue.document([
          ("title", .string("C")), ("body", .string("C")), ("status", .string("published")),
          ("canonical_url", .string(canonical)),
        ]))
      #expect(answer.status == 201, "\(answer.text)")
    }
    func setSite(_ site: Site, _ url: String) async throws {
      let answer = try await site.send("PATCH", "/v1/profile", "{\"site\":{\"url\":\"\(url)\"}}")
      #expect(answer.status == 200)
    }
    try await Site.run { site in
      try await publishCanonical(site)
      try await check(
        site, "http://localhost/v1/posts/a", home: "http://localhost/v1/posts")
      // Others are given the same answer: whoever asks does not choose where it leads.
      let absolute = try await site.get("http://other.example:81/feed.json")
      #expect(absolute.json["feed_url"]?.stringValue == "http://localhost/feed.json")
      for url in ["https://e.org", "https://e.org/", "https://e.org//", "https://e.org/?a=/#b"] {
        try await setSite(site, url)
        try await check(site, "https://e.org/a", home: url)
      }
      try await setSite(site, "https://e.org/blog")
      try await check(site, "https://e.org/blog/a", home: "https://e.org/blog")
    }
    let page = try #require(PostPage("https://e.org/blog/{slug}.html?é#top"))
    try await Site.run(publicURL: "https://api.e.org", postPage: page) { site in
      try await publishCanonical(site)
      try await check(site, "https://e.org/blog/a.html?%C3%A9#top", home: "https://e.org/")
      try await setSite(site, "https://other.org/")
      try await check(site, "https://e.org/blog/a.html?%C3%A9#top", home: "https://e.org/")
      #expect(
        try await site.get("/feed.json").json["home_page_url"]?.stringValue
          == "https://other.org/")
    }
  }
}

@Suite struct Sitemaps {
  @Test func `leave out of a sitemap what is of another site or too long`() async throws {
    try await Site.run { site in
      _ = try await site.send("PATCH", "/v1/profile", #"{"site":{"url":"https://e.org"}}"#)
      let longest = "https://e.org/" + String(repeating: "x", count: 2033)
      let addresses = [
        "https://e.org/ok", "HTTPS://E.org?x", "http://e.org/", "https://e.org.evil.com/",
        "https://e.org:8443/", longest, longest + "x",
        "https://e.org/" + String(repeating: "ü", count: 400),
      ]
      for (place, address) in addresses.enumerated() {
        let answer = try await site.put(
          "p\(place)",
          json: JSONValue.document([
            ("title", .string("T")), ("body", .string("B")), ("status", .string("published")),
            ("published_at", .string("2026-03-01T00:00:0\(place)Z")),
            ("canonical_url", .string(address)),
          ]))
        #expect(answer.status == 201, "\(answer.text)")
      }
      let map = try FeedEntry.addresses(try await site.get("/sitemap.xml"))
      #expect(map == ["https://e.org", "https://e.org/ok", "HTTPS://E.org?x", longest])
    }
  }

  @Test func `make pages of a sitemap that would be long`() async throws {
    try await Site.run(publicURL: "https://api.e.org") { site in
      try await site.sql(
        """
        insert into colophon.posts (slug, title, body, status, tags, published_at, counted)
        select 'post-' || n, 'T', 'B', 'published', case when n <= 5000 then '{t}'::text[] else '{}' end,
          timestamptz '\(Site.start)' - (20000 - n) * interval '1 minute', true
        from generate_series(1, 10000) n
        """)
      try await site.sql(
        """
        insert into colophon.listings (post_id, tag, published_at, counted)
        select p.id, t.tag, p.published_at, true
        from colophon.posts p, unnest(p.tags || ''::text) t(tag)
        on conflict do nothing
        """)
      try await site.sql("delete from colophon.counters")
      try await site.sql(
        """
        insert into colophon.counters (tag, shard, posts)
        select l.tag, 0, count(*) from colophon.listings l group by l.tag
        """)
      func pages(_ query: String) -> [String] {
        (1...2).map { "https://api.e.org/sitemap.xml?\(query)page=\($0)" }
      }
      #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml")) == pages(""))
      // One more, which is due and not counted yet, belongs to a third page.
      _ = try await site.put(
        "last",
        json: Site.json(title: "L", status: "scheduled", tags: ["t"], at: "2026-03-12T09:00:05Z"))
      #expect(try await site.get("/sitemap.xml?page=3").problem == "not-found")
      #expect(try await site.get("/sitemap.xml")["Cache-Control"]?.contains("max-age=5,") == true)
      try await site.setClock("2026-03-12T09:00:05Z")
      #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml")).count == 3)
      var all: [String] = []
      for page in 1...3 {
        let answer = try await site.get("/sitemap.xml?page=\(page)")
        #expect(answer.body.count < 1_000_000)
        all += try FeedEntry.addresses(answer)
      }
      let posts = (1...10_000).map { "post-\($0)" } + ["last"]
      #expect(
        all == ["https://api.e.org/v1/posts"] + posts.map { "https://api.e.org/v1/posts/" + $0 })
      #expect(try await site.get("/sitemap.xml?page=4").status == 404)
      #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml?tag=t")) == pages("tag=t&"))
      #expect(
        try FeedEntry.addresses(try await site.get("/sitemap.xml?tag=u,t")) == pages("tag=t,u&"))
      let second = try FeedEntry.addresses(try await site.get("/sitemap.xml?page=2&tag=t"))
      #expect(second == ["https://api.e.org/v1/posts/last"])
      #expect(
        try FeedEntry.addresses(try await site.get("/sitemap.xml?page=2&tag=t,u")) == second)
    }
  }
}

@Suite struct PagesOfPosts {
  @Test(arguments: [
    "https://example.com/blog/{slug}", "http://localhost:3000/{slug}/",
    "https://a.example?p={slug}",
    "https://a.example/#{slug}", "HTTPS://a.example/{slug}.html?x=1",
  ])
  func `are told by an address with one slug`(template: String) throws {
    let page = try #require(PostPage(template))
    #expect(try Configuration(["COLOPHON_POST_PAGE": template]).postPage == page)
  }

  @Test(arguments: [
    "https://example.com/blog", "https://example.com/{slug}/{slug}", "https://{slug}.example.com/",
    "https://{slug}/", "https://example.com{slug}", "/blog/{slug}", "ftp://example.com/{slug}",
    "https://example.com/{Slug}", "https://example.com/{slug}{",
    "https://example.com/{year}/{slug}",
    "https://example.com/ {slug}", "https://u@example.com/{slug}", "{slug}", "https:///{slug}",
    "https://example.com/<{slug}>", "https://example.com/#{slug}#", "https://example.com:x/{slug}",
  ])
  func `are not told by anything else`(template: String) {
    #expect(PostPage(template) == nil)
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration(["COLOPHON_POST_PAGE": template])
    }
    #expect(error?.faults.count == 1)
    #expect(error?.faults.first?.hasPrefix("COLOPHON_POST_PAGE ") == true)
  }
}
