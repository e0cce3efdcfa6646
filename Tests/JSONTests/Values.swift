import JSON
import Testing

@Suite struct Values {
  @Test func `strings are equal by their scalars`() {
    #expect(JSONValue.string("\u{E9}") == .string("\u{E9}"))
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    #expect(JSONValue.array([.string("\u{E9}")]) != .array([.string("e\u{301}")]))
    #expect(member("\u{E9}", .null) != member("e\u{301}", .null))
    #expect(member("a", .null) != member("a", .bool(false)))
    #expect(member("a", .null) == member("a", .null))
    #expect(JSONValue.string("a") != .string("a\0"))
  }

  @Test func `values of different types are different`() {
    let values: [JSONValue] = [
      .null, .bool(true), .bool(false), .number("1"), .number("1.0"), .string("1"), .string("null"),
      .array([]), .array([.null]), .object([]), .object([member("", .null)]),
    ]
    for (left, value) in values.enumerated() {
      for (right, other) in values.enumerated() {
        #expect((value == other) == (left == right))
      }
    }
  }

  @Test func `the order of members counts`() {
    let ab = JSONValue.object([member("a", .null), member("b", .null)])
    #expect(ab != .object([member("b", .null), member("a", .null)]))
  }

  @Test(arguments: [
    ("0", 0), ("-0", 0), ("3", 3), ("-3", -3), ("9223372036854775807", Int.max),
    ("-9223372036854775808", Int.min), ("3.0", 3), ("-3.000", -3), ("1e2", 100), ("1E0", 1),
    ("-1.50e1", -15), ("100e-2", 1), ("0.0", 0), ("-0.0e-7", 0), ("0e99999999999999999999", 0),
    ("0.12e+2", 12), ("9.223372036854775807e18", Int.max), ("-92233720368547758080E-1", Int.min),
  ])
  func `a whole number is an integer`(_ lexeme: String, _ integer: Int) {
    #expect(JSONValue.number(lexeme).integerValue == integer)
  }

  @Test(arguments: [
    "3.1", "1e-1", "-0.5", "1.25e1", "9223372036854775808", "9.223372036854775808e18", "1e19",
    "1e-9223372036854775808", "0.1e-9223372036854775808", "1e99999999999999999999", "1e400",
    "-9223372036854775809", "100000000000000000000000000000",
  ])
  func `another number is no integer`(_ lexeme: String) throws {
    #expect(try Document(lexeme).read().integerValue == nil)
  }

  @Test func `a member is found by exactly its name`() {
    let value = JSONValue.object([
      member("\u{E9}", .number("1")), member("e\u{301}", .number("2")), member("", .number("3")),
      member("null", .null),
    ])
    #expect(value["\u{E9}"] == .number("1"))
    #expect(value["e\u{301}"] == .number("2"))
    #expect(value[""] == .number("3"))
    #expect(value["null"] == .some(.null))
    #expect(value["missing"] == nil)
    #expect(JSONValue.array([.null])[""] == nil)
    #expect(JSONValue.null["a"] == nil)
  }

  @Test func `a value of another type has no value of this one`() {
    #expect(JSONValue.string("3").integerValue == nil)
    #expect(JSONValue.number("3").stringValue == nil)
    #expect(JSONValue.null.boolValue == nil)
    #expect(JSONValue.object([]).arrayValue == nil)
    #expect(JSONValue.array([]).objectValue == nil)
    #expect(!JSONValue.bool(false).isNull)
    #expect(JSONValue.bool(true).boolValue == true)
    #expect(JSONValue.array([.null]).arrayValue == [.null])
  }
}
