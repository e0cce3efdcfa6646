/// Why a request is refused before anything answers it: one case, one reason.
///
/// A refusal ends the connection, because what follows it cannot be told from the request itself.
/// Positions count bytes from the request line's first byte; in chunked content, from the
/// content's first byte; in trailers, from the trailer section's first byte.
package enum Refusal: Error, Equatable, Sendable {
  /// The request line is not `method SP target SP HTTP/1.x` (RFC 9112 §3).
  case malformedRequestLine(at: Int)
  /// A CR without its LF (RFC 9112 §2.2).
  case bareCarriageReturn(at: Int)
  /// A LF without its CR. RFC 9112 §2.2 lets a recipient accept it, but recipients that disagree
  /// about it are how requests are smuggled.
  case bareLineFeed(at: Int)
  /// A field line that starts with whitespace (RFC 9112 §2.2 and §5.2).
  case obsoleteLineFolding(at: Int)
  /// Whitespace within a field name or before its colon (RFC 9112 §5.1).
  case spaceBeforeColon(at: Int)
  /// A field name that is empty or not a token, or a line without a colon (RFC 9112 §5).
  case invalidFieldName(at: Int)
  /// A control byte in a field value (RFC 9110 §5.5).
  case invalidFieldValue(at: Int)

  /// No form of request target that the method allows (RFC 9112 §3.2), or a byte that may not
  /// stand in one.
  case invalidTarget(at: Int)
  /// A `#` in the target.
  case fragmentInTarget(at: Int)
  /// A `%` without two hexadecimal digits behind it (RFC 3986 §2.1).
  case invalidPercentEncoding(at: Int)
  /// `%00` in the target.
  case nulInTarget(at: Int)
  /// The decoded path or query is not UTF-8.
  case invalidUTF8InTarget(at: Int)

  /// HTTP/1.1 without Host (RFC 9112 §3.2).
  case missingHost
  /// More than one Host (RFC 9112 §3.2).
  case repeatedHost
  /// A Host that is not `uri-host [":" port]` (RFC 9110 §7.2).
  case invalidHost
  /// More than one Content-Length, equal or not (RFC 9112 §6.3).
  case repeatedContentLength
  /// A Content-Length that is not one decimal number (RFC 9110 §8.6).
  case invalidContentLength
  /// Content-Length beside Transfer-Encoding (RFC 9112 §6.3).
  case contentLengthWithTransferEncoding
  /// A Transfer-Encoding whose last coding is not `chunked`, that names it twice, or that is not
  /// a list of codings (RFC 9112 §6.1).
  case ambiguousTransferEncoding
  /// Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1).
  case transferEncodingInHTTP10
  /// A coding other than `chunked` (RFC 9112 §6.1).
  case unsupportedTransferCoding
  /// Chunked content that breaks RFC 9112 §7.1.
  case malformedChunk(at: Int)
  /// Chunk extensions beyond what anybody needs (RFC 9112 §7.1.1).
  case chunkExtensionsTooLong(at: Int)
  /// A trailer section that is not a field section (RFC 9112 §7.1.2).
  case malformedTrailer(at: Int)
  /// A field in the trailer that frames or routes (RFC 9110 §6.5.1).
  case forbiddenTrailer(at: Int)

  /// The client stopped sending in the middle of a head.
  case incompleteHead
  /// The client stopped sending, or went away, in the middle of the content.
  case incompleteContent

  /// The client's address has as many connections open as it may.
  case tooManyConnections
  /// The head did not arrive in time.
  case headTimeout
  /// The content did not arrive in time.
  case bodyTimeout
  /// The content is, or says it is, longer than the limit.
  case bodyTooLarge
  /// The target is longer than the limit.
  case targetTooLong
  /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
  case unsupportedExpectation
  /// The head, or the trailer section, is longer than the limit.
  case headTooLarge
  /// The head, or the trailer section, has more fields than the limit.
  case tooManyFields
  /// A method that is none of `Method` (RFC 9110 §9.1).
  case unknownMethod
  /// A version other than HTTP/1.0 and HTTP/1.1.
  case unsupportedVersion

  /// The status code of the answer.
  package var status: Int {
    switch self {
    case .headTimeout, .bodyTimeout: 408
    case .bodyTooLarge: 413
    case .targetTooLong: 414
    case .unsupportedExpectation: 417
    case .headTooLarge, .tooManyFields: 431
    case .unknownMethod, .unsupportedTransferCoding: 501
    case .tooManyConnections: 503
    case .unsupportedVersion: 505
    default: 400
    }
  }

  /// One sentence for the client: what is wrong, and where.
  package var detail: String {
    switch self {
    case .malformedRequestLine(let at):
      "the request line is malformed at byte \(at) of the head"
    case .bareCarriageReturn(let at):
      "the carriage return at byte \(at) of the head is not followed by a line feed"
    case .bareLineFeed(let at):
      "the line feed at byte \(at) of the head does not follow a carriage return"
    case .obsoleteLineFolding(let at):
      "the line at byte \(at) of the head starts with white space"
    case .spaceBeforeColon(let at):
      "the header field at byte \(at) of the head has white space before its colon"
    case .invalidFieldName(let at):
      "the header field at byte \(at) of the head has no valid name"
    case .invalidFieldValue(let at):
      "the header field value holds a control character at byte \(at) of the head"
    case .invalidTarget(let at):
      "the request target is invalid at byte \(at) of the head"
    case .fragmentInTarget(let at):
      "the request target has a fragment at byte \(at) of the head"
    case .invalidPercentEncoding(let at):
      "the percent-encoding at byte \(at) of the head is invalid"
    case .nulInTarget(let at):
      "the request target holds a NUL at byte \(at) of the head"
    case .invalidUTF8InTarget(let at):
      "the request target is not UTF-8 at byte \(at) of the head"
    case .missingHost: "the header field Host is missing"
    case .repeatedHost: "the header field Host stands there more than once"
    case .invalidHost: "the header field Host does not name a host"
    case .repeatedContentLength: "the header field Content-Length stands there more than once"
    case .invalidContentLength: "the header field Content-Length is not one decimal number"
    case .contentLengthWithTransferEncoding:
      "Content-Length and Transfer-Encoding exclude each other"
    case .ambiguousTransferEncoding:
      "the header field Transfer-Encoding does not end in exactly one chunked"
    case .transferEncodingInHTTP10: "HTTP/1.0 has no Transfer-Encoding"
    case .unsupportedTransferCoding: "the only transfer coding supported is chunked"
    case .malformedChunk(let at): "the chunked content is malformed at its byte \(at)"
    case .chunkExtensionsTooLong(let at):
      "the chunk extensions are too long at byte \(at) of the chunked content"
    case .malformedTrailer(let at): "the trailer section is malformed at its byte \(at)"
    case .forbiddenTrailer(let at):
      "the field at byte \(at) of the trailer section may not stand in a trailer"
    case .incompleteHead: "the request ends in the middle of its head"
    case .incompleteContent: "the request ends in the middle of its content"
    case .tooManyConnections: "this address has too many connections open"
    case .headTimeout: "the head of the request did not arrive in time"
    case .bodyTimeout: "the content of the request did not arrive in time"
    case .bodyTooLarge: "the content is longer than this server accepts"
    case .targetTooLong: "the request target is longer than this server accepts"
    case .unsupportedExpectation: "the only expectation supported is 100-continue"
    case .headTooLarge: "the header section is longer than this server accepts"
    case .tooManyFields: "there are more header fields than this server accepts"
    case .unknownMethod: "the request method is not known to this server"
    case .unsupportedVersion: "the versions supported are HTTP/1.0 and HTTP/1.1"
    }
  }
}
