import EventLoop
import HTTP
import Postgres

/// `GET /sitemap.xml` (https://www.sitemaps.org/protocol.html, 0.9): the address of the site and of
/// every public post, the oldest first, so that only the last page grows.
///
/// A page has 5,000 posts: whatever their addresses, it stays below the 50 MiB and 50,000 addresses
/// that a sitemap may have. Where there are more, the sitemap is an index of its pages.
enum Sitemap {
  /// The most pages that an index may have.
  private static let pages = 50_000
  private static let posts = 5_000

  static func show(_ call: RouteCall, _ feeds: Feeds) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let tags = query.slugs("tag", limit: Slug.maximumTagLength)
    let isPage = query.text("page") != nil
    let page = query.integer("page", in: 1...pages, standard: 1)
    try query.finish()
    let statement = tags.count > 1 ? ofSeveralTags : ofOneTag
    let parameters = feeds.parameters(call, tags: tags)
    let rows = try await feeds.pool.query(
      Call(statement, parameters + [.integer(page), .boolean(isPage)]),
      deadline: .now() + Posts.patience, for: call.trail)
    guard let sitemap = try feeds.answer(rows, to: call) else {
      throw Problem(.notFound, "The sitemap has no such page.")
    }
    return sitemap
  }

  static let statements = [ofOneTag, ofSeveralTags]

  private static let ofOneTag = statement(
    "feeds.sitemap",
    places: """
      (
            select l.published_at, l.post_id as id from colophon.listings l
            where l.tag = ($1::text[])[1] and l.counted
            order by l.published_at, l.post_id limit $6::bigint * \(posts)
          )
          union all
          (
            select l.published_at, l.post_id from colophon.listings l
            where l.tag = ($1::text[])[1] and not l.counted and l.published_at <= colophon.clock()
            order by l.published_at, l.post_id limit $6::bigint * \(posts)
          )
      """,
    total: """
      (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c
            where c.tag = ($1::text[])[1])
          + (select count(*) from colophon.listings l
            where l.tag = ($1::text[])[1] and not l.counted
              and l.published_at <= colophon.clock())
      """)

  private static let ofSeveralTags = statement(
    "feeds.sitemap_of_tags",
    places: """
      select distinct l.published_at, l.post_id as id from colophon.listings l
          where l.tag = any ($1::text[]) and (l.counted or l.published_at <= colophon.clock())
      """,
    total: """
      (select count(distinct l.post_id) from colophon.listings l
          where l.tag = any ($1::text[]) and (l.counted or l.published_at <= colophon.clock()))
      """)

  /// $6 the page, $7 whether one was asked for.
  ///
  /// A sitemap has addresses of one site only, each below 2,048 characters. A post whose canonical
  /// address is on another belongs into the sitemap of that one.
  private static func statement(_ name: String, places: String, total: String) -> Statement {
    Statement(
      name,
      """
      with \(Feeds.site), origin as (
        select lower(substring(site.opening from '\(URIText.origin)')) as origin from site
      ), total as (
        select \(total) as posts
      ), places as (
        select u.published_at, u.id from (
          \(places)
        ) u
        where (select \(isSitemap) from total t)
        order by u.published_at, u.id
        limit \(posts) offset ($6::bigint - 1) * \(posts)
      ), pages as (
        select a.published_at, a.id, a.url, a.updated_at from (
          select n.published_at, n.id, \(Feeds.page) as url, \(Feeds.updated) as updated_at,
            p.canonical_url is null as is_of_site
          from site cross join places n cross join lateral (
            select * from colophon.posts p where p.id = n.id
            offset 0  -- fetches the one row, whatever the planner expects
          ) p
        ) a, origin o
        where length(a.url) < 2048
          and (a.is_of_site or lower(substring(a.url from '\(URIText.origin)')) = o.origin)
      ), r as (
        select case
          when \(isSitemap) then
            \(opening("urlset"))
            || case when $6::bigint = 1 then '<url><loc>' || (
              select \(XMLText.uri(home)) from site, origin o
            ) || e'</loc></url>\\n' else '' end
            || coalesce((
              select string_agg('<url><loc>' || \(XMLText.uri("p.url")) || '</loc><lastmod>'
                || colophon.rfc3339(p.updated_at) || e'</lastmod></url>\\n', ''
                order by p.published_at, p.id)
              from pages p), '')
            || e'</urlset>\\n'
          when not $7::boolean then
            \(opening("sitemapindex")) || (
              select string_agg('<sitemap><loc>'
                || \(XMLText.uri("$4::text || '/sitemap.xml' || $5::text"))
                || case when $5::text = '' then '?' else '&amp;' end || 'page=' || n
                || e'</loc></sitemap>\\n', '' order by n)
              from generate_series(1, least(\(pages), (t.posts + \(posts - 1)) / \(posts))) n
            ) || e'</sitemapindex>\\n'
          end as json
        from total t
        offset 0  -- keeps the planner from rendering it once for each mention
      )
      select r.json, \(Posts.hash) as hash, \(Feeds.nextChangeIn) as next_change_in from r
      """, roles: [.query])
  }

  /// Whether a sitemap is to be shown and there is one, not an index; `t` is `total`.
  private static let isSitemap = """
    case when $7::boolean then $6::bigint = 1 or ($6::bigint - 1) * \(posts) < t.posts
                  else t.posts <= \(posts) end
    """

  private static func opening(_ root: String) -> String {
    """
    '<?xml version="1.0" encoding="utf-8"?>' || e'\\n'
              || e'<\(root) xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\\n'
    """
  }

  /// The address of the site, which every sitemap begins with: one without any is not valid.
  private static let home = """
    case when lower(substring(site.home from '\(URIText.origin)')) = o.origin
                  and length(site.home) < 2048 then site.home else o.origin || '/' end
    """
}
