package import EventLoop
package import Postgres
package import RateLimits

/// What replicas tell each other of their clients, in the database: `Ledger` as SQL, to the
/// nanosecond.
///
/// A report is one transaction. Its statements leave together, COMMIT follows when they have been
/// answered in time: what the server would do later, because it was frozen, must not take effect.
package struct LimitLedger: Sendable {
  private let pool: Pool

  package init(pool: Pool) { self.pool = pool }

  /// A pool of one connection for nothing but this, so that reports wait for no request. It tells
  /// nobody of its troubles, which those of requests have too, and looks soon for a database that
  /// was away.
  package static func pool(_ conninfo: String, loop: EventLoop) -> Pool {
    var settings = PoolSettings()
    settings.readConnections = 0
    settings.queryConnections = 0
    settings.writeConnections = 1
    // As long as TCP waits for a server that may have gone for good.
    settings.grace = .seconds(10)
    settings.backoff = Backoff(floor: .milliseconds(200), ceiling: .milliseconds(200))
    settings.session.statementTimeout = .milliseconds(300)
    settings.session.lockTimeout = .milliseconds(300)
    settings.session.idleInTransactionTimeout = .milliseconds(500)
    return Pool(conninfo: conninfo, statements: statements, settings: settings, loop: loop)
  }

  /// Turns clients into what the database knows of them, the same on every replica.
  package func hash(by deadline: MonotonicInstant) async throws -> KeyedHash {
    let rows = try await pool.transaction(deadline: deadline) { transaction in
      try await transaction.send([Call(Self.secret)])
    }
    guard let bytes = rows.first?.bytes(0, 0), bytes.count == 16 else {
      throw PostgresError.server(ServerError(sqlState: "02000", message: "there is no secret"))
    }
    func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    return KeyedHash(seed: (number(bytes[..<8]), number(bytes[8...])))
  }

  /// Carries a report out. `PostgresError.outcomeUnknown` is the one error after which it may have
  /// been carried out all the same.
  ///
  /// - Parameter deadline: COMMIT is not sent later.
  package func exchange(
    _ report: Report, hash: KeyedHash, by deadline: MonotonicInstant
  ) async throws -> RateLimits.Answer {
    let lines = report.lines.map { (key: Self.key(of: $0.client, hash), line: $0) }
    let order = lines.indices.sorted { lines[$0].key < lines[$1].key }
    let keys = order.map { lines[$0].key }
    let sorted = order.map { lines[$0].line }
    func column(_ value: (Report.Line) -> Int64) -> Parameter {
      .integerArray(sorted.map { Int(value($0)) })
    }
    let replica = Parameter.integer(Int(bitPattern: UInt(report.replica)))
    // Whoever does not know the time is there for the first time.
    var calls = report.time == 0 ? [Call(Self.lock)] : []
    calls.append(Call(Self.mark, [.integer(Int.random(in: .min ... .max))]))
    let place = calls.count
    calls.append(
      Call(
        Self.appear,
        [
          replica, .integer(Int(report.time)), .boolean(report.isSettled),
          .integer(Int(bitPattern: UInt(report.view))),
        ]))
    if !lines.isEmpty {
      calls.append(Call(Self.take, [.integerArray(keys)]))
      calls.append(
        Call(
          Self.charge,
          [
            replica, .integerArray(keys), column(\.known.burst), column(\.known.sustained),
            column(\.charge.burst), column(\.charge.sustained),
          ]))
    }
    let sent = calls
    let results = try await pool.transaction(deadline: deadline) { transaction in
      let results = try await transaction.send(sent)
      if .now() >= deadline { throw PostgresError.timedOut }
      _ = try await transaction.commit()
      return results
    }
    return try Self.answer(results[place], charged: lines.isEmpty ? nil : results.last, order)
  }

  /// Takes a replica's row away: nobody has to wait for it to be missed.
  package func leave(_ replica: UInt64, by deadline: MonotonicInstant) async throws {
    try await pool.transaction(deadline: deadline) { transaction in
      _ = try await transaction.commit([
        Call(Self.lock), Call(Self.depart, [.integer(Int(bitPattern: UInt(replica)))]),
      ])
    }
  }

  /// Takes away what nobody needs any more: full buckets, replicas that have been silent for so long
  /// that they are not named to others. Waits for no row.
  package func tidy(by deadline: MonotonicInstant) async throws {
    try await pool.transaction(deadline: deadline) { transaction in
      _ = try await transaction.commit([Call(Self.forgetFull), Call(Self.forgetSilent)])
    }
  }

  /// The row with key 0 is nobody's.
  private static func key(of client: Client, _ hash: KeyedHash) -> Int {
    let key = Int(bitPattern: UInt(hash(client)))
    return key == 0 ? 1 : key
  }

  private static func answer(
    _ others: Rows, charged: Rows?, _ order: [Int]
  ) throws(PostgresError) -> RateLimits.Answer {
    let strange = PostgresError.outcomeUnknown
    guard let time = others.integer(0, 0), let epoch = others.integer(0, 1) else { throw strange }
    var named: [RateLimits.Answer.Other] = []
    for row in 0..<others.count {
      guard let id = others.integer(row, 2) else { continue }
      guard let age = others.integer(row, 3), let isSettled = others.boolean(row, 4),
        let view = others.integer(row, 5)
      else { throw strange }
      named.append(
        RateLimits.Answer.Other(
          replica: UInt64(UInt(bitPattern: id)), age: Int64(age), isSettled: isSettled,
          view: UInt64(UInt(bitPattern: view))))
    }
    var deficits = Array(repeating: Deficits(burst: 0, sustained: 0), count: order.count)
    if let charged {
      guard charged.count == order.count else { throw strange }
      for row in 0..<charged.count {
        guard let line = charged.integer(row, 0), (1...order.count).contains(line),
          let burst = charged.integer(row, 1), let sustained = charged.integer(row, 2)
        else { throw strange }
        deficits[order[line - 1]] = Deficits(burst: Int64(burst), sustained: Int64(sustained))
      }
    }
    return RateLimits.Answer(
      time: Int64(time), epoch: UInt64(UInt(bitPattern: epoch)), others: named,
      deficits: deficits)
  }
}

extension LimitLedger {
  package static let statements = [
    secret, lock, mark, appear, take, charge, depart, forgetFull, forgetSilent,
  ]

  private static let secret = Statement(
    "rate_limits.secret", "select s.secret from colophon.rate_limit_secret s")

  /// Servers that come or go do so one after the other: two that come at once would each believe to
  /// be alone, and of two that go each would leave the time to the other.
  private static let lock = Statement(
    "rate_limits.lock",
    "select pg_advisory_xact_lock(hashtextextended('colophon.rate_limits', 0))")

  /// Marks buckets that were lost as others, or are new.
  private static let mark = Statement(
    "rate_limits.mark",
    """
    insert into colophon.rate_limit_buckets (key, burst, sustained)
    select 0, $1::bigint, 0
    where not exists (select from colophon.rate_limit_buckets b where b.key = 0)
    on conflict (key) do nothing
    """)

  /// Time is the latest that anybody has brought, and since that was written what the database's
  /// clock has advanced, but never back and never by more than half a second (`Ledger.bridge`).
  /// Others are named for a minute (`Ledger.memory`).
  private static let appear = Statement(
    "rate_limits.appear",
    """
    with ledger as materialized (
      select greatest($2::bigint, max(r.time + 1000 * least(500000, greatest(0,
        colophon.microseconds(colophon.clock()) - colophon.microseconds(r.wall))))) as time
      from colophon.rate_limit_replicas r
    ), own as (
      insert into colophon.rate_limit_replicas (id, time, wall, settled, view)
      select $1::bigint, ledger.time, colophon.clock(), $3::boolean, $4::bigint from ledger
      on conflict (id) do update set
        time = excluded.time, wall = excluded.wall, settled = excluded.settled,
        view = excluded.view
    )
    select ledger.time, b.burst, r.id, ledger.time - r.time, r.settled, r.view
    from ledger
    join colophon.rate_limit_buckets b on b.key = 0
    left join colophon.rate_limit_replicas r
      on r.id not in (0, $1::bigint) and ledger.time - r.time <= 60000000000
    """)

  /// Makes the buckets that there are not and locks those that there are, one after the other in
  /// the order of their keys.
  private static let take = Statement(
    "rate_limits.take",
    """
    insert into colophon.rate_limit_buckets as b (key, burst, sustained)
    select l.key, 0, 0 from unnest($1::bigint[]) l(key)
    order by l.key
    on conflict (key) do update set burst = b.burst where false
    """)

  /// What each lacks is the greater of what the row says and what the replica knows, and what has
  /// been taken since; at most 73 years. In `numeric`, which does not overflow.
  private static let charge = Statement(
    "rate_limits.charge",
    """
    update colophon.rate_limit_buckets b
    set burst = r.time + least(2305843009213693952,
        greatest(0, b.burst::numeric - r.time, l.known_burst) + l.burst)::bigint,
      sustained = r.time + least(2305843009213693952,
        greatest(0, b.sustained::numeric - r.time, l.known_sustained) + l.sustained)::bigint
    from colophon.rate_limit_replicas r,
      unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        with ordinality l(key, known_burst, known_sustained, burst, sustained, line)
    where r.id = $1::bigint and b.key = l.key
    returning l.line, greatest(0, b.burst - r.time), greatest(0, b.sustained - r.time)
    """)

  private static let depart = Statement(
    "rate_limits.depart",
    """
    with gone as (
      delete from colophon.rate_limit_replicas r where r.id = $1::bigint
      returning r.time, r.wall
    )
    insert into colophon.rate_limit_replicas (id, time, wall, settled, view)
    select 0, gone.time, gone.wall, false, 0 from gone
    where not exists (
      select from colophon.rate_limit_replicas r
      where r.id <> $1::bigint and r.time >= gone.time)
    on conflict (id) do update set time = excluded.time, wall = excluded.wall
    """)

  private static let forgetFull = Statement(
    "rate_limits.forget_full",
    """
    with full_ones as (
      select b.key from colophon.rate_limit_buckets b
      where b.key <> 0 and greatest(b.burst, b.sustained)
        <= (select max(r.time) from colophon.rate_limit_replicas r)
      limit 10000
      for update skip locked
    )
    delete from colophon.rate_limit_buckets b using full_ones f where b.key = f.key
    """)

  private static let forgetSilent = Statement(
    "rate_limits.forget_silent",
    """
    with silent as (
      select r.id from colophon.rate_limit_replicas r
      where r.time < (select max(l.time) from colophon.rate_limit_replicas l) - 60000000000
      for update skip locked
    )
    delete from colophon.rate_limit_replicas r using silent s where r.id = s.id
    """)
}
