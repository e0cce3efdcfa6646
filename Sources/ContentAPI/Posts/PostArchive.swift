import EventLoop
import HTTP
import Postgres

/// `GET /v1/archive`: the months in which posts came out, in UTC, newest first, and how many in each.
///
/// Nothing keeps these numbers, so nothing can put them wrong: each month is counted along the index
/// of the list of all posts, where it is one piece.
extension Posts {
  func archive(_ call: RouteCall) async throws -> Reply {
    let rows = try await pool.query(
      Call(Self.archive), deadline: .now() + Self.patience, for: call.trail)
    guard rows.count == 1, let json = rows.bytes(0, 0),
      let tag = rows.text(0, 1).flatMap({ EntityTag(opaque: $0) })
    else { throw UnexpectedRows() }
    return .representation(
      Representation(
        body: json, mediaType: .json, tag: tag, changesIn: rows.integer(0, 2),
        isPublic: call.caller.isAnonymous
      ))
  }

  static let archiveStatements = [archive]

  /// The month of the newest public post in front of a bound, as a timestamp in UTC.
  private static func month(before bound: String?) -> String {
    let counted = bound.map { " and l.published_at < \($0)" } ?? ""
    let due =
      bound.map { "least(\($0), colophon.clock() + interval '1 microsecond')" }
      ?? "colophon.clock() + interval '1 microsecond'"
    return """
      date_trunc('month', greatest(
          (select l.published_at from colophon.listings l
            where l.tag = '' and l.counted\(counted)
            order by l.published_at desc limit 1),
          (select l.published_at from colophon.listings l
            where l.tag = '' and not l.counted and l.published_at < \(due)
            order by l.published_at desc limit 1)
        ) at time zone 'UTC')
      """
  }

  private static let archive = Statement(
    "posts.archive",
    """
    with recursive months as (
      select \(month(before: nil)) as month
      union all
      select \(month(before: "m.month at time zone 'UTC'"))
      from months m
      where m.month is not null
    ), counted as (
      select m.month,
        (select count(*) from colophon.listings l
          where l.tag = '' and l.counted and l.published_at >= m.month at time zone 'UTC'
            and l.published_at < (m.month + interval '1 month') at time zone 'UTC')
        + (select count(*) from colophon.listings l
          where l.tag = '' and not l.counted and l.published_at >= m.month at time zone 'UTC'
            and l.published_at < (m.month + interval '1 month') at time zone 'UTC'
            and l.published_at <= colophon.clock()) as posts
      from months m
      where m.month is not null
    ), r as (
      select '{"data":[' || coalesce(string_agg(json_build_object(
          'year', extract(year from c.month)::integer,
          'month', extract(month from c.month)::integer,
          'posts_count', c.posts)::text, ',' order by c.month desc), '') || ']}' as json
      from counted c
    )
    select r.json, \(hash) as hash,
      (select floor(extract(epoch from l.published_at - colophon.clock()))::bigint
        from colophon.listings l
        where l.tag = '' and not l.counted and l.published_at > colophon.clock()
        order by l.published_at limit 1) as next_change_in
    from r
    """, roles: [.query])
}
