import EventLoop
import HTTP
import Postgres

/// A post as a Markdown file with front matter: the form in which PUT takes it, so that a file which
/// is fetched and sent again changes nothing, and brings the same post about elsewhere.
extension PostDraft {
  /// The file. It has what a writer gives and nothing that the service makes of it: the author's own
  /// excerpt and not a derived one, and a status only where that is draft, since a post with a date
  /// is published or scheduled by the clock. What has its default is left out.
  package var file: [UInt8] { frontMatter + Array(body.utf8) }

  /// The file up to the body.
  fileprivate var frontMatter: [UInt8] {
    var head = FrontMatterWriter()
    head.text("title", title)
    if let slug { head.text("slug", slug) }
    if type != "post" { head.text("type", type) }
    if status == .draft { head.text("status", "draft") }
    if let publishedAt { head.plain("date", publishedAt.description) }
    if !tags.isEmpty { head.list("tags", of: tags) }
    if featured { head.plain("featured", "true") }
    if let featuredOrder { head.plain("featured_order", String(featuredOrder)) }
    if let excerpt { head.text("excerpt", excerpt) }
    if let coverImage, coverImage.alt.isEmpty {
      head.text("cover_image", coverImage.url)
    } else if let coverImage {
      head.mapping("cover_image")
      head.text("url", coverImage.url, isNested: true)
      head.text("alt", coverImage.alt, isNested: true)
    }
    if let canonicalURL { head.text("canonical_url", canonicalURL) }
    if let metaTitle { head.text("meta_title", metaTitle) }
    if let metaDescription { head.text("meta_description", metaDescription) }
    head.finish()
    return head.bytes
  }

  /// The columns of `p` that `init(_:row:firstColumn:)` reads.
  static let columns = """
    p.slug, p.type, p.title, p.excerpt, p.body, p.status, p.featured, p.featured_order,
    array_to_string(p.tags, ',') as tags, p.cover_image_url, p.cover_image_alt, p.canonical_url,
    p.meta_title, p.meta_description, colophon.rfc3339(p.published_at) as published_at
    """

  /// Reads what a writer has given of a post that is stored.
  init(_ rows: Rows, row: Int, firstColumn column: Int) throws {
    func text(_ offset: Int) -> String? { rows.text(row, column + offset) }
    guard let slug = text(0), let type = text(1), let title = text(2), let body = text(4),
      let status = text(5).flatMap(Status.init), let featured = rows.boolean(row, column + 6),
      let tags = text(8)
    else { throw UnexpectedRows() }
    self.init(title: title, body: body)
    self.slug = slug
    self.type = type
    excerpt = text(3)
    self.status = status
    self.featured = featured
    featuredOrder = rows.integer(row, column + 7).flatMap(Int32.init(exactly:))
    self.tags = tags.split(separator: ",").map(String.init)
    coverImage = text(9).map { CoverImage(url: $0, alt: text(10) ?? "") }
    canonicalURL = text(11)
    metaTitle = text(12)
    metaDescription = text(13)
    publishedAt = try text(14).map { try Instant(rfc3339: $0) }
  }
}

// GET /v1/posts/{slug} with Accept: text/markdown.
extension Posts {
  /// The file of a post as this reader may see it, with the header fields of a read; nil when there
  /// is none for him.
  func file(of slug: String, for call: RouteCall, _ preview: LinkToken?) async throws
    -> Representation?
  {
    let rows = try await pool.read(
      Call(
        Self.showFile,
        [
          .text(slug), .boolean(call.caller.has(.postsReadDrafts)),
          preview.map { .bytes($0.digest) } ?? .null,
        ]), deadline: .now() + Self.patience, for: call.trail)
    guard rows.count == 1 else { return nil }
    guard let version = rows.integer(0, 0), let modified = rows.integer(0, 1),
      let isPublic = rows.boolean(0, 2)
    else { throw UnexpectedRows() }
    let draft = try PostDraft(rows, row: 0, firstColumn: 4)
    let head = draft.frontMatter
    // Of the body its digest, which PostgreSQL makes faster.
    let digest = SHA256.digest(of: head + (rows.bytes(0, 3) ?? []))
    let hash = BaseEncoding.base32.encode(digest.prefix(20))
    guard let tag = EntityTag(opaque: "\(version)-\(hash)") else { throw UnexpectedRows() }
    return Representation(
      body: head + Array(draft.body.utf8), mediaType: .markdown, tag: tag,
      lastModified: HTTPDate(secondsSinceEpoch: Int64(modified)),
      isPublic: isPublic && call.caller.isAnonymous && preview == nil)
  }

  /// $1 the slug, $2 whether drafts may be seen too, $3 the digest of a preview's token or null.
  static let showFile = Statement(
    "posts.show_file",
    """
    select p.version, \(modified) as modified, \(visible) as public,
      sha256(convert_to(p.body, 'UTF8')) as digest, \(PostDraft.columns)
    from colophon.posts p
    where p.slug = $1::text and p.trashed_at is null
      and ($2::boolean or \(visible) or \(isPreviewed("$3::bytea")))
    """)
}
