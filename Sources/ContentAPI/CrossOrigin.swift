import HTTP

/// Which web pages of other origins may read the public API in a browser (CORS, the Fetch standard
/// §3.3): everybody's by default, as anybody can read it by other means.
///
/// Pages get what needs no key: reads, and the forms that strangers may send. Preflights do not name
/// `Authorization` among the fields that may be sent: a key inside a page is a key given away. The program behind
/// the page holds it, and that is not bound by any of this.
package struct CrossOrigin: Sendable, Equatable {
  private enum Origins: Equatable {
    case any, none
    case these(Set<String>)
  }

  private let origins: Origins

  private init(_ origins: Origins) { self.origins = origins }

  /// Every page.
  package static let everyone = CrossOrigin(.any)

  /// Reads `*`, `off`, or origins with commas between them; nil when the text is none of these. An
  /// origin is written as browsers send it, for they are compared byte by byte: in lower case,
  /// without a default port, a path or a slash. `null` is none: every sandboxed page claims it.
  package init?(_ text: String) {
    switch text {
    case "*": origins = .any
    case "off": origins = .none
    default:
      var list: Set<String> = []
      for item in text.split(separator: ",", omittingEmptySubsequences: false) {
        let words = item.split(separator: " ").map(String.init)
        guard words.count == 1, Self.isOrigin(words[0]) else { return nil }
        list.insert(words[0])
      }
      origins = .these(list)
    }
  }

  /// The origins one by one, sorted; nil when it is everybody's page or nobody's.
  package var named: [String]? {
    if case .these(let list) = origins { list.sorted() } else { nil }
  }

  /// Adds to an answer what lets a page read it; to that of a preflight, what it may send.
  ///
  /// - Parameter route: nil where none was found: what is not there is not there for everybody.
  func open(_ response: inout Response, to head: RequestHead, of route: Route?) {
    switch head.method {
    case .options:
      guard head.first(of: "access-control-request-method") != nil, head.first(of: "origin") != nil
      else { return }
      let methods = Self.publicMethods(of: head.target.segments)
      guard !methods.isEmpty, allow(head.only(of: "origin"), in: &response) else { return }
      response.fields.append("Access-Control-Allow-Methods", FieldValue(methods))
      response.fields.append("Access-Control-Allow-Headers", Self.allowedFields)
      response.fields.append("Access-Control-Max-Age", Self.maximumAge)
    default:
      guard route.map({ $0.access == .everyone }) ?? [.get, .head].contains(head.method),
        allow(head.only(of: "origin"), in: &response)
      else { return }
      response.fields.append("Access-Control-Expose-Headers", Self.exposedFields)
    }
  }

  /// Adds what the answer to a public read has for every page that may have it.
  func openPublicRead(_ response: inout Response) {
    if allow(.absent, in: &response) {
      response.fields.append("Access-Control-Expose-Headers", Self.exposedFields)
    }
  }

  /// Whether the answer to a public read is that of `openPublicRead`, whoever asks.
  func isSameForAll(_ head: RequestHead) -> Bool {
    switch origins {
    case .any, .none: true
    case .these: head.place(of: "origin") == .absent
    }
  }

  /// What `open` does for a request that was refused before it was understood: its origin is not known, so
  /// only what is open to everybody is open here.
  func openRefusal(_ response: inout Response) {
    guard origins == .any else { return }
    response.fields.append("Access-Control-Allow-Origin", "*")
    response.fields.append("Access-Control-Expose-Headers", Self.exposedFields)
  }

  /// Whether the page that asks may have the answer, which says so then. With a list the answer
  /// differs by origin, for caches to know also where nobody asked.
  private func allow(_ origin: RequestHead.SingleValue, in response: inout Response) -> Bool {
    switch origins {
    case .none: return false
    case .any:
      response.fields.append("Access-Control-Allow-Origin", "*")
      return true
    case .these(let list):
      let vary = response.fields.first(of: "Vary").map { $0.text + ", Origin" } ?? "Origin"
      response.fields.set("Vary", FieldValue(vary))
      guard case .one(let origin) = origin, list.contains(origin) else {
        return false
      }
      response.fields.append("Access-Control-Allow-Origin", FieldValue(origin))
      return true
    }
  }

  /// Beyond those that every page may see.
  private static let exposedFields = FieldValue(
    "ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
      + "X-Request-Id")

  /// What reads and forms know; many programs name a type of content even where there is none.
  private static let allowedFields: FieldValue =
    "Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, X-Request-Id"

  /// Seconds that a browser may remember the answer to a preflight: what most of them keep at most.
  private static let maximumAge: FieldValue = "7200"

  private static func publicMethods(of path: [String]) -> String {
    let routes = ContentAPI.routes.filter { $0.access == .everyone && $0.match(path) != nil }
    let methods = Set(routes.map(\.method))
    return Method.allCases.filter {
      methods.contains($0) || $0 == .head && methods.contains(.get)
    }.map(\.rawValue).joined(separator: ", ")
  }

  /// `scheme "://" host [":" port]` as a browser serialises it (HTML §7.1.1).
  private static func isOrigin(_ text: String) -> Bool {
    guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")),
      text[colon...].hasPrefix("://")
    else { return false }
    let scheme = text[..<colon].utf8
    guard let first = scheme.first, isLower(first),
      scheme.allSatisfy({ isLower($0) || $0.isDigit || "+-.".utf8.contains($0) })
    else { return false }

    var host = text[colon...].utf8.dropFirst(3)
    // A colon behind the last bracket of an IPv6 address, or without one, stands before a port.
    let name = host.lastIndex(of: UInt8(ascii: "]")) ?? host.startIndex
    if let separator = host[name...].firstIndex(of: UInt8(ascii: ":")) {
      let digits = host[host.index(after: separator)...]
      guard (1...5).contains(digits.count), digits.first != UInt8(ascii: "0"),
        digits.allSatisfy(\.isDigit), let port = Int(String(decoding: digits, as: UTF8.self)),
        port <= 65535, port != ["http": 80, "https": 443][String(text[..<colon])]
      else { return false }
      host = host[..<separator]
    }
    if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
      let address = host.dropFirst().dropLast()
      return address.count >= 2
        && address.allSatisfy { $0.isDigit || (97...102).contains($0) || ":.".utf8.contains($0) }
    }
    return !host.isEmpty
      && host.allSatisfy { isLower($0) || $0.isDigit || "-._".utf8.contains($0) }
  }

  private static func isLower(_ byte: UInt8) -> Bool { (97...122).contains(byte) }
}
