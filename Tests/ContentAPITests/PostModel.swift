/// What the rules of the contract make of a writer's posts: as small as they can be said, to compare
/// the API with. Times are whole minutes after 9:00.
struct PostModel {
  enum Status: String { case draft, scheduled, published }

  struct Post: Equatable {
    let key: Int
    var version = 1
    var isTrashed = false
    var content: Content
    /// What it was, version by version.
    var earlier: [Content] = []
  }

  struct Content: Equatable {
    var title: String
    var tags: [String]
    var isDraft: Bool
    var date: Int?
  }

  /// What a writer sends for a whole post.
  struct Draft {
    var title: String
    var tags: [String]
    var status: Status
    var date: Int?
  }

  /// What a writer sends for a part of one; nil is a member that is not there, `.some(nil)` is null.
  struct Patch {
    var slug: String?
    var title: String?
    var tags: [String]??
    var status: Status??
    var date: Int??
  }

  enum Condition {
    case none, any
    case version(Int)

    func holds(for post: Post) -> Bool {
      if case .version(let version) = self { version == post.version } else { true }
    }
  }

  private(set) var posts: [String: Post] = [:]
  /// Former slugs with the keys of the posts that had them.
  private(set) var former: [String: Int] = [:]
  var now = 0
  private var keys = 0

  func live(_ slug: String) -> Post? { posts[slug].flatMap { $0.isTrashed ? nil : $0 } }

  func status(of content: Content) -> Status {
    guard !content.isDraft, let date = content.date else { return .draft }
    return date <= now ? .published : .scheduled
  }

  /// The slugs that each former slug leads to.
  var redirects: [String: String] {
    let slugs = Dictionary(uniqueKeysWithValues: posts.map { ($0.value.key, $0.key) })
    return former.compactMapValues { slugs[$0] }
  }

  // The writes. Each returns the status of the answer.

  mutating func create(_ slug: String, _ draft: Draft) -> Int {
    guard let content = content(of: draft, storedDate: nil) else { return 422 }
    guard posts[slug] == nil else { return 409 }
    add(slug, content)
    return 201
  }

  mutating func put(_ slug: String, _ draft: Draft, _ condition: Condition) -> Int {
    let old = posts[slug]
    if case .none = condition {
    } else {
      guard let post = live(slug), condition.holds(for: post) else { return 412 }
    }
    guard let content = content(of: draft, storedDate: old?.content.date) else { return 422 }
    guard let old else {
      add(slug, content)
      return 201
    }
    if !old.isTrashed, old.content == content { return 200 }
    write(slug, content)
    return old.isTrashed ? 201 : 200
  }

  mutating func patch(_ slug: String, _ patch: Patch, _ condition: Condition) -> Int {
    guard let post = live(slug) else { return 404 }
    guard condition.holds(for: post) else { return 412 }
    var draft = Draft(
      title: post.content.title, tags: post.content.tags, status: status(of: post.content),
      date: post.content.date)
    if let title = patch.title { draft.title = title }
    if let tags = patch.tags { draft.tags = tags ?? [] }
    if let status = patch.status { draft.status = status ?? .draft }
    if let date = patch.date { draft.date = date }
    guard let content = content(of: draft, storedDate: nil) else { return 422 }
    if let other = patch.slug, other != slug {
      guard posts[other] == nil else { return 409 }
      posts[other] = posts.removeValue(forKey: slug)
      former[slug] = post.key
      former[other] = nil
      write(other, content)
    } else if content != post.content {
      write(slug, content)
    }
    return 200
  }

  mutating func delete(_ slug: String, _ condition: Condition) -> Int {
    guard let post = live(slug) else { return 404 }
    guard condition.holds(for: post) else { return 412 }
    posts[slug]?.isTrashed = true
    return 204
  }

  mutating func restore(_ slug: String, _ condition: Condition) -> Int {
    guard let post = posts[slug], post.isTrashed else { return 404 }
    guard condition.holds(for: post) else { return 412 }
    posts[slug]?.isTrashed = false
    return 200
  }

  mutating func restore(_ slug: String, version: Int, _ condition: Condition) -> Int {
    guard let post = live(slug) else { return 404 }
    guard condition.holds(for: post) else { return 412 }
    let revisions = post.earlier + [post.content]
    guard revisions.indices.contains(version - 1) else { return 404 }
    var content = post.content
    content.title = revisions[version - 1].title
    content.tags = revisions[version - 1].tags
    if content != post.content { write(slug, content) }
    return 200
  }

  mutating func erase(_ slug: String, _ condition: Condition) -> Int {
    guard let post = posts[slug] else { return 404 }
    guard condition.holds(for: post) else { return 412 }
    posts[slug] = nil
    former = former.filter { $0.value != post.key }
    return 204
  }

  /// Nil for a scheduled post without a date.
  private func content(of draft: Draft, storedDate: Int?) -> Content? {
    var date = draft.date ?? storedDate
    if draft.status == .scheduled, date == nil { return nil }
    if draft.status == .published, date == nil { date = now }
    return Content(
      title: draft.title, tags: draft.tags, isDraft: draft.status == .draft, date: date)
  }

  private mutating func add(_ slug: String, _ content: Content) {
    keys += 1
    posts[slug] = Post(key: keys, content: content)
    former[slug] = nil
  }

  private mutating func write(_ slug: String, _ content: Content) {
    if let old = posts[slug]?.content { posts[slug]?.earlier.append(old) }
    posts[slug]?.content = content
    posts[slug]?.version += 1
    posts[slug]?.isTrashed = false
  }
}
