package import JSON

/// The name that a client gives to one write, so that it can send it again without doing it again
/// (draft-ietf-httpapi-idempotency-key-header).
package struct IdempotencyKey: Sendable, Hashable {
  /// 1 to 255 visible ASCII characters, without the quotes that may stand around them.
  package let text: String

  package static let maximumLength = 255

  /// Reads the value of one field line: a string of Structured Fields (RFC 9651 §3.3.3), or the
  /// bare form that most clients send. `"abc"` and `abc` are one key. nil for everything else, a
  /// list too: a comma is only a part of a key within quotes.
  package init?(_ value: String) {
    var bytes = Array(value.utf8)
    if bytes.first == UInt8(ascii: "\"") {
      guard let content = Self.unquoted(bytes) else { return nil }
      bytes = content
    } else if bytes.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) {
      return nil
    }
    guard (1...Self.maximumLength).contains(bytes.count),
      bytes.allSatisfy({ (0x21...0x7e).contains($0) })
    else { return nil }
    text = String(decoding: bytes, as: UTF8.self)
  }

  /// What stands between the quotes, nil when the second is missing or something comes behind it.
  private static func unquoted(_ bytes: [UInt8]) -> [UInt8]? {
    var content: [UInt8] = []
    var index = 1
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        return index == bytes.count - 1 ? content : nil
      case UInt8(ascii: "\\"):
        index += 1
        guard index < bytes.count, [UInt8(ascii: "\""), UInt8(ascii: "\\")].contains(bytes[index])
        else { return nil }
      default: break
      }
      content.append(bytes[index])
      index += 1
    }
    return nil
  }

  /// The whole seconds that `Prefer: wait=N` (RFC 7240 §4.3) would have a request wait at most; nil
  /// without it.
  package static func wait(preferences: [String]) -> Int? {
    for list in preferences {
      for preference in list.split(separator: ",") {
        let words = preference.split(separator: ";").first?.split(
          separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let words, words.count == 2, Self.trimmed(words[0]).lowercased() == "wait",
          let seconds = Int(Self.trimmed(words[1])), seconds >= 0
        else { continue }
        return seconds
      }
    }
    return nil
  }

  private static func trimmed(_ text: Substring) -> String {
    text.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
  }
}

/// What of a request decides whether another one is the same.
package struct RequestParts: Sendable {
  package enum Content: Sendable {
    case none
    case json(JSONValue)
    case bytes([UInt8])
  }

  package var method: String
  /// Decoded.
  package var path: [String]
  /// Decoded, in the order of the request.
  package var query: [(name: String, value: String)]
  /// `type/subtype` in lower case; empty without content.
  package var mediaType: String
  /// The lines of each field.
  package var ifMatch: [String]
  package var ifNoneMatch: [String]
  package var content: Content

  package init(
    method: String, path: [String], query: [(name: String, value: String)] = [],
    mediaType: String = "", ifMatch: [String] = [], ifNoneMatch: [String] = [],
    content: Content = .none
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.mediaType = mediaType
    self.ifMatch = ifMatch
    self.ifNoneMatch = ifNoneMatch
    self.content = content
  }
}

/// The ways in which requests have been compared, by the version that is stored with each
/// fingerprint: a program that has a new way compares what an older one stored in the old way.
package struct Fingerprints: Sendable {
  /// Adds what is hashed of a request.
  package typealias Algorithm = @Sendable (RequestParts, inout [UInt8]) -> Void

  /// The one for new keys.
  package let current: UInt8
  private let algorithms: [UInt8: Algorithm]

  /// `current` must be one of the versions.
  package init(current: UInt8, _ algorithms: [UInt8: Algorithm]) {
    precondition(algorithms[current] != nil)
    self.current = current
    self.algorithms = algorithms
  }

  package static let standard = Fingerprints(current: 1, [1: Fingerprints.canonical])

  /// The bytes whose SHA-256 is the fingerprint; nil for a version that this program does not know.
  /// The version itself is the first of them.
  package func input(_ parts: RequestParts, version: UInt8) -> [UInt8]? {
    guard let algorithm = algorithms[version] else { return nil }
    var input = [version]
    algorithm(parts, &input)
    return input
  }

  /// Method, path, query sorted by name, media type, If-Match, If-None-Match and content, each with
  /// its length in front, so that nothing can move from one to the next.
  package static func canonical(_ parts: RequestParts, into output: inout [UInt8]) {
    func add(count: Int) {
      output.append(contentsOf: String(count).utf8)
      output.append(UInt8(ascii: ":"))
    }
    func add(_ bytes: some Collection<UInt8>) {
      add(count: bytes.count)
      output.append(contentsOf: bytes)
    }
    func add(list: [String]) {
      add(count: list.count)
      for element in list { add(element.utf8) }
    }
    add(parts.method.utf8)
    add(list: parts.path)
    // A stable sort: several values of one name keep their order, which may mean something.
    let query = parts.query.enumerated().sorted {
      $0.element.name.utf8.elementsEqual($1.element.name.utf8)
        ? $0.offset < $1.offset
        : $0.element.name.utf8.lexicographicallyPrecedes($1.element.name.utf8)
    }
    add(list: query.flatMap { [$0.element.name, $0.element.value] })
    add(parts.mediaType.utf8)
    add(list: parts.ifMatch)
    add(list: parts.ifNoneMatch)
    switch parts.content {
    case .none: break
    case .json(let value):
      var json = JSONWriter(capacity: 2048)
      json.value(value.sorted)
      add(json.bytes)
    case .bytes(let bytes): add(bytes)
    }
  }
}

extension JSONValue {
  /// The same value with the members of every object in the order of their names' scalars: how it
  /// was spaced, ordered and escaped does not show any more. Numbers keep their digits, and strings
  /// their scalars.
  fileprivate var sorted: JSONValue {
    switch self {
    case .array(let elements): .array(elements.map(\.sorted))
    case .object(let members):
      .object(
        members.map { JSONMember(name: $0.name, value: $0.value.sorted) }
          .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
    default: self
    }
  }
}
