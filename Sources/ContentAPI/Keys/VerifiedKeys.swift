import EventLoop
import HTTP
import Postgres

/// Who calls.
enum Caller: Sendable {
  case anonymous
  case principal(Principal)

  func has(_ scope: Scope) -> Bool {
    if case .principal(let principal) = self { return principal.scopes.contains(scope) }
    return false
  }

  /// Throws 401 for nobody and 403 for somebody who may not.
  func require(_ scope: Scope) throws(Problem) {
    if has(scope) { return }
    if isAnonymous { throw Problem.unauthorized }
    throw Problem(.forbidden, "This needs a key with the scope \(scope.rawValue).")
  }

  var isAnonymous: Bool {
    if case .anonymous = self { return true }
    return false
  }
}

/// The account behind a verified key.
struct Principal: Sendable {
  /// Stays when the key is rotated.
  let account: String
  let name: String
  let scopes: Set<Scope>
}

/// The keys that this loop has verified in the last eight seconds. A key is looked up once and then
/// believed for that long, which is also how long a revoked one may still work.
actor VerifiedKeys: LoopBound {
  nonisolated let loop: EventLoop
  private let pool: Pool
  /// By the part of the key that is no secret, so that finding an entry tells nothing about the
  /// rest.
  private var entries: [String: Entry] = [:]
  /// The look-ups under way, by the whole text, and who else waits for each: a client that comes
  /// back with many requests at once, or whose eight seconds have passed, is one look-up.
  private var lookUps: [[UInt8]: [CheckedContinuation<Result<Principal, any Error>, Never>]] = [:]

  private struct Entry {
    let text: [UInt8]
    let principal: Principal
    let until: MonotonicInstant
  }

  private static var trust: Duration { .seconds(8) }
  private static var capacity: Int { 10_000 }

  init(pool: Pool, loop: EventLoop) {
    self.pool = pool
    self.loop = loop
  }

  /// Who sent this request. Throws the same 401 for every credential that is not good.
  func caller(of head: RequestHead) async throws -> Caller {
    switch head.only(of: "authorization") {
    case .absent: return .anonymous
    case .repeated: throw Problem.unauthorized
    case .one(let text):
      guard let key = Self.bearer(text) else { throw Problem.unauthorized }
      return .principal(try await principal(of: key))
    }
  }

  /// `Bearer KEY`; the scheme in any case (RFC 9110 §11.1).
  private static func bearer(_ text: String) -> APIKey? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return APIKey(String(parts[1]))
  }

  private func principal(of key: APIKey) async throws -> Principal {
    let text = Array(key.text.utf8)
    let now = MonotonicInstant.now()
    if let entry = entries[key.id], entry.until > now, Self.areEqual(entry.text, text) {
      return entry.principal
    }
    if lookUps[text] != nil {
      return try await withCheckedContinuation { lookUps[text]?.append($0) }.get()
    }
    lookUps[text] = []
    let result: Result<Principal, any Error>
    do { result = .success(try await lookUp(key)) } catch { result = .failure(error) }
    for waiting in lookUps.removeValue(forKey: text) ?? [] { waiting.resume(returning: result) }
    let principal = try result.get()
    if entries.count >= Self.capacity { entries = entries.filter { $0.value.until > now } }
    if entries.count < Self.capacity {
      entries[key.id] = Entry(
        text: Array(key.text.utf8), principal: principal, until: now + Self.trust)
    }
    return principal
  }

  private func lookUp(_ key: APIKey) async throws -> Principal {
    let call = Call(Self.lookUp, [.text(key.id), .text(key.text)])
    let rows = try await pool.query(call, deadline: .now() + .seconds(5))
    guard rows.count == 1, let account = rows.text(0, 0), let name = rows.text(0, 1),
      let scopes = rows.text(0, 2)
    else { throw Problem.unauthorized }
    return Principal(
      account: account, name: name,
      scopes: Set(scopes.split(separator: ",").compactMap { Scope(rawValue: String($0)) }))
  }

  /// Takes the same time wherever the difference is.
  private static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for index in one.indices { difference |= one[index] ^ other[index] }
    return difference == 0
  }

  static let statements = [lookUp]

  /// Finds a key that is neither revoked nor expired, and writes down that it was used: once a
  /// minute, and not at all where somebody else holds the row.
  private static let lookUp = Statement(
    "keys.look_up",
    """
    with found as (
      select k.id, k.account, k.name, k.scopes
      from colophon.api_keys k
      where k.id = $1::text and k.digest = sha256(convert_to($2::text, 'UTF8'))
        and k.revoked_at is null
        and (k.expires_at is null or k.expires_at > colophon.clock())
    ), used as (
      update colophon.api_keys k
      set last_used_at = colophon.this_second()
      from (
        select u.id from colophon.api_keys u join found on found.id = u.id
        where u.last_used_at is null
          or u.last_used_at < colophon.clock() - interval '1 minute'
        for no key update of u skip locked
      ) stale
      where k.id = stale.id
    )
    select found.account, found.name, array_to_string(found.scopes, ',') from found
    """)
}

extension Problem {
  static let unauthorized = Problem(
    .unauthorized, "Send a valid key as Authorization: Bearer KEY.",
    fields: ["WWW-Authenticate": "Bearer realm=\"colophon\""])
}
