/// An answer before it is bytes. `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are
/// the writer's: it passes over fields of those names.
package struct Response: Sendable {
  /// The status code, 100…599.
  package var status: Int
  package var fields: ResponseFields
  /// The content; for HEAD that of GET, which is measured and not sent.
  package var body: [UInt8]

  package init(status: Int, fields: ResponseFields = [:], body: [UInt8] = []) {
    self.status = status
    self.fields = fields
    self.body = body
  }
}

/// An answer that is bytes already but for what each answer has of its own. Writing it allocates
/// nothing, and neither does making one of arrays that are there.
package struct PromptAnswer: Sendable {
  /// The status code, 100…599.
  package var status: Int
  /// Field lines as `ResponseFields.bytes` makes them, those that are kept and those of this answer.
  package var fields: [UInt8]
  package var ownFields: [UInt8]
  /// As `Response.body`.
  package var body: [UInt8]

  package init(status: Int, fields: [UInt8], ownFields: [UInt8] = [], body: [UInt8] = []) {
    self.status = status
    self.fields = fields
    self.ownFields = ownFields
    self.body = body
  }
}

/// Field lines in the order in which they are sent.
package struct ResponseFields: Sendable, Sequence, ExpressibleByDictionaryLiteral {
  package typealias Line = (name: FieldName, value: FieldValue)

  private var lines: [Line] = []

  package init() {}

  /// The lines of the literal in order; a name may stand there twice.
  package init(dictionaryLiteral elements: (FieldName, FieldValue)...) {
    lines = elements.map { (name: $0.0, value: $0.1) }
  }

  /// Adds a line behind the others.
  package mutating func append(_ name: FieldName, _ value: FieldValue) {
    // Most answers have no more.
    if lines.isEmpty { lines.reserveCapacity(12) }
    lines.append((name, value))
  }

  /// Makes `value` the only one of `name`, in the place of its first line if it has one.
  package mutating func set(_ name: FieldName, _ value: FieldValue) {
    guard let place = lines.firstIndex(where: { $0.name == name }) else {
      return append(name, value)
    }
    lines[place].value = value
    let rest = lines[(place + 1)...].filter { $0.name != name }
    lines.replaceSubrange((place + 1)..., with: rest)
  }

  /// Removes every line of `name`.
  package mutating func remove(_ name: FieldName) {
    lines.removeAll { $0.name == name }
  }

  /// The first value of `name`, nil without one.
  package func first(of name: FieldName) -> FieldValue? {
    lines.first { $0.name == name }?.value
  }

  /// The lines as they are sent, without those that are the writer's.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    ResponseWriter.append(self, to: &bytes)
    return bytes
  }

  package func makeIterator() -> IndexingIterator<[Line]> {
    lines.makeIterator()
  }
}
