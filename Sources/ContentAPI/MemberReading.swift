import JSON

/// A JSON object of a request while it is read into its members: strictly, and with all faults told
/// at once, each with its pointer.
///
/// A member that is null counts as absent. One-line texts and those of several lines lose white
/// space at their ends and count as absent when nothing is left; Markdown stays as it was sent.
/// Characters are Unicode scalars.
struct MemberReading {
  private let members: [JSONMember]
  private let patch: JSONValue?
  private let path: [String]
  /// Of what is no object nothing can be called missing.
  private let isObject: Bool
  private var faults: Faults
  /// How often something was wrong, so that a required member that is wrong is not called missing.
  private var complaints = 0

  /// - Parameters:
  ///   - value: what a request sent, or what its patch makes of what is stored.
  ///   - patch: the merge patch that led to `value`. What it takes away must be a member too, and
  ///     has left no trace in `value`.
  ///   - writable: the members that may be there.
  ///   - readOnly: members of the answer that may not.
  ///   - path: the way to this object within the body.
  init(
    _ value: JSONValue, patch: JSONValue? = nil, writable: [String], readOnly: [String] = [],
    at path: [String] = []
  ) {
    self.init(value, patch, writable, readOnly, at: path, Faults())
  }

  private init(
    _ value: JSONValue, _ patch: JSONValue?, _ writable: [String], _ readOnly: [String],
    at path: [String], _ faults: Faults
  ) {
    self.path = path
    self.patch = patch
    self.faults = faults
    members = value.objectValue ?? []
    isObject = value.objectValue != nil
    if !isObject {
      let known = writable.joined(separator: ", ")
      tell("expected an object with \(known), got \(PostReading.kind(value))", at: [])
    }
    let removed = (patch?.objectValue ?? []).filter { value[$0.name] == nil }
    for member in members + removed where !writable.contains(member.name) {
      tell(
        readOnly.contains(member.name)
          ? "\(member.name) is read-only: leave it out"
          : "unknown member \(PostReading.quoted(member.name)); known are "
            + writable.joined(separator: ", "), at: [member.name])
    }
  }

  /// Throws everything that is wrong; call it when everything has been read.
  func finish() throws(Faults) {
    if !faults.isEmpty { throw faults }
  }

  /// What `read` finds; where it finds nothing and had nothing to complain about, that is a fault.
  mutating func required<Value>(
    _ name: String, _ hint: String, _ read: (inout MemberReading) -> Value?
  ) -> Value? {
    let before = complaints
    let value = read(&self)
    if isObject, value == nil, complaints == before {
      tell("\(name) is required: \(hint)", at: [name])
    }
    return value
  }

  /// Tells a fault of a member.
  mutating func tell(_ detail: String, at steps: [String]) {
    complaints += 1
    faults.append(Fault(place: .pointer(through: path + steps), detail: detail))
  }
}

// Texts.
extension MemberReading {
  /// A text without line breaks.
  mutating func line(_ name: String, limit: Int) -> String? {
    string(name).flatMap { checked($0, limit: limit, allowsLineBreaks: false, at: [name]) }
  }

  /// A text that may have line breaks and tabs.
  mutating func text(_ name: String, limit: Int) -> String? {
    string(name).flatMap { checked($0, limit: limit, allowsLineBreaks: true, at: [name]) }
  }

  /// Markdown as it was sent, at most 524,288 bytes; nil when it is blank.
  mutating func markdown(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    if text.utf8.count > 524_288 {
      tell("\(name) may have at most 524288 bytes (512 KiB), it has \(text.utf8.count)", at: [name])
    } else if text.utf8.contains(0) {
      tell("\(name) must not contain the character U+0000", at: [name])
    } else if !text.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
      return text
    }
    return nil
  }

  /// An absolute http or https URL.
  mutating func address(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    guard let complaint = WebAddress.complaint(text) else { return text }
    let rule = "an absolute http or https URL of at most 2048 characters"
    tell("expected \(rule), got \(PostReading.quoted(text)): \(complaint)", at: [name])
    return nil
  }

  /// An e-mail address: a part on either side of one @, at most 254 bytes, and nothing that could
  /// make two of it in a header field of a mail.
  mutating func mailbox(_ name: String) -> String? {
    guard let text = string(name) else { return nil }
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    let isClean = text.unicodeScalars.allSatisfy {
      !PostReading.isControl($0) && !$0.properties.isWhitespace
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

  private mutating func string(_ name: String) -> String? {
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
    let got = PostReading.quoted(text)
    tell("expected 1 to \(limit) \(Slug.rule), got \(got)\(hint)", at: steps)
    return nil
  }

  /// The text without white space at its ends; nil when nothing is left or a fault was told.
  private mutating func checked(
    _ text: String, limit: Int, allowsLineBreaks: Bool, at steps: [String]
  ) -> String? {
    let trimmed = PostReading.trimmed(text)
    let length = trimmed.unicodeScalars.count
    if length > limit {
      tell("at most \(limit) characters are expected, there are \(length)", at: steps)
      return nil
    }
    let control = trimmed.unicodeScalars.first {
      PostReading.isControl($0) && !(allowsLineBreaks && ["\n", "\r", "\t"].contains($0))
    }
    if let control {
      let digits = String(control.value, radix: 16, uppercase: true)
      let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
      let kind = allowsLineBreaks ? "other than line breaks and tabs" : "or line breaks"
      tell("no control characters \(kind) are expected, there is \(code)", at: steps)
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
    distinct(name, limit: 32) { reading, item, steps in
      reading.string(item, at: steps).flatMap {
        reading.slug($0, limit: Slug.maximumTagLength, at: steps)
      }
    }
  }

  /// One-line texts, none blank and none twice.
  mutating func lines(_ name: String, limit: Int, each length: Int) -> [String] {
    distinct(name, limit: limit) { reading, item, steps in
      guard let text = reading.string(item, at: steps) else { return nil }
      let before = reading.complaints
      let line = reading.checked(text, limit: length, allowsLineBreaks: false, at: steps)
      if line == nil, reading.complaints == before { reading.tell("it is blank", at: steps) }
      return line
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
    array(name, limit: limit).enumerated().map { index, item in
      nested(item, patch: nil, writable, at: [name, String(index)], read)
    }
  }

  private mutating func nested<Value>(
    _ value: JSONValue, patch: JSONValue?, _ writable: [String], at steps: [String],
    _ read: (inout MemberReading) -> Value
  ) -> Value {
    var reading = MemberReading(value, patch, writable, [], at: path + steps, faults)
    let result = read(&reading)
    faults = reading.faults
    complaints += reading.complaints
    return result
  }

  private mutating func distinct(
    _ name: String, limit: Int,
    _ read: (inout MemberReading, JSONValue, [String]) -> String?
  ) -> [String] {
    var items: [String] = []
    var places: [[UInt8]: Int] = [:]
    for (index, value) in array(name, limit: limit).enumerated() {
      let steps = [name, String(index)]
      guard let item = read(&self, value, steps) else { continue }
      if let earlier = places[Array(item.utf8)] {
        tell("\(PostReading.quoted(item)) already stands at place \(earlier)", at: steps)
        continue
      }
      places[Array(item.utf8)] = index
      items.append(item)
    }
    return items
  }

  private mutating func array(_ name: String, limit: Int) -> [JSONValue] {
    guard let value = value(name) else { return [] }
    guard let items = value.arrayValue else {
      expected("an array", value, at: [name])
      return []
    }
    if items.count > limit {
      tell("at most \(limit) entries are expected, there are \(items.count)", at: [name])
    }
    return items
  }

  /// The value of a member unless it is absent or null.
  private func value(_ name: String) -> JSONValue? {
    let value = members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    return value?.isNull == false ? value : nil
  }

  private mutating func expected(_ what: String, _ value: JSONValue, at steps: [String]) {
    tell("expected \(what), got \(PostReading.kind(value))", at: steps)
  }
}

extension UInt8 {
  fileprivate var isLetterOrDigit: Bool { isLetter || isDigit }
}
