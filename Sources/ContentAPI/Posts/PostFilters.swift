import Postgres

/// Which posts a list holds and in which order, as the query of `GET /v1/posts` says.
struct PostFilters {
  /// Tags of which a post has at least one, has every one, has none. Empty for no condition.
  let tags: [String]
  let allTags: [String]
  let noTags: [String]
  let featured: Bool?
  let type: String?
  /// Bounds that do not belong to what they bound. A post without a date lies on no side of one.
  let publishedAfter: Instant?
  let publishedBefore: Instant?
  let updatedAfter: Instant?
  /// Words to be found in the post, as people type them into a search box: `"a phrase"`, `or`,
  /// `-without`.
  let words: String?
  /// nil for the public's list.
  let status: Status?
  let sort: Sort

  /// An editor's list.
  enum Status: String, CaseIterable {
    case draft, scheduled, published, trashed
    /// Everything but what lies in the trash.
    case all
  }

  enum Sort: String, CaseIterable {
    case newest = "-published_at"
    case oldest = "published_at"
    case title
    case updated = "-updated_at"
    case featuredOrder = "featured_order"
    /// How well a post answers to the words; only with them.
    case relevance = "-relevance"

    var order: PostOrder {
      switch self {
      case .newest, .oldest: .publication
      case .title: .title
      case .updated: .update
      case .featuredOrder: .featuredOrder
      case .relevance: .relevance
      }
    }

    var isDescending: Bool { rawValue.utf8.first == UInt8(ascii: "-") }
  }

  /// The query parameters that are filters; a link to another page repeats them.
  static let parameters = [
    "tag", "tags_all", "tags_none", "featured", "type", "q", "published_after",
    "published_before", "updated_after", "status", "sort",
  ]

  init(_ query: inout Query) {
    tags = query.slugs("tag", limit: Slug.maximumTagLength)
    allTags = query.slugs("tags_all", limit: Slug.maximumTagLength)
    noTags = query.slugs("tags_none", limit: Slug.maximumTagLength)
    featured = query.boolean("featured")
    let type = query.text("type")
    self.type = type
    if let type, !Slug.isValid(type, limit: Slug.maximumTypeLength) {
      query.refuse("type", "A type is expected: \(Slug.rule).")
    }
    words = Self.words(&query)
    publishedAfter = query.instant("published_after")
    publishedBefore = query.instant("published_before")
    updatedAfter = query.instant("updated_after")
    status = query.choice("status", of: Status.allCases.map(\.rawValue))
      .flatMap(Status.init(rawValue:))
    let order =
      query.choice("sort", of: Sort.allCases.map(\.rawValue)).flatMap(Sort.init(rawValue:))
      ?? .relevance
    // To no words all posts answer alike.
    sort = order == .relevance && words == nil ? .newest : order
  }

  /// The length of `q` in characters. Each has at most four bytes, so no word is longer than the
  /// 2,046 bytes that PostgreSQL takes for one.
  private static let wordsLimit = 500

  private static func words(_ query: inout Query) -> String? {
    guard let text = query.text("q") else { return nil }
    if text.unicodeScalars.count <= wordsLimit,
      !text.unicodeScalars.allSatisfy(\.properties.isWhitespace)
    {
      return text
    }
    query.refuse("q", "Words to be found are expected, at most \(wordsLimit) characters.")
    return nil
  }

  /// The same for every query that asks for the same list in the same order.
  var identity: String {
    let parts: [String] = [
      sort.rawValue, tags.sorted().joined(separator: ","), allTags.sorted().joined(separator: ","),
      noTags.sorted().joined(separator: ","), featured.map { "\($0)" } ?? "", type ?? "",
      publishedAfter?.description ?? "", publishedBefore?.description ?? "",
      updatedAfter?.description ?? "", status?.rawValue ?? "", words ?? "",
    ]
    return "posts?" + parts.joined(separator: "&")
  }

  /// The tag whose counter knows how long this list is, the empty one for all posts; nil when no
  /// counter does.
  var counter: String? {
    let isFiltered =
      !allTags.isEmpty || !noTags.isEmpty || featured != nil || type != nil
      || publishedAfter != nil || publishedBefore != nil || updatedAfter != nil || status != nil
      || words != nil
    return isFiltered || tags.count > 1 ? nil : tags.first ?? ""
  }

  /// The parameters from $9 on of the statements in PostOrder.swift.
  var values: [Parameter] {
    func list(_ tags: [String]) -> Parameter { tags.isEmpty ? .null : .textArray(tags) }
    func date(_ instant: Instant?) -> Parameter {
      instant.map { .integer(Int($0.microseconds)) } ?? .null
    }
    return [
      list(tags), list(allTags), list(noTags), featured.map { .boolean($0) } ?? .null,
      type.map { .text($0) } ?? .null, date(publishedAfter), date(publishedBefore),
      date(updatedAfter), status.map { .text($0.rawValue) } ?? .null,
    ]
  }
}
