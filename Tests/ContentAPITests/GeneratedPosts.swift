import ContentAPI
import JSON
import Postgres

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// A post that the test made, with everything that an answer says of it.
struct GeneratedPost {
  var id = ""
  var slug = ""
  var type = ""
  var title = ""
  /// The author's own.
  var excerpt: String?
  var derivedExcerpt = ""
  var body = ""
  /// As it is stored: draft or published.
  var isDraft = false
  var featured = false
  var featuredOrder: Int?
  var tags: [String] = []
  /// In microseconds.
  var publishedAt: Int64?
  var updatedAt: Int64 = 0
  var trashedAt: Int64?
  var wordCount = 0
  var version = 1
  var counted = false

  /// What the clock of a site says at the start.
  static let now = try! Instant(rfc3339: Site.start).microseconds

  private var isDue: Bool { publishedAt.map { $0 <= Self.now } ?? false }

  var isOut: Bool { !isDraft && trashedAt == nil && (counted || isDue) }

  var status: String {
    if isDraft { return "draft" }
    return counted || isDue ? "published" : "scheduled"
  }

  /// The whole JSON, in the API's order.
  var members: [JSONMember] {
    func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    func number(_ number: Int?) -> JSONValue { number.map { .number(String($0)) } ?? .null }
    func date(_ at: Int64?) -> JSONValue {
      text(at.flatMap { Instant(microseconds: $0) }?.description)
    }
    let all: [(String, JSONValue)] = [
      ("id", .string(id)), ("slug", .string(slug)), ("type", .string(type)),
      ("title", .string(title)), ("excerpt", .string(excerpt ?? derivedExcerpt)),
      ("body", .string(body)), ("status", .string(status)), ("featured", .bool(featured)),
      ("featured_order", number(featuredOrder)), ("tags", .array(tags.map { .string($0) })),
      ("cover_image", .null), ("canonical_url", .null), ("meta_title", .null),
      ("meta_description", .null), ("reading_time", number(max(1, (wordCount + 219) / 220))),
      ("word_count", number(wordCount)), ("published_at", date(publishedAt)),
      ("created_at", date(Self.now)), ("updated_at", date(updatedAt)),
      ("version", number(version)), ("trashed_at", date(trashedAt)),
    ]
    return all.map { JSONMember(name: $0.0, value: $0.1) }
  }

  static let allTags = (1...24).map { "tag-\($0)" } + ["rare", "t", "t-1"]
  static let types = ["post", "essay", "note", "link-post"]

  /// Posts of every state, with few different dates, titles and places, so that many are equal.
  static func make(_ count: Int, seed: UInt64) -> [GeneratedPost] {
    var random = SeededGenerator(seed: seed)
    let day: Int64 = 86_400_000_000
    let dates = (0..<count / 8).map { _ in
      now - Int64.random(in: 0...2000, using: &random) * day
        + (random.chance(20) ? Int64.random(in: 0..<day, using: &random) : 0)
    }
    let titles = (0..<count / 4).map { _ in title(&random) }
    return (0..<count).map { number in
      var post = GeneratedPost()
      let digits = String(random.next(), radix: 16) + String(random.next(), radix: 16)
      let hex = Array((digits + String(repeating: "0", count: 32)).utf8.prefix(32))
      post.id = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
        .map { String(decoding: hex[$0], as: UTF8.self) }.joined(separator: "-")
      post.slug = "post-\(number)"
      post.type = types.randomElement(using: &random)!
      post.title = titles.randomElement(using: &random)!
      post.derivedExcerpt = sentence(&random)
      if random.chance(30) { post.excerpt = sentence(&random) }
      post.body = "About *\(number)*."
      post.featured = random.chance(20)
      if random.chance(post.featured ? 80 : 5) {
        post.featuredOrder = random.chance(3) ? 2_147_483_647 : .random(in: 0...30, using: &random)
      }
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        // The first tags are the common ones.
        let place = Int.random(in: 1...allTags.count, using: &random)
        let tag = allTags[Int.random(in: 0..<place, using: &random)]
        if !post.tags.contains(tag) { post.tags.append(tag) }
      }
      post.updatedAt = dates.randomElement(using: &random)!
      post.wordCount = .random(in: 0...2000, using: &random)
      post.version = .random(in: 1...30, using: &random)
      post.isDraft = random.chance(12)
      if !post.isDraft || random.chance(50) {
        post.publishedAt = dates.randomElement(using: &random)!
      }
      if random.chance(10), let date = post.publishedAt { post.publishedAt = 2 * now - date + 1 }
      if random.chance(8) { post.trashedAt = dates.randomElement(using: &random)! }
      if !post.isDraft, post.trashedAt == nil {
        // Some have come due that no write has counted; a few were counted by a clock that went ahead.
        post.counted = random.chance(post.isDue ? 95 : 3)
      }
      return post
    }
  }

  /// Two words or three in any mixture of cases. Letters beyond ASCII have no other case here, so that
  /// what lower() does to them is no matter of the database's locale.
  private static func title(_ random: inout SeededGenerator) -> String {
    let words = [
      "on", "a", "queue", "état", "naïve", "日本", "\"quoted\"", "100 %", "zig-zag", "Z", "_",
    ]
    return (0..<Int.random(in: 1...3, using: &random)).map { _ in
      let word = words.randomElement(using: &random)!
      guard random.chance(40) else { return word }
      return String(
        String.UnicodeScalarView(
          word.unicodeScalars.map {
            $0.isASCII ? Character($0).uppercased().unicodeScalars.first! : $0
          }))
    }.joined(separator: " ")
  }

  private static func sentence(_ random: inout SeededGenerator) -> String {
    (0..<Int.random(in: 0...40, using: &random)).map { _ in
      ["one", "Zwei", "trois", "四", "👩🏽‍🚀", "e\u{301}tude", "\\n", "\"six\""]
        .randomElement(using: &random)!
    }.joined(separator: " ")
  }

  /// Puts the posts there, with the listings and counters that writes would have left.
  static func insert(_ posts: [GeneratedPost], into site: Site) async throws {
    func column(_ value: (GeneratedPost) -> String?) -> Parameter { .textArray(posts.map(value)) }
    func number(_ value: (GeneratedPost) -> Int64?) -> Parameter {
      .textArray(posts.map { value($0).map(String.init) })
    }
    try await site.sql(
      """
      insert into colophon.posts (id, slug, type, title, excerpt, derived_excerpt, body, status,
        featured, featured_order, tags, published_at, updated_at, trashed_at, word_count, version,
        counted)
      select u.id, u.slug, u.type, u.title, u.excerpt, u.derived_excerpt, u.body, u.status,
        u.featured, u.featured_order::integer, string_to_array(u.tags, ','),
        colophon.instant(u.published_at::bigint), colophon.instant(u.updated_at::bigint),
        colophon.instant(u.trashed_at::bigint), u.word_count::integer, u.version::integer, u.counted
      from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::text[], $15::text[], $16::text[], $17::boolean[]) u(id, slug, type, title, excerpt,
        derived_excerpt, body, status, featured, featured_order, tags, published_at, updated_at,
        trashed_at, word_count, version, counted)
      """,
      [
        column(\.id), column(\.slug), column(\.type), column(\.title), column(\.excerpt),
        column(\.derivedExcerpt), column(\.body), column { $0.isDraft ? "draft" : "published" },
        column { "\($0.featured)" }, number { $0.featuredOrder.map(Int64.init) },
        column { $0.tags.joined(separator: ",") }, number(\.publishedAt),
        number { $0.updatedAt }, number(\.trashedAt), number { Int64($0.wordCount) },
        number { Int64($0.version) }, column { "\($0.counted)" },
      ])
    try await site.sql(
      """
      insert into colophon.tags (slug, name)
      select distinct t.tag, t.tag from colophon.posts p, unnest(p.tags) t(tag)
      """)
    try await site.sql(
      """
      insert into colophon.listings (post_id, tag, published_at, counted)
      select p.id, t.tag, p.published_at, p.counted
      from colophon.posts p, unnest(p.tags || ''::text) t(tag)
      where p.status = 'published' and p.trashed_at is null
      """)
    try await site.sql(
      """
      insert into colophon.counters (tag, shard, posts)
      select l.tag, 3, count(*) from colophon.listings l where l.counted group by l.tag
      """)
    try await site.sql("analyze")
  }
}
