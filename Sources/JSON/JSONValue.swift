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

  /// The number when it is written as an integer and fits into `Int`: `3` and `-3`; nil for `3.0`,
  /// `1e2`, `9223372036854775808` and values of another type.
  package var integerValue: Int? {
    if case .number(let lexeme) = self { Int(lexeme) } else { nil }
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
  func hasSameScalars(as other: String) -> Bool {
    // A native string knows the length of its UTF-8, so most names differ without a look at them.
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}
