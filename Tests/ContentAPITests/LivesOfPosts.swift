import JSON
import Postgres
import Testing

/// Random writes of every kind, compared with a model after each of them.
@Suite struct LivesOfPosts {
  private static let writers = 4
  private static let rounds = 45
  private static let tags = ["a", "b", "c"]

  /// The writers work side by side, each on slugs of its own and all on the same tags and counters.
  /// Between the rounds the clock moves and the lists are compared.
  @Test(arguments: [1, 2])
  func `are those of the model`(seed: Int) async throws {
    try await Site.run { site in
      var lives = (0..<Self.writers).map { Life(writer: $0, seed: UInt64(seed * 100 + $0)) }
      var random = SeededRandom(seed: UInt64(seed))
      var now = 0
      for _ in 0..<Self.rounds {
        try await withThrowingTaskGroup { group in
          for life in lives {
            group.addTask {
              var life = life
              for _ in 0..<6 { try await life.step(at: site) }
              return life
            }
          }
          lives = try await group.reduce(into: []) { $0.append($1) }
        }
        try await Self.compare(site, with: lives.map(\.model))
        try await Self.compareRevisions(site, with: lives.map(\.model))
        now += random.next(below: 8)
        try await site.setClock(Life.instant(now))
        for index in lives.indices { lives[index].model.now = now }
        try await Self.compare(site, with: lives.map(\.model))
      }
      var statuses: [Int: Int] = [:]
      for life in lives { statuses.merge(life.statuses, uniquingKeysWith: +) }
      #expect(statuses.values.reduce(0, +) == Self.rounds * Self.writers * 6)
      for status in [200, 201, 204, 404, 409, 412, 422] {
        #expect(statuses[status, default: 0] >= 20, "\(statuses)")
      }
      #expect(lives.map(\.renames).reduce(0, +) >= 15)
      #expect(lives.map(\.restorations).reduce(0, +) >= 15)
    }
  }

  private static func compareRevisions(
    _ site: Site, with models: [PostModel]
  ) async throws {
    for (slug, post) in models.flatMap(\.posts) {
      let answer = try await site.get(
        "/v1/posts/\(slug)/revisions?limit=100", site.authorized)
      guard !post.isTrashed else {
        #expect(answer.status == 404)
        continue
      }
      let revisions = post.earlier + [post.content]
      #expect(answer.total == revisions.count)
      let shown = (answer.json["data"]?.arrayValue ?? []).map {
        [
          "\($0["version"]?.integerValue ?? 0)", $0["title"]?.stringValue ?? "",
          ($0["tags"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ","),
        ]
      }
      let expected = revisions.enumerated().reversed().map {
        ["\($0.offset + 1)", $0.element.title, $0.element.tags.joined(separator: ",")]
      }
      #expect(shown == expected)
    }
    // Nothing is left of posts that are gone.
    let versions = models.flatMap { $0.posts.values.map(\.earlier.count) }.reduce(0, +)
    #expect(try await site.value("select count(*) from colophon.revisions") == "\(versions)")
  }

  private static func compare(_ site: Site, with models: [PostModel]) async throws {
    let posts = models.flatMap { model in
      model.posts.filter { !$1.isTrashed && model.status(of: $1.content) == .published }
    }
    for tag in [nil] + tags.map(Optional.some) {
      let page = try await site.get("/v1/posts?limit=100" + (tag.map { "&tag=" + $0 } ?? ""))
      let expected = posts.filter { post in tag.map(post.value.content.tags.contains) ?? true }
      #expect(page.total == expected.count)
      #expect(Set(page.slugs) == Set(expected.map(\.key)))
      let dates = (page.json["data"]?.arrayValue ?? []).map {
        $0["published_at"]?.stringValue ?? ""
      }
      #expect(dates == dates.sorted(by: >))
    }
    for (slug, post) in models.flatMap(\.posts) {
      let shown = try await site.get("/v1/posts/" + slug, site.authorized)
      #expect(shown.version == (post.isTrashed ? nil : post.version), "\(slug)")
    }
    let rows = try await site.sql(
      """
      select f.slug, p.slug from colophon.former_slugs f
        join colophon.posts p on p.id = f.post_id
      """)
    let redirects = (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.text($0, 1) ?? "") }
    let expected = models.reduce(into: [:]) { $0.merge($1.redirects) { first, _ in first } }
    #expect(Dictionary(uniqueKeysWithValues: redirects) == expected)
    let published = Set(posts.map(\.key))
    for (old, slug) in expected {
      let moved = try await site.get("/v1/posts/" + old)
      #expect(moved.status == (published.contains(slug) ? 301 : 404))
      #expect(moved["Location"] == (published.contains(slug) ? "/v1/posts/" + slug : nil))
    }
    #expect(try await site.discrepancies() == [])
  }
}

/// One writer with its model.
private struct Life: Sendable {
  var model = PostModel()
  private(set) var statuses: [Int: Int] = [:]
  private(set) var renames = 0
  private(set) var restorations = 0
  private let slugs: [String]
  private var random: SeededRandom

  init(writer: Int, seed: UInt64) {
    slugs = (0..<9).map { "w\(writer)-\($0)" }
    random = SeededRandom(seed: seed)
  }

  static func instant(_ minutes: Int) -> String {
    func padded(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
    return "2026-03-12T\(padded(9 + minutes / 60)):\(padded(minutes % 60)):00Z"
  }

  /// Sends one write and compares its answer.
  mutating func step(at site: Site) async throws {
    let slug = slugs[random.next(below: slugs.count)]
    let before = model.posts[slug]
    let (condition, lines) = condition(before)
    var shown = slug
    let expected: Int
    let answer: Answer
    switch random.next(below: 14) {
    case 0, 1:
      let draft = draft()
      expected = model.create(slug, draft)
      answer = try await site.post(json: json(draft, slug: slug))
    case 2, 3, 4:
      let draft = draft()
      expected = model.put(slug, draft, condition)
      answer = try await site.put(slug, json: json(draft), lines)
    case 5, 6, 7, 8:
      let patch = patch()
      expected = model.patch(slug, patch, condition)
      answer = try await site.patch(slug, json(patch), lines)
      if expected == 200, let other = patch.slug, other != slug {
        shown = other
        renames += 1
        #expect(answer["Content-Location"] == "/v1/posts/" + other)
      } else {
        #expect(answer["Content-Location"] == nil)
      }
    case 9:
      expected = model.delete(slug, condition)
      answer = try await site.delete(slug, lines)
    case 10:
      expected = model.restore(slug, condition)
      answer = try await site.restore(slug, lines)
    case 11:
      let version = 1 + random.next(below: 1 + (before?.version ?? 1))
      expected = model.restore(slug, version: version, condition)
      answer = try await site.restore(slug, version: version, lines)
      if expected == 200 { restorations += 1 }
    default:
      expected = model.erase(slug, condition)
      answer = try await site.erase(slug, lines)
    }
    statuses[answer.status, default: 0] += 1
    #expect(answer.status == expected, "\(answer.text)")
    if answer.status == 412, let before, !before.isTrashed {
      #expect(answer["ETag"]?.hasPrefix("\"\(before.version)-") == true)
    }
    if [200, 201].contains(answer.status) { compare(answer, with: shown) }
  }

  private func compare(_ answer: Answer, with slug: String) {
    guard let post = model.live(slug) else {
      Issue.record("the model has no post \(slug)")
      return
    }
    #expect(answer.slug == slug)
    #expect(answer.version == post.version)
    #expect(answer["ETag"]?.hasPrefix("\"\(post.version)-") == true)
    #expect(answer.json["title"]?.stringValue == post.content.title)
    #expect(answer.json["tags"]?.arrayValue?.compactMap(\.stringValue) == post.content.tags)
    #expect(answer.json["status"]?.stringValue == model.status(of: post.content).rawValue)
    #expect(answer.json["published_at"]?.stringValue == post.content.date.map(Self.instant))
    #expect(answer.json["trashed_at"]?.isNull == true)
  }

  // What is sent

  private mutating func condition(
    _ post: PostModel.Post?
  ) -> (PostModel.Condition, lines: [String]) {
    switch random.next(below: 8) {
    case 0: return (.any, ["If-Match: *"])
    case 1: return (.version(0), ["If-Match: \"0-x\", W/\"\(post?.version ?? 1)-x\""])
    case 2: return (.version(post?.version ?? 1), ["If-Match: \"\(post?.version ?? 1)-x\""])
    default: return (.none, [])
    }
  }

  private mutating func draft() -> PostModel.Draft {
    PostModel.Draft(title: title(), tags: tags(), status: status(), date: date())
  }

  private mutating func patch() -> PostModel.Patch {
    var patch = PostModel.Patch()
    if random.next(below: 3) == 0 {
      let free = slugs.filter { model.posts[$0] == nil }
      let candidates = free.isEmpty || random.next(below: 4) == 0 ? slugs : free
      patch.slug = candidates[random.next(below: candidates.count)]
    }
    if random.next(below: 3) == 0 { patch.title = title() }
    if random.next(below: 3) == 0 { patch.tags = random.next(below: 4) == 0 ? .some(nil) : tags() }
    if random.next(below: 3) == 0 {
      patch.status = random.next(below: 6) == 0 ? .some(nil) : status()
    }
    if random.next(below: 3) == 0 { patch.date = .some(date()) }
    return patch
  }

  private mutating func title() -> String { "T\(random.next(below: 3))" }

  private mutating func tags() -> [String] {
    ["a", "b", "c"].filter { _ in random.next(below: 2) == 0 }
  }

  private mutating func status() -> PostModel.Status {
    [.draft, .scheduled, .scheduled, .published, .published][random.next(below: 5)]
  }

  /// Around now, or none.
  private mutating func date() -> Int? {
    random.next(below: 2) == 0 ? nil : max(0, model.now - 10 + random.next(below: 30))
  }

  private func json(_ draft: PostModel.Draft, slug: String? = nil) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.name("body")
    json.string("B")
    if let slug {
      json.name("slug")
      json.string(slug)
    }
    write(draft.title, draft.tags, draft.status, draft.date.map { .some($0) }, to: &json)
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }

  private func json(_ patch: PostModel.Patch) -> String {
    var json = JSONWriter()
    json.beginObject()
    if let slug = patch.slug {
      json.name("slug")
      json.string(slug)
    }
    write(patch.title, patch.tags, patch.status, patch.date, to: &json)
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }

  private func write(
    _ title: String?, _ tags: [String]??, _ status: PostModel.Status??, _ date: Int??,
    to json: inout JSONWriter
  ) {
    func member(_ name: String, _ value: JSONValue) {
      json.name(name)
      json.value(value)
    }
    if let title { member("title", .string(title)) }
    if let tags {
      member("tags", tags.map { .array($0.map(JSONValue.string)) } ?? .null)
    }
    if let status { member("status", status.map { .string($0.rawValue) } ?? .null) }
    if let date { member("published_at", date.map { .string(Self.instant($0)) } ?? .null) }
  }
}
