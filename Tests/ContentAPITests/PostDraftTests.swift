import ContentAPI
import JSON
import Testing

private func read(_ json: String) throws -> Result<PostDraft, Faults> {
  let bytes = Array(json.utf8)
  return PostDraft.read(json: try JSONReader.read(bytes.span))
}

/// A post of title and body with more members behind them.
private func read(with members: String) throws -> Result<PostDraft, Faults> {
  try read(#"{"title":"T","body":"B",\#(members)}"#)
}

private func read(markdown: String) -> Result<PostDraft, PostDraft.MarkdownError> {
  let bytes = Array(markdown.utf8)
  return PostDraft.read(markdown: bytes.span)
}

private func faults(_ result: Result<PostDraft, Faults>) -> [Fault] {
  guard case .failure(let faults) = result else { return [] }
  return faults.list
}

private func faults(markdown: String) -> [Fault] {
  guard case .failure(.faults(let faults)) = read(markdown: markdown) else { return [] }
  return faults.list
}

private func pointers(_ faults: [Fault]) -> [String] {
  faults.map { fault in
    guard case .pointer(let pointer) = fault.place else { return "?" }
    return pointer
  }
}

@Suite struct PostInJSON {
  @Test func `that replaces another keeps its slug and may take its date`() throws {
    func replacing(_ json: String) throws -> Result<PostDraft, Faults> {
      let bytes = Array(json.utf8)
      return PostDraft.read(json: try JSONReader.read(bytes.span), replacing: "a")
    }
    #expect(try replacing(#"{"title":"T","body":"B","slug":"a"}"#).get().slug == "a")
    let scheduled = try replacing(#"{"title":"T","body":"B","status":"scheduled"}"#).get()
    #expect(scheduled.status == .scheduled)
    #expect(scheduled.publishedAt == nil)
    let other = try replacing(#"{"body":"B","slug":"b","published_at":"soon"}"#)
    #expect(pointers(faults(other)) == ["/title", "/slug", "/published_at"])
    let markdown = Array("---\ntitle: T\nslug: b\nstatus: scheduled\n---\nB".utf8)
    guard
      case .failure(.faults(let faults)) = PostDraft.read(markdown: markdown.span, replacing: "a")
    else {
      Issue.record("the slug of the file has to be refused")
      return
    }
    #expect(pointers(faults.list) == ["/slug"])
    #expect(faults.list.first?.detail.hasPrefix("line 3: ") == true)
  }

  @Test func `needs a title and a body only`() throws {
    let draft = try read(#"{"title":"T","body":"B"}"#).get()
    #expect(draft.title == "T")
    #expect(draft.body == "B")
    #expect(draft.type == "post")
    #expect(draft.slug == nil)
    #expect(draft.status == nil)
    #expect(draft.publishedAt == nil)
    #expect(!draft.featured)
    #expect(draft.tags == [])
    #expect(draft.coverImage == nil)
  }

  @Test func `may say everything else`() throws {
    let draft = try read(
      with: """
        "slug":"a-b","type":"essay","excerpt":" E\\nF ","status":"scheduled",
        "published_at":"2026-03-12T11:00:00+02:00","featured":true,"featured_order":2147483647,
        "tags":["swift","rate-limits"],"cover_image":{"url":"https://x.org/a.png","alt":" A "},
        "canonical_url":"http://x.org:80/?a#b","meta_title":"M","meta_description":"D"
        """
    ).get()
    #expect(draft.slug == "a-b")
    #expect(draft.type == "essay")
    #expect(draft.excerpt == "E\nF")
    #expect(draft.status == .scheduled)
    #expect(draft.publishedAt?.description == "2026-03-12T09:00:00Z")
    #expect(draft.featured)
    #expect(draft.featuredOrder == .max)
    #expect(draft.tags == ["swift", "rate-limits"])
    #expect(draft.coverImage?.url == "https://x.org/a.png")
    #expect(draft.coverImage?.alt == "A")
    #expect(draft.canonicalURL == "http://x.org:80/?a#b")
    #expect(draft.metaTitle == "M")
    #expect(draft.metaDescription == "D")
  }

  @Test func `takes null for what is optional as absent`() throws {
    let members = [
      "slug", "type", "excerpt", "status", "published_at", "featured", "featured_order", "tags",
      "cover_image", "canonical_url", "meta_title", "meta_description",
    ].map { "\"\($0)\":null" }.joined(separator: ",")
    #expect(try read(with: members).get() == read(#"{"title":"T","body":"B"}"#).get())
  }

  @Test func `keeps the body byte for byte and trims the title`() throws {
    let draft = try read(#"{"title":"\t T \n","body":"\uFEFF\r\n a\u0001\t\r\n\n"}"#).get()
    #expect(draft.title == "T")
    #expect(Array(draft.body.utf8) == Array("\u{FEFF}\r\n a\u{1}\t\r\n\n".utf8))
  }

  @Test func `takes blank optional texts as absent`() throws {
    let draft = try read(with: #""excerpt":" ","meta_title":"","meta_description":"\n""#).get()
    #expect(draft.excerpt == nil)
    #expect(draft.metaTitle == nil)
    #expect(draft.metaDescription == nil)
  }

  @Test func `differs from one that is only canonically equivalent`() throws {
    let composed = try read(#"{"title":"T","body":"\u00e9"}"#).get()
    let decomposed = try read(#"{"title":"T","body":"e\u0301"}"#).get()
    #expect(composed != decomposed)
  }

  @Test(arguments: ["[]", "null", "\"x\"", "1", "true"])
  func `has to be an object`(json: String) throws {
    let faults = faults(try read(json))
    #expect(pointers(faults) == [""])
    #expect(faults[0].detail.hasPrefix("expected an object"))
  }

  @Test func `tells all faults at once`() throws {
    let json = """
      {"id":1,"title":" ","colour":"red","slug":"A B","status":"live",
      "tags":["x","X y",3,"x"],"a/b~":0}
      """
    #expect(
      pointers(faults(try read(json))) == [
        "/id", "/colour", "/a~1b~0", "/title", "/body", "/slug", "/tags/1", "/tags/2", "/tags/3",
        "/status",
      ])
  }

  @Test(arguments: [
    (#""slug":"My Post""#, "/slug", "did you mean \"my-post\"?"),
    (#""slug":"""#, "/slug", "1 to 200"),
    (#""type":"Essay""#, "/type", "did you mean \"essay\"?"),
    (#""type":3"#, "/type", "expected a string, got a number"),
    (#""excerpt":"a\u0000""#, "/excerpt", "U+0000"),
    (#""excerpt":["a"]"#, "/excerpt", "got an array"),
    (#""meta_title":"a\nb""#, "/meta_title", "U+000A"),
    (#""meta_description":"a\u2028b""#, "/meta_description", "U+2028"),
    (#""status":"trashed""#, "/status", "draft, scheduled or published"),
    (#""status":true"#, "/status", "got a boolean"),
    (#""status":"scheduled""#, "/published_at", "published_at is required"),
    (#""status":"scheduled","published_at":null"#, "/published_at", "published_at is required"),
    (#""status":"scheduled","published_at":"soon""#, "/published_at", "RFC 3339"),
    (#""published_at":"2026-03-12""#, "/published_at", "RFC 3339"),
    (#""published_at":1773306000"#, "/published_at", "got a number"),
    (#""featured":"true""#, "/featured", "expected true or false"),
    (#""featured":1"#, "/featured", "got a number"),
    (#""featured_order":-1"#, "/featured_order", "got -1"),
    (#""featured_order":2147483648"#, "/featured_order", "0 to 2147483647"),
    (#""featured_order":1.5"#, "/featured_order", "an integer"),
    (#""featured_order":1e10"#, "/featured_order", "an integer"),
    (#""featured_order":"1""#, "/featured_order", "got a string"),
    (#""tags":"a""#, "/tags", "an array of slugs"),
    (#""tags":["Rate Limits"]"#, "/tags/0", "did you mean \"rate-limits\"?"),
    (#""tags":["日本"]"#, "/tags/0", "lower-case"),
    (#""tags":["a",null]"#, "/tags/1", "got null"), (#""tags":["a","a"]"#, "/tags/1", "/tags/0"),
    (#""cover_image":"x""#, "/cover_image", "an object {url, alt}"),
    (#""cover_image":{}"#, "/cover_image/url", "url is required"),
    (#""cover_image":{"url":null}"#, "/cover_image/url", "url is required"),
    (#""cover_image":{"url":"https://x.org","alt":1}"#, "/cover_image/alt", "got a number"),
    (
      #""cover_image":{"url":"https://x.org","alt":"a\n\u0000b"}"#, "/cover_image/alt",
      "alt must not"
    ),
    (#""cover_image":{"url":"https://x.org","src":""}"#, "/cover_image/src", "unknown member"),
    (#""cover_image":{"url":"x.png"}"#, "/cover_image/url", "http://"),
    (#""word_count":3"#, "/word_count", "read-only"), (#""version":1"#, "/version", "read-only"),
    (#""trashed_at":null"#, "/trashed_at", "read-only"),
    (#""Title":"T""#, "/Title", "unknown member"),
  ])
  func `is refused at the member`(members: String, pointer: String, words: String) throws {
    let faults = faults(try read(with: members))
    #expect(pointers(faults) == [pointer])
    #expect(faults.allSatisfy { $0.detail.contains(words) }, "\(faults)")
  }

  @Test(arguments: [
    ("title", 300), ("excerpt", 1000), ("meta_title", 300), ("meta_description", 500),
  ])
  func `has texts of limited length in characters`(name: String, limit: Int) throws {
    for (count, pointer) in [(limit, []), (limit + 1, ["/\(name)"])] {
      var members = ["title": "T", "body": "B"]
      members[name] = String(repeating: "é", count: count)
      let value = JSONValue.object(
        members.map { JSONMember(name: $0.key, value: .string($0.value)) })
      #expect(pointers(faults(PostDraft.read(json: value))) == pointer)
    }
  }

  @Test func `has a body of at most 512 KiB that is not blank`() throws {
    func pointers(of body: String) -> [String] {
      let members = [
        JSONMember(name: "title", value: .string("T")),
        JSONMember(name: "body", value: .string(body)),
      ]
      return ContentAPITests.pointers(faults(PostDraft.read(json: .object(members))))
    }
    #expect(pointers(of: String(repeating: "a", count: 524_288)) == [])
    #expect(pointers(of: String(repeating: "é", count: 262_145)) == ["/body"])
    #expect(pointers(of: "") == ["/body"])
    #expect(pointers(of: " \r\n\t") == ["/body"])
    #expect(pointers(of: "a\u{0}") == ["/body"])
  }

  @Test func `has at most 32 tags of at most 100 characters`() throws {
    func read(_ tags: [String]) throws -> [String] {
      let list = tags.map { "\"\($0)\"" }.joined(separator: ",")
      return pointers(faults(try ContentAPITests.read(with: "\"tags\":[\(list)]")))
    }
    #expect(try read((1...32).map { "t\($0)" }) == [])
    #expect(try read((1...33).map { "t\($0)" }) == ["/tags"])
    #expect(try read([String(repeating: "a", count: 100)]) == [])
    #expect(try read([String(repeating: "a", count: 101)]) == ["/tags/0"])
  }

  @Test func `does not answer a flood of faults with a flood`() throws {
    let members = (0..<5000).map { "\"m\($0)\":0" }.joined(separator: ",")
    let faults = faults(try read(with: members))
    #expect(faults.count == Faults.limit + 1)
    #expect(faults.last?.detail == "there are 4900 more faults")
  }
}

@Suite struct PostAddress {
  @Test(arguments: [
    "http://x", "https://x.org", "HTTPS://X.org/", "https://x.org:8443/a?b=c#d",
    "https://127.0.0.1/",
    "https://[::1]:80/a", "https://exämple.org/ä", "https://x.org/a%20b(c)", "https://x.org?a@b",
  ])
  func `is taken`(url: String) throws {
    #expect(try read(with: "\"canonical_url\":\"\(url)\"").get().canonicalURL == url)
  }

  @Test(arguments: [
    "", "x", "/a", "//x.org", "x.org", "ftp://x.org", "javascript:alert(1)", "data:text/html,x",
    "https:x.org", "https:/x.org", "https://", "https:///a", "https://?a", "https://:80",
    "https://me@x.org", "https://me:pw@x.org", "https://x.org:a", "https://x.org:65536",
    "https://x.org:-1", "https://[::1", "https://[x]", "https://[::1]x", "https://.x.org",
    "https://x y.org", "https://x.org/a b", " https://x.org", "https://x.org\\n",
    "https://x.org\\u0000",
    "https://x.org\\u00a0", "https://x.org/<a>", "https://x.org/\\\"", "https://x!y/",
    "https://x\\\\y/",
  ])
  func `is refused`(url: String) throws {
    #expect(pointers(faults(try read(with: "\"canonical_url\":\"\(url)\""))) == ["/canonical_url"])
  }

  @Test func `has at most 2,048 characters`() throws {
    let url = "https://x.org/" + String(repeating: "a", count: 2034)
    #expect(try read(with: "\"canonical_url\":\"\(url)\"").get().canonicalURL == url)
    #expect(pointers(faults(try read(with: "\"canonical_url\":\"\(url)a\""))) == ["/canonical_url"])
  }
}

@Suite struct PostInMarkdown {
  @Test func `is published unless the file says otherwise`() throws {
    let draft = try read(markdown: "---\ntitle: A post\n---\n\nText\r\n").get()
    #expect(draft.title == "A post")
    #expect(draft.body == "\nText\r\n")
    #expect(draft.status == .published)
    #expect(try read(markdown: "---\ntitle: A\nstatus:\n---\nB").get().status == .published)
    #expect(try read(markdown: "---\ntitle: A\ndraft: true\n---\nB").get().status == .draft)
    #expect(try read(markdown: "---\ntitle: A\ndraft: false\n---\nB").get().status == .published)
    #expect(try read(markdown: "---\ntitle: A\nstatus: draft\n---\nB").get().status == .draft)
  }

  @Test func `may say everything else`() throws {
    let draft = try read(
      markdown: """
        ---
        title: "Limits: a story"
        slug: limits
        tags: [Rate Limits, swift, rate-limits, "C'est l'été", 2026, no]
        description: >
          Two
          lines
        date: 2026-03-12 09:00 +0200
        status: scheduled
        type: essay
        featured: true
        featured_order: 3
        cover_image:
          url: https://x.org/a.png
          alt: "A"
        canonical_url: https://x.org/a
        meta_title: M
        meta_description: D
        ---
        Text
        """
    ).get()
    #expect(draft.title == "Limits: a story")
    #expect(draft.slug == "limits")
    #expect(draft.tags == ["rate-limits", "swift", "cest-lete", "2026", "no"])
    #expect(draft.excerpt == "Two lines")
    #expect(draft.publishedAt?.description == "2026-03-12T07:00:00Z")
    #expect(draft.status == .scheduled)
    #expect(draft.type == "essay")
    #expect(draft.featured)
    #expect(draft.featuredOrder == 3)
    #expect(draft.coverImage?.url == "https://x.org/a.png")
    #expect(draft.coverImage?.alt == "A")
    #expect(draft.canonicalURL == "https://x.org/a")
    #expect(draft.metaTitle == "M")
    #expect(draft.metaDescription == "D")
    #expect(draft.body == "Text")
  }

  @Test func `takes plain words as texts where a text belongs`() throws {
    let draft = try read(markdown: "---\ntitle: 1984\nmeta_title: true\nexcerpt: ~\n---\nB").get()
    #expect(draft.title == "1984")
    #expect(draft.metaTitle == "true")
    #expect(draft.excerpt == nil)
  }

  @Test(arguments: [
    "https://x.org/a.png", "'https://x.org/a.png'", "https://x.org/a.png # a comment",
    "{url: https://x.org/a.png}", "{url: https://x.org/a.png, alt: ~}",
  ])
  func `may give its cover image without a description`(value: String) throws {
    let draft = try read(markdown: "---\ntitle: A\ncover_image: \(value)\n---\nB").get()
    #expect(draft.coverImage?.url == "https://x.org/a.png")
    #expect(draft.coverImage?.alt == "")
  }

  @Test(arguments: ["", "~", "null"])
  func `may leave its cover image out`(value: String) throws {
    let draft = try read(markdown: "---\ntitle: A\ncover_image: \(value)\n---\nB").get()
    #expect(draft.coverImage == nil)
  }

  @Test(arguments: [
    ("layout: post", "/layout", "line 3: unknown key \"layout\"; known are title, slug, tags"),
    ("body: x", "/body", "unknown key"), ("id: x", "/id", "unknown key"),
    ("excerpt: a\ndescription: b", "/excerpt", "line 4: description says again what line 3 says"),
    ("date: 2026-03-12\npublished_at: 2026-03-12", "/published_at", "line 4"),
    ("status: draft\ndraft: true", "/status", "line 4"),
    ("draft: yes", "/status", "line 3: draft: expected true or false"),
    ("draft: 'true'", "/status", "without quotes"),
    ("featured: on", "/featured", "line 3: expected true or false"),
    ("featured_order: '3'", "/featured_order", "without quotes"),
    ("featured_order: -3", "/featured_order", "line 3: "),
    ("featured_order: 1.5", "/featured_order", "line 3: "),
    ("date: tomorrow", "/published_at", "line 3: expected a date such as"),
    ("date: 2026-02-30", "/published_at", "no such day"),
    ("tags: swift", "/tags", "line 3: expected a list"),
    ("tags: [a, 日本]", "/tags/1", "line 3: no slug"), ("tags: [a, ~]", "/tags/1", "no slug"),
    ("tags: {a: b}", "/tags", "a list"),
    ("slug: [a]", "/slug", "expected one value, got a list"),
    ("slug: {a: b}", "/slug", "got a mapping"),
    ("slug: My Post", "/slug", "line 3: expected 1 to 200"),
    ("status: live", "/status", "line 3: "),
    ("status: scheduled", "/published_at", "published_at is required"),
    ("cover_image: [https://x.org]", "/cover_image", "line 3: expected an address or a mapping"),
    ("cover_image: x.png", "/cover_image/url", "line 3: expected an absolute http or https URL"),
    ("cover_image: ''", "/cover_image/url", "line 3: "),
    ("cover_image: {alt: x}", "/cover_image/url", "line 3: "),
    ("cover_image: {url: x}", "/cover_image/url", "line 3: "),
    ("cover_image: {url: https://x, a: b}", "/cover_image/a", "unknown member"),
    ("slug: &a b", "/slug", "line 3: \"slug\": anchors"),
    ("description: \"a", "/excerpt", "line 3: \"description\": "),
    ("x", "", "line 3: "), ("title: B", "/title", "line 3: \"title\": the key stands there twice"),
    ("meta_title: \"a\\nb\"", "/meta_title", "line 3: meta_title must not"),
  ])
  func `is refused at the member and the line`(line: String, pointer: String, words: String) {
    let faults = faults(markdown: "---\ntitle: A\n\(line)\n---\nB")
    #expect(pointers(faults) == [pointer])
    #expect(faults.allSatisfy { $0.detail.contains(words) }, "\(faults)")
  }

  @Test func `needs front matter, a title and a body`() {
    #expect(pointers(faults(markdown: "Text")) == ["/title"])
    #expect(faults(markdown: "Text").first?.detail.contains("no front matter") == true)
    #expect(pointers(faults(markdown: "---\nslug: a\n---\nB")) == ["/title"])
    #expect(pointers(faults(markdown: "---\ntitle:\n---\nB")) == ["/title"])
    #expect(pointers(faults(markdown: "---\ntitle: [\n---\nB")) == ["/title"])
    #expect(pointers(faults(markdown: "---\ntitle: A\n---\n \n")) == ["/body"])
    #expect(pointers(faults(markdown: "---\ntitle: A\n---\nB\u{0}")) == ["/body"])
    #expect(pointers(faults(markdown: "---\ntitle: A\n")) == [""])
    #expect(
      pointers(faults(markdown: "---\ntitle: A: b\nslug: A\n---\n")) == [
        "/title", "/body", "/slug",
      ])
  }

  private static let malformed: [(start: String, rest: [UInt8], offset: Int)] = [
    ("", [0xFF], 0), ("---\ntitle: ", [0xC3, 0x28], 11), ("---\n", [0xED, 0xA0, 0x80], 4),
    ("---\ntitle: A\n---\nab", [0xF0, 0x9F], 19), ("\u{FEFF}", [0x80], 3), ("", [0xC0, 0x80], 0),
  ]

  @Test(arguments: malformed)
  func `is malformed where it is not UTF-8`(start: String, rest: [UInt8], offset: Int) {
    let file = Array(start.utf8) + rest
    #expect(PostDraft.read(markdown: file.span) == .failure(.invalidUTF8(offset: offset)))
  }

  @Test func `never traps, whatever the bytes`() {
    let seed = """
      ---\ntitle: "A \\u00e9"\ntags: [a, 'b c']\ndate: 2026-03-12 09:00 +02:00\nstatus: scheduled
      featured: true\nfeatured_order: 1\ncover_image: {url: https://[::1]:80/x, alt: y}
      excerpt: |\n  é\n---\nText\n
      """
    let tokens = [
      "---\n", "\n", ": ", "\"", "[", "]", "{", "}", "@", ":", "%", "9", "-", "\u{0}", "日",
      "\u{301}", "  ",
    ]
    .map { Array($0.utf8) }
    var random = SeededRandom(seed: 5)
    var drafts = 0
    for _ in 0..<10_000 {
      let bytes = random.mutate(Array(seed.utf8), with: tokens)
      switch PostDraft.read(markdown: bytes.span) {
      case .success(let draft):
        drafts += 1
        #expect(!draft.title.isEmpty)
        #expect(draft.tags.allSatisfy { Slug.isValid($0, limit: Slug.maximumTagLength) })
      case .failure(.faults(let faults)): #expect(!faults.list.isEmpty)
      case .failure(.invalidUTF8(let offset)): #expect((0..<bytes.count).contains(offset))
      }
    }
    #expect(drafts > 0)
  }
}

@Suite struct FaultPlace {
  @Test func `points by RFC 6901`() {
    #expect(Fault.Place.pointer(to: "tags", "0") == .pointer("/tags/0"))
    #expect(Fault.Place.pointer(to: "a/b~c") == .pointer("/a~1b~0c"))
    #expect(Fault.Place.pointer(to: "") == .pointer("/"))
  }
}
