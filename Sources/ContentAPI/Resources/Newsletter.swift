import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/newsletter`: what the newsletter is, for the form that invites to it. There is one, from
/// the start.
struct Newsletter: Sendable {
  let pool: Pool

  // GET /v1/newsletter

  func show(_ call: RouteCall) async throws -> Reply {
    let rows = try await pool.read(Call(Self.show), deadline: .now() + .seconds(5), for: call.trail)
    guard let newsletter = try Document(rows) else { throw UnexpectedRows() }
    return newsletter.shown(to: call)
  }

  // PUT /v1/newsletter

  func edit(_ call: RouteCall) async throws -> Response {
    let edit = Edit<[Parameter]>(
      noun: "newsletter", readOnly: [],
      lock: { _ in [Call(Self.lock)] }, read: Self.read,
      store: { parameters, _, _ in [Call(Self.update, parameters)] })
    return try await edit.run(call, Writes(pool: pool))
  }

  /// $1 … $3 of `update`.
  private static func read(_ content: JSONValue, patch: JSONValue?) throws(Faults) -> [Parameter] {
    var reading = MemberReading(
      content, patch: patch, writable: ["name", "description", "frequency"])
    let parameters: [Parameter] = [
      .text(reading.line("name", limit: 300) ?? ""),
      Parameter(reading.text("description", limit: 1000)),
      Parameter(reading.line("frequency", limit: 300)),
    ]
    try reading.finish()
    return parameters
  }

  static let statements = [show, lock, update]

  // What it is in SQL; `n` is the row.

  /// Its JSON, from the row `n`.
  static let json =
    "json_build_object('name', n.name, 'description', n.description, 'frequency', n.frequency)"

  private static func document(of newsletter: String) -> String {
    Document.select(json, version: "n.version", modified: "n.updated_at", from: newsletter)
  }

  private static let show = Statement("newsletter.show", document(of: "colophon.newsletter n"))

  private static let lock = Statement(
    "newsletter.lock",
    """
    with n as (
      select * from colophon.newsletter for no key update
    )
    \(document(of: "n"))
    """)

  /// $1 … $3 the members. No row: it is all that already.
  private static let update = Statement(
    "newsletter.update",
    """
    with n as (
      update colophon.newsletter n
      set name = $1::text, description = $2::text, frequency = $3::text,
        updated_at = colophon.this_second(), version = n.version + 1
      where (n.name, n.description, n.frequency)
        is distinct from ($1::text, $2::text, $3::text)
      returning n.*
    )
    \(Document.render(json, version: "n.version", modified: "n.updated_at", from: "n"))
    """)
}
