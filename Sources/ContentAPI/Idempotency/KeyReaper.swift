import EventLoop
package import Postgres

/// Takes away what nobody needs any more of `idempotency_keys`: an answer after a day, what is left
/// of it after thirty, all of a stranger's after the day, the row of a write without a key after a
/// minute. Nothing else looks at the age of a row.
///
/// Each statement is a transaction for a batch. It passes over rows that somebody is reading for a
/// replay, and does nothing while another replica is at it.
package struct KeyReaper: Sendable {
  private let pool: Pool

  /// How long it rests in between.
  package static let interval = Duration.seconds(10)
  private static let batch = 500

  package init(pool: Pool) { self.pool = pool }

  /// Goes on until the pool is closed.
  package func run() async {
    while true {
      do {
        try await sweep()
      } catch PostgresError.unavailable("closing") {
        return
      } catch {
        // A database that is away now is there another time.
      }
      await pool.loop.sleep(for: Self.interval)
    }
  }

  /// Takes away all that is due; how many rows that were.
  @discardableResult
  package func sweep() async throws(PostgresError) -> Int {
    var reaped = 0
    for statement in [Self.expire, Self.drop, Self.forget, Self.clear] {
      var count = Self.batch
      while count == Self.batch {
        count = try await pool.query(Call(statement), deadline: .now() + .seconds(5)).affected
        reaped += count
      }
    }
    return reaped
  }

  static let statements = [expire, drop, forget, clear]

  private static func reaping(_ name: String, _ condition: String, _ change: String) -> Statement {
    Statement(
      name,
      """
      with turn as materialized (
        select pg_try_advisory_xact_lock(
          hashtextextended('colophon.idempotency_keys', 0)) as is_ours
      ), due as (
        select k.scope, k.key from colophon.idempotency_keys k
        where \(condition) and (select turn.is_ours from turn)
        order by k.created_at
        limit \(batch)
        for update skip locked
      )
      \(change)
      """)
  }

  private static let old = """
    not k.expired and k.scope <> 'unkeyed' and k.created_at < colophon.clock() - interval '24 hours'
    """

  private static let expire = reaping(
    "idempotency.expire", old + " and not starts_with(k.scope, '\(WriteName.anonymous)')",
    """
    update colophon.idempotency_keys k
    set expired = true, fingerprint = '', headers = null, body = null
    from due where k.scope = due.scope and k.key = due.key
    """)

  private static let deletion = """
    delete from colophon.idempotency_keys k using due
    where k.scope = due.scope and k.key = due.key
    """

  /// Nothing is left of a stranger's key: nobody could be told that it has been answered before.
  private static let drop = reaping(
    "idempotency.drop", old + " and starts_with(k.scope, '\(WriteName.anonymous)')", deletion)

  private static let forget = reaping(
    "idempotency.forget", "k.expired and k.created_at < colophon.clock() - interval '30 days'",
    deletion
  )

  private static let clear = reaping(
    "idempotency.clear",
    "k.scope = 'unkeyed' and k.created_at < colophon.clock() - interval '1 minute'",
    deletion
  )
}
