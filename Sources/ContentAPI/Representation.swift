import HTTP

/// What a read answers with, and the validators by which a client asks whether that has changed
/// (RFC 9110 §13).
struct Representation: Sendable {
  var body: [UInt8]
  var mediaType: MediaType
  var tag: EntityTag
  /// Of single items only: a list's would go backwards after a deletion.
  var lastModified: HTTPDate?
  /// Seconds until it may change by itself, because a scheduled post comes due; nil when it cannot.
  var changesIn: Int?
  var isPublic: Bool
  /// Seconds since it was known to be what the database has, when that cannot be asked.
  var age: Int?
  var fields: ResponseFields = [:]

  /// 200, or 304 where the client has it already, or 412.
  func answer(to head: RequestHead) throws(Problem) -> Response {
    switch try precondition(of: head) {
    case .holds: return response(status: 200)
    case .unchanged: return response(status: 304)
    case .fails:
      throw Problem(
        .preconditionFailed, "If-Match names another representation than this.",
        fields: ["ETag": FieldValue(tag.text)])
    }
  }

  /// As 200, or as 304 without what describes the content.
  func response(status: Int) -> Response {
    var fields = fields
    fields.append("ETag", FieldValue(tag.text))
    if let lastModified { fields.append("Last-Modified", FieldValue(lastModified.text)) }
    if let age { fields.append("Age", FieldValue(age)) }
    fields.append("Cache-Control", cacheControl)
    fields.append("Vary", "Accept, Authorization")
    if status == 304 { return Response(status: status, fields: fields) }
    // JSON is UTF-8 and has no such parameter (RFC 8259 §11).
    let isText = mediaType.type == "text" || mediaType.subtype == "xml"
    let needsCharset = isText || mediaType.subtype.hasSuffix("+xml")
    fields.append(
      "Content-Type",
      FieldValue(needsCharset ? mediaType.essence + "; charset=utf-8" : mediaType.essence))
    return Response(status: status, fields: fields, body: body)
  }

  private enum Precondition { case holds, unchanged, fails }

  /// In the order of RFC 9110 §13.2.2.
  private func precondition(of head: RequestHead) throws(Problem) -> Precondition {
    switch try head.condition("if-match") {
    case .absent, .any, .invalid: break
    case .oneOf(let tags): if !tags.contains(where: tag.stronglyMatches) { return .fails }
    }
    switch try head.condition("if-none-match") {
    case .any: return .unchanged
    case .oneOf(let tags): return tags.contains(where: tag.weaklyMatches) ? .unchanged : .holds
    case .absent, .invalid: break
    }
    // An unreadable date is as if it were not there (RFC 9110 §13.1.3).
    if let lastModified, case .one(let text) = head.only(of: "if-modified-since"),
      let date = HTTPDate(text, now: lastModified), lastModified <= date
    {
      return .unchanged
    }
    return .holds
  }

  private var cacheControl: FieldValue {
    guard isPublic else { return "private, no-store" }
    return changesIn.map(Self.publicCacheControl) ?? Self.standardCacheControl
  }

  private static let standardCacheControl = publicCacheControl(nil)

  private static func publicCacheControl(_ seconds: Int?) -> FieldValue {
    var text: [UInt8] = []
    appendPublicCacheControl(seconds, to: &text)
    return FieldValue(String(decoding: text, as: UTF8.self))
  }

  /// The Cache-Control of what everybody may see, which may change by itself in `seconds`.
  static func appendPublicCacheControl(_ seconds: Int?, to output: inout [UInt8]) {
    let seconds = max(0, seconds ?? Self.freshness)
    output.append(contentsOf: "public, max-age=".utf8)
    ResponseWriter.append(min(seconds, Self.freshness), to: &output)
    if seconds >= Self.freshness {
      output.append(contentsOf: ", stale-while-revalidate=30".utf8)
    }
    output.append(contentsOf: ", stale-if-error=86400".utf8)
  }

  /// Seconds that others may keep it without asking.
  private static let freshness = 60
}

extension RequestHead {
  /// A list of entity tags, or 400 when it is none.
  func condition(_ name: FieldName) throws(Problem) -> EntityTagCondition {
    let condition = EntityTagCondition(values(of: name))
    if condition == .invalid {
      throw Problem(
        .malformedRequest, "The header field \(name.text) is not a list of entity tags.")
    }
    return condition
  }

  /// The versions that `If-Match` of a write names: nil without the field, `*` for any. Only the
  /// part before the hyphen counts, so that the tag of every representation serves; a weak tag
  /// names none (RFC 9110 §13.1.1).
  func expectedVersions() throws(Problem) -> String? {
    switch try condition("if-match") {
    case .absent, .invalid: return nil
    case .any: return "*"
    case .oneOf(let tags):
      return tags.filter { !$0.isWeak }.compactMap { tag -> String? in
        let version = tag.opaque.prefix { $0 != "-" }
        let isNumber = (1...10).contains(version.utf8.count) && version.utf8.allSatisfy(\.isDigit)
        return isNumber ? String(version) : nil
      }.joined(separator: ",")
    }
  }
}
