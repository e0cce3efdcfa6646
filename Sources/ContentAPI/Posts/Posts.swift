import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/posts/{slug}`: the read, and what a post is in SQL. Lists are in PostList.swift, what leads
/// from one post to others in PostNeighbours.swift, writes in PostWrites.swift.
package struct Posts: Sendable {
  let pool: Pool
  let publicURL: String

  /// How long a read may take in all.
  static let patience = Duration.seconds(5)

  // GET /v1/posts/{slug}

  func show(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let projection = Projection(&query, of: Self.members)
    let preview = query.text("preview").map { LinkToken($0) }
    let isFile = Accept(call.head.values(of: "accept")).best(of: [.json, .markdown]) == 1
    if isFile, query.text("fields") != nil {
      query.refuse("fields", "A Markdown file is whole: leave fields out, or accept JSON.")
    }
    try query.finish()
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    if isFile {
      for _ in 0..<Self.looks {
        if let file = try await file(of: slug, for: call, preview) {
          return .representation(file)
        }
        if let answer = try await moved(call, query, preview) { return .response(answer) }
      }
      throw Self.notFound
    }
    let maySeeDrafts = call.caller.has(.postsReadDrafts)
    let isForAll = !maySeeDrafts && preview == nil
    let show =
      isForAll
      ? Call(Self.show, [.text(slug)])
      : Call(
        Self.showAny,
        [.text(slug), .boolean(maySeeDrafts), preview.map { .bytes($0.digest) } ?? .null])
    for _ in 0..<Self.looks {
      let rows = try await pool.read(show, deadline: .now() + Self.patience, for: call.trail)
      guard rows.count == 1 else {
        if let answer = try await moved(call, query, preview) { return .response(answer) }
        continue
      }
      let post = try isForAll ? Stored(published: rows) : Stored(rows, firstColumn: 0)
      return .representation(
        Representation(
          body: try projection.apply(to: post.json), mediaType: .json,
          tag: projection.tag(of: post.tag),
          lastModified: post.modified,
          isPublic: post.isPublic && call.caller.isAnonymous && preview == nil
        ))
    }
    throw Self.notFound
  }

  /// $1 the slug. No row: there is no post of this slug that everybody may see.
  ///
  /// Of all reads this is asked for most, so the columns are sent as they are, and it is here that
  /// they become the document: the server would copy it several times to do that, and would set up
  /// at each call what the other states of a post need.
  private static let show = Statement(
    "posts.show",
    """
    select p.json_head, p.body, p.json_tail, p.version, p.json_hash, \(modified) as modified
    from colophon.posts p
    where p.slug = $1::text and p.trashed_at is null and \(visible)
    """, roles: [.read])

  /// $1 the slug, $2 whether drafts may be seen too, $3 the digest of a preview's token or null. No
  /// row: there is no such post for this reader.
  private static let showAny = Statement(
    "posts.show_any",
    """
    select \(document)
    from (
      select \(rendering)
      from colophon.posts p
      where p.slug = $1::text and p.trashed_at is null
        and ($2::boolean or \(visible) or \(isPreviewed("$3::bytea")))) r
    """, roles: [.read])

  static let statements =
    [show, showAny, showFile, moved] + listStatements + neighbourStatements + archiveStatements
    + writeStatements + revisionStatements + previewStatements

  // What a post is in SQL; `p` is the row.

  /// What everybody may see: what has come out, and what has come due and is not counted yet.
  static let visible = """
    (p.counted or (p.status = 'published' and p.trashed_at is null
      and p.published_at <= colophon.clock()))
    """

  private static let status = """
    case
      when p.status = 'draft' then 'draft'
      when p.counted or p.published_at <= colophon.clock() then 'published'
      else 'scheduled' end
    """

  /// The names of a post's members, as `fields` may give them, in the order of its JSON.
  static let members = [
    "id", "slug", "type", "title", "excerpt", "body", "status", "featured", "featured_order",
    "tags",
    "cover_image", "canonical_url", "meta_title", "meta_description", "reading_time", "word_count",
    "published_at", "created_at", "updated_at", "version", "trashed_at",
  ]

  /// The JSON of one post, as text. What it is made of is in `render_post` of schema.sql.
  static let whole = json(body: "to_json(p.body)::text")

  /// The JSON of a post in a list, as text.
  static let summary = json(body: "null")

  private static func json(body: String) -> String {
    "colophon.post_json(p.json_head, \(body), \(status), p.json_tail)"
  }

  /// `Last-Modified` in seconds since 1970: the later of the two dates, never in the future.
  static let modified = """
    floor(date_part('epoch', greatest(p.updated_at,
      case when p.published_at <= colophon.clock() then p.published_at end)))::bigint
    """

  /// The second half of an ETag, of `r.json`.
  static let hash = "left(encode(sha256(convert_to(r.json, 'UTF8')), 'hex'), 32)"

  /// What `Stored` reads, of a row `r` that has `rendering`. The hash of what everybody sees is kept
  /// with the post.
  static let document = """
    r.json, r.version, case when r.public then r.json_hash else \(hash) end as hash, r.modified, r.public
    """

  /// The columns that `document` needs, of a row `p` of posts.
  static let rendering = """
    \(whole) as json, p.version, p.json_hash, \(modified) as modified, \(visible) as public
    """

  /// As `Document.render`, for a row `p` that has been written.
  static func leave(location: String = "null::text", more: String = "") -> String {
    Document.leave(
      """
      select p.id, \(whole) as json, p.version, case when \(visible) then p.json_hash end as hash,
        to_timestamp(\(modified)) as modified, \(location) as location
      from p
      """, more: more)
  }

  /// A post as the database returns it.
  struct Stored {
    let json: [UInt8]
    let tag: EntityTag
    let modified: HTTPDate
    let isPublic: Bool

    /// json, version, hash, modified, public, in columns that follow each other.
    init(_ rows: Rows, firstColumn column: Int) throws {
      guard let json = rows.bytes(0, column), let isPublic = rows.boolean(0, column + 4) else {
        throw UnexpectedRows()
      }
      try self.init(json, isPublic: isPublic, rows, firstColumn: column + 1)
    }

    /// What `show` selects.
    init(published rows: Rows) throws {
      guard let json = Self.document(rows) else { throw UnexpectedRows() }
      try self.init(json, isPublic: true, rows, firstColumn: 3)
    }

    /// As `colophon.post_json` puts a published post together.
    private static func document(_ rows: Rows) -> [UInt8]? {
      var json: [UInt8] = []
      json.reserveCapacity(rows.length(0, 0..<3) + 128)
      let head: Void? = rows.withBytes(0, 0) { json.append($0) }
      json.append(contentsOf: #", "body" : "#.utf8)
      let body: Void? = rows.withBytes(0, 1) { json.appendString($0) }
      json.append(contentsOf: #", "status" : "published""#.utf8)
      let tail: Void? = rows.withBytes(0, 2) { json.append($0) }
      return head == nil || body == nil || tail == nil ? nil : json
    }

    private init(
      _ json: [UInt8], isPublic: Bool, _ rows: Rows, firstColumn column: Int
    ) throws {
      guard let version = rows.integer(0, column), let hash = rows.text(0, column + 1),
        let tag = EntityTag(opaque: "\(version)-\(hash)"),
        let modified = rows.integer(0, column + 2)
      else { throw UnexpectedRows() }
      self.json = json
      self.tag = tag
      self.modified = HTTPDate(secondsSinceEpoch: Int64(modified))
      self.isPublic = isPublic
    }
  }

  static let notFound = Problem(.notFound, "There is no post of this slug.")
}

// Posts that have moved.
extension Posts {
  /// How often a read looks for a post that is renamed there and back in the meantime.
  static let looks = 5

  /// What a read of a post answers that has not found it: 301 to where the post is that had this
  /// slug before, if the reader may see that. Throws 404 when there is none; nil when a post that
  /// all may see has come to this very slug, so that the read finds it when it looks again.
  ///
  /// The rest of the path and the query stay what they are.
  func moved(
    _ call: RouteCall, _ query: Query, _ preview: LinkToken? = nil
  ) async throws -> Response? {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    let rows = try await pool.read(
      Call(Self.moved, [.text(slug), preview.map { .bytes($0.digest) } ?? .null]),
      deadline: .now() + Self.patience, for: call.trail)
    guard let place = rows.text(0, 0) else { throw Self.notFound }
    if place == slug { return nil }
    var variables = ([place] + call.variables.dropFirst())[...]
    let path = call.route.template.split(separator: "/").map { segment in
      segment.hasPrefix("{") ? variables.removeFirst() : String(segment)
    }
    let parameters = query.repeated(call.route.parameters)
    let location =
      publicURL + "/" + path.joined(separator: "/")
      + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
    let isPublic = call.caller.isAnonymous && preview == nil
    return Response(
      status: 301,
      fields: [
        "Location": FieldValue(location),
        "Cache-Control": isPublic ? "public, max-age=60" : "private, no-store",
        "Vary": "Accept, Authorization",
      ])
  }

  /// $1 a slug, $2 the digest of a preview's token or null. The slug of the post that has it, or
  /// else had it last.
  private static let moved = Statement(
    "posts.moved",
    """
    select p.slug
    from colophon.posts p
    where p.id = coalesce(
        (select o.id from colophon.posts o where o.slug = $1::text),
        (select f.post_id from colophon.former_slugs f where f.slug = $1::text))
      and p.trashed_at is null and (\(visible) or \(isPreviewed("$2::bytea")))
    """, roles: [.read])
}

/// The database answered with other columns than the statement has: a fault of ours.
struct UnexpectedRows: Error {}
