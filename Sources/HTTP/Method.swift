/// The request methods of RFC 9110 §9.3 and RFC 5789, spelled exactly: methods are case-sensitive.
package enum Method: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
  case trace = "TRACE"
  case connect = "CONNECT"

  /// The method that `range` of `bytes` spells, nil when it spells none of them.
  init?(_ bytes: Span<UInt8>, at range: Range<Int>) {
    let candidates: (Method, Method)
    switch range.count {
    case 3: candidates = (.get, .put)
    case 4: candidates = (.head, .post)
    case 5: candidates = (.patch, .trace)
    case 6: candidates = (.delete, .delete)
    case 7: candidates = (.options, .connect)
    default: return nil
    }
    if bytes.holds(candidates.0.rawValue, at: range) {
      self = candidates.0
    } else if bytes.holds(candidates.1.rawValue, at: range) {
      self = candidates.1
    } else {
      return nil
    }
  }
}

/// The protocol versions that are spoken.
package enum Version: String, Sendable {
  case http10 = "HTTP/1.0"
  case http11 = "HTTP/1.1"
}
