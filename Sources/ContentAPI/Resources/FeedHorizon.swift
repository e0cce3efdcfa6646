/// How far the feed of changes can be seen, in SQL: for its pages, and for who asks whether anything
/// has moved at all.
enum FeedHorizon {
  /// What can be seen now: `newest` is the last transaction that has written to the feed, `horizon`
  /// what is seen, up to that one: what others do meanwhile changes no cursor. A snapshot with very
  /// many transactions under way ends with the 64th of them, and the rest is told later.
  static let now = """
    newest as materialized (
      select l.era, coalesce((
          select c.xid from colophon.changes c where c.era = l.era order by c.xid desc limit 1
        ), '2') as xid
      from (select max(e.era) as era from colophon.feed_eras e) l
    ), horizon as materialized (
      select n.era, (coalesce(o.xids[1]::text, o.stop) || ':' || o.stop || ':'
        || array_to_string(o.xids[1:64], ','))::pg_snapshot as snapshot
      from newest n, lateral (
        select a.xids, coalesce(a.xids[65]::text, (n.xid::text::bigint + 1)::text) as stop
        from (
          select array(
            select x.xid from pg_snapshot_xip(pg_current_snapshot()) x(xid)
            where x.xid < n.xid order by x.xid limit 65
          ) as xids
        ) a
      ) o
    )
    """
}
