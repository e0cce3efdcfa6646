package import EventLoop
package import Postgres

/// Asks the database, a few times a second, whether content has changed.
///
/// The question is cheap whatever has been written: the feed of changes names the last transaction
/// that wrote to it, and with those under way at that moment it makes a text that is another as soon
/// as one of them has ended. There is no LISTEN beside it: a NOTIFY inside a write would serialise
/// all commits, one behind it can be lost, poolers do not pass it on, and this question has to be
/// asked anyway.
package struct PositionWatch: Sendable {
  private let pool: Pool
  private let position: ContentPosition

  static let interval = Duration.milliseconds(200)
  /// That of other reads. The pool gives up a connection on which an answer is long overdue, and
  /// with less the slow ones in front of the question would be lost with it. Nobody waits for this:
  /// an answer that comes late confirms what was asked then, and no more.
  private static let patience = Duration.seconds(5)

  package init(pool: Pool, position: ContentPosition) {
    self.pool = pool
    self.position = position
  }

  /// Goes on until the pool is closed.
  package func run() async {
    var last: String?
    while true {
      let asked = MonotonicInstant.now()
      do {
        await pool.loop.sleep(until: asked + (try await look(last: &last, now: asked)))
      } catch PostgresError.unavailable("closing") {
        return
      } catch {
        // Silence is noticed by those who read: nothing is confirmed.
        await pool.loop.sleep(until: asked + Self.interval)
      }
    }
  }

  /// Asks once, and says how long it may be until the next time.
  ///
  /// - Parameter last: what the database said the last time, nil before the first.
  package func look(last: inout String?, now: MonotonicInstant) async throws -> Duration {
    let rows = try await pool.read(Call(Self.ask), deadline: .now() + Self.patience)
    guard let mark = rows.text(0, 0) else { throw UnexpectedRows() }
    if mark != last { position.move() }
    last = mark
    position.confirm(asked: now)
    // What comes due shows as soon as it has.
    return min(Self.interval, rows.integer(0, 1).map { .microseconds($0 + 1000) } ?? Self.interval)
  }

  static let statements = [ask]

  /// A text that stays the same as long as no content has changed, and the microseconds until the
  /// next post comes out by its date. After a restart or a failover of the server nothing is as it
  /// was: what had been read may have been lost. It names every transaction under way; a cursor of
  /// the feed stops at so many, and behind those nothing would be noticed until one of them ended.
  private static let ask = Statement(
    "cache.ask",
    """
    with \(FeedHorizon.now)
    select concat_ws(' ', n.era, n.xid,
        (select string_agg(x.xid::text, ',' order by x.xid)
          from pg_snapshot_xip(pg_current_snapshot()) x(xid) where x.xid < n.xid),
        colophon.microseconds(pg_postmaster_start_time()),
        (select e.mark from colophon.feed_eras e where e.era = n.era order by e.mark limit 1),
        'colophon.changes'::regclass::oid,
        (select colophon.microseconds(c.due_at)::text || c.slug from colophon.changes c
          where c.due_at <= colophon.clock() order by c.due_at desc, c.slug desc limit 1)),
      (select colophon.microseconds(c.due_at) - colophon.microseconds(colophon.clock())
        from colophon.changes c where c.due_at > colophon.clock() order by c.due_at limit 1)
    from newest n
    """, roles: [.read])
}
