package import JSON
package import Postgres

/// The mails that have not left, as the command line shows them and sees to them.
package struct MailRegister: Sendable {
  private let connection: Connection

  /// - Parameter connection: of a role that may write the mails; the caller closes it.
  package init(_ connection: Connection) { self.connection = connection }

  /// A line of `mail list`.
  package struct Entry: Sendable {
    package let id: String
    package let email: String
    /// `waiting` or `dead`.
    package let state: String
    /// How many hand-overs have been tried.
    package let attempts: Int
    /// When it was ordered, in RFC 3339 as all its times.
    package let orderedAt: String
    /// Nil once it is dead.
    package let nextAttemptAt: String?
    package let deadAt: String?
    /// How the last attempt failed; nil before the first has.
    package let failure: String?

    /// Renders it as one object.
    package func write(to json: inout JSONWriter) {
      json.beginObject()
      let texts: [(String, String?)] = [
        ("id", id), ("email", email), ("state", state), ("ordered_at", orderedAt),
        ("next_attempt_at", nextAttemptAt), ("dead_at", deadAt), ("failure", failure),
      ]
      for (name, text) in texts {
        json.name(name)
        if let text { json.string(text) } else { json.null() }
      }
      json.name("attempts")
      json.number(attempts)
      json.endObject()
    }
  }

  /// Every mail that waits or is dead, the oldest first.
  package func list() async throws(PostgresError) -> [Entry] {
    let rows = try await connection.query(Self.list.sql)
    return (0..<rows.count).map { row in
      Entry(
        id: rows.text(row, 0) ?? "", email: rows.text(row, 1) ?? "",
        state: rows.isNull(row, 5) ? "waiting" : "dead", attempts: rows.integer(row, 2) ?? 0,
        orderedAt: rows.text(row, 3) ?? "", nextAttemptAt: rows.text(row, 4),
        deadAt: rows.text(row, 5), failure: rows.text(row, 6))
    }
  }

  /// Puts a dead mail, or all of them, back to the ones that wait, with all attempts before them.
  /// How many those were.
  package func retry(_ id: String?) async throws(PostgresError) -> Int {
    try await connection.query(Self.retry.sql, [id.map { .text($0) } ?? .null]).affected
  }

  /// Every statement, for a test to prepare.
  package static let statements = [list, retry]

  private static let list = Statement(
    "mails.list",
    """
    select m.id, s.email, m.attempts, colophon.rfc3339(m.ordered_at),
      colophon.rfc3339(m.next_attempt_at), colophon.rfc3339(m.dead_at), m.failure
    from colophon.mails m join colophon.subscriptions s on s.id = m.subscription_id
    where m.next_attempt_at is not null or m.dead_at is not null
    order by m.ordered_at, m.id
    """)

  private static let retry = Statement(
    "mails.retry",
    """
    update colophon.mails m
    set attempts = 0, next_attempt_at = colophon.clock(), dead_at = null
    where m.dead_at is not null and ($1::text is null or m.id::text = $1::text)
    """)
}
