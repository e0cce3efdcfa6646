import HTTP

/// What a read answers with, and the validators by which a client asks whether that has changed
/// (RFC 9110 §13).
struct Representation {
  var body: [UInt8]
  var mediaType: MediaType
  var tag: EntityTag
  /// Of single items only: a list's would go backwards after a deletion.
  var lastModified: HTTPDate?
  /// Seconds until it may change by itself, because a scheduled post comes due; nil when it cannot.
  var changesIn: Int?
  var isPublic: Bool
  var fields: ResponseFields = [:]

  /// 200, or 304 where the client has it already, or 412.
  func answer(to head: RequestHead) throws(Problem) -> Response {
    var fields = fields
    fields.append("ETag", FieldValue(tag.text))
    if let lastModified { fields.append("Last-Modified", FieldValue(lastModified.text)) }
    fields.append("Cache-Control", FieldValue(cacheControl))
    fields.append("Vary", "Accept, Authorization")
    switch try precondition(of: head) {
    case .holds: break
    case .unchanged: return Response(status: 304, fields: fields)
    case .fails:
      throw Problem(
        .preconditionFailed, "If-Match names another representation than this.",
        fields: ["ETag": FieldValue(tag.text)])
    }
    // JSON is UTF-8 and has no such parameter (RFC 8259 §11).
    let isText = mediaType.type == "text" || mediaType.subtype == "xml"
    let charset = isText || mediaType.subtype.hasSuffix("+xml") ? "; charset=utf-8" : ""
    fields.append("Content-Type", FieldValue(mediaType.essence + charset))
    return Response(status: 200, fields: fields, body: body)
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

  private var cacheControl: String {
    guard isPublic else { return "private, no-store" }
    if let changesIn, changesIn < 60 {
      return "public, max-age=\(max(0, changesIn)), stale-if-error=86400"
    }
    return "public, max-age=60, stale-while-revalidate=30, stale-if-error=86400"
  }
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
