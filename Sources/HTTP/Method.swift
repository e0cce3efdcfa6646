/// The request methods of RFC 9110 §9.3, RFC 5789 and RFC 10008, spelled exactly: methods are
/// case-sensitive.
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
  case query = "QUERY"

  /// The method that `range` of `bytes` spells, nil when it spells none of them.
  init?(_ bytes: Span<UInt8>, at range: Range<Int>) {
    let candidates: [3 of Method]
    switch range.count {
    case 3: candidates = [.get, .put, .put]
    case 4: candidates = [.head, .post, .post]
    case 5: candidates = [.patch, .trace, .query]
    case 6: candidates = [.delete, .delete, .delete]
    case 7: candidates = [.options, .connect, .connect]
    default: return nil
    }
    for index in candidates.indices {
      if bytes.holds(candidates[index].rawValue, at: range) {
        self = candidates[index]
        return
      }
    }
    return nil
  }
}

/// The protocol versions that are spoken.
package enum Version: String, Sendable {
  case http10 = "HTTP/1.0"
  case http11 = "HTTP/1.1"
}
