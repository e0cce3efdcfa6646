import ContentAPI
import EventLoop
import JSON
import Testing

@Suite struct ListParameters {
  /// On a thread of its own, so that its work does not keep other tests from their deadlines.
  @Test func `answer any combination as a plain search through ten thousand posts does`()
    async throws
  {
    let thread = try EventLoop()
    try thread.start()
    let check = try await Task(executorPreference: thread) { try await Self.compare() }.value
    thread.stop()
    #expect(check.faults == [])
    #expect(check.answers > 3000)
  }

  private static func compare() async throws -> ListCheck {
    let posts = GeneratedPost.make(10_000, seed: 1)
    let orders = ListQuery.Orders(posts)
    var random = SeededGenerator(seed: 2)
    var check = ListCheck()
    try await Site.run { site in
      try await GeneratedPost.insert(posts, into: site)
      #expect(try await site.discrepancies() == [])
      check.site = site
      for number in 0..<2_100 where check.faults.count < 4 {
        let query = ListQuery(&random, of: posts)
        let expected = query.posts(of: orders)
        switch number % 12 {
        case 0: try await check.wholeWalk(query, expected, &random)
        case 1...4: try await check.numberedPage(query, expected, &random)
        default: try await check.beginning(query, expected, &random)
        }
      }
    }
    return check
  }
}

extension ListParameters {
  @Test func `are refused by name, all faults at once`() async throws {
    try await Site.run { site in
      let faults: [(query: String, places: [String])] = [
        ("tag=", ["?tag"]), ("tag=a,", ["?tag"]), ("tag=A", ["?tag"]),
        ("tags_all=a--b", ["?tags_all"]),
        ("tags_none=%20", ["?tags_none"]), ("featured=yes", ["?featured"]),
        ("featured=", ["?featured"]), ("featured=TRUE", ["?featured"]), ("type=", ["?type"]),
        ("type=a,b", ["?type"]), ("published_after=2026-03-12", ["?published_after"]),
        ("published_before=2026-03-12T09:00:00+01:00", ["?published_before"]),
        ("updated_after=2026-02-30T00:00:00Z", ["?updated_after"]), ("sort=-title", ["?sort"]),
        ("sort=published_at,title", ["?sort"]), ("sort=", ["?sort"]), ("fields=", ["?fields"]),
        ("fields=title,,slug", ["?fields"]), ("fields=title,title", ["?fields"]),
        ("fields=title,author", ["?fields"]), ("fields=Title", ["?fields"]),
        ("excerpt_length=0", ["?excerpt_length"]), ("excerpt_length=1001", ["?excerpt_length"]),
        ("excerpt_length=-1", ["?excerpt_length"]), ("excerpt_length=1e2", ["?excerpt_length"]),
        ("count=1", ["?count"]), ("limit=0", ["?limit"]), ("limit=101", ["?limit"]),
        ("limit=", ["?limit"]), ("limit=1&limit=1", ["?limit"]), ("page=0", ["?page"]),
        ("page=10001", ["?page"]), ("page=501", ["?page"]), ("page=101&limit=100", ["?page"]),
        ("cursor=", ["?cursor"]), ("cursor=x", ["?cursor"]),
        ("cursor=x&page=1", ["?cursor", "?page"]),
        ("status=live", ["?status"]), ("q=", ["?q"]), ("query=x", ["?query"]), ("Tag=a", ["?Tag"]),
        (
          "sort=a&limit=a&tag=!&fields=a&x=1&page=0&count=a&sort=b",
          ["?x", "?sort", "?tag", "?sort", "?fields", "?limit", "?count", "?page"]
        ),
      ]
      for (query, places) in faults {
        let answer = try await site.get("/v1/posts?" + query)
        #expect(answer.status == 400, "\(query)")
        #expect(answer.problem == "invalid-parameter", "\(query)")
        #expect(answer.places == places, "\(query)")
        #expect(answer["Cache-Control"] == "no-store")
      }
      let fields = try await site.get("/v1/posts?fields=slug,author,slug,").text
      for words in ["author is not known", "slug stands there twice", "a name is empty"] {
        #expect(fields.contains(words))
      }
      let many = (1...33).map { "t\($0)" }.joined(separator: ",")
      #expect(try await site.get("/v1/posts?tags_all=" + many).places == ["?tags_all"])
      #expect(try await site.get("/v1/posts?page=100&limit=100&excerpt_length=1000").status == 200)
    }
  }

  @Test func `show drafts to keys that may see them, and to no cache`() async throws {
    try await Site.run { site in
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      try await site.publish("scheduled", at: "2026-03-12T09:00:01Z")
      try await site.publish("published")
      try await site.publish("trashed")
      #expect(try await site.delete("trashed").status == 204)
      for (status, slugs) in [
        "draft": ["draft"], "scheduled": ["scheduled"], "published": ["published"],
        "trashed": ["trashed"], "all": ["draft", "scheduled", "published"],
      ] {
        let path = "/v1/posts?status=" + status
        let anonymous = try await site.get(path)
        #expect(anonymous.status == 401)
        #expect(anonymous["WWW-Authenticate"] != nil)
        let writer = try await site.get(path, ["Authorization: Bearer " + site.writer])
        #expect(writer.status == 403)
        #expect(writer.problem == "forbidden")
        let reader = try await site.get(path, ["Authorization: Bearer " + site.reader])
        #expect(reader.slugs == slugs, "\(status)")
        #expect(reader.total == slugs.count)
        #expect(reader["Cache-Control"] == "private, no-store")
        #expect(reader["Link"]?.contains("?status=\(status)&limit=20") == true)
      }
      let plain = try await site.get("/v1/posts", site.authorized)
      #expect(plain.slugs == ["published"], "a key alone shows nothing more")
      try await site.setClock("2026-03-12T09:00:01Z")
      let all = try await site.get("/v1/posts?status=published&sort=published_at", site.authorized)
      #expect(all.slugs == ["published", "scheduled"])
    }
  }

  @Test func `bind a cursor to order and filters, not to the form`() async throws {
    try await Site.run { site in
      for name in ["a", "b", "c"] { try await site.publish(name, tags: ["x", "y"]) }
      let first = try await site.get("/v1/posts?tag=x,y&sort=title&limit=1")
      let cursor = try #require(first.next)
      for same in [
        "tag=x,y&sort=title", "tag=y,x&sort=title&limit=1", "sort=title&tag=x,y,x&fields=slug",
        "tag=x,y&sort=title&count=false&excerpt_length=9",
      ] {
        let answer = try await site.get("/v1/posts?\(same)&cursor=\(cursor)")
        #expect(answer.slugs.first == "b", "\(same)")
      }
      for other in [
        "tag=x,y", "tag=x&sort=title", "sort=title", "tag=x,y&sort=published_at",
        "tag=x,y&sort=title&type=post", "tags_all=x,y&sort=title",
        "tag=x,y&sort=title&featured=false",
        "tag=x,y&sort=title&updated_after=2020-01-01T00:00:00Z",
      ] {
        let answer = try await site.get("/v1/posts?\(other)&cursor=\(cursor)")
        #expect(answer.status == 400, "\(other)")
        #expect(answer.places == ["?cursor"])
      }
      let status = "/v1/posts?tag=x,y&sort=title&status=published&cursor=" + cursor
      #expect(try await site.get(status, site.authorized).status == 400)
    }
  }

  /// Anybody can compute a cursor's check.
  @Test func `refuse a forged cursor whose key cannot be one`() async throws {
    try await Site.run { site in
      for name in ["a", "b"] { try await site.publish(name) }
      for (sort, keys) in [
        "title": ["\u{0}", "a\u{0}"],
        "-published_at": [
          "", "x", "1e3", "+1", " 1", "01", "9223372036854775808", "253402300800000001",
          "-62135596800000001", "-9223372036854775808", "infinity",
        ],
        "-updated_at": ["", "9223372036854775807"],
        "featured_order": ["", "-1", "2147483649", "0x1"],
      ] {
        let path = "/v1/posts?limit=1&sort=\(sort)&cursor="
        let answer = try await site.get("/v1/posts?limit=1&sort=\(sort)")
        var cursor = try ForgedCursor(#require(answer.next))
        #expect(try await site.get(path + cursor.text).slugs.count == 1)
        for key in keys {
          cursor.key = Array(key.utf8)
          let answer = try await site.get(path + cursor.text)
          #expect(answer.status == 400, "\(sort) \(key)")
          #expect(answer.places == ["?cursor"])
        }
        cursor.key = [0xff]
        #expect(try await site.get(path + cursor.text).status == 400)
      }
    }
  }

  @Test func `walk on while other posts come and go`() async throws {
    try await Site.run { site in
      let stay = (10..<30).map { "b-\($0)" }
      for name in stay { try await site.publish(name, at: "2026-03-01T00:00:00Z") }
      for sort in ListQuery.sorts {
        var seen: [String] = []
        var path = "/v1/posts?limit=3&sort=" + sort
        var number = 0
        while true {
          let answer = try await site.get(path)
          seen += answer.slugs.filter { $0.hasPrefix("b-") }
          guard let next = answer.next, number < 30 else { break }
          // Before, behind and within what was seen.
          try await site.publish("a-\(number)", at: "2026-03-01T00:00:00Z")
          try await site.publish("c-\(number)", at: "2026-02-01T00:00:00Z")
          for old in ["a-\(number - 2)", "c-\(number - 2)"] { _ = try await site.delete(old) }
          if let last = answer.slugs.last, !last.hasPrefix("b-") { _ = try await site.delete(last) }
          number += 1
          path = "/v1/posts?limit=3&sort=\(sort)&cursor=\(next)"
        }
        #expect(seen.sorted() == stay, "\(sort)")
      }
    }
  }

  @Test func `choose the members of one post too`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["x"])
      let whole = try await site.get("/v1/posts/a")
      let answer = try await site.get("/v1/posts/a?fields=tags,body,slug")
      #expect(answer.text == #"{"slug":"a","body":"About a.","tags":["x"]}"#)
      #expect(answer["Last-Modified"] == whole["Last-Modified"])
      #expect(answer["Vary"] == whole["Vary"])
      var tags: Set<String> = [try #require(whole["ETag"])]
      for fields in ["tags,body,slug", "slug", "tags", "body", "slug,tags"] {
        let answer = try await site.get("/v1/posts/a?fields=" + fields)
        let tag = try #require(answer["ETag"])
        #expect(tags.insert(tag).inserted, "\(fields)")
        let again = try await site.get("/v1/posts/a?fields=" + fields, ["If-None-Match: " + tag])
        #expect(again.status == 304)
      }
      let same = try await site.get("/v1/posts/a?fields=slug,body,tags")
      #expect(same["ETag"] == answer["ETag"], "the order in which they are named does not matter")
      for fields in ["", "slug,", "slug,slug", "author", "*"] {
        let answer = try await site.get("/v1/posts/a?fields=" + fields)
        #expect(answer.status == 400)
        #expect(answer.places == ["?fields"])
      }
      #expect(try await site.get("/v1/posts/a?excerpt_length=9").places == ["?excerpt_length"])
      let tag = try #require(answer["ETag"])
      #expect(try await site.delete("a", ["If-Match: " + tag]).status == 204)
    }
  }

  @Test func `give each form of a list a tag of its own`() async throws {
    try await Site.run { site in
      for name in ["a", "b", "c"] { try await site.publish(name) }
      var tags: Set<String> = []
      let forms = [
        "", "limit=2", "limit=1", "fields=slug", "fields=slug,excerpt", "fields=body",
        "excerpt_length=3", "excerpt_length=4", "fields=excerpt&excerpt_length=3", "count=false",
        "page=2&limit=2", "sort=published_at",
      ]
      for form in forms {
        let answer = try await site.get("/v1/posts?" + form)
        let tag = try #require(answer["ETag"])
        #expect(tags.insert(tag).inserted, "\(form)")
        let again = try await site.get("/v1/posts?" + form, ["If-None-Match: " + tag])
        #expect(again.status == 304, "\(form)")
      }
      try await site.publish("d", at: "2026-03-12T09:00:30Z")
      for form in forms {
        let answer = try await site.get("/v1/posts?\(form)&type=post")
        #expect(
          answer["Cache-Control"] == "public, max-age=30, stale-if-error=86400", "\(form)")
      }
    }
  }

  @Test func `cut excerpts on words, their ellipsis included`() async throws {
    try await Site.run { site in
      _ = try await site.put(
        "a", json: #"{"title":"T","body":"B","excerpt":"One two three","status":"published"}"#)
      for (length, excerpt) in [
        (1, "…"), (4, "One…"), (7, "One…"), (8, "One two…"), (12, "One two…"),
        (13, "One two three"),
        (1000, "One two three"),
      ] {
        let path = "/v1/posts?fields=excerpt&excerpt_length=\(length)"
        let post = try await site.get(path).json["data"]?.arrayValue?.first
        #expect(post?["excerpt"]?.stringValue == excerpt, "\(length)")
        #expect(post?.objectValue?.count == 1)
      }
    }
  }
}

/// A cursor taken apart and put together with another key.
struct ForgedCursor {
  private let head: [UInt8]
  var key: [UInt8]

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  init(_ text: String) throws {
    var bits = 0
    var buffer = 0
    var bytes: [UInt8] = []
    for letter in text.utf8 {
      buffer = (buffer << 6 | (try #require(Self.alphabet.firstIndex(of: letter)))) & 0xffff
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(buffer >> bits & 255))
      }
    }
    try #require(bytes.count > 30)
    head = Array(bytes[..<26])
    key = Array(bytes[26...].dropLast(4))
  }

  var text: String {
    var bytes = head + key
    let check = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(check >> shift & 255)) }
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start...].prefix(3)
      let number = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0...group.count {
        text.unicodeScalars.append(Unicode.Scalar(Self.alphabet[number >> (18 - 6 * place) & 63]))
      }
    }
    return text
  }
}

/// Compares answers with what they must be.
struct ListCheck {
  var site: Site?
  private(set) var faults: [String] = []
  private(set) var answers = 0
  /// The hash of what every entity tag has stood for.
  private var bodies: [String: Int] = [:]

  /// The first page.
  mutating func beginning(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    let path = query.path([], &random)
    let answer = try await get(path, query)
    compare(path, query, answer, expected, 0..<min(query.pageSize, expected.count))
    let first = base(query)
    var links = ["<\(first)>; rel=\"first\""]
    if let next = answer.next { links.append("<\(first)&cursor=\(next)>; rel=\"next\"") }
    expect(answer.previous == nil, path, "previous_cursor")
    expect((answer.next != nil) == (expected.count > query.pageSize), path, "next_cursor")
    expect(answer["Link"] == links.joined(separator: ", "), path, "Link: \(answer["Link"] ?? "")")
  }

  /// A page by its number, and those beside it by its cursors.
  mutating func numberedPage(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    let size = query.pageSize
    let last = min((expected.count + size - 1) / size + 1, 10_000 / size)
    let number = Int.random(in: 1...max(1, last), using: &random)
    let path = query.path(["page=\(number)"], &random)
    let answer = try await get(path, query)
    let start = min((number - 1) * size, expected.count)
    let end = min(start + size, expected.count)
    compare(path, query, answer, expected, start..<end)

    let base = base(query)
    var links = ["<\(base)&page=1>; rel=\"first\""]
    expect((answer.next != nil) == (end < expected.count), path, "next_cursor")
    expect((answer.previous != nil) == (start > 0 && start < end), path, "previous_cursor")
    if let next = answer.next {
      let place = (number + 1) * size <= 10_000 ? "page=\(number + 1)" : "cursor=\(next)"
      links.append("<\(base)&\(place)>; rel=\"next\"")
      let path = query.path(["cursor=\(next)"], &random)
      let nextEnd = min(end + size, expected.count)
      compare(path, query, try await get(path, query), expected, end..<nextEnd)
    }
    if number > 1 { links.append("<\(base)&page=\(number - 1)>; rel=\"prev\"") }
    if let previous = answer.previous {
      let path = query.path(["cursor=\(previous)"], &random)
      compare(path, query, try await get(path, query), expected, max(0, start - size)..<start)
    }
    expect(answer["Link"] == links.joined(separator: ", "), path, "Link: \(answer["Link"] ?? "")")
  }

  /// From the first page to the last and back, or as far as eight pages go.
  mutating func wholeWalk(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    var query = query
    let few = expected.count / 5
    query.limit = Int.random(in: min(100, max(1, few - 2))...min(100, few + 3), using: &random)
    var answer = try await get(query.path([], &random), query)
    var pages = [0..<min(query.pageSize, expected.count)]
    compare("walk of " + base(query), query, answer, expected, pages[0])
    while pages.count < 8, let next = link("next", answer), faults.isEmpty {
      let start = pages[pages.count - 1].upperBound
      pages.append(start..<min(start + query.pageSize, expected.count))
      answer = try await get(next, query)
      compare(next, query, answer, expected, pages[pages.count - 1])
    }
    let isEnd = pages[pages.count - 1].upperBound == expected.count
    expect(isEnd ? answer.next == nil : pages.count == 8, base(query), "the walk ends elsewhere")
    while pages.count > 1, faults.isEmpty {
      pages.removeLast()
      guard let previous = link("prev", answer) else {
        faults.append("\(base(query)): no way back")
        return
      }
      answer = try await get(previous, query)
      compare(previous, query, answer, expected, pages[pages.count - 1])
    }
    expect(answer.previous == nil, base(query), "previous_cursor of the first page")
    expect(link("prev", answer) == nil, base(query), "prev of the first page")
  }

  private func base(_ query: ListQuery) -> String {
    "/v1/posts?" + (query.parameters + ["limit=\(query.pageSize)"]).joined(separator: "&")
  }

  private func link(_ relation: String, _ answer: Answer) -> String? {
    (answer["Link"] ?? "").split(separator: ", <").compactMap { link -> String? in
      let parts = link.split(separator: ">; rel=")
      guard parts.count == 2, parts[1] == "\"\(relation)\"" else { return nil }
      return String(parts[0].first == "<" ? parts[0].dropFirst() : parts[0])
    }.first
  }

  private mutating func get(_ path: String, _ query: ListQuery) async throws -> Answer {
    let site = try #require(site)
    let answer = try await site.get(path, query.status == nil ? [] : site.authorized)
    answers += 1
    guard answer.status == 200 else {
      faults.append("\(path): \(answer.status) \(answer.text)")
      return answer
    }
    guard let tag = answer["ETag"] else {
      faults.append("\(path): no ETag")
      return answer
    }
    let body = answer.body.hashValue
    expect(bodies.updateValue(body, forKey: tag) ?? body == body, path, "ETag")
    let isPrivate = answer["Cache-Control"] == "private, no-store"
    expect(isPrivate == (query.status != nil), path, "Cache-Control")
    return answer
  }

  private mutating func compare(
    _ path: String, _ query: ListQuery, _ answer: Answer, _ expected: [GeneratedPost],
    _ range: Range<Int>
  ) {
    let data = answer.json["data"]?.arrayValue ?? []
    let wanted = expected[range].map(query.shown)
    if data != wanted {
      let place = zip(data, wanted).enumerated().first { $0.element.0 != $0.element.1 }
      let words = place.map { "\($0.offset): \($0.element.0) instead of \($0.element.1)" } ?? ""
      faults.append("\(path): \(data.count) posts instead of \(wanted.count); \(words)")
    }
    let total: JSONValue = query.count == false ? .null : .number(String(expected.count))
    let meta = answer.json["meta"]
    expect(meta?["total"] == total, path, "total \(meta?["total"] ?? .null), not \(total)")
    expect(meta?["limit"]?.integerValue == query.pageSize, path, "limit")
  }

  private mutating func expect(_ condition: Bool, _ path: String, _ what: String) {
    if !condition { faults.append("\(path): \(what)") }
  }
}
