import HTTP
import JSON
import Postgres

/// PUT or PATCH of one resource, in one transaction of two round trips: what is stored is locked
/// and read, the request decides on that, and the result is stored with the commit. So two writers
/// who name the same version in `If-Match` cannot both find it.
///
/// A PUT is the whole resource, and creates it where there is none. A PATCH (RFC 7396) changes the
/// resource as its answers show it, and is then read by the same rules as a PUT.
struct Edit<Draft: Sendable> {
  /// What it is called in problems.
  let noun: String
  /// Members of answers that no request may name.
  let readOnly: [String]
  /// What is locked for this content. The last of them locks the resource and renders it as a
  /// `Document`, or gives no row.
  let lock: (JSONValue) -> [Call]
  /// Reads what is to be stored; the second value is the patch that led to it.
  let read: (JSONValue, JSONValue?) throws(Faults) -> Draft
  /// Stores it in place of what `lock` found; gets the rows of `lock` too. The last of them renders
  /// the document (`Document.render`), or gives no row when nothing was to be changed or somebody
  /// was faster to create.
  let store: (Draft, Document?, [Rows]) throws -> [Call]
  /// Where it stands then; nil when that cannot be another place than the request's.
  var place: ((Draft) -> String)?

  /// 201 or 200; throws a `Problem` for a precondition that fails, for a PATCH of nothing, and for
  /// faults.
  func run(_ call: RouteCall, _ writes: Writes) async throws -> Response {
    let preconditions = try Preconditions(call.head)
    let content = try await call.json()
    let isPatch = call.route.method == .patch
    // What can be said without the database is.
    let whole = isPatch ? nil : try read(content, nil)
    return try await writes.transaction(call) { write in
      let rows = try await write.send(lock(content))
      guard let last = rows.last else { throw UnexpectedRows() }
      let current = try Document(last)
      if current == nil, isPatch { throw Problem(.notFound, "There is no \(noun) of this slug.") }
      try preconditions.check(current, noun)
      let draft = try whole ?? read(patched(current, by: content), content)
      return try await write.commit(
        try store(draft, current, rows),
        .rendered(
          status: current == nil ? 201 : 200,
          fields: fields(draft, isNew: current == nil, at: call.head.target.segments),
          otherwise: current?.replaced()))
    }
  }

  /// `Location` of what is new. What stands elsewhere from now on says so in `Content-Location` (RFC
  /// 9110 §8.7); `Location` would say that something was created.
  private func fields(_ draft: Draft, isNew: Bool, at path: [String]) -> ResponseFields {
    guard let place = place?(draft) else { return [:] }
    if isNew { return ["Location": FieldValue(place)] }
    let isThere = place.split(separator: "/").last.map(String.init) == path.last
    return isThere ? [:] : ["Content-Location": FieldValue(place)]
  }

  private func patched(_ current: Document?, by patch: JSONValue) throws -> JSONValue {
    guard let current, let members = try JSONReader.read(current.json.span).objectValue else {
      throw UnexpectedRows()
    }
    return MergePatch.apply(
      patch, to: .object(members.filter { !readOnly.contains($0.name) }))
  }
}

/// DELETE of one resource, in the same way: `lock` is as in `Edit`, `remove` gets its rows.
struct Removal {
  let noun: String
  let lock: [Call]
  let remove: ([Rows]) throws -> [Call]

  /// 204; throws 404 when there is nothing, and 412.
  func run(_ call: RouteCall, _ writes: Writes) async throws -> Response {
    let preconditions = try Preconditions(call.head)
    return try await writes.transaction(call) { write in
      let rows = try await write.send(lock)
      guard let last = rows.last else { throw UnexpectedRows() }
      guard let current = try Document(last) else {
        throw Problem(.notFound, "There is no \(noun) of this slug.")
      }
      try preconditions.check(current, noun)
      return try await write.commit(try remove(rows), .response(Response(status: 204)))
    }
  }
}
