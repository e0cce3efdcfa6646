/// A request target (RFC 9112 §3.2): its path and query, decoded strictly.
///
/// Everything is checked when the head is read, and decoded when it is asked for. Nothing is
/// normalised: empty segments and dot segments stay, and match no route. When the target is a
/// whole URI, its authority counts and Host does not (RFC 9112 §3.2.2).
package struct Target: Sendable {
  /// The forms that a server which is no proxy understands.
  package enum Form: Sendable {
    case origin, absolute, asterisk
  }

  private let bytes: [UInt8]
  private let layout: Layout

  init(bytes: [UInt8], layout: Layout) {
    self.bytes = bytes
    self.layout = layout
  }

  /// Reads a target on its own; `method` decides which forms are allowed.
  package init(_ text: String, for method: Method = .get) throws(Refusal) {
    let bytes = Array(text.utf8)
    let layout = try Layout(bytes.span, 0..<bytes.count, for: method, origin: 0)
    self.init(bytes: bytes, layout: layout)
  }

  package var form: Form { layout.form }

  /// `host[:port]` of the absolute form.
  package var authority: String? {
    layout.form == .absolute ? text(layout.authority) : nil
  }

  /// Hands path and query as they were sent to `body`, without an allocation; nil of a target that
  /// is not of the origin form.
  package func withOriginForm<Result>(_ body: (Span<UInt8>) -> Result) -> Result? {
    guard layout.form == .origin else { return nil }
    let end = layout.hasQuery ? layout.query.upperBound : layout.path.upperBound
    return body(bytes.span.extracting(Int(layout.path.lowerBound)..<Int(end)))
  }

  /// The path as it was sent, `/` when a whole URI has none, `*` in the asterisk form.
  package var rawPath: String { layout.path.isEmpty ? "/" : text(layout.path) }

  /// The query as it was sent, without its `?`; nil when there is no `?`.
  package var rawQuery: String? { layout.hasQuery ? text(layout.query) : nil }

  /// What stands between the path's slashes, percent-decoded after the split, so that `%2F` stays
  /// within its segment: `/a/b%2Fc` is `a` and `b/c`, `/` is one empty segment, `/a/` is `a` and
  /// an empty one. The asterisk form has none.
  package var segments: [String] {
    guard layout.form != .asterisk else { return [] }
    guard !layout.path.isEmpty else { return [""] }
    var segments: [String] = []
    segments.reserveCapacity(8)
    var start = Int(layout.path.lowerBound) + 1
    for index in start..<Int(layout.path.upperBound) where bytes[index] == .slash {
      segments.append(decoded(start..<index))
      start = index + 1
    }
    segments.append(decoded(start..<Int(layout.path.upperBound)))
    return segments
  }

  /// The query's parameters in order, decoded as `application/x-www-form-urlencoded` (URL
  /// Standard): `+` is a space, a name without `=` has an empty value, `&&` holds nothing.
  package var query: [(name: String, value: String)] {
    guard layout.hasQuery else { return [] }
    let all = Int(layout.query.lowerBound)..<Int(layout.query.upperBound)
    return bytes[all].split(separator: 0x26).map { pair in
      let end = pair.firstIndex(of: .equals) ?? pair.endIndex
      return (
        decoded(pair.startIndex..<end, plusIsSpace: true),
        decoded(min(end + 1, pair.endIndex)..<pair.endIndex, plusIsSpace: true)
      )
    }
  }

  private func text(_ range: Range<UInt32>) -> String {
    String(decoding: bytes[Int(range.lowerBound)..<Int(range.upperBound)], as: UTF8.self)
  }

  /// `Layout` has seen that every `%` has its digits and that the outcome is UTF-8.
  private func decoded(_ range: Range<Int>, plusIsSpace: Bool = false) -> String {
    let isPlain = bytes[range].allSatisfy { $0 != .percent && !(plusIsSpace && $0 == 0x2B) }
    if isPlain { return String(decoding: bytes[range], as: UTF8.self) }
    var text: [UInt8] = []
    text.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = bytes[index]
      if byte == .percent, index + 2 < range.upperBound,
        let high = bytes[index + 1].hexadecimalValue, let low = bytes[index + 2].hexadecimalValue
      {
        text.append(high << 4 | low)
        index += 3
      } else {
        text.append(plusIsSpace && byte == 0x2B ? .space : byte)
        index += 1
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension Target {
  /// Where a target's parts lie, counted from the head's first byte.
  struct Layout: Sendable {
    private(set) var form = Form.origin
    private(set) var authority: Range<UInt32> = 0..<0
    private(set) var path: Range<UInt32> = 0..<0
    private(set) var query: Range<UInt32> = 0..<0
    private(set) var hasQuery = false

    init() {}

    /// Finds and checks the parts of the target that is `range` of `bytes`; `origin` is where the
    /// head begins.
    init(
      _ bytes: Span<UInt8>, _ range: Range<Int>, for method: Method, origin: Int
    ) throws(Refusal) {
      guard let first = range.first, method != .connect else {
        // The authority form is for proxies.
        throw .invalidTarget(at: range.lowerBound - origin)
      }
      var pathStart = first
      if bytes[first] != .slash {
        if range.count == 1, bytes[first] == 0x2A, method == .options {
          form = .asterisk
          path = Self.offsets(range, origin)
          return
        }
        let host = try Self.authority(bytes, range, origin: origin)
        form = .absolute
        authority = Self.offsets(host, origin)
        pathStart = host.upperBound
      }
      var index = pathStart
      while index < range.upperBound, bytes[index] != .questionMark { index += 1 }
      path = Self.offsets(pathStart..<index, origin)
      try Self.check(bytes, pathStart..<index, .path, origin: origin)
      if index < range.upperBound {
        hasQuery = true
        query = Self.offsets((index + 1)..<range.upperBound, origin)
        try Self.check(bytes, (index + 1)..<range.upperBound, .query, origin: origin)
      }
    }

    private static func offsets(_ range: Range<Int>, _ origin: Int) -> Range<UInt32> {
      UInt32(range.lowerBound - origin)..<UInt32(range.upperBound - origin)
    }

    /// The authority of `http://authority/…`; user information is an error (RFC 9110 §4.2.4).
    private static func authority(
      _ bytes: Span<UInt8>, _ range: Range<Int>, origin: Int
    ) throws(Refusal) -> Range<Int> {
      let start: Int
      if bytes.starts(range, with: "http://") {
        start = range.lowerBound + 7
      } else if bytes.starts(range, with: "https://") {
        start = range.lowerBound + 8
      } else {
        throw .invalidTarget(at: range.lowerBound - origin)
      }
      var end = start
      while end < range.upperBound, bytes[end] != .slash, bytes[end] != .questionMark {
        if bytes[end] == 0x23 { throw .fragmentInTarget(at: end - origin) }
        end += 1
      }
      guard Authority.isValid(bytes, start..<end) else {
        throw .invalidTarget(at: start - origin)
      }
      return start..<end
    }

    private static func check(
      _ bytes: Span<UInt8>, _ range: Range<Int>, _ allowed: ByteClass, origin: Int
    ) throws(Refusal) {
      var utf8 = UTF8Check()
      var index = range.lowerBound
      while index < range.upperBound {
        let byte = bytes[index]
        if allowed.contains(byte) {
          guard utf8.isComplete else { throw .invalidUTF8InTarget(at: index - origin) }
          index += 1
          continue
        }
        guard byte == .percent else {
          throw byte == 0x23
            ? .fragmentInTarget(at: index - origin) : .invalidTarget(at: index - origin)
        }
        guard range.upperBound - index > 2, let high = bytes[index + 1].hexadecimalValue,
          let low = bytes[index + 2].hexadecimalValue
        else { throw .invalidPercentEncoding(at: index - origin) }
        let decoded = high << 4 | low
        guard decoded != 0 else { throw .nulInTarget(at: index - origin) }
        guard utf8.accepts(decoded) else { throw .invalidUTF8InTarget(at: index - origin) }
        index += 3
      }
      guard utf8.isComplete else { throw .invalidUTF8InTarget(at: range.upperBound - origin) }
    }
  }
}

/// Checks UTF-8 one byte at a time (RFC 3629 §4: no overlong forms, no surrogates, nothing
/// beyond U+10FFFF).
private struct UTF8Check {
  private var missing = 0
  private var allowed: ClosedRange<UInt8> = 0x80...0xBF

  var isComplete: Bool { missing == 0 }

  mutating func accepts(_ byte: UInt8) -> Bool {
    if missing > 0 {
      guard allowed.contains(byte) else { return false }
      missing -= 1
      allowed = 0x80...0xBF
      return true
    }
    switch byte {
    case 0x00...0x7F: return true
    case 0xC2...0xDF: missing = 1
    case 0xE0: (missing, allowed) = (2, 0xA0...0xBF)
    case 0xED: (missing, allowed) = (2, 0x80...0x9F)
    case 0xE1...0xEF: missing = 2
    case 0xF0: (missing, allowed) = (3, 0x90...0xBF)
    case 0xF1...0xF3: missing = 3
    case 0xF4: (missing, allowed) = (3, 0x80...0x8F)
    default: return false
    }
    return true
  }
}

extension Span<UInt8> {
  fileprivate func starts(_ range: Range<Int>, with prefix: String) -> Bool {
    range.count >= prefix.utf8.count
      && holds(ignoringCase: prefix, at: range.prefix(prefix.utf8.count))
  }
}
