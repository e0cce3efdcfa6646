import EventLoop
import HTTP
import JSON
import Postgres

/// `GET /v1/idempotency/{key}`: what became of a write, for whoever sent it under this key.
package struct WriteOutcomes: Sendable {
  let pool: Pool

  func show(_ call: RouteCall) async throws -> Response {
    guard let key = IdempotencyKey(call.variables[0]) else {
      throw Problem(.notFound, "No write can have this key.")
    }
    guard case .principal(let principal) = call.caller else { throw Problem.unauthorized }
    let name = WriteName(scope: principal.account, key: key.text)
    var state = try await look(name, call.trail)
    // One that has not reached the database yet.
    if state == nil, call.inFlight.contains(name) { state = .inProgress }
    guard let state else {
      throw Problem(.notFound, "No write of yours has come under this key.")
    }
    return Response(
      status: 200,
      fields: ["Content-Type": "application/json", "Cache-Control": "private, no-store"],
      body: Self.render(key, state))
  }

  private enum State {
    case inProgress
    case answered(status: Int, isExpired: Bool, createdAt: String)
  }

  /// A write under way is a row that nobody sees, so the key is claimed, which waits for it for a
  /// moment, and given back before anybody hears of it: the next who asks finds no claim of ours. nil
  /// when it is free.
  private func look(_ name: WriteName, _ trail: RequestTrail) async throws -> State? {
    let id: [Parameter] = [.text(name.scope), .text(name.key)]
    return try await pool.transaction(deadline: .now() + .seconds(5), for: trail) {
      transaction in
      let outcome = await transaction.attempt(
        [
          Transaction.savepoint, Call(Self.limit), Call(Self.probe, id), Call(Claim.status, id),
          Transaction.undo,
        ])
      if let error = outcome.error {
        if outcome.rows.count == 2, error.serverError?.sqlState == "55P03" { return .inProgress }
        throw error
      }
      guard outcome.rows.count == 5 else { throw UnexpectedRows() }
      let row = outcome.rows[3]
      guard let isExpired = row.boolean(0, 1), let createdAt = row.text(0, 2) else { return nil }
      guard let status = row.integer(0, 0) else { return nil }
      return .answered(status: status, isExpired: isExpired, createdAt: createdAt)
    }
  }

  private static func render(_ key: IdempotencyKey, _ state: State) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.name("key")
    json.string(key.text)
    json.name("state")
    switch state {
    case .inProgress:
      json.string("in_progress")
      json.name("status")
      json.null()
      json.name("created_at")
      json.null()
    case .answered(let status, let isExpired, let createdAt):
      json.string(isExpired ? "expired" : "completed")
      json.name("status")
      json.number(status)
      json.name("created_at")
      json.string(createdAt)
    }
    json.endObject()
    return json.bytes
  }

  static let statements = [limit, probe]

  private static let limit = Statement(
    "idempotency.limit", "select set_config('lock_timeout', '50ms', true)")

  /// $1 scope, $2 key. Rolled back in any case.
  private static let probe = Statement(
    "idempotency.probe",
    """
    insert into colophon.idempotency_keys (scope, key, fingerprint_version, fingerprint)
    values ($1::text, $2::text, 0, '')
    on conflict do nothing
    """)
}
