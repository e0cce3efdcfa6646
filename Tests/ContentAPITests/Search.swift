import ContentAPI
import JSON
import Postgres
import Testing

/// `GET /v1/posts?q=…`.
@Suite struct Search {
  /// Random writes of every kind. Between them the clock moves, and whatever is asked is compared
  /// with a search through plain words.
  @Test(arguments: [1, 2]) func `finds and ranks as plain words do`(seed: Int) async throws {
    try await Site.run { site in
      var library = Library(seed: UInt64(seed))
      for round in 0..<12 {
        for _ in 0..<12 { try await library.write(to: site) }
        library.now += Int64.random(in: 0...3, using: &library.random) * 60_000_000
        try await site.setClock(Instant(microseconds: library.now)!.description)
        try await library.compare(site)
        #expect(try await site.discrepancies() == [], "round \(round)")
      }
      #expect(library.found > 500)
      #expect(library.posts.contains { $0.isTrashed } && library.posts.contains { $0.isDraft })
    }
  }

  @Test func `puts a word of the title before tags, excerpt and body, whatever their number`()
    async throws
  {
    try await Site.run { site in
      let many = String(repeating: "lantern ", count: 100)
      let posts = [
        ("body", "T", "x", "[]", many), ("excerpt", "T", "lantern", "[]", "B"),
        ("tag", "T", "x", "[\"lantern\"]", many), ("title", "Lanterns", "x", "[]", "B"),
      ]
      for (slug, title, excerpt, tags, body) in posts {
        let json = """
          {"title":"\(title)","excerpt":"\(excerpt)","tags":\(tags),"body":"\(body)",\
          "status":"published"}
          """
        #expect(try await site.put(slug, json: json).status == 201)
      }
      let page = try await site.get("/v1/posts?q=lantern")
      #expect(page.slugs == ["title", "tag", "excerpt", "body"])
      #expect(page.total == 4)
      // The derived excerpt is one too, for it is shown.
      #expect(
        try await site.post(json: #"{"title":"D","body":"Lantern","status":"published"}"#).status
          == 201)
      let again = try await site.get("/v1/posts?q=lantern")
      #expect(Array(again.slugs.prefix(2)) == ["title", "tag"])
      #expect(Set(again.slugs[2...3]) == ["excerpt", "d"])
      #expect(try await site.get("/v1/posts?q=lantern&count=false").total == nil)
      #expect(try await site.get("/v1/posts?q=lantern&sort=title&limit=1").slugs == ["d"])
    }
  }

  @Test func `without words has all posts answer alike, the newest first, page after page`()
    async throws
  {
    try await Site.run { site in
      for day in 1...5 {
        let json = """
          {"title":"T","body":"B","status":"published","published_at":"2026-01-0\(day)T00:00:00Z"}
          """
        #expect(try await site.put("p\(day)", json: json).status == 201)
      }
      var path = "/v1/posts?sort=-relevance&limit=2"
      var slugs: [String] = []
      for _ in 0..<3 {
        let page = try await site.get(path)
        slugs += page.slugs
        let links = (page["Link"] ?? "").split(separator: ", ")
        let next = links.first { $0.hasSuffix("rel=\"next\"") }
        path = next?.split(separator: ">").first.map { String($0.dropFirst()) } ?? ""
      }
      #expect(slugs == ["p5", "p4", "p3", "p2", "p1"])
    }
  }

  @Test func `finds a tag by its slug and by each of its parts`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["plain-text", "swift-6"])
      try await site.publish("b", tags: ["text"])
      for (words, slugs) in [
        ("plain-text", ["a"]), ("plain", ["a"]), ("swift-6", ["a"]), ("swift%206", ["a"]),
        ("plain%20texts", ["a"]), ("%22plain%20text%22", ["a"]),
      ] {
        #expect(try await site.get("/v1/posts?q=" + words).slugs == slugs, "\(words)")
      }
      #expect(Set(try await site.get("/v1/posts?q=text").slugs) == ["a", "b"])
      // What was written of a renamed tag is found under its new name, in the same way.
      let renamed = try await site.send("PATCH", "/v1/tags/plain-text", #"{"slug":"markdown"}"#)
      #expect(renamed.status == 200)
      #expect(try await site.get("/v1/posts?q=plain").slugs == [])
      #expect(try await site.get("/v1/posts?q=markdown").slugs == ["a"])
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `takes any text for words`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      _ = try await site.put("emoji", json: Site.json(title: "Rocket 🚀 day"))
      let texts = [
        "\"", "\"\"\"", "a\"b", "'", "''", "\\", ":*", "a:*", "a:ABCD", "&", "|", "!", "!!a",
        "(((", ")", "<->", "a <-> b", "<0>", "-", "--", "-a", "or", "or or or", "and", "%",
        "\u{FEFF}x", "🚀", "👩🏽‍🚀", "e\u{301}", "\u{202E}abc", "null", "1e400", "a\tb\nc", "<b>x</b>",
        "https://example.org/a?b=c#d", "the", "the of and", "\u{7f}\u{1}",
        String(repeating: "x", count: 500), String(repeating: "🚀", count: 500),
        String(repeating: "𐐀", count: 500), String(repeating: "\"a ", count: 166),
        String(repeating: "-a ", count: 166), String(repeating: "a or ", count: 100),
      ]
      for text in texts {
        let path = "/v1/posts?q=" + Self.encoded(text)
        let page = try await site.get(path)
        #expect(page.status == 200, "\(text.debugDescription): \(page.text)")
        #expect(page.total == page.slugs.count)
        // What the link repeats is the same list.
        let link = try #require(page["Link"]?.split(separator: ">").first?.dropFirst())
        #expect(try await site.get(String(link)).body == page.body)
      }
      for stop in ["the", "the of and", "🚀", ":*", "or"] {
        #expect(try await site.get("/v1/posts?q=" + Self.encoded(stop)).total == 0, "\(stop)")
      }
      for (query, place) in [
        ("q=", "?q"), ("q=%20%09", "?q"), ("q=" + String(repeating: "x", count: 501), "?q"),
        ("q=a&q=b", "?q"), ("q=a&sort=relevance", "?sort"),
        ("q=" + String(repeating: "x%20", count: 2000), "?q"),
      ] {
        let answer = try await site.get("/v1/posts?" + query)
        #expect(answer.status == 400)
        #expect(answer.places == [place])
      }
      #expect(try await site.get("/v1/posts?q=a%00b").status == 400)
      #expect(
        try await site.get("/v1/posts?q=" + String(repeating: "x", count: 9000)).status >= 400)
    }
  }

  static func encoded(_ text: String) -> String {
    text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test func `lets every post be stored, also one of half a million bytes of different words`()
    async throws
  {
    try await Site.run { site in
      // Hyphenated words count thrice: as a whole and in parts.
      func words(_ length: Int, _ joint: String) -> String {
        var text: [UInt8] = []
        var random = SeededGenerator(seed: 7)
        while text.count < 524_288 - 2 * length - 3 {
          for part in 0..<2 {
            for _ in 0..<length { text.append(UInt8.random(in: 97...122, using: &random)) }
            text += (part == 0 ? joint : " ").utf8
          }
        }
        return String(decoding: text, as: UTF8.self)
      }
      let bodies = [
        words(3, "-"), words(4, "-"), words(7, "_"), String(repeating: "x", count: 524_288),
        String(repeating: "ß", count: 262_144),
      ]
      for (number, body) in bodies.enumerated() {
        let tags = (1...32).map { "\"\(words(9, "-").prefix(15))-\($0)\"" }.joined(separator: ",")
        let json = """
          {"title":"Zanzibar \(number)","body":"begun \(body)","status":"published",\
          "tags":[\(tags)]}
          """
        // The first word would make it longer than a post may be.
        let fits = json.replacing("begun ", with: body.utf8.count > 524_000 ? "" : "begun ")
        let answer = try await site.put("p\(number)", json: fits)
        #expect(answer.status == 201, "\(number): \(answer.text.prefix(300))")
        let found = try await site.get("/v1/posts?q=zanzibar%20\(number)")
        #expect(found.slugs == ["p\(number)"])
        if fits.contains("begun") {
          #expect(try await site.get("/v1/posts?q=begun%20\(number)").slugs == ["p\(number)"])
        }
        // A tag may be added to the fullest.
        try await site.sql(
          "update colophon.posts set tags = $1::text[] where slug = $2::text",
          [.textArray(["added-tag"]), .text("p\(number)")])
      }
      #expect(try await site.get("/v1/posts?q=added-tag").total == bodies.count)
      #expect(try await site.discrepancies().filter { $0.hasPrefix("search") } == [])
    }
  }

  @Test func `reads in the language of the profile, each post in its own until it has been read`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("haeuser")
      _ = try await site.put("houses", json: Site.json(title: "Houses and Häuser"))
      func found(_ words: String) async throws -> Set<String> {
        Set(try await site.get("/v1/posts?q=" + Self.encoded(words)).slugs)
      }
      #expect(try await found("house") == ["houses"])
      #expect(try await found("haus") == [])
      let german = #"{"site":{"language":"de-AT"}}"#
      #expect(try await site.send("PATCH", "/v1/profile", german).status == 200)
      #expect(try await found("house") == ["houses"], "as it was written")
      _ = try await site.put("neu", json: Site.json(title: "Neue Häuser"))
      #expect(try await found("haus") == ["neu"])
      #expect(try await SearchIndex(pool: site.pool).catchUp() == 2)
      #expect(try await SearchIndex(pool: site.pool).catchUp() == 0)
      #expect(try await found("haus") == ["neu", "houses"])
      #expect(try await site.discrepancies() == [])
      // A language that PostgreSQL has no rules for leaves words as they are.
      #expect(
        try await site.send("PATCH", "/v1/profile", #"{"site":{"language":"ja"}}"#).status == 200)
      #expect(try await SearchIndex(pool: site.pool).catchUp() == 3)
      #expect(try await found("häuser") == ["neu", "houses"])
      #expect(try await found("haus") == [])
      for row in try await languages(site) {
        let json = "{\"site\":{\"language\":\"\(row)\"}}"
        #expect(try await site.send("PATCH", "/v1/profile", json).status == 200)
        #expect(try await site.patch("neu", "{\"title\":\"Neue Häuser \(row)\"}").status == 200)
        #expect(try await site.value("select colophon.search_language()") != "simple", "\(row)")
        #expect(try await found("\"neue häuser \(row)\"") == ["neu"], "\(row)")
      }
    }
  }

  /// The tags that are mapped.
  private func languages(_ site: Site) async throws -> [String] {
    let source = try Repository.text("schema.sql")
    let languages = source.matches(of: /when '([a-z]{2})' then '[a-z]+'/).map {
      String($0.output.1)
    }
    #expect(languages.count == 30)
    return languages
  }

  @Test func `reads posts from before there was a search, while others write them`() async throws {
    try await Site.run { site in
      for number in 0..<45 { try await site.publish("p\(number)", tags: ["t\(number)"]) }
      try await site.sql("update colophon.search set language = '', tags = '', words = ''")
      #expect(try await site.get("/v1/posts?q=-nobody").total == 0)
      // A tag given to a post that has not been read yet is found with the rest of it.
      #expect(
        try await site.send("PATCH", "/v1/tags/t3", #"{"slug":"seldom"}"#).status == 200)
      #expect(try await site.patch("p4", #"{"title":"Seldom"}"#).status == 200)
      let other = try await site.connect()
      try await other.script("begin; select from colophon.posts where slug = 'p7' for update")
      #expect(try await SearchIndex(pool: site.pool).catchUp() == 43, "one is held, one is read")
      try await other.script("rollback")
      await other.close()
      #expect(try await SearchIndex(pool: site.pool).catchUp() == 1)
      #expect(try await site.get("/v1/posts?q=-nobody").total == 45)
      #expect(Set(try await site.get("/v1/posts?q=seldom").slugs) == ["p3", "p4"])
      #expect(try await site.discrepancies() == [])
    }
  }
}

/// Posts made of few words, with the plainest search there is.
private struct Library {
  var random: SeededGenerator
  var now = GeneratedPost.now
  private(set) var posts: [Book] = []
  private(set) var found = 0
  private var made = 0

  private static let words = ["lamp", "fox", "gold", "river", "quartz", "kelp"]
  /// These stand in no phrase: where one tag ends and another begins is no gap between words.
  private static let tags = ["amber", "cobalt", "lime-wood", "fox-fur"]

  final class Book {
    let slug: String
    var id = ""
    var title: [String] = []
    var excerpt: [String] = []
    var body: [String] = []
    var tags: [String] = []
    var isDraft = false
    var isTrashed = false
    var publishedAt: Int64?

    init(slug: String) { self.slug = slug }

    func isOut(_ now: Int64) -> Bool {
      !isDraft && !isTrashed && (publishedAt.map { $0 <= now } ?? false)
    }

    /// The words with their weights, in the order in which they are kept: 3 for the title.
    var positions: [(word: String, weight: Int)] {
      let whole = tags.flatMap {
        $0.contains("-") ? [$0] + $0.split(separator: "-").map(String.init) : [$0]
      }
      let parts = tags.filter { $0.contains("-") }.flatMap {
        $0.split(separator: "-").map(String.init)
      }
      return (whole + parts).map { ($0, 2) } + title.map { ($0, 3) } + excerpt.map { ($0, 1) }
        + body.map { ($0, 0) }
    }

    func has(_ word: String) -> Bool { positions.contains { $0.word == word } }

    func has(phrase first: String, _ second: String) -> Bool {
      [title, excerpt, body].contains { zip($0, $0.dropFirst()).contains { $0 == (first, second) } }
    }

    /// As PostgreSQL ranks one word (`ts_rank`): the greatest weight in full, the others by their
    /// place.
    func rank(_ word: String) -> Float {
      let weights: [Float] = [0.1, 0.2, 0.4, 1]
      var sum: Float = 0
      var greatest: Float = -1
      var place = 0
      for (index, hit) in positions.filter({ $0.word == word }).enumerated() {
        let weight = weights[hit.weight]
        sum += weight / Float((index + 1) * (index + 1))
        if weight > greatest { (greatest, place) = (weight, index) }
      }
      let whole = greatest + sum - greatest / Float((place + 1) * (place + 1))
      return Float(Double(whole) / 1.64493406685)
    }

    var json: String {
      let tags = tags.map { "\"\($0)\"" }.joined(separator: ",")
      let date = publishedAt.map { "\"\(Instant(microseconds: $0)!)\"" } ?? "null"
      return """
        {"title":"\(title.joined(separator: " "))","excerpt":"\(excerpt.joined(separator: " "))",\
        "body":"\(body.joined(separator: " "))","tags":[\(tags)],\
        "status":"\(isDraft ? "draft" : "published")","published_at":\(date)}
        """
    }
  }

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  private mutating func text(_ count: ClosedRange<Int>, _ edge: String) -> [String] {
    // Words at both ends that nobody looks for keep a phrase from reaching over them.
    let count = Int.random(in: count, using: &random)
    return [edge] + (0..<count).map { _ in Self.words.randomElement(using: &random)! } + [edge]
  }

  /// One write, which the site answers as it should.
  mutating func write(to site: Site) async throws {
    let live = posts.filter { !$0.isTrashed }
    switch Int.random(in: 0..<10, using: &random) {
    case 0 where live.count > 4:
      let book = live.randomElement(using: &random)!
      #expect(try await site.delete(book.slug).status == 204)
      book.isTrashed = true
    case 1 where posts.contains { $0.isTrashed }:
      let book = posts.filter { $0.isTrashed }.randomElement(using: &random)!
      #expect(try await site.restore(book.slug).status == 200)
      book.isTrashed = false
    case 2 where posts.count > 8:
      let book = posts.remove(at: Int.random(in: posts.indices, using: &random))
      #expect(try await site.erase(book.slug).status == 204)
    case 3 where live.count > 0:
      let book = live.randomElement(using: &random)!
      book.tags = Array(
        Self.tags.shuffled(using: &random).prefix(Int.random(in: 0...2, using: &random)))
      let tags = book.tags.map { "\"\($0)\"" }.joined(separator: ",")
      #expect(try await site.patch(book.slug, "{\"tags\":[\(tags)]}").status == 200)
    default:
      var book = random.chance(40) ? live.randomElement(using: &random) : nil
      if book == nil {
        made += 1
        book = Book(slug: "p\(made)")
        posts.append(book!)
      }
      book!.title = text(0...2, "zt")
      book!.excerpt = text(0...2, "ze")
      book!.body = text(0...6, "zb")
      book!.tags = Array(
        Self.tags.shuffled(using: &random).prefix(Int.random(in: 0...2, using: &random)))
      book!.isDraft = random.chance(15)
      book!.publishedAt = now + Int64.random(in: -5...4, using: &random) * 60_000_000
      let answer = try await site.put(book!.slug, json: book!.json)
      #expect([200, 201].contains(answer.status), "\(answer.text)")
      book!.id = answer.json["id"]?.stringValue ?? ""
    }
  }

  mutating func compare(_ site: Site) async throws {
    let out = posts.filter { $0.isOut(now) }
    for word in Self.words + ["amber", "cobalt", "lime", "wood", "lime-wood", "fur"] {
      // A hyphenated word is looked for as a phrase of itself and its parts: the order is another.
      let isOne = !word.contains("-")
      let expected = out.filter { $0.has(word) }.sorted {
        let (one, other) = ($0.rank(word), $1.rank(word))
        return one == other ? $0.id > $1.id : one > other
      }.map(\.slug)
      let page = try await site.get("/v1/posts?limit=100&q=" + word)
      #expect(isOne ? page.slugs == expected : Set(page.slugs) == Set(expected), "\(word)")
      #expect(page.total == expected.count)
      found += expected.count
    }
    for _ in 0..<6 {
      let (one, other) = (
        Self.words.randomElement(using: &random)!, Self.words.randomElement(using: &random)!
      )
      let questions: [(String, (Book) -> Bool)] = [
        ("\(one) \(other)", { $0.has(one) && $0.has(other) }),
        ("\(one) or \(other)", { $0.has(one) || $0.has(other) }),
        ("\(one) -\(other)", { $0.has(one) && !$0.has(other) }),
        ("-\(one)", { !$0.has(one) }),
        ("\"\(one) \(other)\"", { $0.has(phrase: one, other) }),
        ("amber \"\(one) \(other)\"", { $0.has("amber") && $0.has(phrase: one, other) }),
      ]
      for (text, holds) in questions {
        let path = "/v1/posts?q=" + Search.encoded(text)
        let expected = Set(out.filter(holds).map(\.slug))
        let whole = try await site.get(path + "&limit=100")
        #expect(Set(whole.slugs) == expected && whole.slugs.count == expected.count, "\(text)")
        #expect(whole.total == expected.count, "\(text)")
        let step = Int.random(in: 1...4, using: &random)
        #expect(try await site.walk(path + "&limit=\(step)").flatMap { $0 } == whole.slugs)
        let sort = ListQuery.sorts.randomElement(using: &random)!
        let tag = Self.tags.randomElement(using: &random)!
        let narrow = try await site.walk(path + "&limit=\(step)&tag=\(tag)&sort=\(sort)")
          .flatMap { $0 }
        #expect(
          Set(narrow) == Set(out.filter { holds($0) && $0.tags.contains(tag) }.map(\.slug)))
        let same = try await site.get("/v1/posts?tag=\(tag)&limit=100&sort=\(sort)").slugs
        #expect(narrow == same.filter(narrow.contains), "the order of the list")
        // An editor finds what the public does not.
        let all = try await site.get(path + "&limit=100&status=all", site.authorized).slugs
        #expect(Set(all) == Set(posts.filter { !$0.isTrashed && holds($0) }.map(\.slug)))
        let trash = try await site.get(path + "&limit=100&status=trashed", site.authorized).slugs
        #expect(Set(trash) == Set(posts.filter { $0.isTrashed && holds($0) }.map(\.slug)))
      }
    }
  }
}
