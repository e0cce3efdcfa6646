import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/posts/{slug}/revisions`: what a post was, version by version, and how it becomes that
/// again.
///
/// The newest revision is the post itself; the database keeps the others when it replaces them.
/// They hold text that was never published, those of a public post too, so they are for keys that
/// may see drafts.
extension Posts {
  // GET /v1/posts/{slug}/revisions

  func listRevisions(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let slug = call.variables[0]
    let request = PageRequest(
      &query, filters: "revisions of " + slug, isKey: { Self.revision($0) != nil })
    let projection = Projection(&query, of: [])
    try query.finish()
    guard Slug.isValid(slug) else { throw Self.notFound }
    let from = request.cursor.flatMap { Self.revision($0.key) }
    let list = Call(
      request.isBackward ? Self.newerRevisions : Self.olderRevisions,
      [.text(slug), .integer(request.limit), .integer(from ?? Int(Int32.max) + 1)])
    for _ in 0..<Self.looks {
      let rows = try await pool.read(list, deadline: .now() + Self.patience, for: call.trail)
      guard rows.count == 1 else {
        if let answer = try await moved(call, query) { return .response(answer) }
        continue
      }
      let page = try Page(rows, of: request, projection)
      let links = request.links(
        page, address: url(of: slug) + "/revisions", parameters: [])
      return .representation(
        Representation(
          body: page.json, mediaType: .json, tag: page.tag, isPublic: false, fields: ["Link": links]
        ))
    }
    throw Self.notFound
  }

  // GET /v1/posts/{slug}/revisions/{version}

  func showRevision(_ call: RouteCall) async throws -> Reply {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    guard let version = Self.revision(call.variables[1]) else { throw Self.noRevision }
    let rows = try await pool.read(
      Call(Self.showRevision, [.text(slug), .integer(version)]),
      deadline: .now() + Self.patience, for: call.trail)
    if let revision = try Document(rows) { return revision.shown(to: call) }
    let query = Query(call.head.target, allows: [])
    if let answer = try await moved(call, query) { return .response(answer) }
    throw Self.noRevision
  }

  // POST /v1/posts/{slug}/revisions/{version}/restore

  func restoreRevision(_ call: RouteCall) async throws -> Response {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    guard let version = Self.revision(call.variables[1]) else { throw Self.noRevision }
    let expected = try call.head.expectedVersions()
    return try await writes.transaction(call) { write in
      let rows = try await write.send([
        Self.take(slug, expecting: expected),
        Call(Self.readRevision, [.text(slug), .integer(version)]),
      ])
      // Title, body, tags and the author's own excerpt, as a patch of the post: the new version
      // passes the rules of every other, and makes none when it is all that already.
      return try await apply(try Self.patch(rows[1]), to: slug, rows[0], write)
    }
  }

  private static func patch(_ rows: Rows) throws -> [JSONMember] {
    guard let json = rows.bytes(0, 0) else { throw noRevision }
    return try JSONReader.read(json.span).objectValue ?? []
  }

  private static let noRevision = Problem(.notFound, "The post has no revision of this version.")

  /// A version as it stands in paths and cursors.
  private static func revision(_ text: String) -> Int? {
    guard (1...10).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit),
      text.utf8.first != UInt8(ascii: "0"), let number = Int(text), number <= Int32.max
    else { return nil }
    return number
  }

  static let revisionStatements = [olderRevisions, newerRevisions, showRevision, readRevision]

  /// The columns of a revision, from those that were replaced and from the post as it is.
  private static let keptColumns = """
    r.version, r.title, r.excerpt, r.derived_excerpt, r.tags, r.author, r.created_at
    """
  private static let currentColumns = """
    p.version, p.title, p.excerpt, p.derived_excerpt, p.tags, p.author, p.updated_at as created_at
    """

  private static func json(body: String = "") -> String {
    """
    json_build_object('version', v.version, 'title', v.title,\(body) 'tags', v.tags,
      'excerpt', coalesce(v.excerpt, v.derived_excerpt),
      'created_at', colophon.rfc3339(v.created_at), 'author', v.author)
    """
  }

  private static let olderRevisions = list("revisions.older", "<", "desc")
  private static let newerRevisions = list("revisions.newer", ">", "")

  /// $1 the slug, $2 the limit, $3 the version beyond which the page begins. One row, as `Page`
  /// reads it; none when there is no such post.
  private static func list(_ name: String, _ beyond: String, _ order: String) -> Statement {
    Statement(
      name,
      """
      with post as (
        select p.id, \(currentColumns)
        from colophon.posts p where p.slug = $1::text and p.trashed_at is null
      ), page as (
        select v.version, \(json())::text as json,
          row_number() over (order by v.version \(order)) as place
        from (
          (select \(keptColumns)
            from colophon.revisions r
            where r.post_id = (select post.id from post) and r.version \(beyond) $3::bigint
            order by r.version \(order)
            limit $2::integer + 1)
          union all
          select p.version, p.title, p.excerpt, p.derived_excerpt, p.tags, p.author, p.created_at
          from post p where p.version \(beyond) $3::bigint
          order by version \(order)
          limit $2::integer + 1
        ) v
      ), r as (
        select '[' || coalesce(string_agg(p.json, ',' order by p.version desc), '') || ']' as json,
          max(p.version)::text as first, min(p.version)::text as last,
          (select count(*) + 1 from colophon.revisions k
            where k.post_id = (select post.id from post)) as total
        from page p where p.place <= $2::integer
      )
      select r.json, r.total, exists (select from page where page.place > $2::integer) as has_more,
        r.first as first_key, '\(PostOrder.lowestID)' as first_id,
        r.last as last_key, '\(PostOrder.lowestID)' as last_id, null::bigint as next_change_in,
        left(encode(sha256(convert_to(r.total || r.json, 'UTF8')), 'hex'), 32) as hash
      from r where exists (select from post)
      """)
  }

  /// The revision of the post of slug $1 and of version $2, as `v`.
  private static let one = """
    (select \(keptColumns), r.body
      from colophon.posts p join colophon.revisions r on r.post_id = p.id
      where p.slug = $1::text and p.trashed_at is null and r.version = $2::integer
      union all
      select \(currentColumns), p.body
      from colophon.posts p
      where p.slug = $1::text and p.trashed_at is null and p.version = $2::integer) v
    """

  private static let showRevision = Statement(
    "revisions.show",
    Document.select(json(body: " 'body', v.body,"), version: "v.version", from: one))

  /// As members of a patch.
  private static let readRevision = Statement(
    "revisions.read",
    """
    select json_build_object('title', v.title, 'body', v.body, 'tags', v.tags,
      'excerpt', v.excerpt)::text
    from \(one)
    """)
}
