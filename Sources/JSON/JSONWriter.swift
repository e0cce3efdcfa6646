/// Renders JSON into one array of bytes, without white space.
///
/// The caller opens and closes what it writes, in the order of the document; the commas come by
/// themselves. Any `String` is written so that a reader gets the same Unicode scalars back.
package struct JSONWriter {
  /// What has been written so far: UTF-8, complete once every `begin…` has its `end…`.
  package private(set) var bytes: [UInt8] = []
  /// Whether a value ended just before, so that a comma must stand before the next.
  private var followsValue = false

  /// A writer of an empty document; `capacity` bytes are reserved for it.
  package init(capacity: Int = 256) {
    bytes.reserveCapacity(capacity)
  }

  /// Begins an object; pairs of `name` and one value follow.
  package mutating func beginObject() { begin(UInt8(ascii: "{")) }

  /// Ends the object begun last.
  package mutating func endObject() { end(UInt8(ascii: "}")) }

  /// Begins an array; values follow.
  package mutating func beginArray() { begin(UInt8(ascii: "[")) }

  /// Ends the array begun last.
  package mutating func endArray() { end(UInt8(ascii: "]")) }

  /// The name of a member; its value comes next. That no name is repeated is up to the caller.
  package mutating func name(_ name: String) {
    separate()
    quote(name)
    bytes.append(UInt8(ascii: ":"))
    followsValue = false
  }

  /// A string, escaped where RFC 8259 section 7 demands it and nowhere else.
  package mutating func string(_ text: String) {
    separate()
    quote(text)
  }

  /// A whole number, in decimal.
  package mutating func number(_ number: Int) {
    separate()
    bytes.append(contentsOf: String(number).utf8)
  }

  /// `true` or `false`.
  package mutating func bool(_ flag: Bool) {
    separate()
    bytes.append(contentsOf: (flag ? "true" : "false").utf8)
  }

  /// `null`.
  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// One value that is rendered already, for instance by PostgreSQL. It is not looked at: that it
  /// is one complete JSON value is up to the caller.
  package mutating func raw(_ json: Span<UInt8>) {
    separate()
    bytes.append(json)
  }

  /// One value that is rendered already; as the other `raw`.
  package mutating func raw(_ json: [UInt8]) {
    separate()
    bytes.append(contentsOf: json)
  }

  /// A value with all that is in it. What was read is written with the same members in the same
  /// order and the same digits; a number that has no JSON lexeme is written as a string.
  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let flag): bool(flag)
    case .string(let text): string(text)
    case .number(let lexeme):
      separate()
      if JSONReader.isNumber(lexeme) {
        bytes.append(contentsOf: lexeme.utf8)
      } else {
        quote(lexeme)
      }
    case .array(let elements):
      beginArray()
      for element in elements { self.value(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        name(member.name)
        self.value(member.value)
      }
      endObject()
    }
  }

  private mutating func begin(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    followsValue = false
  }

  private mutating func end(_ bracket: UInt8) {
    bytes.append(bracket)
    followsValue = true
  }

  /// Makes room for a value or a member.
  private mutating func separate() {
    if followsValue { bytes.append(UInt8(ascii: ",")) }
    followsValue = true
  }

  private mutating func quote(_ text: String) { bytes.appendString(text.utf8Span.span) }
}

extension [UInt8] {
  /// Appends a JSON string: the characters of `text`, which must be UTF-8, in quotation marks,
  /// escaped where RFC 8259 section 7 demands it and nowhere else.
  package mutating func appendString(_ text: Span<UInt8>) {
    append(UInt8(ascii: "\""))
    var start = 0
    for index in text.indices {
      let byte = text[index]
      // Most are small letters, which come behind all that is escaped.
      if byte > UInt8(ascii: "\\") { continue }
      guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 else {
        continue
      }
      append(text.extracting(start..<index))
      escape(byte)
      start = index + 1
    }
    append(text.extracting(start..<text.count))
    append(UInt8(ascii: "\""))
  }

  private mutating func escape(_ byte: UInt8) {
    append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
    case 0x08: append(UInt8(ascii: "b"))
    case 0x09: append(UInt8(ascii: "t"))
    case 0x0A: append(UInt8(ascii: "n"))
    case 0x0C: append(UInt8(ascii: "f"))
    case 0x0D: append(UInt8(ascii: "r"))
    default:
      append(contentsOf: byte < 0x10 ? "u000".utf8 : "u001".utf8)
      let digit = byte & 0x0F
      append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }
  }

  /// Appends the bytes of a span in one go.
  package mutating func append(_ source: Span<UInt8>) {
    // The library writes the new count, also of none, and the storage of all empty arrays is shared.
    if source.isEmpty { return }
    append(addingCapacity: source.count) { output in
      for index in source.indices { output.append(source[index]) }
    }
  }
}
