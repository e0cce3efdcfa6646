import ContentAPI
import JSON
import Testing

@Suite struct Feeds {
  static let paths = ["/feed.json", "/atom.xml", "/rss.xml", "/sitemap.xml"]

  private static let noncharacters = String(
    String.UnicodeScalarView(
      [0xFFFE, 0xFFFF, 0xFDD0, 0x1FFFE, 0x10FFFF].compactMap(Unicode.Scalar.init)))

  @Test func `say what the posts say, whatever characters that has`() async throws {
    try await Site.run { site in
      let everywhere = [
        "]]> <![CDATA[ ]]>", "</script><script>alert(1)</script>", "&amp; &lt; &#60; &nbsp; & &x;",
        "\"double\" 'single' “curly”", "👩‍👩‍👧‍👦 🏳️‍🌈 🇳🇱", "עברית \u{200F}abc\u{200E} \u{202E}dcba\u{202C}",
        "e\u{301} Å\u{30A} ẛ̣", "\u{FFFD} \u{FFF9}" + Self.noncharacters,
        "<!-- -- --> <?xml?> <br/>", "%3C \\u003c \\ / \u{A0}\u{200B}\u{FEFF}x", "日本語",
      ]
      var bodies = [
        "\u{2028}\u{2029}\u{85}\u{7F}\u{9F}", "a\r\nb\rc\nd\te\n\n", "\u{1}", "  \n x \n  ",
      ]
      bodies.append(
        String(String.UnicodeScalarView((1...0x1F).map { Unicode.Scalar(UInt8($0)) })) + "z")
      let all = everywhere + bodies
      for (place, text) in all.enumerated() {
        let line = place < everywhere.count ? text : "plain"
        let json = JSONValue.document([
          ("title", .string(line)), ("body", .string(text)), ("excerpt", .string(line)),
          ("status", .string("published")), ("tags", .array([.string("tag-\(place)")])),
          ("published_at", .string("2026-03-\(10 + place / 10)T08:00:0\(place % 10)Z")),
        ])
        let answer = try await site.put("post-\(place)", json: json)
        #expect(answer.status == 201, "\(answer.text)")
        _ = try await site.send(
          "PATCH", "/v1/tags/tag-\(place)", JSONValue.document([("name", .string(line))]))
      }
      try await site.setClock("2026-04-01T00:00:00Z")
      var expected: [FeedEntry] = []
      for place in all.indices.reversed() {
        let post = try await site.get("/v1/posts/post-\(place)").json
        let name = try await site.get("/v1/tags/tag-\(place)").json["name"]?.stringValue
        expected.append(
          FeedEntry(
            id: post["id"]?.stringValue.map { "urn:uuid:" + $0 }, title: post["title"]?.stringValue,
            url: "http://localhost/v1/posts/post-\(place)", summary: post["excerpt"]?.stringValue,
            body: post["body"]?.stringValue, tags: [try #require(name)],
            published: post["published_at"]?.stringValue))
      }
      func differences(_ some: [FeedEntry], _ others: [FeedEntry]) -> [String] {
        zip(some, others).filter { !$0.isSame($1) }.map { "\($0) instead of \($1)" }
          + (some.count == others.count ? [] : ["\(some.count)"])
      }
      let json = try FeedEntry.json(try await site.get("/feed.json"))
      #expect(differences(json, expected) == [])
      let inXML = expected.map(\.inXML)
      #expect(differences(try FeedEntry.atom(try await site.get("/atom.xml")), inXML) == [])
      let brief = inXML.map { entry in
        var entry = entry
        (entry.body, entry.published) = (nil, nil)
        return entry
      }
      #expect(differences(try FeedEntry.rss(try await site.get("/rss.xml")), brief) == [])
    }
  }

  @Test func `have the posts of the list in its order, of all tags or of any of some`() async throws
  {
    try await Site.run { site in
      let tags = [["a"], ["b"], ["a", "b"], [], ["c"], ["b", "a", "c"]]
      for (place, tags) in tags.enumerated() {
        try await site.publish(
          "post-\(place)", tags: tags, at: "2026-03-0\(9 - place % 3)T00:00:00Z")
      }
      _ = try await site.put("draft", json: Site.json(title: "D", status: "draft", tags: ["a"]))
      try await site.publish("binned", tags: ["a"])
      _ = try await site.delete("binned")
      for query in ["", "?tag=a", "?tag=b", "?tag=a,b", "?tag=b,a", "?tag=c,a,none", "?tag=none"] {
        let slugs = try await site.get("/v1/posts" + query).slugs
        let pages = slugs.map { "http://localhost/v1/posts/" + $0 }
        #expect(try FeedEntry.json(try await site.get("/feed.json" + query)).map(\.url) == pages)
        #expect(try FeedEntry.atom(try await site.get("/atom.xml" + query)).map(\.url) == pages)
        #expect(try FeedEntry.rss(try await site.get("/rss.xml" + query)).map(\.url) == pages)
        let map = try FeedEntry.addresses(try await site.get("/sitemap.xml" + query))
        #expect(map == ["http://localhost/v1/posts"] + pages.reversed())
      }
      for path in Self.paths {
        let one = try await site.get(path + "?tag=a,b")
        let other = try await site.get(path + "?tag=b,a")
        #expect(one.body == other.body && one["ETag"] == other["ETag"])
      }
    }
  }

  @Test func `show a scheduled post when its time has come, and let nobody keep them longer`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("out", tags: ["t"], at: "2026-03-01T00:00:00Z")
      _ = try await site.put(
        "later",
        json: Site.json(
          title: "Later", status: "scheduled", tags: ["t"], at: "2026-03-12T09:00:30Z"))
      for path in Self.paths {
        for query in ["", "?tag=t", "?tag=s,t"] {
          let before = try await site.get(path + query)
          #expect(!before.text.contains("ater"), "\(path)")
          #expect(before["Cache-Control"]?.hasPrefix("public, max-age=30,") == true, "\(path)")
          #expect(before["Last-Modified"] == nil)
          let tag = try #require(before["ETag"])
          try await site.setClock("2026-03-12T09:00:30Z")
          let after = try await site.get(path + query, ["If-None-Match: " + tag])
          #expect(after.status == 200)
          #expect(after.text.contains("later"))
          #expect(after["Cache-Control"]?.hasPrefix("public, max-age=60,") == true)
          try await site.setClock(Site.start)
        }
        let other = try await site.get(path + "?tag=u")
        #expect(other["Cache-Control"]?.hasPrefix("public, max-age=60,") == true)
      }
    }
  }

  @Test func `are not sent again to who has them`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      for path in Self.paths {
        let first = try await site.get(path)
        #expect(first.status == 200)
        let tag = try #require(first["ETag"])
        #expect(!tag.hasPrefix("W/"))
        let again = try await site.get(path, ["If-None-Match: " + tag])
        #expect(again.status == 304 && again.body.isEmpty)
        for name in ["ETag", "Cache-Control", "Vary"] { #expect(again[name] == first[name]) }
        #expect(try await site.get(path, ["If-Match: \"x\""]).status == 412)
        let head = try await site.send("HEAD " + path)
        #expect(head.status == 200)
        #expect(
          head.fields.filter { $0.name != "X-Request-Id" }.map(\.value)
            == first.fields.filter { $0.name != "X-Request-Id" }.map(\.value))
        let keyed = try await site.get(path, site.authorized)
        #expect(keyed["Cache-Control"] == "private, no-store")
        #expect(keyed.body == first.body)
        #expect(first["Access-Control-Allow-Origin"] == "*")
        let options = try await site.send("OPTIONS " + path)
        #expect(options.status == 204 && options["Allow"] == "GET, HEAD, OPTIONS")
        #expect(try await site.send("POST " + path).status == 405)
      }
    }
  }

  @Test func `come as the type that is asked for`() async throws {
    try await Site.run { site in
      let types = [
        "/feed.json": ["application/feed+json", "application/json"],
        "/atom.xml": ["application/atom+xml", "application/xml", "text/xml"],
        "/rss.xml": ["application/rss+xml", "application/xml", "text/xml"],
        "/sitemap.xml": ["application/xml", "text/xml"],
      ]
      for (path, types) in types {
        var tags: Set<String> = []
        for type in types {
          let answer = try await site.get(path, ["Accept: text/html, \(type)"])
          let charset = path == "/feed.json" ? "" : "; charset=utf-8"
          #expect(answer["Content-Type"] == type + charset)
          #expect(answer["Vary"] == "Accept, Authorization")
          tags.insert(try #require(answer["ETag"]))
        }
        #expect(tags.count == types.count)
        let plain = try await site.get(path)
        #expect(plain["Content-Type"]?.hasPrefix(types[0]) == true)
        let refused = try await site.get(path, ["Accept: text/html, image/*"])
        #expect(refused.status == 406)
        for type in types { #expect(refused.json["detail"]?.stringValue?.contains(type) == true) }
      }
    }
  }

  @Test func `refuse what they do not know`() async throws {
    try await Site.run { site in
      for path in Self.paths {
        for query in ["limit=5", "tag=", "tag=A", "tag=a&tag=b", "tag=a,,b", "page=x", "x"] {
          let answer = try await site.get(path + "?" + query)
          #expect(answer.status == 400, "\(path)?\(query)")
          #expect(answer.problem == "invalid-parameter")
        }
      }
      for page in ["0", "50001", "-1", "1.5"] {
        #expect(try await site.get("/sitemap.xml?page=" + page).places == ["?page"])
      }
    }
  }

  @Test func `are whole when there is nothing in them`() async throws {
    try await Site.run { site in
      for query in ["", "?tag=none", "?tag=none,other"] {
        let json = try await site.get("/feed.json" + query).json
        #expect(json["version"]?.stringValue == "https://jsonfeed.org/version/1.1")
        #expect(json["title"]?.stringValue?.isEmpty == false)
        #expect(json["items"]?.arrayValue?.isEmpty == true)
        let atom = try #require(XMLElement(try await site.get("/atom.xml" + query).body))
        #expect(atom["updated"]?.hasSuffix("Z") == true)
        #expect(atom["id"]?.hasPrefix("http://localhost/") == true)
        #expect(atom.all("author").first?["name"]?.isEmpty == false)
        let rss = try #require(XMLElement(try await site.get("/rss.xml" + query).body))
        let channel = try #require(rss.all("channel").first)
        for name in ["title", "link", "description"] {
          #expect(channel[name]?.isEmpty == false)
        }
        #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml" + query)).count == 1)
      }
    }
  }

  @Test func `are headed by what the profile and the tag say`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      try await site.publish("a", tags: ["t", "u"])
      _ = try await site.put("b", json: Site.json(title: "B", status: "draft", tags: ["v"]))
      for (tag, name) in [("t", "T & <Ü>"), ("v", "Hidden")] {
        let answer = try await site.send(
          "PUT", "/v1/tags/" + tag, JSONValue.document([("name", .string(name))]))
        #expect(answer.status < 300)
      }
      let profile = """
        {"name":"Ines <V>","site":{"title":"Notes & \\"more\\"","description":"What & why",
        "url":"https://Example.com/notes/?x=ü#ä","language":"pt-BR"}}
        """
      #expect(try await site.send("PATCH", "/v1/profile", profile).status == 200)
      let home = "https://Example.com/notes/?x=%C3%BC#%C3%A4"
      let title = "Notes & \"more\""
      let titles = [
        "": title, "?tag=t": title + ": T & <Ü>", "?tag=u,t": title + ": T & <Ü>, u",
        "?tag=v": title + ": v", "?tag=none": title + ": none",
      ]
      for (query, title) in titles {
        let sorted = query == "?tag=u,t" ? "?tag=t,u" : query
        let json = try await site.get("/feed.json" + query).json
        #expect(json["title"]?.stringValue == title)
        #expect(json["description"]?.stringValue == "What & why")
        #expect(json["home_page_url"]?.stringValue == home)
        #expect(json["feed_url"]?.stringValue == "https://api.example.com/feed.json" + sorted)
        #expect(json["language"]?.stringValue == "pt-BR")
        let author = json["authors"]?.arrayValue?.first
        #expect(author?["name"]?.stringValue == "Ines <V>")
        #expect(author?["url"]?.stringValue == home)

        let atom = try #require(XMLElement(try await site.get("/atom.xml" + query).body))
        #expect(atom["title"] == title)
        #expect(atom["subtitle"] == "What & why")
        #expect(atom.attributes["xml:lang"] == "pt-BR")
        #expect(atom.all("author").first?["name"] == "Ines <V>")
        let links = atom.all("link").map { [$0.attributes["rel"], $0.attributes["href"]] }
        #expect(
          links == [["self", "https://api.example.com/atom.xml" + sorted], ["alternate", home]])
        let id = query.isEmpty ? home : "https://Example.com/notes/?x=%C3%BC#" + sorted.dropFirst()
        #expect(atom["id"] == id)

        let rss = try #require(XMLElement(try await site.get("/rss.xml" + query).body))
        let channel = try #require(rss.all("channel").first)
        #expect(channel["title"] == title)
        #expect(channel["description"] == "What &amp; why", "HTML")
        #expect(channel["link"] == home)
        #expect(channel["language"] == "pt-BR")
        let place = channel.all("atom:link").first?.attributes
        #expect(place?["href"] == "https://api.example.com/rss.xml" + sorted)
      }
    }
  }

  @Test func `date what they have as each format does`() async throws {
    try await Site.run { site in
      let dates = [
        ("0001-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 GMT"),
        ("1999-12-31T23:59:59.5Z", "Fri, 31 Dec 1999 23:59:59 GMT"),
        ("2024-02-29T12:00:00Z", "Thu, 29 Feb 2024 12:00:00 GMT"),
        ("2026-03-01T00:00:00.000001Z", "Sun, 01 Mar 2026 00:00:00 GMT"),
      ]
      for (place, date) in dates.enumerated() { try await site.publish("p\(place)", at: date.0) }
      let json = try FeedEntry.json(try await site.get("/feed.json"))
      #expect(json.map(\.published) == dates.map(\.0).reversed())
      let atom = try #require(XMLElement(try await site.get("/atom.xml").body))
      #expect(atom.all("entry").map { $0["published"] } == dates.map(\.0).reversed())
      #expect(atom["updated"] == Site.start, "the last write")
      let rss = try #require(
        XMLElement(try await site.get("/rss.xml").body).flatMap { $0.all("channel").first })
      #expect(rss.all("item").map { $0["pubDate"] } == dates.map(\.1).reversed())
      #expect(rss["lastBuildDate"] == "Thu, 12 Mar 2026 09:00:00 GMT")
      let map = try #require(XMLElement(try await site.get("/sitemap.xml").body))
      #expect(map.all("url").dropFirst().allSatisfy { $0["lastmod"] == Site.start })
    }
  }

  @Test func `have the newest fifty posts, and no more text than two mebibytes`() async throws {
    try await Site.run { site in
      for number in 10...64 {
        try await site.publish(
          "p\(number)", tags: ["t"], at: "2026-03-01T00:00:\(10 + number % 50)Z")
      }
      let list = try await site.get("/v1/posts?limit=100").slugs
      #expect(list.count == 55)
      for query in ["", "?tag=t", "?tag=s,t"] {
        let urls = try FeedEntry.json(try await site.get("/feed.json" + query)).compactMap(\.url)
        #expect(urls == list.prefix(50).map { "http://localhost/v1/posts/" + $0 })
      }
      #expect(try FeedEntry.addresses(try await site.get("/sitemap.xml")).count == 56)
      let body = String(repeating: "ü", count: 262_144)
      for number in 1...6 {
        let answer = try await site.put(
          "long-\(number)",
          json: "{\"title\":\"L\",\"body\":\"\(body)\",\"status\":\"published\"}")
        #expect(answer.status == 201)
      }
      #expect(try FeedEntry.json(try await site.get("/feed.json")).count == 4)
      #expect(try FeedEntry.atom(try await site.get("/atom.xml")).count == 4)
    }
  }
}
