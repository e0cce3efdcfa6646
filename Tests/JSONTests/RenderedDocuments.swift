import JSON
import Testing

@Suite struct RenderedDocuments {
  private func text(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func `commas stand between values and nowhere else`() {
    let written = text { writer in
      writer.beginObject()
      writer.name("data")
      writer.beginArray()
      writer.beginObject()
      writer.endObject()
      writer.beginObject()
      writer.name("a")
      writer.number(-1)
      writer.name("b")
      writer.null()
      writer.endObject()
      writer.beginArray()
      writer.endArray()
      writer.string("x")
      writer.bool(true)
      writer.bool(false)
      writer.endArray()
      writer.name("meta")
      writer.raw(Array(#"{"total":14}"#.utf8))
      writer.name("links")
      writer.beginArray()
      writer.raw(Array("1".utf8).span)
      writer.raw(Array("2".utf8).span)
      writer.value(.array([.null, .object([member("k", .number("1.50"))]), .bool(true)]))
      writer.endArray()
      writer.endObject()
    }
    #expect(
      written
        == #"{"data":[{},{"a":-1,"b":null},[],"x",true,false],"meta":{"total":14},"#
        + #""links":[1,2,[null,{"k":1.50},true]]}"#)
  }

  @Test func `nothing written is no bytes`() {
    #expect(JSONWriter().bytes == [])
    #expect(JSONWriter(capacity: 0).bytes == [])
  }

  @Test func `integers are written whole`() {
    #expect(text { $0.number(0) } == "0")
    #expect(text { $0.number(.max) } == "9223372036854775807")
    #expect(text { $0.number(.min) } == "-9223372036854775808")
  }

  @Test func `a string escapes what RFC 8259 demands and nothing else`() {
    let short: [UInt8: String] = [
      0x08: #"\b"#, 0x09: #"\t"#, 0x0A: #"\n"#, 0x0C: #"\f"#, 0x0D: #"\r"#, 0x22: #"\""#,
      0x5C: #"\\"#,
    ]
    for byte in UInt8(0)..<0x80 {
      let character = String(Unicode.Scalar(byte))
      let hexadecimal = String(byte, radix: 16)
      let padded = #"\u"# + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
      let expected = short[byte] ?? (byte < 0x20 ? padded : character)
      #expect(text { $0.string(character) } == "\"\(expected)\"")
      #expect(text { $0.string("a\(character)é") } == "\"a\(expected)é\"")
      #expect(
        text {
          $0.beginObject()
          $0.name(character)
          $0.null()
          $0.endObject()
        } == "{\"\(expected)\":null}")
    }
    #expect(text { $0.string("é/日\u{2028}\u{7F}\u{1F600}") } == "\"é/日\u{2028}\u{7F}\u{1F600}\"")
  }

  @Test func `a number that is none does not break the document`() throws {
    for lexeme in [
      "", " ", "1 ", " 1", "+1", "01", "1,2", "\"", "NaN", "1\n", "\u{661}", "[]", "-",
    ] {
      #expect(
        try render(.array([.number(lexeme), .null])).read()
          == .array([.string(lexeme), .null]))
    }
  }

  @Test func `every character comes back`() throws {
    for value in UInt32(0)...0x10FFFF where value < 0x3000 || value % 61 == 0 || value > 0x10FFF0 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = JSONValue.string(String(Character(scalar)))
      #expect(try render(text).read() == text)
    }
  }

  @Test(arguments: UInt64(1)...8)
  func `a random value comes back as it was`(_ seed: UInt64) throws {
    var random = Seeded(state: seed)
    for _ in 0..<400 {
      let value = JSONValue.random(depth: 5, using: &random)
      let document = render(value)
      let read = try document.read()
      #expect(read == value)
      #expect(render(read).bytes == document.bytes)
    }
  }
}

extension JSONValue {
  /// Some value of at most `depth` levels below this one.
  static func random(depth: Int, using random: inout Seeded) -> JSONValue {
    switch Int.random(in: 0...(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .number(String(Int.random(in: .min ... .max, using: &random)))
    case 3: return .number(randomDecimal(using: &random))
    case 4, 5: return .string(randomText(using: &random))
    case 6:
      let count = Int.random(in: 0...6, using: &random)
      return .array((0..<count).map { _ in .random(depth: depth - 1, using: &random) })
    default:
      let count = Int.random(in: 0...24, using: &random)
      let members = (0..<count).map { index in
        // The index keeps the names apart.
        JSONMember(
          name: randomText(using: &random) + String(index),
          value: .random(depth: depth - 2, using: &random))
      }
      return .object(members)
    }
  }

  private static func randomDecimal(using random: inout Seeded) -> String {
    let sign = Bool.random(using: &random) ? "-" : ""
    let exponents = ["", "e0", "E+12", "e-400"]
    return sign + String(UInt16.random(in: 0 ... .max, using: &random)) + "."
      + String(UInt32.random(in: 0 ... .max, using: &random))
      + (exponents.randomElement(using: &random) ?? "")
  }

  private static func randomText(using random: inout Seeded) -> String {
    let ranges: [ClosedRange<UInt32>] = [
      0x00...0x1F, 0x20...0x7E, 0x20...0x7E, 0x22...0x22, 0x5C...0x5C, 0x7F...0x7FF,
      0x300...0x36F, 0x800...0xD7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF,
    ]
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      let range = ranges.randomElement(using: &random) ?? 0x41...0x41
      if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) {
        text.append(scalar)
      }
    }
    return String(text)
  }
}
