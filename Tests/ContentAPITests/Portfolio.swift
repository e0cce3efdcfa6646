import JSON
import Testing

/// Pages of a writer's web site, made of answers of the API and of nothing else, with as few
/// requests as there are kinds of things on the page.
@Suite struct Portfolio {
  @Test func `has its home page from three requests`() async throws {
    try await Site.run { site in
      try await Manuscript.publishAll(to: site)
      var reader = Reader(site: site)
      let profile = try await reader.get("/v1/profile")
      let featured = try await reader.get(
        "/v1/posts?featured=true&sort=featured_order&limit=4&excerpt_length=400"
          + "&fields=slug,title,excerpt")
      let projects = try await reader.get("/v1/projects?limit=3")
      #expect(reader.requests == 3)

      var page = [profile["name"], profile["headline"]]
      page += profile.list("stats").map { "[\($0["value"]) \($0["label"])]" }
      page += [profile.list("skills").map(\.text).joined(separator: ", ")]
      page += profile["about"].split(separator: "\n\n").map { "<p>" + $0.trimmed + "</p>" }
      for post in featured.list("data") {
        page += ["<a \(post["slug"])>" + post["title"], post["excerpt"]]
      }
      for project in projects.list("data") {
        let tags = project.list("tags").map(\.text).joined(separator: " ")
        page += ["\(project["name"]): \(project["description"]) (\(tags))"]
      }
      // The order is the writer's: neither that of the dates nor that of the titles.
      let chosen = Manuscript.featured.prefix(4)
      var expected = [
        "Nora Falk", "I keep small servers running",
        "[9+ years on call]", "[1,460 departures a month]", "[< 1 s to restart]",
        "Swift, PostgreSQL, HTTP, Technical writing",
        "<p>I look after the software of a ferry line.</p>",
        "<p>Before that I wrote *firmware*\nfor harbour lights.</p>",
        "<p>These notes say what I would otherwise explain twice.</p>",
      ]
      for post in chosen { expected += ["<a \(post.slug)>" + post.title, post.excerpt(400)] }
      expected += [
        "Timetable: Every departure as one page. (swift postgresql)",
        "Tide gauge: A float and a wire. (operations)",
        "Deck plan: Which lorry stands where. (tools plain-text)",
      ]
      #expect(page == expected)
      #expect(Array(chosen.map(\.slug)) == ["note-7", "essay-2", "essay-11", "essay-5"])
      for post in featured.list("data") {
        #expect((380...400).contains(post["excerpt"].unicodeScalars.count), "\(post["slug"])")
        #expect(post["excerpt"].hasSuffix("…"))
      }
    }
  }

  @Test func `has its home page again for three answers without a body`() async throws {
    try await Site.run { site in
      try await Manuscript.publishAll(to: site)
      let paths = [
        "/v1/profile", "/v1/projects?limit=3",
        "/v1/posts?featured=true&sort=featured_order&limit=4&excerpt_length=400",
      ]
      var tags: [String] = []
      for path in paths { tags.append(try #require(try await site.get(path)["ETag"])) }
      func statuses() async throws -> [Int] {
        var statuses: [Int] = []
        for (path, tag) in zip(paths, tags) {
          statuses.append(try await site.get(path, ["If-None-Match: " + tag]).status)
        }
        return statuses
      }
      #expect(try await statuses() == [304, 304, 304])
      #expect(try await site.send("PATCH", "/v1/profile", #"{"skills":["C"]}"#).status == 200)
      #expect(try await statuses() == [200, 304, 304])
      let project = try await site.send("PATCH", "/v1/projects/tide-gauge", #"{"name":"Tide"}"#)
      #expect(project.status == 200)
      #expect(try await statuses() == [200, 200, 304])
      #expect(try await site.patch("essay-5", #"{"featured":false}"#).status == 200)
      #expect(try await statuses() == [200, 200, 200])
    }
  }

  @Test func `has its list of essays, with cards cut on a word, from one request`() async throws {
    try await Site.run { site in
      try await Manuscript.publishAll(to: site)
      var reader = Reader(site: site)
      let essays = try await reader.get(
        "/v1/posts?type=essay&limit=100&excerpt_length=130&fields=slug,title,excerpt")
      #expect(reader.requests == 1)
      let cards = essays.list("data").map { [$0["slug"], $0["title"], $0["excerpt"]] }
      let expected = Manuscript.published.filter { $0.type == "essay" }
      #expect(expected.count == 12)
      #expect(cards == expected.map { [$0.slug, $0.title, $0.excerpt(130)] })
      for card in cards { #expect((110...130).contains(card[2].unicodeScalars.count), "\(card)") }
    }
  }

  @Test func `has its dated index, with minutes, from one request`() async throws {
    try await Site.run { site in
      try await Manuscript.publishAll(to: site)
      var reader = Reader(site: site)
      let posts = try await reader.get(
        "/v1/posts?limit=100&fields=title,published_at,reading_time")
      #expect(reader.requests == 1)
      var index: [String] = []
      for post in posts.list("data") {
        let year = String(post["published_at"].prefix(4))
        if index.last(where: { !$0.hasPrefix(" ") }) != year { index.append(year) }
        let minutes = post.value["reading_time"]?.integerValue ?? 0
        index.append(" \(post["published_at"].prefix(10)) \(post["title"]), \(minutes) min")
      }
      var expected: [String] = []
      for year in ["2026", "2025", "2024"] {
        let posts = Manuscript.published.filter { $0.date.hasPrefix(year) }
        #expect(posts.count == 6)
        expected += [year] + posts.map { " \($0.date.prefix(10)) \($0.title), \($0.minutes) min" }
      }
      #expect(index == expected)
      #expect(Set(Manuscript.all.map(\.minutes)) == [1, 2, 3, 4])
    }
  }

  @Test func `has a tag's page, with its number of results, from one request`() async throws {
    try await Site.run { site in
      try await Manuscript.publishAll(to: site)
      var reader = Reader(site: site)
      let posts = try await reader.get("/v1/posts?tag=postgresql&limit=10&fields=title,tags")
      #expect(reader.requests == 1)
      let total = posts.value["meta"]?["total"]?.integerValue ?? 0
      var page = ["\(total) results"]
      for post in posts.list("data") {
        page.append(post["title"] + ": " + post.list("tags").map(\.text).joined(separator: ", "))
      }
      let expected = Manuscript.published.filter { $0.tags.contains("postgresql") }
      let shown = expected.prefix(10)
      let lines = shown.map { $0.title + ": " + $0.tags.joined(separator: ", ") }
      #expect(page == ["14 results"] + lines)
      // Sorting them would lose what the writer said.
      #expect(shown.contains { $0.tags != $0.tags.sorted() })
    }
  }
}

/// A visitor's browser, or a build of the site: it has no key.
private struct Reader {
  let site: Site
  private(set) var requests = 0

  init(site: Site) { self.site = site }

  mutating func get(_ path: String) async throws -> Part {
    requests += 1
    let answer = try await site.get(path)
    guard answer.status == 200 else { throw UnexpectedAnswer(answer: answer) }
    return Part(value: answer.json)
  }
}

/// A part of an answer, as a template sees it.
private struct Part {
  let value: JSONValue

  var text: String { value.stringValue ?? "?" }
  subscript(_ name: String) -> String { value[name]?.stringValue ?? "?" }
  func list(_ name: String) -> [Part] {
    (value[name]?.arrayValue ?? []).map { Part(value: $0) }
  }
}

extension StringProtocol {
  fileprivate var trimmed: String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}

/// What the writer has in her folder.
private struct Manuscript {
  let slug: String
  let title: String
  let type: String
  let tags: [String]
  let date: String
  let words: Int
  var place: Int?
  var status = "published"

  /// Newest first. The last two may not be seen yet.
  static let all: [Manuscript] = (0..<20).map { number in
    let isEssay = number % 3 != 1 || number == 19
    let tags = [
      ["postgresql", "http"], ["http", "postgresql"], ["swift"], ["queues", "postgresql", "a"],
    ][number < 18 ? number % 4 : 0]
    let places = [2: 11, 5: 13, 7: 10, 11: 12, 14: 14]
    return Manuscript(
      slug: (isEssay ? "essay-" : "note-") + "\(number)",
      title: "\(["Quays", "Locks", "Rain", "Ebb"][number % 4]) \(number)",
      type: isEssay ? "essay" : "note", tags: tags,
      date: number == 19
        ? "2026-03-12T09:00:01Z"
        : "\(2026 - number / 6)-0\(2 - number % 6 / 3)-\(28 - number)T08:00:00Z",
      words: 140 + 110 * (number % 7), place: places[number],
      status: number == 18 ? "draft" : "published")
  }

  static var published: [Manuscript] { Array(all.prefix(18)) }

  /// In the order that the writer has chosen.
  static var featured: [Manuscript] {
    published.filter { $0.place != nil }.sorted { $0.place ?? 0 < $1.place ?? 0 }
  }

  /// At 220 words a minute.
  var minutes: Int { (words + 219) / 220 }

  private var vocabulary: [String] {
    (0..<words).map { ["the", "harbourmaster", "counts", "lorries", "twice", "at", slug][$0 % 7] }
  }

  /// The first `limit` characters, without half a word and without the marks of Markdown.
  func excerpt(_ limit: Int) -> String {
    var text = ""
    for word in vocabulary {
      guard text.count + 1 + word.count < limit else { break }
      text += text.isEmpty ? word : " " + word
    }
    return text + "…"
  }

  private var source: String {
    let marked = vocabulary.enumerated().map { index, word in
      switch index % 10 {
      case 3: "*\(word)*"
      case 5: "[\(word)](https://www.example.com/\(index))"
      case 8: "`\(word)`"
      default: word
      }
    }
    return """
      ---
      title: \(title)
      type: \(type)
      tags: [\(tags.joined(separator: ", "))]
      date: \(date)
      status: \(status)
      featured: \(place != nil)\(place.map { "\nfeatured_order: \($0)" } ?? "")
      ---
      \(marked.joined(separator: " "))
      """
  }

  /// Puts everything there as a publish script does, one file after the other.
  static func publishAll(to site: Site) async throws {
    for manuscript in all {
      let answer = try await site.put(manuscript.slug, markdown: manuscript.source)
      guard answer.status == 201 else { throw UnexpectedAnswer(answer: answer) }
    }
    // Not in the order of the page, which their positions give.
    for (name, description, position, tags) in [
      ("Tide gauge", "A float and a wire.", 5, #""operations""#),
      ("Deck plan", "Which lorry stands where.", 6, #""tools","plain-text""#),
      ("Timetable", "Every departure as one page.", 4, #""swift","postgresql""#),
    ] {
      let answer = try await site.send(
        "POST", "/v1/projects",
        """
        {"name":"\(name)","description":"\(description)","position":\(position),"tags":[\(tags)]}
        """)
      guard answer.status == 201 else { throw UnexpectedAnswer(answer: answer) }
    }
    let answer = try await site.send("PUT", "/v1/profile", profile)
    guard answer.status == 200 else { throw UnexpectedAnswer(answer: answer) }
  }

  private static let profile = #"""
    {"name":"Nora Falk","headline":"I keep small servers running",
    "about":"\#
    I look after the software of a ferry line.\n\n\#
    Before that I wrote *firmware*\nfor harbour lights.\n\n\#
    These notes say what I would otherwise explain twice.\n",
    "skills":["Swift","PostgreSQL","HTTP","Technical writing"],
    "stats":[{"value":"9+","label":"years on call"},
    {"value":"1,460","label":"departures a month"},{"value":"< 1 s","label":"to restart"}]}
    """#
}
