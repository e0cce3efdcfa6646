import ContentAPI
import JSON

/// A query of `GET /v1/posts`, and what it must be answered with: worked out in plain Swift, post by
/// post.
struct ListQuery {
  var tags: [String] = []
  var allTags: [String] = []
  var noTags: [String] = []
  var featured: Bool?
  var type: String?
  var publishedAfter: Int64?
  var publishedBefore: Int64?
  var updatedAfter: Int64?
  var status: String?
  var sort: String?
  var fields: [String]?
  var excerptLength: Int?
  var count: Bool?
  var limit: Int?

  static let sorts = ["-published_at", "published_at", "title", "-updated_at", "featured_order"]

  /// Any combination; each parameter is there in about a quarter of the queries.
  init(_ random: inout SeededGenerator, of posts: [GeneratedPost]) {
    func some(_ percent: Int = 25) -> Bool { random.chance(percent) }
    func tags() -> [String] {
      (0..<Int.random(in: 1...3, using: &random)).map { _ in
        random.chance(3) ? "unknown" : GeneratedPost.allTags.randomElement(using: &random)!
      }
    }
    func date(_ value: (GeneratedPost) -> Int64?) -> Int64 {
      // Dates that posts have, so that it shows whether a bound belongs to what it bounds.
      (value(posts.randomElement(using: &random)!) ?? GeneratedPost.now)
        + Int64.random(in: -1...1, using: &random)
    }
    if some(35) { self.tags = random.chance(50) ? [tags()[0]] : tags() }
    if some(15) { allTags = Array(tags().prefix(2)) }
    if some(20) { noTags = tags() }
    if some() { featured = Bool.random(using: &random) }
    if some() {
      type = random.chance(5) ? "unknown" : GeneratedPost.types.randomElement(using: &random)!
    }
    if some(20) { publishedAfter = date(\.publishedAt) }
    if some(20) { publishedBefore = date(\.publishedAt) }
    if some(20) { updatedAfter = date { $0.updatedAt } }
    if some() {
      status = ["draft", "scheduled", "published", "trashed", "all"].randomElement(using: &random)!
    }
    if some(80) { sort = Self.sorts.randomElement(using: &random)! }
    if some() {
      let names = Self.members.shuffled(using: &random)
      fields = Array(names.prefix(Int.random(in: 1...6, using: &random)))
    }
    if some() { excerptLength = random.chance(70) ? .random(in: 1...60, using: &random) : 1000 }
    if some() { count = Bool.random(using: &random) }
    if some(90) {
      limit =
        random.chance(50)
        ? .random(in: 1...5, using: &random) : .random(in: 1...100, using: &random)
    }
  }

  static let members = GeneratedPost().members.map(\.name)

  /// The parameters in the order in which links repeat them, values encoded.
  var parameters: [String] {
    func list(_ names: [String]?) -> String? {
      names.flatMap { $0.isEmpty ? nil : $0.joined(separator: ",") }
    }
    func date(_ at: Int64?, east: Bool) -> String? {
      // An offset's plus must be encoded, or a form would read it as a space.
      guard let at, let local = Instant(microseconds: at + 3_600_000_000) else { return nil }
      return east
        ? local.description.replacing("Z", with: "%2B01:00")
        : Instant(microseconds: at)?.description
    }
    let values: [(String, String?)] = [
      ("tag", list(tags)), ("tags_all", list(allTags)), ("tags_none", list(noTags)),
      ("featured", featured.map { "\($0)" }), ("type", type),
      ("published_after", date(publishedAfter, east: true)),
      ("published_before", date(publishedBefore, east: false)),
      ("updated_after", date(updatedAfter, east: false)), ("status", status), ("sort", sort),
      ("fields", list(fields)), ("excerpt_length", excerptLength.map { "\($0)" }),
      ("count", count.map { "\($0)" }),
    ]
    return values.compactMap { name, value in value.map { "\(name)=\($0)" } }
  }

  /// Its path with parameters in any order and those of `place` besides.
  func path(_ place: [String], _ random: inout SeededGenerator) -> String {
    let all = parameters + (limit.map { ["limit=\($0)"] } ?? []) + place
    return "/v1/posts"
      + (all.isEmpty ? "" : "?" + all.shuffled(using: &random).joined(separator: "&"))
  }

  var pageSize: Int { limit ?? 20 }

  private func matches(_ post: GeneratedPost) -> Bool {
    switch status {
    case nil, "published": guard post.isOut else { return false }
    case "all": guard post.trashedAt == nil else { return false }
    case "trashed": guard post.trashedAt != nil else { return false }
    default: guard post.trashedAt == nil, post.status == status else { return false }
    }
    if let featured, post.featured != featured { return false }
    if let type, post.type != type { return false }
    if let publishedAfter {
      guard let at = post.publishedAt, at > publishedAfter else { return false }
    }
    if let publishedBefore {
      guard let at = post.publishedAt, at < publishedBefore else { return false }
    }
    if let updatedAfter, post.updatedAt <= updatedAfter { return false }
    return (tags.isEmpty || tags.contains(where: post.tags.contains))
      && allTags.allSatisfy(post.tags.contains) && !noTags.contains(where: post.tags.contains)
  }

  /// The whole list, in its order.
  func posts(of orders: Orders) -> [GeneratedPost] {
    (orders.posts[sort ?? "-published_at"] ?? []).filter(matches)
  }

  /// A post as this query shows it.
  func shown(_ post: GeneratedPost) -> JSONValue {
    .object(
      post.members.compactMap { member in
        guard fields?.contains(member.name) ?? (member.name != "body") else { return nil }
        if member.name == "excerpt", let excerptLength, let text = member.value.stringValue {
          let value = MarkdownText.shorten(text, to: excerptLength)
          return JSONMember(name: member.name, value: .string(value))
        }
        return member
      })
  }

  /// All posts in every order, sorted once.
  struct Orders {
    let posts: [String: [GeneratedPost]]

    init(_ posts: [GeneratedPost]) {
      func sorted<Key: Comparable>(
        _ ascends: Bool, _ key: (GeneratedPost) -> Key
      ) -> [GeneratedPost] {
        let sorted = posts.map { (key($0), $0.id, $0) }
          .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
        return ascends ? sorted : sorted.reversed()
      }
      self.posts = [
        "-published_at": sorted(false) { $0.publishedAt ?? .max },
        "published_at": sorted(true) { $0.publishedAt ?? .max },
        "title": sorted(true) { Bytes(text: $0.title.lowercased()) },
        "-updated_at": sorted(false) { $0.updatedAt },
        "featured_order": sorted(true) { $0.featuredOrder ?? .max },
      ]
    }

    /// As `collate "C"` compares.
    private struct Bytes: Comparable {
      let text: String
      static func == (one: Bytes, other: Bytes) -> Bool {
        one.text.utf8.elementsEqual(other.text.utf8)
      }
      static func < (one: Bytes, other: Bytes) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
      }
    }
  }
}
