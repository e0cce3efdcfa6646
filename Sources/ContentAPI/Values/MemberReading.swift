import JSON
import Postgres

/// A JSON object of a request while it is read into its members: strictly, and with all faults told
/// at once, each with its pointer.
///
/// A member that is null counts as absent. One-line texts and those of several lines lose white
/// space at their ends and count as absent when nothing is left; Markdown stays as it was sent.
/// Characters are Unicode scalars.
struct MemberReading {
  private let object: JSONValue
  private let patch: JSONValue?
  private let path: [String]
  private var complaints: Complaints

  /// - Parameters:
  ///   - value: what a request sent, or what its patch makes of what is stored.
  ///   - patch: the merge patch that led to `value`. What it takes away must be a member too, and
  ///     has left no trace in `value`.
  ///   - writable: the members that may be there.
  ///   - readOnly: members of the answer that may not.
  ///   - complaints: what is known to be wrong already.
  init(
    _ value: JSONValue, patch: JSONValue? = nil, writable: [String], readOnly: [String] = [],
    _ complaints: Complaints = Complaints()
  ) {
    self.init(value, patch, writable, readOnly, at: [], complaints)
  }

  private init(
    _ value: JSONValue, _ patch: JSONValue?, _ writable: [String], _ readOnly: [String],
    at path: [String], _ complaints: Complaints
  ) {
    object = value
    self.patch = patch
    self.path = path
    self.complaints = complaints
    var known: String { writable.joined(separator: ", ") }
    guard let members = value.objectValue else {
      expected("an object {\(known)}", value, at: [])
      return
    }
    let removed = (patch?.objectValue ?? []).filter(\.value.isNull)
    for name in (members + removed).map(\.name) where !writable.contains(name) {
      tell(
        readOnly.contains(name)
          ? "\(name) is read-only: leave it out"
          : "unknown member \(name.quoted); known are \(known)", at: [name])
    }
  }

  /// Throws everything that is wrong; call it when everything has been read.
  func finish() throws(Faults) {
    if !complaints.faults.isEmpty { throw complaints.faults }
  }

  /// What `read` finds; where it finds nothing and had nothing to complain about, that is a fault.
  mutating func required<Value>(
    _ name: String, _ hint: String, _ read: (inout MemberReading) -> Value?
  ) -> Value? {
    let value = read(&self)
    if value == nil, object.objectValue != nil, !complaints.told(at: path + [name]) {
      tell("\(name) is required: \(hint)", at: [name])
    }
    return value
  }

  /// Whether the member is there and not null.
  func has(_ name: String) -> Bool { value(name) != nil }

  /// Tells a fault of a member.
  mutating func tell(_ detail: String, at steps: [String]) {
    complaints.tell(detail, at: path + steps)
  }
}

// Texts.
extension MemberReading {
  /// A text without line breaks.
  mutating func line(_ name: String, limit: Int) -> String? {
    string(name).flatMap { checked($0, name, limit, at: [name]) }
  }

  /// A text that may have line breaks and tabs.
  mutating func text(_ name: String, limit: Int) -> String? {
    string(name).flatMap { checked($0, name, limit, allowsLineBreaks: true, at: [name]) }
  }

  /// Markdown as it was sent, at most 524,288 bytes; nil when it is blank.
  mutating func markdown(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    if text.utf8.count > 524_288 {
      tell("\(name) may have at most 524288 bytes (512 KiB), it has \(text.utf8.count)", at: [name])
    } else if text.hasNUL {
      tell("\(name) must not contain the character U+0000", at: [name])
    } else if !text.unicodeScalars.allSatisfy(\.isWhitespace) {
      return text
    }
    return nil
  }

  /// An absolute http or https URL.
  mutating func address(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    guard let complaint = WebAddress.complaint(text) else { return text }
    let rule = "an absolute http or https URL of at most 2048 characters"
    tell("expected \(rule), got \(text.quoted): \(complaint)", at: [name])
    return nil
  }

  /// An e-mail address: a part on either side of one @, at most 254 bytes, and nothing that could
  /// make two of it in a header field of a mail.
  mutating func mailbox(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    let isClean = text.unicodeScalars.allSatisfy {
      !$0.isControl && !$0.isWhitespace
        && !",;:<>()[]\\\"".unicodeScalars.contains($0)
    }
    guard text.utf8.count <= 254, parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), isClean
    else {
      tell("expected an address such as mail@example.com", at: [name])
      return nil
    }
    return text
  }

  /// A language tag (RFC 5646): its form, not whether there is such a language.
  mutating func languageTag(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard text.utf8.count <= 35, parts[0].count >= 2, parts[0].allSatisfy(\.isLetter),
      parts.allSatisfy({ (1...8).contains($0.count) && $0.allSatisfy(\.isLetterOrDigit) })
    else {
      tell("expected a language tag such as en or pt-BR", at: [name])
      return nil
    }
    return text
  }

  /// A slug of 1 to `limit` characters.
  mutating func slug(_ name: String, limit: Int = Slug.maximumLength) -> String? {
    string(name).flatMap { slug($0, limit: limit, at: [name]) }
  }

  /// A date-time of RFC 3339.
  mutating func instant(_ name: String) -> Instant? {
    guard let text = string(name) else { return nil }
    do throws(InstantError) {
      return try Instant(rfc3339: text)
    } catch {
      let rule = "an RFC 3339 date-time such as 2026-03-12T09:00:00Z"
      tell("expected \(rule), got \(text.quoted): \(error)", at: [name])
      return nil
    }
  }

  /// The slug of a thing that has one, nil when it stays. A PUT may repeat it, a patch change it,
  /// and nothing can take it away. `current` is nil for what is new and may come without.
  mutating func slug(
    of current: String?, mayRename: Bool, limit: Int = Slug.maximumLength
  ) -> String? {
    let slug = slug("slug", limit: limit)
    guard let current else { return slug }
    if !mayRename, let slug, slug != current {
      tell("the path says \(current): leave slug out", at: ["slug"])
    }
    if mayRename, value("slug") == nil {
      tell("a slug cannot be taken away: give another or leave it out", at: ["slug"])
    }
    return slug
  }

  /// Any text.
  mutating func string(_ name: String) -> String? {
    value(name).flatMap { string($0, at: [name]) }
  }

  private mutating func string(_ value: JSONValue, at steps: [String]) -> String? {
    if let text = value.stringValue { return text }
    expected("a string", value, at: steps)
    return nil
  }

  private mutating func slug(_ text: String, limit: Int, at steps: [String]) -> String? {
    if Slug.isValid(text, limit: limit) { return text }
    let hint = Slug.derive(from: text, limit: limit).map { "; did you mean \"\($0)\"?" } ?? ""
    let got = text.quoted
    tell("expected 1 to \(limit) \(Slug.rule), got \(got)\(hint)", at: steps)
    return nil
  }

  /// The text without white space at its ends; nil when nothing is left or a fault was told.
  private mutating func checked(
    _ text: String, _ label: String, _ limit: Int, allowsLineBreaks: Bool = false,
    at steps: [String]
  ) -> String? {
    let trimmed = text.trimmed
    let length = trimmed.unicodeScalars.count
    if length > limit {
      tell("\(label) may have at most \(limit) characters, it has \(length)", at: steps)
      return nil
    }
    let control = trimmed.unicodeScalars.first {
      $0.isControl && !(allowsLineBreaks && ["\n", "\r", "\t"].contains($0))
    }
    if let control {
      let digits = String(control.value, radix: 16, uppercase: true)
      let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
      let kind = allowsLineBreaks ? "other than line breaks and tabs" : "or line breaks"
      tell("\(label) must not contain control characters \(kind), it has \(code)", at: steps)
      return nil
    }
    return trimmed.isEmpty ? nil : trimmed
  }
}

// Other values.
extension MemberReading {
  /// `true` or `false`.
  mutating func flag(_ name: String) -> Bool? {
    guard let value = value(name) else { return nil }
    if let flag = value.boolValue { return flag }
    expected("true or false", value, at: [name])
    return nil
  }

  /// A whole number; `3.0` is one too, as it is for JSON Schema.
  mutating func integer(_ name: String, in range: ClosedRange<Int>) -> Int? {
    guard let value = value(name) else { return nil }
    let rule = "an integer from \(range.lowerBound) to \(range.upperBound)"
    guard case .number(let lexeme) = value else {
      expected(rule, value, at: [name])
      return nil
    }
    guard let number = value.integerValue, range.contains(number) else {
      let shown = lexeme.utf8.count <= 30 ? lexeme : "a longer number"
      tell("expected \(rule), got \(shown)", at: [name])
      return nil
    }
    return number
  }

  /// Tags in the writer's order: at most 32 slugs, none twice.
  mutating func tags(_ name: String) -> [String] {
    distinct(name, of: "slugs", limit: 32) { reading, item, steps in
      reading.string(item, at: steps).flatMap {
        reading.slug($0, limit: Slug.maximumTagLength, at: steps)
      }
    }
  }

  /// One-line texts, none blank and none twice.
  mutating func lines(_ name: String, limit: Int, each length: Int) -> [String] {
    distinct(name, of: "texts", limit: limit) { reading, item, steps in
      guard let text = reading.string(item, at: steps) else { return nil }
      if text.trimmed.isEmpty { reading.tell("an entry must not be blank", at: steps) }
      return reading.checked(text, "an entry", length, at: steps)
    }
  }

  /// An object, as `read` makes something of its members; an absent one has none of them.
  mutating func object<Value>(
    _ name: String, _ writable: [String], _ read: (inout MemberReading) -> Value
  ) -> Value {
    let value = value(name) ?? .object([])
    return nested(value, patch: patch?[name], writable, at: [name], read)
  }

  /// An array of objects, each as `read` makes something of it.
  mutating func objects<Value>(
    _ name: String, limit: Int, _ writable: [String], _ read: (inout MemberReading) -> Value
  ) -> [Value] {
    array(name, of: "objects", limit: limit).enumerated().map { index, item in
      nested(item, patch: nil, writable, at: [name, String(index)], read)
    }
  }

  private mutating func nested<Value>(
    _ value: JSONValue, patch: JSONValue?, _ writable: [String], at steps: [String],
    _ read: (inout MemberReading) -> Value
  ) -> Value {
    var reading = MemberReading(value, patch, writable, [], at: path + steps, complaints)
    let result = read(&reading)
    complaints = reading.complaints
    return result
  }

  private mutating func distinct(
    _ name: String, of kind: String, limit: Int,
    _ read: (inout MemberReading, JSONValue, [String]) -> String?
  ) -> [String] {
    var items: [String] = []
    var places: [[UInt8]: Int] = [:]
    for (index, value) in array(name, of: kind, limit: limit).enumerated() {
      let steps = [name, String(index)]
      guard let item = read(&self, value, steps) else { continue }
      if let earlier = places[Array(item.utf8)] {
        tell("\(item.quoted) already stands at /\(name)/\(earlier)", at: steps)
        continue
      }
      places[Array(item.utf8)] = index
      items.append(item)
    }
    return items
  }

  private mutating func array(_ name: String, of kind: String, limit: Int) -> [JSONValue] {
    guard let value = value(name) else { return [] }
    guard let items = value.arrayValue else {
      expected("an array of \(kind)", value, at: [name])
      return []
    }
    if items.count > limit {
      tell("\(name) may have at most \(limit) entries, it has \(items.count)", at: [name])
    }
    return items
  }

  /// The value of a member unless it is absent or null.
  private func value(_ name: String) -> JSONValue? {
    object[name].flatMap { $0.isNull ? nil : $0 }
  }

  private mutating func expected(_ what: String, _ value: JSONValue, at steps: [String]) {
    tell("expected \(what), got \(value.kind)", at: steps)
  }
}

/// What is wrong with a request, while it is gathered.
struct Complaints {
  private(set) var faults = Faults()
  /// Where the members of the body stand in a file of lines, for details to begin with.
  var lines: [String: Int] = [:]
  /// What a detail begins with, of a fault that has a line and of one that has none.
  var opening: @Sendable (Int?) -> String = { $0.map { "line \($0): " } ?? "" }

  /// Tells a fault of the value that is reached by these steps. Its line is that of the member,
  /// unless it is given.
  mutating func tell(_ detail: String, at steps: [String], line: Int? = nil) {
    let line = line ?? steps.first.flatMap { lines[$0] }
    faults.append(Fault(place: .pointer(through: steps), detail: opening(line) + detail))
  }

  /// Whether something is wrong with just this value, which cannot be called missing then.
  func told(at steps: [String]) -> Bool { faults.contains(.pointer(through: steps)) }
}

extension JSONValue {
  /// What it is, for use within a sentence.
  fileprivate var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension String {
  /// The text in double quotes, shortened, for use within a sentence.
  var quoted: String {
    let opening = String(String.UnicodeScalarView(unicodeScalars.prefix(60)))
    return opening.utf8.count < utf8.count ? "\"\(opening)…\"" : "\"\(self)\""
  }

  /// The text without white space at its ends.
  fileprivate var trimmed: String {
    guard let first = unicodeScalars.firstIndex(where: { !$0.isWhitespace }),
      let last = unicodeScalars.lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(unicodeScalars[first...last])
  }
}

extension Unicode.Scalar {
  /// Whether it is a control character, or one of the two separators that break a line as well.
  fileprivate var isControl: Bool {
    switch value {
    case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
    default: false
    }
  }
}

extension UInt8 {
  fileprivate var isLetterOrDigit: Bool { isLetter || isDigit }
}
