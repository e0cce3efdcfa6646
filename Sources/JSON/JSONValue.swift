/// A JSON value (RFC 8259) as its document wrote it: members keep their order and numbers their
/// digits, so nothing that a client sent is changed before somebody has looked at it.
///
/// Values are equal when they were written alike: strings and names by their Unicode scalars
/// (`String` would call two normal forms of "é" equal), numbers by their lexemes (`1` is not
/// `1.0`), members in their order.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// The lexeme as written, for instance `-1.50e3`: no range, no rounding.
  case number(String)
  /// Any Unicode scalars, U+0000 among them.
  case string(String)
  case array([JSONValue])
  /// The members in the order of the document, no name twice.
  case object([JSONMember])
}

/// One member of an object.
package struct JSONMember: Sendable {
  /// The name with its escapes resolved.
  package let name: String
  /// What the name stands for.
  package let value: JSONValue

  /// A member to put into `JSONValue.object`.
  package init(name: String, value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue {
  /// The value of the member with exactly these Unicode scalars as its name; nil for another name
  /// and for a value that is no object. Takes time in proportion to the number of members.
  package subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.hasSameScalars(as: name) }?.value
  }

  /// Whether this is `null`.
  package var isNull: Bool {
    if case .null = self { true } else { false }
  }

  /// The boolean, or nil for a value of another type.
  package var boolValue: Bool? {
    if case .bool(let flag) = self { flag } else { nil }
  }

  /// The string, or nil for a value of another type.
  package var stringValue: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The number when it is whole, as JSON Schema understands it, and fits into `Int`: `3`, `-3`,
  /// `3.0` and `1e2`; nil for `0.5`, `9223372036854775808` and values of another type.
  package var integerValue: Int? {
    if case .number(let lexeme) = self { Int(lexeme) ?? Self.wholeNumber(lexeme) } else { nil }
  }

  /// The value of a number with a fraction or an exponent, exactly: no rounding decides it.
  private static func wholeNumber(_ lexeme: String) -> Int? {
    let parts = lexeme.split(separator: "e", omittingEmptySubsequences: false)
    let decimal = (parts.count == 1 ? lexeme.split(separator: "E") : parts).map(String.init)
    guard let mantissa = decimal.first, decimal.count <= 2 else { return nil }
    let pieces = mantissa.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = pieces.count > 1 ? pieces[1] : ""
    var digits = pieces[0] + fraction
    if digits.allSatisfy({ $0 == "0" || $0 == "-" }) { return 0 }
    // An exponent that does not fit belongs to a number that does not either.
    guard let exponent = decimal.count == 2 ? Int(decimal[1]) : 0 else { return nil }
    let (places, isTooLong) = exponent.subtractingReportingOverflow(fraction.utf8.count)
    guard !isTooLong, places <= 18 else { return nil }
    var scale = places
    while scale < 0, digits.last == "0" {
      digits.removeLast()
      scale += 1
    }
    guard scale >= 0 else { return nil }
    return Int(digits + String(repeating: "0", count: scale))
  }

  /// The elements, or nil for a value of another type.
  package var arrayValue: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The members in the order of the document, or nil for a value of another type.
  package var objectValue: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }
}

extension JSONValue: Equatable {
  /// Whether both were written alike, strings compared by Unicode scalars.
  package static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left.hasSameScalars(as: right)
    case (.string(let left), .string(let right)): left.hasSameScalars(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }
}

extension JSONMember: Equatable {
  /// Whether name and value were written alike, strings compared by Unicode scalars.
  package static func == (left: JSONMember, right: JSONMember) -> Bool {
    left.name.hasSameScalars(as: right.name) && left.value == right.value
  }
}

extension String {
  /// Whether both consist of the same Unicode scalars; `==` asks for canonical equivalence instead.
  package func hasSameScalars(as other: String) -> Bool {
    // A native string knows the length of its UTF-8, so most names differ without a look at them.
    let (one, other) = (utf8Span.span, other.utf8Span.span)
    guard one.count == other.count else { return false }
    for place in one.indices where one[place] != other[place] { return false }
    return true
  }
}
