import EventLoop
import HTTP
import Postgres

/// `/feed.json`, `/atom.xml`, `/rss.xml` and `/sitemap.xml`: what is published, for programs that
/// follow web sites. The database renders each whole, as it does JSON.
///
/// Each format is in a file of its own; here is what they have in common.
struct Feeds: Sendable {
  let pool: Pool
  let publicURL: String
  /// nil where the web site's own address has to do.
  let postPage: PostPage?

  // GET /feed.json, /atom.xml, /rss.xml

  func showJSON(_ call: RouteCall) async throws -> Reply {
    try await show(JSONFeed.statement, call)
  }

  func showAtom(_ call: RouteCall) async throws -> Reply {
    try await show(AtomFeed.statement, call)
  }

  func showRSS(_ call: RouteCall) async throws -> Reply {
    try await show(RSSFeed.statement, call)
  }

  private func show(_ statement: Statement, _ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let tags = query.slugs("tag", limit: Slug.maximumTagLength)
    try query.finish()
    let rows = try await pool.query(
      Call(statement, parameters(call, tags: tags)), deadline: .now() + Posts.patience,
      for: call.trail)
    guard let feed = try answer(rows, to: call) else { throw UnexpectedRows() }
    return feed
  }

  /// $1 … $5 of every statement.
  func parameters(_ call: RouteCall, tags: [String]) -> [Parameter] {
    // However they are asked for, the same tags make the same feed.
    let tags = tags.sorted()
    return [
      .textArray(tags.isEmpty ? [""] : tags), Parameter(postPage?.opening),
      .text(postPage?.ending ?? ""), .text(base),
      .text(tags.isEmpty ? "" : "?tag=" + tags.joined(separator: ",")),
    ]
  }

  /// The answer with a document that the database has rendered, in one row: the document, its hash
  /// and the seconds until it may change by itself. nil when there is no document.
  func answer(_ rows: Rows, to call: RouteCall) throws -> Reply? {
    guard rows.count == 1 else { throw UnexpectedRows() }
    guard let body = rows.bytes(0, 0) else { return nil }
    let types = call.route.offers
    let place = Accept(call.head.values(of: "accept")).best(of: types) ?? 0
    // The type is part of what is sent, so each has a tag of its own.
    guard let hash = rows.text(0, 1),
      let tag = EntityTag(opaque: place == 0 ? hash : "\(hash)-\(place)")
    else { throw UnexpectedRows() }
    return .representation(
      Representation(
        body: body, mediaType: types[place], tag: tag, changesIn: rows.integer(0, 2),
        isPublic: call.caller.isAnonymous
      ))
  }

  /// What stands before paths of this service. Feeds need whole addresses, and what a request says
  /// of the host must not get into an answer that others are given too.
  private var base: String { publicURL.isEmpty ? "http://localhost" : publicURL }

  static let statements =
    [JSONFeed.statement, AtomFeed.statement, RSSFeed.statement] + Sitemap.statements
}

// What the statements have in common. Their parameters: $1 the tags, of which a post needs one, or
// the empty one for all posts; $2 and $3 what an address of a page has in front of the slug and
// behind it, $2 NULL where that is not known; $4 the address of this service; $5 the query of the
// feed.
extension Feeds {
  /// How many posts a feed has at most.
  private static let limit = 50

  /// How many bytes their bodies have in all, unless the first has more.
  private static let size = 2 << 20

  /// `site`, one row: what the profile says of the site, and where its pages are.
  static let site = """
    profile as (
      select nullif(p.name, '') as name, p.site ->> 'title' as title,
        coalesce(p.site ->> 'description', p.site ->> 'tagline', p.headline) as description,
        p.site ->> 'language' as language, p.updated_at,
        \(URIText.of("(p.site ->> 'url')")) as url,
        \(URIText.of("$2::text")) as opening, \(URIText.of("$3::text")) as ending
      from colophon.profile p
    ), site as (
      select p.name, p.description, p.language, p.updated_at, p.url,
        coalesce(p.url, substring(p.opening from '\(URIText.origin)') || '/',
          $4::text || '/v1/posts') as home,
        -- The site's address without its last slashes and what may come behind them.
        coalesce(p.opening, regexp_replace(p.url, '/*([?#].*)?$', '/'),
          $4::text || '/v1/posts/') as opening,
        p.ending,
        coalesce(p.title, p.name, substring(coalesce(p.url, p.opening, $4::text)
          from '^[A-Za-z]+://([^/?#]*)'))
          || coalesce(': ' || (
            select string_agg(\(tagName("t.tag", isPublic: isPublic)), ', ' order by t.tag collate "C")
            from unnest($1::text[]) t(tag)
            where t.tag <> ''), '') as title
      from profile p
    )
    """

  /// What a tag is called: only one that shows has a name, others are as if they were not there.
  private static let isPublic = """
    exists (select from colophon.listings l where l.tag = t.tag and l.counted)
              or exists (select from colophon.listings l where l.tag = t.tag and not l.counted
                and l.published_at <= colophon.clock())
    """

  static func tagName(_ tag: String, isPublic: String = "true") -> String {
    "coalesce((select n.name from colophon.tags n where n.slug = \(tag) and (\(isPublic))), \(tag))"
  }

  /// The address of the page of a post `p`, a URI. It needs `site`.
  static let page = """
    coalesce(\(URIText.of("p.canonical_url")), site.opening || p.slug || site.ending)
    """

  /// When a public post `p` changed last.
  static let updated = "greatest(p.updated_at, p.published_at)"

  /// `entries`, the newest posts: of each tag as many as there may be, along the index, and of those
  /// the newest.
  static let entries = """
    newest as (
      select distinct u.published_at, u.id
      from unnest($1::text[]) t(tag) cross join lateral (
        (
          select l.published_at, l.post_id as id from colophon.listings l
          where l.tag = t.tag and l.counted
          order by l.published_at desc, l.post_id desc limit \(limit)
        )
        union all
        (
          select l.published_at, l.post_id from colophon.listings l
          where l.tag = t.tag and not l.counted and l.published_at <= colophon.clock()
          order by l.published_at desc, l.post_id desc limit \(limit)
        )
      ) u
      order by u.published_at desc, u.id desc limit \(limit)
    ), entries as (
      select e.* from (
        select p.id, p.title, coalesce(p.excerpt, p.derived_excerpt) as excerpt, p.body, p.tags,
          p.published_at, \(updated) as updated_at, \(page) as url,
          \(URIText.of("p.cover_image_url")) as image,
          row_number() over newest_first as place,
          sum(octet_length(p.body)) over newest_first as size
        from site cross join newest n cross join lateral (
          select * from colophon.posts p where p.id = n.id
          offset 0  -- fetches the one row, whatever the planner expects
        ) p
        window newest_first as (order by n.published_at desc, n.id desc)
      ) e
      where e.place = 1 or e.size <= \(size)
    )
    """

  /// The seconds until the next post of the tags comes out.
  static let nextChangeIn = """
    (
        select floor(extract(epoch from min(n.published_at) - colophon.clock()))::bigint
        from unnest($1::text[]) t(tag) cross join lateral (
          select l.published_at from colophon.listings l
          where l.tag = t.tag and not l.counted and l.published_at > colophon.clock()
          order by l.published_at limit 1
        ) n
      )
    """

  /// What `answer` reads, from `document`, an expression over `site` and `entries`.
  static func statement(_ name: String, document: String) -> Statement {
    Statement(
      name,
      """
      with \(site), \(entries), r as (
        select \(document) as json from site
        offset 0  -- keeps the planner from rendering it once for each mention
      )
      select r.json, \(Posts.hash) as hash, \(nextChangeIn) as next_change_in from r
      """, roles: [.query])
  }
}
