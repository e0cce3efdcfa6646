import HTTP
import JSON
import Postgres

/// One resource as a statement rendered it: its JSON with what is needed to answer with it. Reads
/// and writes of one resource select the same columns, so that a client gets the same bytes and the
/// same tag from both.
struct Document: Sendable {
  let json: [UInt8]
  let version: Int
  let tag: EntityTag
  /// nil where a part can change without leaving a date behind, as a counter does.
  let modified: HTTPDate?
  /// Seconds until it changes by itself, because a scheduled post comes due.
  let changesIn: Int?

  /// Reads the one row of a statement made with `columns`; nil when there is none.
  init?(_ rows: Rows) throws {
    if rows.isEmpty { return nil }
    guard let json = rows.bytes(0, 0), let version = rows.integer(0, 1),
      let hash = rows.text(0, 2), let tag = EntityTag(opaque: "\(version)-\(hash)")
    else { throw UnexpectedRows() }
    self.json = json
    self.version = version
    self.tag = tag
    modified = rows.integer(0, 3).map { HTTPDate(secondsSinceEpoch: Int64($0)) }
    changesIn = rows.integer(0, 4)
  }

  /// The statement behind a `with`, or a whole one, that gives a document for a row of `source`.
  ///
  /// - Parameters:
  ///   - json: an expression for the JSON.
  ///   - version: an integer.
  ///   - modified: a timestamp, or nothing.
  ///   - nextChange: the timestamp at which it changes by itself, or nothing.
  static func select(
    _ json: String, version: String, modified: String = "null::timestamptz",
    nextChange: String = "null::timestamptz", from source: String
  ) -> String {
    """
    select r.json, r.version, left(encode(sha256(convert_to(r.json, 'UTF8')), 'hex'), 32) as hash,
      floor(extract(epoch from r.modified))::bigint as modified,
      floor(extract(epoch from r.next_change - colophon.clock()))::bigint as next_change_in
    from (
      select \(json)::text as json, \(version) as version, \(modified) as modified,
        \(nextChange) as next_change
      from \(source)
      offset 0  -- keeps the planner from rendering the JSON once for each mention
    ) r
    """
  }

  /// As `select`, for a statement of a write: leaves the document and its header lines in the
  /// transaction, for the answer that is stored behind it (`Answer.rendered`). A transaction ends that
  /// way in one round trip, although nobody outside has seen the document yet.
  ///
  /// - Parameter location: a text, where it stands now that it is there; or nothing.
  static func render(
    _ json: String, version: String, modified: String = "null::timestamptz",
    location: String? = nil, from source: String
  ) -> String {
    leave(
      """
      select \(json)::text as json, \(version) as version, null::text as hash,
        \(modified) as modified, \(location ?? "null::text") as location
      from \(source)
      """)
  }

  /// As `render`, for the row of a statement that gives all of it: json, version, hash (or null, for
  /// that of the JSON), modified, location.
  ///
  /// - Parameter more: what else is to be selected.
  static func leave(_ document: String, more: String = "") -> String {
    """
    select set_config('colophon.body', r.json, true) is not null
        and set_config('colophon.headers', r.headers, true) is not null as is_rendered\(more)
    from (
      select d.*, 'Content-Type: application/json' || chr(10)
        || 'ETag: "' || d.version || '-'
        || coalesce(d.hash, left(encode(sha256(convert_to(d.json, 'UTF8')), 'hex'), 32))
        || '"' || chr(10)
        || coalesce('Last-Modified: '
          || to_char(d.modified at time zone 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' GMT'
          || chr(10), '')
        || coalesce('Location: ' || d.location || chr(10), '') as headers
      from (
        \(document)
        offset 0  -- keeps the planner from rendering the JSON once for each mention
      ) d
      offset 0
    ) r
    """
  }

  /// What a read shows.
  func shown(to call: RouteCall) -> Reply {
    .representation(
      Representation(
        body: json, mediaType: .json, tag: tag, lastModified: modified, changesIn: changesIn,
        isPublic: call.caller.isAnonymous
      ))
  }

  /// 200 for what is there.
  func replaced() -> Response {
    var fields: ResponseFields = [
      "Content-Type": "application/json", "Cache-Control": "private, no-store",
      "ETag": FieldValue(tag.text),
    ]
    if let modified { fields.append("Last-Modified", FieldValue(modified.text)) }
    return Response(status: 200, fields: fields, body: json)
  }
}

/// What a write asks of the resource it meets (RFC 9110 §13).
struct Preconditions: Sendable {
  /// The versions of `If-Match`; nil without the field.
  private let versions: [Substring]?
  /// `If-None-Match: *`.
  private let createsOnly: Bool

  init(_ head: RequestHead) throws(Problem) {
    versions = try head.expectedVersions().map { $0.split(separator: ",") }
    switch try head.condition("if-none-match") {
    case .any: createsOnly = true
    case .absent, .invalid: createsOnly = false
    case .oneOf: throw Problem(.malformedRequest, "If-None-Match of a write can only be *.")
    }
  }

  /// Throws 412 when the resource is in another state; `noun` names it.
  func check(_ current: Document?, _ noun: String) throws(Problem) {
    guard let current else {
      if versions == nil { return }
      throw Problem(.preconditionFailed, "If-Match names a \(noun) that is not there.")
    }
    let tag: ResponseFields = ["ETag": FieldValue(current.tag.text)]
    if createsOnly {
      throw Problem(.preconditionFailed, "The \(noun) is there already; see ETag.", fields: tag)
    }
    if let versions, versions != ["*"], !versions.contains("\(current.version)") {
      throw Problem(.preconditionFailed, "The \(noun) has changed since; see ETag.", fields: tag)
    }
  }
}

extension RouteCall {
  /// The slug in the path of a write. One that cannot be is a fault of PUT, which might make it;
  /// for the others there is nothing there.
  func slug(of noun: String, limit: Int = Slug.maximumLength) throws(Problem) -> String {
    if Slug.isValid(variables[0], limit: limit) { return variables[0] }
    guard route.method == .put else {
      throw Problem(.notFound, "There is no \(noun) of this slug.")
    }
    let detail = "A slug has 1 to \(limit) \(Slug.rule)."
    throw Problem(Faults([Fault(place: .parameter("slug"), detail: detail)]))
  }

  /// The content of a write as JSON.
  func json() async throws -> JSONValue {
    if let value = content.json { return value }
    let bytes = try await bytes()
    let value = try JSONReader.read(bytes.span)
    content.json = value
    return value
  }

  /// The content of a write as it came.
  func bytes() async throws -> [UInt8] {
    if let bytes = content.bytes { return bytes }
    let bytes = try await request.content.read()
    content.bytes = bytes
    return bytes
  }
}

extension Parameter {
  /// A text that may be absent.
  init(_ text: String?) {
    self = text.map(Parameter.text) ?? .null
  }

  /// A value of a column of type `json`, rendered.
  static func json(_ value: JSONValue) -> Parameter {
    var json = JSONWriter()
    json.value(value)
    return .text(String(decoding: json.bytes, as: UTF8.self))
  }
}
