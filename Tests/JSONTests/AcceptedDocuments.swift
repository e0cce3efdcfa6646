import JSON
import Testing

/// A document and the value it stands for.
struct Accepted: Sendable, CustomTestStringConvertible {
  let document: Document
  let value: JSONValue

  init(_ document: Document, _ value: JSONValue) {
    self.document = document
    self.value = value
  }

  var testDescription: String { document.testDescription }
}

@Suite struct AcceptedDocuments {
  @Test(arguments: [
    Accepted("null", .null),
    Accepted("true", .bool(true)),
    Accepted("false", .bool(false)),
    Accepted(" \n\r\t true \n\r\t ", .bool(true)),
    Accepted("\nnull", .null),
    Accepted("null\n", .null),
  ])
  func `a word is a value`(_ row: Accepted) throws {
    #expect(try row.document.read() == row.value)
  }

  @Test(arguments: [
    "0", "-0", "1", "-1", "9", "10", "-10", "1234567890", "0.0", "-0.0", "0.5", "1.0", "1.50",
    "-1.25", "123.456789", "0e0", "0e+0", "0E-0", "1e1", "1E1", "1e+1", "1e-1", "1E+01", "1e00",
    "1.5e3", "-1.5E-3", "0.1e1", "1e400", "-1e400", "1e-400", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890",
    "0.000000000000000000000000000000000000000000000000001", "1.7976931348623157e308",
    "-0e-0", "20e1", "1e999999999999999999999999999",
  ])
  func `a number keeps its digits`(_ lexeme: String) throws {
    #expect(try Document(lexeme).read() == .number(lexeme))
    #expect(
      try Document("[\(lexeme) , \(lexeme)]").read() == .array([.number(lexeme), .number(lexeme)]))
    #expect(try Document("{\"n\":\(lexeme)}").read() == .object([member("n", .number(lexeme))]))
  }

  @Test(arguments: [
    Accepted(#""""#, .string("")),
    Accepted(#""a""#, .string("a")),
    Accepted(#"" ""#, .string(" ")),
    Accepted(#""'""#, .string("'")),
    Accepted(#""/""#, .string("/")),
    Accepted(#""null""#, .string("null")),
    Accepted(#""// no comment /* none */""#, .string("// no comment /* none */")),
    Accepted(#""[{,:}]""#, .string("[{,:}]")),
    Accepted("\"\u{7F}\"", .string("\u{7F}")),
    Accepted("\"\u{80}\"", .string("\u{80}")),
    Accepted("\"\u{2028}\u{2029}\"", .string("\u{2028}\u{2029}")),
    Accepted("\"é ß ñ\"", .string("é ß ñ")),
    Accepted("\"日本語のブログ\"", .string("日本語のブログ")),
    Accepted(
      "\"\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\"",
      .string("\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}")),
    Accepted("\"\u{D7FF}\u{E000}\"", .string("\u{D7FF}\u{E000}")),
    Accepted("\"\u{FEFF}\"", .string("\u{FEFF}")),
    Accepted("\"\u{1F469}\u{200D}\u{1F680}\"", .string("\u{1F469}\u{200D}\u{1F680}")),
    Accepted("\"e\u{301}\"", .string("e\u{301}")),
    Accepted(
      "\"a somewhat longer text without any escape in it\"",
      .string("a somewhat longer text without any escape in it")),
  ])
  func `a string is its characters`(_ row: Accepted) throws {
    #expect(try row.document.read() == row.value)
  }

  @Test(arguments: [
    Accepted(#""\"""#, .string("\"")),
    Accepted(#""\\""#, .string("\\")),
    Accepted(#""\/""#, .string("/")),
    Accepted(#""\b\f\n\r\t""#, .string("\u{8}\u{C}\n\r\t")),
    Accepted(#""\\n""#, .string("\\n")),
    Accepted(#""\\\"\\""#, .string("\\\"\\")),
    Accepted(#""\\\\""#, .string("\\\\")),
    Accepted(#""a\nb""#, .string("a\nb")),
    Accepted(#""\na""#, .string("\na")),
    Accepted(#""a\n""#, .string("a\n")),
    Accepted(#""\u0000""#, .string("\0")),
    Accepted(#""a\u0000b""#, .string("a\0b")),
    Accepted(#""\u001f""#, .string("\u{1F}")),
    Accepted(#""\u0041\u0042""#, .string("AB")),
    Accepted(#""\u0022\u005C\u005c""#, .string("\"\\\\")),
    Accepted(#""\u00e9\u00E9""#, .string("\u{E9}\u{E9}")),
    Accepted(#""\u0061\u0301""#, .string("a\u{301}")),
    Accepted(#""\u2028\u2029""#, .string("\u{2028}\u{2029}")),
    Accepted(#""\ud7ff\ue000""#, .string("\u{D7FF}\u{E000}")),
    Accepted(#""\uFEFF\ufffe\uFFFF""#, .string("\u{FEFF}\u{FFFE}\u{FFFF}")),
    Accepted(#""\ud83d\ude00""#, .string("\u{1F600}")),
    Accepted(#""\uD83D\uDE00!""#, .string("\u{1F600}!")),
    Accepted(#""\ud800\udc00\uDBFF\uDFFF""#, .string("\u{10000}\u{10FFFF}")),
    Accepted(#""é\u00e9é""#, .string("\u{E9}\u{E9}\u{E9}")),
    Accepted(#""\u00e9\u65e5\ud83d\ude00日""#, .string("\u{E9}日\u{1F600}日")),
    Accepted(#""\\u0041""#, .string("\\u0041")),
  ])
  func `an escape is the character it names`(_ row: Accepted) throws {
    #expect(try row.document.read() == row.value)
    // Once more behind another string with escapes, whose bytes must not stay behind.
    let twice = Document(Array(#"["\t","#.utf8) + row.document.bytes + Array("]".utf8))
    #expect(try twice.read() == .array([.string("\t"), row.value]))
  }

  @Test(arguments: [
    Accepted("[]", .array([])),
    Accepted("[ ]", .array([])),
    Accepted("[\n]", .array([])),
    Accepted("[null]", .array([.null])),
    Accepted("[1,2]", .array([.number("1"), .number("2")])),
    Accepted("[ 1\t,\r\n2 ]", .array([.number("1"), .number("2")])),
    Accepted("[[],[[]],{}]", .array([.array([]), .array([.array([])]), .object([])])),
    Accepted(
      #"["",false,0,null,[],{}]"#,
      .array([.string(""), .bool(false), .number("0"), .null, .array([]), .object([])])),
    Accepted("{}", .object([])),
    Accepted("{ }", .object([])),
    Accepted(#"{"a":1}"#, .object([member("a", .number("1"))])),
    Accepted(#"{ "a" : 1 }"#, .object([member("a", .number("1"))])),
    Accepted(
      "{\n\"a\"\n:\n1\n,\n\"b\"\n:\n2\n}\n",
      .object([member("a", .number("1")), member("b", .number("2"))])),
    Accepted(#"{"":""}"#, .object([member("", .string(""))])),
    Accepted(#"{"b":1,"a":2}"#, .object([member("b", .number("1")), member("a", .number("2"))])),
    Accepted(
      #"{"a":{"a":{"a":null}}}"#,
      .object([member("a", .object([member("a", .object([member("a", .null)]))]))])),
    Accepted(
      #"{"a":[{"a":1},{"a":1}]}"#,
      .object([
        member(
          "a",
          .array(
            [.object([member("a", .number("1"))]), .object([member("a", .number("1"))])]))
      ])),
    Accepted(#"{"\u0061\n":1}"#, .object([member("a\n", .number("1"))])),
    Accepted(#"{"a":1,"A":2}"#, .object([member("a", .number("1")), member("A", .number("2"))])),
    Accepted(
      #"{"a":1,"a\u0000":2,"":3,"\u0000":4}"#,
      .object([
        member("a", .number("1")), member("a\0", .number("2")),
        member("", .number("3")), member("\0", .number("4")),
      ])),
    Accepted(
      "{\"\u{E9}\":1,\"e\u{301}\":2}",
      .object([member("\u{E9}", .number("1")), member("e\u{301}", .number("2"))])),
    Accepted(
      "{\"\u{212B}\":1,\"\u{C5}\":2,\"A\u{30A}\":3}",
      .object([
        member("\u{212B}", .number("1")), member("\u{C5}", .number("2")),
        member("A\u{30A}", .number("3")),
      ])),
  ])
  func `an array or object holds what it lists`(_ row: Accepted) throws {
    #expect(try row.document.read() == row.value)
  }

  @Test func `a post reads as its members in order`() throws {
    let post: Document = #"""
      {"title": "Hello \"world\"", "tags": ["swift", "api"], "featured": false,
       "featured_order": 3, "cover_image": {"url": "https://example.org/a.png", "alt": null},
       "body": "# One\n\nTwo \ud83d\ude80"}
      """#
    let value = try post.read()
    #expect(value["title"]?.stringValue == "Hello \"world\"")
    #expect(value["tags"]?.arrayValue?.compactMap(\.stringValue) == ["swift", "api"])
    #expect(value["featured"]?.boolValue == false)
    #expect(value["featured_order"]?.integerValue == 3)
    #expect(value["cover_image"]?["alt"]?.isNull == true)
    #expect(value["body"]?.stringValue == "# One\n\nTwo \u{1F680}")
    #expect(
      value.objectValue?.map(\.name)
        == ["title", "tags", "featured", "featured_order", "cover_image", "body"])
    #expect(value["slug"] == nil)
  }
}
