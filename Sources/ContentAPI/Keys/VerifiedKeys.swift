import EventLoop
import HTTP
import Postgres
import RateLimits

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

  /// The key's; empty for nobody.
  var name: String {
    if case .principal(let principal) = self { return principal.name }
    return ""
  }
}

/// The account behind a verified key.
struct Principal: Sendable {
  /// Stays when the key is rotated.
  let account: String
  let name: String
  let scopes: Set<Scope>
  /// The account as a number, which the limits know it by.
  let number: (high: UInt64, low: UInt64)

  /// - Parameter account: a UUID.
  init(account: String, name: String, scopes: Set<Scope>) {
    self.account = account
    self.name = name
    self.scopes = scopes
    var number: (high: UInt64, low: UInt64) = (0, 0)
    for byte in account.utf8 {
      guard let digit = byte.hexadecimalValue else { continue }
      number.high = number.high << 4 | number.low >> 60
      number.low = number.low << 4 | UInt64(digit)
    }
    self.number = number
  }
}

/// What a request shows of who sent it, before anybody has been asked.
enum Credential: Sendable {
  case none
  /// It cannot be a key.
  case malformed
  /// It has been looked up in the last eight seconds.
  case verified(Principal)
  /// It has to be looked up.
  case unverified(APIKey)
}

/// The keys that this process has found good, for all its loops. A key is looked up once and then
/// believed for eight seconds, which is also how long a revoked one may still work.
package final class KnownKeys: Sendable {
  /// By the part of the key that is no secret, so that finding an entry tells nothing about the
  /// rest.
  private let entries = Locked<[String: Entry]>([:])

  private struct Entry {
    let text: [UInt8]
    let principal: Principal
    let until: MonotonicInstant
  }

  private static var trust: Duration { .seconds(8) }
  private static var capacity: Int { 10_000 }

  package init() {}

  /// What is known of a key: nil when it has never been found good, or that was forgotten.
  func find(_ key: APIKey, now: MonotonicInstant) -> (principal: Principal, isFresh: Bool)? {
    guard let entry = entries.withLock({ $0[key.id] }),
      Self.areEqual(entry.text.span, key.text.utf8Span.span)
    else { return nil }
    return (entry.principal, entry.until > now)
  }

  fileprivate func insert(_ key: APIKey, _ principal: Principal, now: MonotonicInstant) {
    let entry = Entry(text: Array(key.text.utf8), principal: principal, until: now + Self.trust)
    entries.withLock { entries in
      if entries.count >= Self.capacity { entries = entries.filter { $0.value.until > now } }
      if entries.count < Self.capacity { entries[key.id] = entry }
    }
  }

  /// Forgets a key that is no longer good.
  fileprivate func remove(_ key: APIKey) {
    entries.withLock { entries in
      guard let entry = entries[key.id],
        Self.areEqual(entry.text.span, key.text.utf8Span.span)
      else { return }
      entries[key.id] = nil
    }
  }

  /// Takes the same time wherever the difference is.
  private static func areEqual(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for place in one.indices { difference |= one[place] ^ other[place] }
    return difference == 0
  }
}

/// Asks the database about keys, on one loop.
actor VerifiedKeys: LoopBound {
  nonisolated let loop: EventLoop
  private let pool: Pool
  private let known: KnownKeys
  private let clock: @Sendable () -> MonotonicInstant
  /// The look-ups under way, by the whole text, and who else waits for each: a client that comes
  /// back with many requests at once, or whose eight seconds have passed, is one look-up.
  private var lookUps: [[UInt8]: [CheckedContinuation<Result<Principal, any Error>?, Never>]] = [:]

  init(
    pool: Pool, known: KnownKeys, loop: EventLoop, clock: @escaping @Sendable () -> MonotonicInstant
  ) {
    self.pool = pool
    self.known = known
    self.loop = loop
    self.clock = clock
  }

  /// What the request shows, as far as this process knows.
  nonisolated func credential(of head: RequestHead) -> Credential {
    switch head.place(of: "authorization") {
    case .absent: return .none
    case .repeated: return .malformed
    case .line(let line):
      guard let key = head.withLine(line, { Self.bearer($0) }) else { return .malformed }
      if let found = known.find(key, now: clock()), found.isFresh {
        return .verified(found.principal)
      }
      return .unverified(key)
    }
  }

  /// `Bearer KEY`; the scheme in any case (RFC 9110 §11.1).
  private static func bearer(_ credentials: Span<UInt8>) -> APIKey? {
    let scheme = "bearer ".utf8Span.span
    guard credentials.count > scheme.count else { return nil }
    for place in scheme.indices where credentials[place] | 0x20 != scheme[place] { return nil }
    var start = scheme.count
    while start < credentials.count, credentials[start] == UInt8(ascii: " ") { start += 1 }
    return APIKey(credentials.extracting(start...))
  }

  /// What came of looking a key up.
  enum Verdict: Sendable {
    case good(Principal)
    /// With what was taken for it.
    case bad(ClientLimits.Charge?)
  }

  /// Looks a key up. Before that there must be quota for one that is not good, which is given back
  /// when it is; else 429 is thrown. A key that was good once is looked up in any case: bad keys of
  /// others at the same address must not lock it out. Who joins a look-up pays when it has failed.
  func verify(
    _ key: APIKey, from address: NetworkAddress, _ limits: ClientLimits, _ trail: RequestTrail
  ) async throws -> Verdict {
    let text = Array(key.text.utf8)
    let bad = Client.credential(address)
    while lookUps[text] != nil {
      guard let result = await join(text) else { continue }
      do {
        return .good(try result.get())
      } catch let problem as Problem where problem.kind == .unauthorized {
        return .bad(try limits.admit(bad, cost: ClientLimits.badKey, at: clock))
      }
    }
    let now = clock()
    let wasGood = known.find(key, now: now) != nil
    let charge = wasGood ? nil : try limits.admit(bad, cost: ClientLimits.badKey, at: clock)
    lookUps[text] = []
    let result: Result<Principal, any Error>
    do { result = .success(try await lookUp(key, trail)) } catch { result = .failure(error) }
    let isBad: Bool
    switch result {
    case .success(let principal):
      isBad = false
      known.insert(key, principal, now: now)
    case .failure(let error):
      isBad = (error as? Problem)?.kind == .unauthorized
      if isBad { known.remove(key) }
    }
    for waiting in lookUps.removeValue(forKey: text) ?? [] { waiting.resume(returning: result) }
    if isBad {
      return .bad(wasGood ? try limits.admit(bad, cost: ClientLimits.badKey, at: clock) : charge)
    }
    if let charge { limits.refund(charge, at: clock) }
    return .good(try result.get())
  }

  /// What the look-up came to that is under way; nil when it has ended meanwhile, as other tasks of
  /// the loop may run before this one waits.
  private func join(_ text: [UInt8]) async -> Result<Principal, any Error>? {
    await withCheckedContinuation { continuation in
      if lookUps[text]?.append(continuation) == nil { continuation.resume(returning: nil) }
    }
  }

  private func lookUp(_ key: APIKey, _ trail: RequestTrail) async throws -> Principal {
    let call = Call(Self.lookUp, [.text(key.id), .text(key.text)])
    let rows = try await pool.query(call, deadline: .now() + .seconds(5), for: trail)
    guard rows.count == 1, let account = rows.text(0, 0), let name = rows.text(0, 1),
      let scopes = rows.text(0, 2)
    else { throw Problem.unauthorized }
    return Principal(
      account: account, name: name,
      scopes: Set(scopes.split(separator: ",").compactMap { Scope(rawValue: String($0)) }))
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
    """, roles: [.query])
}

extension Problem {
  static let unauthorized = Problem(
    .unauthorized, "Send a valid key as Authorization: Bearer KEY.",
    fields: ["WWW-Authenticate": "Bearer realm=\"colophon\""])
}
