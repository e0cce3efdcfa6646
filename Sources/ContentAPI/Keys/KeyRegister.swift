import EventLoop
package import JSON
package import Postgres

/// The API keys as the command line manages them.
package struct KeyRegister: Sendable {
  private let connection: Connection

  /// - Parameter connection: of a role that may write the keys; the caller closes it.
  package init(_ connection: Connection) { self.connection = connection }

  /// A line of `key list`.
  package struct Entry: Sendable {
    /// The part of the key that anyone may see.
    package let id: String
    /// What it was called when it was made.
    package let name: String
    /// As the database has them: a newer program may know more than `Scope`.
    package let scopes: [String]
    /// RFC 3339, right to about a minute; nil when it never was.
    package let lastUsedAt: String?
    /// `active`, `expired` or `revoked`.
    package let state: String

    /// Renders it as one object.
    package func write(to json: inout JSONWriter) {
      json.beginObject()
      json.name("id")
      json.string(id)
      json.name("name")
      json.string(name)
      json.name("scopes")
      json.beginArray()
      for scope in scopes { json.string(scope) }
      json.endArray()
      json.name("last_used_at")
      if let lastUsedAt { json.string(lastUsedAt) } else { json.null() }
      json.name("state")
      json.string(state)
      json.endObject()
    }
  }

  /// What came of rotating a key.
  package enum Rotation: Sendable {
    case rotated(APIKey)
    /// There is no active key of this id.
    case unknown
    /// Two keys of the account are active already.
    case tooMany(active: [String])
  }

  /// Makes a key of a new account. It is shown now and never again.
  package func create(
    name: String, scopes: [Scope], key: APIKey
  ) async throws(PostgresError) {
    _ = try await connection.query(
      Self.create.sql,
      [
        .text(key.id), .text(name), .text(scopes.map(\.rawValue).joined(separator: ",")),
        .text(key.text),
      ])
  }

  /// Every key there is, revoked ones too.
  package func list() async throws(PostgresError) -> [Entry] {
    let rows = try await connection.query(Self.list.sql)
    return (0..<rows.count).map { row in
      Entry(
        id: rows.text(row, 0) ?? "", name: rows.text(row, 1) ?? "",
        scopes: (rows.text(row, 2) ?? "").split(separator: ",").map(String.init),
        lastUsedAt: rows.text(row, 3), state: rows.text(row, 4) ?? "")
    }
  }

  /// Makes a second key for the account of key `id`. Both work until one is revoked, so that
  /// clients can change over; a third is refused.
  package func rotate(_ id: String, to key: APIKey) async throws(PostgresError) -> Rotation {
    // Locked in a statement of its own, so that the next one sees what another rotation has made.
    _ = try await connection.query("begin")
    _ = try await connection.query(Self.lockAccount.sql, [.text(id)])
    let rows = try await connection.query(
      Self.rotate.sql, [.text(id), .text(key.id), .text(key.text)])
    _ = try await connection.query("commit")
    switch rows.text(0, 0) {
    case "rotated": return .rotated(key)
    case "too many":
      return .tooMany(active: (rows.text(0, 1) ?? "").split(separator: ",").map(String.init))
    default: return .unknown
    }
  }

  /// False when there is no such key. Revoking a revoked key changes nothing.
  package func revoke(_ id: String) async throws(PostgresError) -> Bool {
    try await connection.query(Self.revoke.sql, [.text(id)]).count == 1
  }

  /// Every statement, for a test to prepare.
  package static let statements = [create, list, lockAccount, rotate, revoke]

  private static let create = Statement(
    "keys.create",
    """
    insert into colophon.api_keys (id, name, scopes, digest)
    values ($1::text, $2::text, string_to_array($3::text, ','),
      sha256(convert_to($4::text, 'UTF8')))
    """)

  private static let list = Statement(
    "keys.list",
    """
    select k.id, k.name, array_to_string(k.scopes, ','), colophon.rfc3339(k.last_used_at),
      case when k.revoked_at is not null then 'revoked'
        when k.expires_at <= colophon.clock() then 'expired' else 'active' end
    from colophon.api_keys k
    order by k.created_at, k.id
    """)

  private static let lockAccount = Statement(
    "keys.lock_account",
    """
    select a.id from colophon.api_keys a
    where a.account = (select k.account from colophon.api_keys k where k.id = $1::text)
    order by a.id
    for update
    """)

  private static let rotate = Statement(
    "keys.rotate",
    """
    with account as (
      select a.id, a.account, a.name, a.scopes, a.expires_at, a.revoked_at
      from colophon.api_keys a
      where a.account = (select k.account from colophon.api_keys k where k.id = $1::text)
    ), active as (
      select a.id from account a
      where a.revoked_at is null and (a.expires_at is null or a.expires_at > colophon.clock())
    ), made as (
      insert into colophon.api_keys (id, account, name, scopes, digest, expires_at)
      select $2::text, a.account, a.name, a.scopes, sha256(convert_to($3::text, 'UTF8')),
        a.expires_at
      from account a
      where a.id = $1::text and (select count(*) from active) < 2
        and a.id in (select active.id from active)
      returning id
    )
    select case
        when exists (select from made) then 'rotated'
        when $1::text in (select active.id from active) then 'too many'
        else 'unknown' end,
      (select string_agg(active.id, ',' order by active.id) from active)
    """)

  private static let revoke = Statement(
    "keys.revoke",
    """
    update colophon.api_keys k
    set revoked_at = coalesce(k.revoked_at, colophon.this_second())
    where k.id = $1::text
    returning k.id
    """)
}
