package import HTTP
import JSON
import Postgres

/// What went wrong, as the client is told (RFC 9457). Every failure of the API becomes one of these
/// here, and this file holds the only place that looks at the errors of other modules, so that no
/// text of a driver, a statement or a path of the machine can leave.
package struct Problem: Error, Sendable {
  package let kind: Kind
  /// One sentence about this occurrence.
  package let detail: String
  /// For bad input: every fault with its place.
  package let faults: [Fault]
  /// The byte of the content at which reading it went wrong.
  package private(set) var offset: Int?
  /// The names of the rate limit's policies that refuse.
  package var violatedPolicies: [String] = []
  /// Fields that belong to the answer, such as `Allow`.
  package var fields: ResponseFields

  package init(
    _ kind: Kind, _ detail: String, faults: [Fault] = [], fields: ResponseFields = [:]
  ) {
    self.kind = kind
    self.detail = detail
    self.faults = faults
    self.fields = fields
  }

  /// The stable types; the raw value ends the type's URI and stands in openapi.yaml.
  package enum Kind: String, Sendable, CaseIterable {
    case malformedRequest = "malformed-request"
    case malformedJSON = "malformed-json"
    case keyInvalid = "idempotency-key-invalid"
    case invalidParameter = "invalid-parameter"
    case unauthorized
    case forbidden
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case requestTimeout = "request-timeout"
    case slugTaken = "slug-taken"
    case inProgress = "idempotency-in-progress"
    case cursorExpired = "cursor-expired"
    case preconditionFailed = "precondition-failed"
    case contentTooLarge = "content-too-large"
    case uriTooLong = "uri-too-long"
    case unsupportedMediaType = "unsupported-media-type"
    case expectationFailed = "expectation-failed"
    case invalidContent = "invalid-content"
    case keyReused = "idempotency-key-reused"
    case keyExpired = "idempotency-key-expired"
    case quotaExceeded = "quota-exceeded"
    case headerFieldsTooLarge = "header-fields-too-large"
    case internalError = "internal-error"
    case notImplemented = "not-implemented"
    case unavailable
    case outcomeUnknown = "outcome-unknown"
    case httpVersionNotSupported = "http-version-not-supported"

    package var type: String { "urn:colophon:problem:" + rawValue }

    package var status: Int {
      switch self {
      case .malformedRequest, .malformedJSON, .invalidParameter, .keyInvalid: 400
      case .unauthorized: 401
      case .forbidden: 403
      case .notFound: 404
      case .methodNotAllowed: 405
      case .notAcceptable: 406
      case .requestTimeout: 408
      case .slugTaken, .inProgress: 409
      case .cursorExpired: 410
      case .preconditionFailed: 412
      case .contentTooLarge: 413
      case .uriTooLong: 414
      case .unsupportedMediaType: 415
      case .expectationFailed: 417
      case .invalidContent, .keyReused, .keyExpired: 422
      case .quotaExceeded: 429
      case .headerFieldsTooLarge: 431
      case .internalError: 500
      case .notImplemented: 501
      case .unavailable, .outcomeUnknown: 503
      case .httpVersionNotSupported: 505
      }
    }

    package var title: String {
      switch self {
      case .malformedRequest: "The request is malformed"
      case .malformedJSON: "The body is not valid JSON"
      case .keyInvalid: "The Idempotency-Key is not valid"
      case .invalidParameter: "A query parameter is not valid"
      case .unauthorized: "A valid key is needed"
      case .forbidden: "The key may not do this"
      case .notFound: "There is nothing here"
      case .methodNotAllowed: "The path does not answer this method"
      case .notAcceptable: "Accept excludes every form there is"
      case .requestTimeout: "The request took too long to arrive"
      case .slugTaken: "The slug is taken"
      case .inProgress: "The first request of this key is still in progress"
      case .cursorExpired: "The cursor is of another feed than this"
      case .preconditionFailed: "What is there is not in the state you require"
      case .contentTooLarge: "The body is too large"
      case .uriTooLong: "The request target is too long"
      case .unsupportedMediaType: "The body's type or coding is not supported"
      case .expectationFailed: "The expectation cannot be met"
      case .invalidContent: "The content breaks a rule"
      case .keyReused: "The Idempotency-Key belongs to another request"
      case .keyExpired: "The Idempotency-Key was answered too long ago"
      case .quotaExceeded: "The quota is used up"
      case .headerFieldsTooLarge: "The request's head is too large"
      case .internalError: "The server has a fault"
      case .notImplemented: "The method or transfer coding is unknown"
      case .unavailable: "The service cannot answer now"
      case .outcomeUnknown: "It is not known whether the write was done"
      case .httpVersionNotSupported: "The HTTP version is not supported"
      }
    }
  }

  /// The answer to the client; `instance` is the request's id.
  package func response(instance: String) -> Response {
    var json = JSONWriter()
    json.beginObject()
    json.name("type")
    json.string(kind.type)
    json.name("title")
    json.string(kind.title)
    json.name("status")
    json.number(kind.status)
    json.name("detail")
    json.string(detail)
    json.name("instance")
    json.string(instance)
    if let offset {
      json.name("offset")
      json.number(offset)
    }
    if !violatedPolicies.isEmpty {
      json.name("violated_policies")
      json.beginArray()
      for name in violatedPolicies { json.string(name) }
      json.endArray()
    }
    if !faults.isEmpty {
      json.name("errors")
      json.beginArray()
      for fault in faults { fault.write(to: &json) }
      json.endArray()
    }
    json.endObject()
    var fields = fields
    fields.append("Content-Type", "application/problem+json")
    fields.append("Cache-Control", "no-store")
    return Response(status: kind.status, fields: fields, body: json.bytes)
  }
}

extension Fault {
  fileprivate func write(to json: inout JSONWriter) {
    json.beginObject()
    switch place {
    case .pointer(let pointer):
      json.name("pointer")
      json.string(pointer)
    case .parameter(let parameter):
      json.name("parameter")
      json.string(parameter)
    }
    json.name("detail")
    json.string(detail)
    json.endObject()
  }
}

/// What other modules throw, in the client's terms.
extension Problem {
  init(_ refusal: Refusal) {
    let kind: Kind =
      switch refusal.status {
      case 408: .requestTimeout
      case 413: .contentTooLarge
      case 414: .uriTooLong
      case 417: .expectationFailed
      case 431: .headerFieldsTooLarge
      case 501: .notImplemented
      case 503: .unavailable
      case 505: .httpVersionNotSupported
      default: .malformedRequest
      }
    self.init(
      kind, refusal.detail.asSentence, fields: kind == .unavailable ? ["Retry-After": "1"] : [:])
  }

  init(_ error: JSONError) {
    self.init(.malformedJSON, "At byte \(error.offset): \(error.reason.description).")
    offset = error.offset
  }

  init(_ faults: Faults) {
    let count = faults.list.count
    self.init(
      .invalidContent,
      count == 1 ? faults.list[0].detail : "\(count) faults; see errors.", faults: faults.list)
  }

  init(_ error: PostgresError) {
    switch error {
    case .unavailable, .overloaded, .timedOut, .connectionLost: self = .unavailable
    case .outcomeUnknown: self = .outcomeUnknown
    case .invalidParameter: self = .internalError
    case .server(let error):
      // Locks that others hold and transactions that others undid pass; what remains is ours.
      switch error.sqlState {
      case "23505"
      where error.constraint?.hasSuffix("_slug_unique") == true || error.constraint == "tags_pkey":
        self = .slugTaken
      case "55P03", "57014", "40001", "40P01", "53300", "53200", "53100": self = .unavailable
      default: self = .internalError
      }
    }
  }

  /// Any error that a handler lets through.
  init(any error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case let error as PostgresError: self.init(error)
    case let refusal as Refusal: self.init(refusal)
    case let error as JSONError: self.init(error)
    case let faults as Faults: self.init(faults)
    case let fault as FormContent.Fault:
      self.init(.malformedRequest, "The form cannot be read: \(fault).")
    case PostDraft.MarkdownError.faults(let faults): self.init(faults)
    case PostDraft.MarkdownError.invalidUTF8(let offset):
      self.init(.malformedRequest, "The content is not UTF-8 at byte \(offset).")
    default: self = .internalError
    }
  }

  static let internalError = Problem(
    .internalError, "The fault is logged under this request's id.")

  static let slugTaken = Problem(
    .slugTaken, "This slug is taken.",
    faults: [Fault(place: .pointer("/slug"), detail: "This slug is taken.")])

  static let unavailable = Problem(
    .unavailable, "The database cannot be asked in time. Nothing was changed.",
    fields: ["Retry-After": "1"])

  static let outcomeUnknown = Problem(
    .outcomeUnknown,
    "The connection to the database was lost while the write was being committed. "
      + "With an Idempotency-Key, retry with the same key; without one, look whether it is there.",
    fields: ["Retry-After": "1"])
}

/// What there is to say about keys.
extension Problem {
  static let keyInvalid = Problem(
    .keyInvalid,
    "Send one Idempotency-Key of 1 to \(IdempotencyKey.maximumLength) visible ASCII characters, "
      + "as they are or in quotes.")

  static let inProgress = Problem(
    .inProgress, "Send the same request with the same key again in a moment.",
    fields: ["Retry-After": "1"])

  static let keyReused = Problem(
    .keyReused,
    "This key came first with another method, path, query, precondition or content. "
      + "Nothing was done; take a new key for a new request.")

  static let keyExpired = Problem(
    .keyExpired,
    "The answer to this key was kept for 24 hours. Nothing was done; look what is there, and take a "
      + "new key.")
}

extension String {
  fileprivate var asSentence: String { prefix(1).uppercased() + dropFirst() + "." }
}
