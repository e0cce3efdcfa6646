import EventLoop
import Postgres

/// The mails that are to leave: rows of `mails`, which sign-ups write and the `MailWorker` takes.
///
/// A mail is taken by a statement that counts the attempt and puts the next one off: a lease, which
/// is committed before anything leaves. No transaction is open while `sendmail` runs; whoever dies
/// with a mail in hand leaves it to the next one when the lease is over.
package struct Outbox: Sendable {
  let pool: Pool

  /// For how long a mail belongs to the one who has taken it; longer than a hand-over can take.
  package static let lease = Duration.seconds(20)

  /// A mail in hand.
  struct Taken: Sendable {
    /// What it is called in all attempts.
    let id: String
    /// Which attempt this is; the first is 1.
    let attempt: Int
  }

  /// What came of looking for a mail that is due.
  enum Taking: Sendable {
    case taken(Taken)
    /// This mail's last attempt was never seen to end; it is dead now.
    case exhausted(id: String)
    case nothingDue
  }

  /// To whom a mail goes, and when.
  struct Hand: Sendable {
    let email: String
    let newsletter: String
    /// In seconds since 1970-01-01T00:00:00Z.
    let now: Int64
    /// When the confirmation stops working, likewise.
    let expiry: Int64
  }

  /// Takes the mail that has been due for longest, and that nobody else has.
  func take() async throws(PostgresError) -> Taking {
    let rows = try await ask(Call(Self.take))
    guard let id = rows.text(0, 0), let attempt = rows.integer(0, 1) else { return .nothingDue }
    return rows.boolean(0, 2) == true
      ? .exhausted(id: id) : .taken(Taken(id: id, attempt: attempt))
  }

  /// Makes the links of this attempt work, and says where they go. Nil when the mail is not to be
  /// sent any more.
  func mint(
    _ mail: Taken, confirming: LinkToken, unsubscribing: LinkToken
  ) async throws(PostgresError) -> Hand? {
    let rows = try await ask(
      Call(
        LinkToken.mint,
        [
          .text(mail.id), .integer(mail.attempt), .bytes(confirming.digest),
          .bytes(unsubscribing.digest),
        ]))
    guard let email = rows.text(0, 0), let name = rows.text(0, 1), let now = rows.integer(0, 2),
      let expiry = rows.integer(0, 3)
    else { return nil }
    return Hand(email: email, newsletter: name, now: Int64(now), expiry: Int64(expiry))
  }

  /// Takes a mail out that nobody is to get any more, unless it was ordered anew.
  func withdraw(_ mail: Taken) async throws(PostgresError) {
    _ = try await ask(Call(Self.withdraw, [.text(mail.id), .integer(mail.attempt)]))
  }

  /// Notes that a mail has left. That is so whoever has it in hand by now.
  func sent(_ mail: Taken) async throws(PostgresError) {
    _ = try await ask(Call(Self.sent, [.text(mail.id)]))
  }

  /// Notes that an attempt has failed: the mail is due again after `wait`, or dead when that is
  /// nil.
  func failed(_ mail: Taken, because failure: String, wait: Duration?) async throws(PostgresError) {
    let milliseconds = wait.map { Int($0.wholeNanoseconds / 1_000_000) }
    _ = try await ask(
      Call(
        Self.failed,
        [
          .text(mail.id), .integer(mail.attempt), .text(failure),
          milliseconds.map { .integer($0) } ?? .null,
        ]))
  }

  /// How many mails wait, and how many are dead.
  func standing() async throws(PostgresError) -> (waiting: Int, dead: Int) {
    let rows = try await ask(Call(Self.standing))
    return (rows.integer(0, 0) ?? 0, rows.integer(0, 1) ?? 0)
  }

  /// Takes away links that expired a month ago; until then their page can say so.
  func clean() async throws(PostgresError) {
    while try await ask(Call(Self.clean)).affected == Self.batch {}
  }

  private func ask(_ call: Call) async throws(PostgresError) -> Rows {
    try await pool.query(call, deadline: .now() + .seconds(5))
  }

  private static let batch = 500

  static let statements = [take, withdraw, sent, failed, standing, clean]

  /// A mail that was ordered this moment is left for a moment, so that nothing happens while the
  /// answer to a sign-up waits: its time would tell that there is a mail.
  private static let take = Statement(
    "mails.take",
    """
    update colophon.mails m
    set attempts = least(m.attempts + 1, \(MailBackoff.attempts)),
      next_attempt_at = case when m.attempts < \(MailBackoff.attempts)
        then colophon.clock() + interval '\(lease.components.seconds) seconds' end,
      dead_at = case when m.attempts >= \(MailBackoff.attempts) then colophon.clock() end,
      failure = case when m.attempts < \(MailBackoff.attempts) then m.failure
        else 'the last attempt was not seen to end' end
    where m.subscription_id = (
      select d.subscription_id from colophon.mails d
      where d.next_attempt_at <= colophon.clock() - interval '100 milliseconds'
      order by d.next_attempt_at
      limit 1
      for update skip locked
    )
    returning m.id, m.attempts, m.dead_at is not null
    """)

  private static let withdraw = Statement(
    "mails.withdraw",
    """
    delete from colophon.mails m
    where m.id = $1::uuid and m.attempts = $2::integer and m.next_attempt_at is not null
    """)

  private static let sent = Statement(
    "mails.sent",
    """
    update colophon.mails m
    set sent_at = colophon.clock(), next_attempt_at = null, dead_at = null, failure = null
    where m.id = $1::uuid
    """)

  /// Only of the one who has it still.
  private static let failed = Statement(
    "mails.failed",
    """
    update colophon.mails m
    set failure = $3::text,
      next_attempt_at = colophon.clock() + $4::bigint * interval '1 millisecond',
      dead_at = case when $4::bigint is null then colophon.clock() end
    where m.id = $1::uuid and m.attempts = $2::integer and m.next_attempt_at is not null
    """)

  private static let standing = Statement(
    "mails.standing",
    """
    select (select count(*) from colophon.mails m where m.next_attempt_at is not null),
      (select count(*) from colophon.mails m where m.dead_at is not null)
    """)

  private static let clean = Statement(
    "mails.clean",
    """
    delete from colophon.subscription_tokens t
    where t.digest in (
      select e.digest from colophon.subscription_tokens e
      where e.expires_at < colophon.clock() - interval '30 days'
      order by e.expires_at
      limit \(batch)
      for update skip locked
    )
    """)
}
