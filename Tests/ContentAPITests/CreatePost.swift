import JSON
import Testing

@Suite struct CreatePost {
  @Test func `takes a whole number however it is written`() async throws {
    try await Site.run { site in
      for number in ["7", "7.0", "70e-1", "0.7E1"] {
        let json = #"{"title":"T","body":"B","featured_order":\#(number)}"#
        let post = try await site.post(json: json)
        #expect(post.status == 201, "\(number)")
        #expect(post.json["featured_order"] == .number("7"))
        let project = try await site.send(
          "POST", "/v1/projects", #"{"name":"P","position":\#(number)}"#)
        #expect(project.json["position"] == .number("7"), "\(number)")
      }
    }
  }

  @Test func `answers 201 with the post, its address and the tag that GET will have`() async throws
  {
    try await Site.run { site in
      let created = try await site.post(json: Site.json(title: "Page four hundred"))
      #expect(created.status == 201)
      #expect(created["Location"] == "/v1/posts/page-four-hundred")
      #expect(created["Cache-Control"] == "private, no-store")
      #expect(created["Content-Type"] == "application/json")
      #expect(created["Last-Modified"] == "Thu, 12 Mar 2026 09:00:00 GMT")
      let shown = try await site.get("/v1/posts/page-four-hundred")
      #expect(shown["ETag"] == created["ETag"])
      #expect(shown.body == created.body)
      #expect(try await site.get("/v1/posts").slugs == ["page-four-hundred"])
    }
  }

  @Test func `puts the public address before Location and Link`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      let created = try await site.post(json: Site.json(title: "T"))
      #expect(created["Location"] == "https://api.example.com/v1/posts/t")
      let list = try await site.get("/v1/posts")
      #expect(list["Link"] == "<https://api.example.com/v1/posts?limit=20>; rel=\"first\"")
    }
  }

  @Test func `reads a Markdown file and publishes it`() async throws {
    try await Site.run { site in
      let created = try await site.post(
        markdown: """
          ---
          title: A first post
          tags: [Plain text, notes]
          description: In short.
          date: 2026-03-01
          ---
          Hello, *reader*.

          """)
      #expect(created.status == 201)
      #expect(created["Location"] == "/v1/posts/a-first-post")
      #expect(created.json["status"]?.stringValue == "published")
      #expect(created.json["body"]?.stringValue == "Hello, *reader*.\n")
      #expect(created.json["excerpt"]?.stringValue == "In short.")
      #expect(created.json["tags"]?.arrayValue?.map(\.stringValue) == ["plain-text", "notes"])
      #expect(created.json["published_at"]?.stringValue == "2026-03-01T00:00:00Z")
      for path in ["/v1/posts", "/v1/posts?tag=notes", "/v1/posts?tag=plain-text,other"] {
        let list = try await site.get(path)
        #expect(list.slugs == ["a-first-post"])
        #expect(list.total == 1)
      }
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `makes a draft of JSON without a status`() async throws {
    try await Site.run { site in
      let created = try await site.post(json: #"{"title":"T","body":"B"}"#)
      #expect(created.status == 201)
      #expect(created.json["status"]?.stringValue == "draft")
      #expect(created.json["published_at"]?.isNull == true)
      #expect(try await site.get("/v1/posts/t").status == 404)
      #expect(try await site.get("/v1/posts").total == 0)
      let markdown = try await site.post(markdown: "---\ntitle: U\ndraft: true\n---\nB")
      #expect(markdown.json["status"]?.stringValue == "draft")
    }
  }

  @Test func `works out the effective status`() async throws {
    let cases: [(String, String?, String, String?)] = [
      ("published", nil, "published", "2026-03-12T09:00:00Z"),
      ("published", "2026-03-12T09:00:00Z", "published", "2026-03-12T09:00:00Z"),
      ("published", "2026-03-12T09:00:00.000001Z", "scheduled", "2026-03-12T09:00:00.000001Z"),
      ("published", "9999-12-31T23:59:59.999999Z", "scheduled", "9999-12-31T23:59:59.999999Z"),
      ("published", "0001-01-01T00:00:00Z", "published", "0001-01-01T00:00:00Z"),
      ("scheduled", "2026-03-13T01:00:00+02:00", "scheduled", "2026-03-12T23:00:00Z"),
      ("scheduled", "2026-03-12T08:59:59Z", "published", "2026-03-12T08:59:59Z"),
      ("draft", "2026-03-12T08:59:59Z", "draft", "2026-03-12T08:59:59Z"),
      ("draft", nil, "draft", nil),
    ]
    try await Site.run { site in
      for (index, (status, date, effective, publishedAt)) in cases.enumerated() {
        let name = "case-\(index)"
        let created = try await site.post(
          json: Site.json(title: name, status: status, tags: [name], at: date))
        #expect(created.status == 201, "\(name)")
        #expect(created.json["status"]?.stringValue == effective, "\(name)")
        #expect(created.json["published_at"]?.stringValue == publishedAt, "\(name)")
        let isPublic = effective == "published"
        #expect(try await site.get("/v1/posts/" + name).status == (isPublic ? 200 : 404), "\(name)")
        #expect(try await site.get("/v1/posts?tag=" + name).total == (isPublic ? 1 : 0), "\(name)")
      }
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `refuses a scheduled post without a date`() async throws {
    try await Site.run { site in
      for body in [
        Site.json(title: "T", status: "scheduled"),
        #"{"title":"T","body":"B","status":"scheduled","published_at":null}"#,
      ] {
        let answer = try await site.post(json: body)
        #expect(answer.status == 422)
        #expect(answer.problem == "invalid-content")
        #expect(answer.places == ["/published_at"])
      }
      let bad = try await site.post(
        json: #"{"body":"B","status":"scheduled","published_at":"soon"}"#)
      #expect(bad.places == ["/title", "/published_at"])
    }
  }

  @Test func `refuses a slug that another post has, in the trash or not`() async throws {
    try await Site.run { site in
      let body = #"{"title":"T","body":"B","slug":"taken"}"#
      #expect(try await site.post(json: body).status == 201)
      for _ in 0..<2 {
        let answer = try await site.post(json: body)
        #expect(answer.status == 409)
        #expect(answer.problem == "slug-taken")
        #expect(answer.places == ["/slug"])
        _ = try await site.delete("taken")
      }
    }
  }

  @Test func `counts on from a derived slug that is taken`() async throws {
    try await Site.run { site in
      for slug in ["don-t", "don-t-2", "don-t-3"] {
        let answer = try await site.post(json: Site.json(title: "Don: T!"))
        #expect(answer["Location"] == "/v1/posts/" + slug)
      }
      #expect(try await site.delete("don-t-2").status == 204)
      #expect(try await site.post(json: Site.json(title: "don t")).slug == "don-t-4")
      #expect(try await site.post(json: Site.json(title: "日本")).slug == "post")
      #expect(try await site.post(json: Site.json(title: "日本")).slug == "post-2")
      let long = String(repeating: "a", count: 250)
      #expect(try await site.post(json: Site.json(title: long)).slug?.utf8.count == 200)
      let second = try await site.post(json: Site.json(title: long)).slug
      #expect(second == String(repeating: "a", count: 198) + "-2")
    }
  }

  @Test func `gives fifty posts of one title, sent at once, fifty slugs`() async throws {
    try await Site.run { site in
      let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
        for _ in 0..<50 {
          group.addTask { try await site.post(json: Site.json(title: "Same", tags: ["t"])) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.map(\.status) == Array(repeating: 201, count: 50))
      let expected = ["same"] + (2...50).map { "same-\($0)" }
      #expect(Set(answers.compactMap(\.slug)) == Set(expected))
      #expect(try await site.get("/v1/posts?tag=t").total == 50)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `tells every fault at once, each at its place`() async throws {
    try await Site.run { site in
      let answer = try await site.post(
        json: """
          {"id":"x","title":"","body":7,"slug":"A","type":"T!","status":"gone","tags":["a","A","a"],
          "featured":"yes","featured_order":-1,"cover_image":{"url":"ftp://x","credit":"me"},
          "canonical_url":"/x","meta_title":1,"meta_description":[],"published_at":"2026-02-30",
          "excerpt":{},"views":3,"version":2,"a/b~c":null}
          """)
      #expect(answer.status == 422)
      #expect(answer.problem == "invalid-content")
      let expected = [
        "/id", "/title", "/body", "/slug", "/type", "/status", "/tags/1", "/tags/2", "/featured",
        "/featured_order", "/cover_image/url", "/cover_image/credit", "/canonical_url",
        "/meta_title", "/meta_description", "/published_at", "/excerpt", "/views", "/version",
        "/a~1b~0c",
      ]
      #expect(answer.places.sorted() == expected.sorted())
      let details = answer.json["errors"]?.arrayValue?.map { $0["detail"]?.stringValue ?? "" } ?? []
      #expect(details.allSatisfy { !$0.isEmpty })
    }
  }

  @Test func `refuses what cannot be stored, with 422`() async throws {
    let cases: [(String, String)] = [
      (#"{"title":"a\u0000b","body":"B"}"#, "/title"),
      (#"{"title":"T","body":"a\u0000"}"#, "/body"),
      (#"{"title":"T","body":"B","excerpt":"\u0000"}"#, "/excerpt"),
      (#"{"title":"T","body":"B","tags":["\u0000"]}"#, "/tags/0"),
      (#"{"title":"T","body":"B","slug":"\u0000"}"#, "/slug"),
      (#"{"title":"T","body":"B","status":"\u0000"}"#, "/status"),
      (#"{"title":"T","body":"B","meta_title":"\u0000"}"#, "/meta_title"),
      (#"{"title":"T","body":"B","canonical_url":"https://a/\u0000"}"#, "/canonical_url"),
      (
        #"{"title":"T","body":"B","cover_image":{"url":"https://a/","alt":"\u0000"}}"#,
        "/cover_image/alt"
      ),
      (#"{"title":"T","body":"B","published_at":"\u0000"}"#, "/published_at"),
      (#"{"title":"T","body":"B","\u0000":1}"#, "/\u{0}"),
      (#"{"title":"T","body":"B","featured_order":9223372036854775808}"#, "/featured_order"),
      (#"{"title":"T","body":"B","featured_order":1e400}"#, "/featured_order"),
    ]
    try await Site.run { site in
      for (body, place) in cases {
        let answer = try await site.post(json: body)
        #expect(answer.status == 422, "\(body)")
        #expect(answer.places == [place], "\(body)")
      }
    }
  }

  @Test func `stores every other character as it came`() async throws {
    try await Site.run { site in
      let text = "\u{1}\u{7f}\u{85}\u{2028}\u{fffe}\u{feff}e\u{301}é🎉\\ \" \r\n\t,{}$1%s'"
      var json = JSONWriter()
      json.beginObject()
      json.name("title")
      json.string("T")
      json.name("body")
      json.string(text)
      json.endObject()
      let created = try await site.post(json: String(decoding: json.bytes, as: UTF8.self))
      #expect(created.status == 201)
      #expect(Array((created.json["body"]?.stringValue ?? "").utf8) == Array(text.utf8))
    }
  }

  @Test func `takes what is exactly at its limit`() async throws {
    try await Site.run { site in
      func letters(_ count: Int) -> String { String(repeating: "é", count: count) }
      let slug = String(repeating: "s", count: 200)
      let tags = (0..<32).map { "\"\(String(repeating: "t", count: 98))\($0 + 10)\"" }
      let url = "https://example.com/" + String(repeating: "u", count: 2028)
      let body = String(repeating: "x", count: 524_288)
      func json(_ more: Int) -> String {
        """
        {"title":"\(letters(300 + more))","slug":"\(slug)\(more == 0 ? "" : "s")",
        "excerpt":"\(letters(1000 + more))","body":"\(body)\(more == 0 ? "" : "x")",
        "type":"\(String(repeating: "p", count: 50 + more))","featured_order":2147483647,
        "meta_title":"\(letters(300 + more))","meta_description":"\(letters(500 + more))",
        "canonical_url":"\(url)\(more == 0 ? "" : "u")",
        "cover_image":{"url":"\(url)\(more == 0 ? "" : "u")","alt":"\(letters(300 + more))"},
        "tags":[\(tags.joined(separator: ","))\(more == 0 ? "" : ",\"one-more\"")],
        "status":"published"}
        """
      }
      let created = try await site.post(json: json(0))
      #expect(created.status == 201, "\(created.text.prefix(300))")
      #expect(try await site.get("/v1/posts/" + slug).status == 200)
      #expect(try await site.discrepancies() == [])
      let beyond = try await site.post(json: json(1))
      #expect(beyond.status == 422)
      #expect(
        beyond.places.sorted() == [
          "/body", "/canonical_url", "/cover_image/alt", "/cover_image/url", "/excerpt",
          "/meta_description", "/meta_title", "/slug", "/tags", "/title", "/type",
        ])
    }
  }

  @Test func `derives the excerpt and counts the words of a long body`() async throws {
    try await Site.run { site in
      let words = String(repeating: "word ", count: 221)
      let created = try await site.post(json: #"{"title":"T","body":"\#(words)"}"#)
      #expect(created.json["word_count"]?.integerValue == 221)
      #expect(created.json["reading_time"]?.integerValue == 2)
      let shorter = try await site.post(
        json: #"{"title":"T","body":"\#(words.dropLast("word ".count))"}"#)
      #expect(shorter.json["reading_time"]?.integerValue == 1)
      let excerpt = created.json["excerpt"]?.stringValue ?? ""
      #expect(excerpt.hasPrefix("word word"))
      #expect(excerpt.unicodeScalars.count <= 1000)
    }
  }
}

@Suite struct ContentOfAWrite {
  @Test func `is refused with 415 unless its type is known and its characters are UTF-8`()
    async throws
  {
    try await Site.run { site in
      let body = Array(#"{"title":"T","body":"B"}"#.utf8)
      for lines in [
        [], ["Content-Type: text/plain"], ["Content-Type: application/json; charset=latin1"],
        ["Content-Type: json"], ["Content-Type: application/problem+json"],
        ["Content-Type: application/json", "Content-Type: application/json"],
        ["Content-Type: application/json; charset=utf-8; charset=utf-8"],
      ] {
        let post = try await site.send("POST /v1/posts", site.authorized + lines, body: body)
        #expect(post.status == 415, "\(lines)")
        #expect(post.problem == "unsupported-media-type")
        #expect(post["Accept-Post"] == "application/json, text/markdown")
        let put = try await site.send("PUT /v1/posts/t", site.authorized + lines, body: body)
        #expect(put.status == 415)
        #expect(put["Accept-Put"] == "application/json, text/markdown")
      }
      for type in ["application/json;charset=UTF-8", "Application/JSON ; charset=\"utf-8\""] {
        let post = try await site.send(
          "POST /v1/posts", site.authorized + ["Content-Type: " + type], body: body)
        #expect(post.status == 201, "\(type)")
      }
    }
  }

  @Test func `is refused with 415 when it is coded`() async throws {
    try await Site.run { site in
      let body = #"{"title":"T","body":"B"}"#
      for coding in ["gzip", "br", "identity, gzip", "x"] {
        let answer = try await site.post(json: body, ["Content-Encoding: " + coding])
        #expect(answer.status == 415, "\(coding)")
        #expect(answer["Accept-Encoding"] == "identity")
      }
      #expect(try await site.post(json: body, ["Content-Encoding: Identity"]).status == 201)
    }
  }

  @Test func `is refused with 400 and the byte where JSON breaks`() async throws {
    let cases: [(String, Int)] = [
      ("", 0), ("{", 1), (#"{"title":"T","title":"U","body":"B"}"#, 13), ("[1,]", 3), ("{} {}", 3),
      (#"{"title":"\ud800","body":"B"}"#, 10), ("nul", 3), (#"{"a":01}"#, 6), ("{\"a\":\"\n\"}", 6),
    ]
    try await Site.run { site in
      for (body, offset) in cases {
        let answer = try await site.post(json: body)
        #expect(answer.status == 400)
        #expect(answer.problem == "malformed-json")
        #expect(answer.json["offset"]?.integerValue == offset, "\(body)")
      }
    }
  }

  @Test func `is refused with 400 when it is not UTF-8`() async throws {
    try await Site.run { site in
      let json = try await site.send(
        "POST /v1/posts", site.authorized + ["Content-Type: application/json"],
        body: Array(#"{"title":""#.utf8) + [0xff] + Array(#"","body":"B"}"#.utf8))
      #expect(json.problem == "malformed-json")
      #expect(json.json["offset"]?.integerValue == 10)
      let markdown = try await site.send(
        "POST /v1/posts", site.authorized + ["Content-Type: text/markdown"],
        body: Array("---\ntitle: T\n---\n".utf8) + [0xc3])
      #expect(markdown.status == 400)
      #expect(markdown.problem == "malformed-request")
    }
  }

  @Test func `may nest 64 deep and no deeper`() async throws {
    try await Site.run { site in
      func nested(_ depth: Int) -> String {
        let arrays = depth - 1
        return "{\"x\":" + String(repeating: "[", count: arrays)
          + String(repeating: "]", count: arrays) + "}"
      }
      #expect(try await site.post(json: nested(64)).status == 422)
      let answer = try await site.post(json: nested(65))
      #expect(answer.status == 400)
      #expect(answer.problem == "malformed-json")
      #expect(try await site.post(json: nested(100_000)).status == 400)
    }
  }

  @Test func `has to be an object`() async throws {
    let cases: [String] = ["null", "[]", "7", "\"title\"", "true"]
    try await Site.run { site in
      for body in cases {
        let answer = try await site.post(json: body)
        #expect(answer.status == 422)
        #expect(answer.places == [""])
      }
    }
  }

  @Test func `is not looked at when the query has an unknown parameter`() async throws {
    try await Site.run { site in
      let post = try await site.send(
        "POST /v1/posts?draft=1", site.authorized + ["Content-Type: application/json"],
        body: Array("{".utf8))
      #expect(post.status == 400)
      #expect(post.places == ["?draft"])
      let delete = try await site.delete("a?forever=true")
      #expect(delete.places == ["?forever"])
    }
  }

  @Test func `shows what is wrong with front matter`() async throws {
    try await Site.run { site in
      let answer = try await site.post(
        markdown: "---\ntitle: T\ncolour: red\nfeatured: yes!\n---\nB")
      #expect(answer.status == 422)
      #expect(answer.places == ["/colour", "/featured"])
      let none = try await site.post(markdown: "Just text.")
      #expect(none.status == 422)
      #expect(none.places == ["/title"])
    }
  }
}
