import JSON
import Testing

/// The bytes of a document as a test feeds them to the reader.
struct Document: Sendable, ExpressibleByStringLiteral, CustomTestStringConvertible {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(_ text: String) { bytes = Array(text.utf8) }
  init(stringLiteral text: String) { self.init(text) }

  /// A string literal of JSON with `bytes` between its quotation marks.
  static func quoting(_ bytes: UInt8...) -> Document { Document([0x22] + bytes + [0x22]) }

  func read(maximumDepth: Int = 64) throws(JSONError) -> JSONValue {
    try JSONReader.read(bytes.span, maximumDepth: maximumDepth)
  }

  /// The fault that the reader finds, or nil when it finds a value.
  func fault(maximumDepth: Int = 64) -> JSONError? {
    do {
      _ = try read(maximumDepth: maximumDepth)
      return nil
    } catch {
      return error
    }
  }

  var testDescription: String { String(decoding: bytes.prefix(60), as: UTF8.self) }
}

/// A member for an expectation.
func member(_ name: String, _ value: JSONValue) -> JSONMember {
  JSONMember(name: name, value: value)
}

/// The value as the writer renders it.
func render(_ value: JSONValue) -> Document {
  var writer = JSONWriter()
  writer.value(value)
  return Document(writer.bytes)
}

/// A small generator (SplitMix64), so that every run tries the same values.
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
