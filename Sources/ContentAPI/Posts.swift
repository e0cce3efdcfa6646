import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/posts`: the reads. Writes are in PostWrites.swift.
package struct Posts: Sendable {
  let pool: Pool
  let publicURL: String

  /// How long a read may take in all.
  private static let patience = Duration.seconds(5)

  // GET /v1/posts/{slug}

  func show(_ call: RouteCall) async throws -> Response {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    let maySeeDrafts = call.caller.has(.postsReadDrafts)
    let rows = try await pool.read(
      Call(Self.show, [.text(slug), .boolean(maySeeDrafts)]), deadline: .now() + Self.patience)
    guard rows.count == 1 else { throw Self.notFound }
    let post = try Stored(rows)
    return try Representation(
      body: post.json, mediaType: .json, tag: post.tag, lastModified: post.modified,
      isPublic: post.isPublic && call.caller.isAnonymous
    ).answer(to: call.head)
  }

  private static let show = Statement(
    "posts.show",
    """
    select r.json, r.version, \(hash) as hash, r.modified, r.public
    from (
      select \(whole)::text as json, p.version, \(modified) as modified, \(visible) as public
      from colophon.posts p
      where p.slug = $1::text and p.trashed_at is null and ($2::boolean or \(visible))
      offset 0  -- keeps the planner from rendering the JSON once for each mention
    ) r
    """)

  // GET /v1/posts

  func list(_ call: RouteCall) async throws -> Response {
    var query = Query(call.head.target, allows: call.route.parameters)
    let limit = query.integer("limit", in: 1...100, standard: 20)
    let tags = Self.tags(&query)
    // What a cursor is bound to; the limit is not, so that a client may change its step.
    let filters = "posts?tag=" + tags.sorted().joined(separator: ",")
    var cursor: Cursor?
    if let text = query.text("cursor") {
      cursor = Cursor(text, filters: filters)
      if cursor == nil {
        query.refuse("cursor", "This is not a cursor of this list: take next_cursor as it is.")
      }
    }
    try query.finish()

    let isBackward = cursor?.direction == .backward
    let statement =
      switch (tags.count > 1, isBackward) {
      case (false, false): Self.list
      case (false, true): Self.listBackward
      case (true, false): Self.listAny
      case (true, true): Self.listAnyBackward
      }
    let rows = try await pool.read(
      Call(
        statement,
        [
          .text(tags.joined(separator: ",")), .integer(limit),
          .integer(cursor.map { Int($0.publishedAt) } ?? Self.beyondAllDates),
          .text(cursor?.idText ?? Self.lowestID),
        ]), deadline: .now() + Self.patience)
    let page = try Page(rows, cursor: cursor, filters: filters, limit: limit)
    return try Representation(
      body: page.json, mediaType: .json, tag: page.tag,
      changesIn: page.changesIn, isPublic: call.caller.isAnonymous,
      fields: links(page, tags: tags, limit: limit)
    ).answer(to: call.head)
  }

  /// The key that a first page is cut at: the year 10000.
  private static let beyondAllDates = 253_402_300_800_000_000
  private static let lowestID = "00000000-0000-0000-0000-000000000000"

  /// `tag=a,b`: any of these.
  private static func tags(_ query: inout Query) -> [String] {
    guard let text = query.text("tag") else { return [] }
    var tags: [String] = []
    for tag in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard Slug.isValid(tag, limit: Slug.maximumTagLength) else {
        query.refuse("tag", "One or more tags separated by commas are expected: \(Slug.rule).")
        return []
      }
      if !tags.contains(tag) { tags.append(tag) }
    }
    if tags.count > 32 { query.refuse("tag", "At most 32 tags are expected.") }
    return tags
  }

  /// RFC 8288, with the filters of the request.
  private func links(_ page: Page, tags: [String], limit: Int) -> ResponseFields {
    var parameters: [String] = []
    if !tags.isEmpty { parameters.append("tag=" + tags.joined(separator: ",")) }
    parameters.append("limit=\(limit)")
    let base = publicURL + "/v1/posts?" + parameters.joined(separator: "&")
    var links = ["<\(base)>; rel=\"first\""]
    if let next = page.next { links.append("<\(base)&cursor=\(next.text)>; rel=\"next\"") }
    if let previous = page.previous {
      links.append("<\(base)&cursor=\(previous.text)>; rel=\"prev\"")
    }
    return ["Link": FieldValue(links.joined(separator: ", "))]
  }

  /// One page of a list as the database gave it, and the cursors to its neighbours.
  private struct Page {
    let data: [UInt8]
    let total: Int
    let limit: Int
    let next: Cursor?
    let previous: Cursor?
    let changesIn: Int?
    let tag: EntityTag

    init(_ rows: Rows, cursor: Cursor?, filters: String, limit: Int) throws {
      guard rows.count == 1, let data = rows.bytes(0, 0), let total = rows.integer(0, 1),
        let hasMore = rows.boolean(0, 2), let hash = rows.text(0, 8)
      else { throw UnexpectedRows() }
      self.data = data
      self.total = total
      self.limit = limit
      changesIn = rows.integer(0, 7)

      var first: Cursor?
      var last: Cursor?
      if let at = rows.integer(0, 3), let id = rows.text(0, 4) {
        first = Cursor(direction: .backward, filters: filters, publishedAt: at, id: id)
      }
      if let at = rows.integer(0, 5), let id = rows.text(0, 6) {
        last = Cursor(direction: .forward, filters: filters, publishedAt: at, id: id)
      }
      switch cursor?.direction {
      case nil: (previous, next) = (nil, hasMore ? last : nil)
      case .forward?: (previous, next) = (first ?? cursor?.reversed, hasMore ? last : nil)
      case .backward?: (previous, next) = (hasMore ? first : nil, last ?? cursor?.reversed)
      }
      // Limit and cursors are part of the bytes, so they must show in the tag.
      let form = FNV1a.hash("\(limit)&\(next?.text ?? "")&\(previous?.text ?? "")".utf8)
      guard let tag = EntityTag(opaque: hash + "-" + String(form, radix: 16)) else {
        throw UnexpectedRows()
      }
      self.tag = tag
    }

    var json: [UInt8] {
      var json = JSONWriter(capacity: data.count + 256)
      json.beginObject()
      json.name("data")
      json.raw(data)
      json.name("meta")
      json.beginObject()
      json.name("total")
      json.number(total)
      json.name("limit")
      json.number(limit)
      for (name, cursor) in [("next_cursor", next), ("previous_cursor", previous)] {
        json.name(name)
        if let cursor { json.string(cursor.text) } else { json.null() }
      }
      json.endObject()
      json.endObject()
      return json.bytes
    }
  }

  /// The four ways to walk a list. $1 the tag, empty for all posts, or several joined by commas; $2 the
  /// limit; $3 and $4 the key that the page is cut at, in microseconds and as an id. One row comes
  /// back: the page rendered, the total, whether there is more in the direction walked, the keys of
  /// the page's two ends, the seconds until a scheduled post enters, and a hash.
  private static func listStatement(
    _ name: String, anyOf several: Bool, backward: Bool
  ) -> Statement {
    let tag = several ? "t.tag" : "$1::text"
    let tags = "unnest(string_to_array($1::text, ',')) t(tag)"
    let order = backward ? "published_at, post_id" : "published_at desc, post_id desc"
    let key = "(colophon.instant($3::bigint), $4::uuid)"
    // Of what has come due and is not counted yet the newest are wanted, but nothing that is still to
    // come. One bound says both, the lower of cursor and clock: given two, the index would start at
    // the cursor and walk through everything that is still to come.
    let due =
      backward
      ? """
      l.published_at <= colophon.clock()
                and (l.published_at, l.post_id) > \(key)
      """
      : """
      (l.published_at, l.post_id) < (
                  least(colophon.instant($3::bigint), colophon.clock() + interval '1 microsecond'),
                  case when colophon.instant($3::bigint) > colophon.clock()
                    then '\(lowestID)' else $4::uuid end)
      """
    let walk = """
      (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = \(tag) and l.counted
                and (l.published_at, l.post_id) \(backward ? ">" : "<") \(key)
              order by \(order)
              limit $2::integer + 1
            )
            union all
            (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = \(tag) and not l.counted and \(due)
              order by \(order)
              limit $2::integer + 1
            )
      """
    let source =
      several
      ? "select distinct e.published_at, e.post_id from \(tags), lateral (\(walk)) e" : walk
    let total =
      several
      ? """
      (select count(distinct l.post_id) from colophon.listings l
            where l.tag = any(string_to_array($1::text, ','))
              and (l.counted or l.published_at <= colophon.clock()))
      """
      : """
      (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c where c.tag = $1::text)
          + (select count(*) from colophon.listings l
            where l.tag = $1::text and not l.counted and l.published_at <= colophon.clock())
      """
    let upcoming = """
      select l.published_at from colophon.listings l
            where l.tag = \(tag) and not l.counted and l.published_at > colophon.clock()
            order by l.published_at limit 1
      """
    let nextChange =
      several
      ? "(select min(n.published_at) from \(tags), lateral (\(upcoming)) n)" : "(\(upcoming))"
    return Statement(
      name,
      """
      with keys as (
        select k.published_at, k.post_id, row_number() over (order by \(order)) as place
        from (
            \(source)
            order by \(order)
            limit $2::integer + 1
        ) k
      ), shown as (
        -- The one row of a post is fetched by a subselect, which no estimate can turn into a join.
        select k.published_at, k.post_id, (
          select \(summary)::text from colophon.posts p where p.id = k.post_id
        ) as json
        from keys k
        where k.place <= $2::integer
      ), r as (
        select
          '[' || coalesce(
            string_agg(s.json, ',' order by s.published_at desc, s.post_id desc), '') || ']' as json,
          array_agg(s.published_at order by s.published_at desc, s.post_id desc) as dates,
          array_agg(s.post_id order by s.published_at desc, s.post_id desc) as ids,
          \(total) as total,
          \(nextChange) as next_change
        from shown s
      )
      select r.json as data, r.total,
        exists (select from keys k where k.place > $2::integer) as has_more,
        colophon.microseconds(r.dates[1]) as first_at, r.ids[1] as first_id,
        colophon.microseconds(r.dates[cardinality(r.dates)]) as last_at,
        r.ids[cardinality(r.ids)] as last_id,
        floor(extract(epoch from r.next_change - colophon.clock()))::bigint as next_change_in,
        left(encode(sha256(convert_to(r.total || r.json, 'UTF8')), 'hex'), 32) as hash
      from r
      """)
  }

  private static let list = listStatement("posts.list", anyOf: false, backward: false)
  private static let listBackward = listStatement(
    "posts.list_backward", anyOf: false, backward: true)
  private static let listAny = listStatement("posts.list_any", anyOf: true, backward: false)
  private static let listAnyBackward = listStatement(
    "posts.list_any_backward", anyOf: true, backward: true)

  static let statements =
    [show, list, listBackward, listAny, listAnyBackward] + writeStatements

  // What a post is in SQL; `p` is the row.

  /// What everybody may see: what has come out, and what has come due and is not counted yet.
  static let visible = """
    (p.counted or (p.status = 'published' and p.trashed_at is null
      and p.published_at <= colophon.clock()))
    """

  private static let membersBeforeBody = """
    'id', p.id, 'slug', p.slug, 'type', p.type, 'title', p.title,
    'excerpt', coalesce(p.excerpt, p.derived_excerpt)
    """

  private static let membersBehindBody = """
    'status', case
      when p.status = 'draft' then 'draft'
      when p.counted or p.published_at <= colophon.clock() then 'published'
      else 'scheduled' end,
    'featured', p.featured, 'featured_order', p.featured_order, 'tags', p.tags,
    'cover_image', case when p.cover_image_url is not null
      then json_build_object('url', p.cover_image_url, 'alt', p.cover_image_alt) end,
    'canonical_url', p.canonical_url, 'meta_title', p.meta_title,
    'meta_description', p.meta_description, 'reading_time', p.reading_time,
    'word_count', p.word_count, 'published_at', colophon.rfc3339(p.published_at),
    'created_at', colophon.rfc3339(p.created_at), 'updated_at', colophon.rfc3339(p.updated_at),
    'version', p.version, 'trashed_at', colophon.rfc3339(p.trashed_at)
    """

  /// The JSON of one post.
  static let whole =
    "json_build_object(\(membersBeforeBody), 'body', p.body, \(membersBehindBody))"

  /// The JSON of a post in a list.
  private static let summary = "json_build_object(\(membersBeforeBody), \(membersBehindBody))"

  /// `Last-Modified` in seconds since 1970: the later of the two dates, never in the future.
  static let modified = """
    floor(extract(epoch from greatest(p.updated_at,
      case when p.published_at <= colophon.clock() then p.published_at end)))::bigint
    """

  /// The second half of an ETag, of `r.json`.
  static let hash = "left(encode(sha256(convert_to(r.json, 'UTF8')), 'hex'), 32)"

  /// A post as `show` and the writes return it: json, version, hash, modified, public, in columns
  /// that follow each other.
  struct Stored {
    let json: [UInt8]
    let tag: EntityTag
    let modified: HTTPDate
    let isPublic: Bool

    init(_ rows: Rows, firstColumn column: Int = 0) throws {
      guard let json = rows.bytes(0, column), let version = rows.integer(0, column + 1),
        let hash = rows.text(0, column + 2), let tag = EntityTag(opaque: "\(version)-\(hash)"),
        let modified = rows.integer(0, column + 3), let isPublic = rows.boolean(0, column + 4)
      else { throw UnexpectedRows() }
      self.json = json
      self.tag = tag
      self.modified = HTTPDate(secondsSinceEpoch: Int64(modified))
      self.isPublic = isPublic
    }
  }

  static let notFound = Problem(.notFound, "There is no post of this slug.")
}

/// The database answered with other columns than the statement has: a fault of ours.
struct UnexpectedRows: Error {}
