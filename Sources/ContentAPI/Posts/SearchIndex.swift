import EventLoop
package import Postgres

/// Brings old rows of `search` up to date: those of posts that were there before there was a search,
/// and all of them after the site's language has changed. Every other row is made with its post.
///
/// Each statement is a transaction for a few posts, so that nobody who writes one of them waits for
/// long; it passes over posts that somebody is writing and those that another replica is at.
package struct SearchIndex: Sendable {
  private let pool: Pool

  /// How long it rests when nothing is old.
  package static let interval = Duration.seconds(10)
  private static let batch = 20

  package init(pool: Pool) { self.pool = pool }

  /// Goes on until the pool is closed.
  package func run() async {
    while true {
      do {
        try await catchUp()
      } catch PostgresError.unavailable("closing") {
        return
      } catch {
        // A database that is away now is there another time.
      }
      await pool.loop.sleep(for: Self.interval)
    }
  }

  /// Goes on until nothing is old, or what is belongs to others; how many rows it was.
  @discardableResult
  package func catchUp() async throws(PostgresError) -> Int {
    var renewed = 0
    var count = Self.batch
    while count == Self.batch {
      count = try await pool.query(Call(Self.catchUp), deadline: .now() + .seconds(5)).affected
      renewed += count
    }
    return renewed
  }

  static let statements = [catchUp]

  /// The post is locked first, as its own writes do, and read as it is then.
  private static let catchUp = Statement(
    "search.catch_up",
    """
    with site as materialized (
      select colophon.search_language() as language
    ), old as materialized (
      select p.id, p.tags, p.title, coalesce(p.excerpt, p.derived_excerpt) as excerpt, p.body
      from (
        select s.post_id from colophon.search s
        where s.language < (select site.language from site)
        union all
        select s.post_id from colophon.search s
        where s.language > (select site.language from site)
      ) s join colophon.posts p on p.id = s.post_id
      limit \(batch)
      for no key update of p skip locked
    )
    update colophon.search s
    set language = site.language,
      tags = colophon.search_tags(site.language, old.tags),
      words = colophon.search_words(site.language, old.title, old.excerpt, old.body)
    from old, site
    where s.post_id = old.id
    """)
}
