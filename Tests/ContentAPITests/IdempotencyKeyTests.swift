import ContentAPI
import JSON
import Testing

/// The pure part of idempotency keys.
@Suite struct IdempotencyKeys {
  @Test func `are read with quotes and without`() {
    #expect(IdempotencyKey("abc")?.text == "abc")
    #expect(IdempotencyKey("\"abc\"") == IdempotencyKey("abc"))
    #expect(IdempotencyKey("8e03978e-40d5-43e8-bc93-6894a57f9324") != nil)
    #expect(IdempotencyKey(#""a\"b\\c""#)?.text == #"a"b\c"#)
    #expect(IdempotencyKey(#""a,b""#)?.text == "a,b")
    #expect(IdempotencyKey("!#$%&'()*+-./:;<=>?@[]^_`{|}~") != nil)
  }

  @Test func `have 1 to 255 characters`() {
    for (length, isValid) in [(0, false), (1, true), (255, true), (256, false)] {
      let key = String(repeating: "k", count: length)
      #expect((IdempotencyKey(key) != nil) == isValid)
      #expect((IdempotencyKey("\"\(key)\"") != nil) == isValid)
    }
    // An escape is one character.
    #expect(IdempotencyKey("\"" + String(repeating: "\\\"", count: 255) + "\"") != nil)
  }

  @Test(arguments: [
    "", "\"\"", "a b", "\"a b\"", "\"abc", "abc\"", "\"", "\"a\"b", "\"a\", \"b\"", "a, b", "a,b",
    "\"a\\", "\"a\\n\"", "a\tb", "a\u{1}b", "a\u{7f}b", "é", "\"é\"", "a\u{fffd}", "\"a\";p=1",
  ])
  func `are nothing else`(_ text: String) {
    #expect(IdempotencyKey(text) == nil)
  }

  @Test func `are waited for as long as the client prefers`() {
    #expect(IdempotencyKey.wait(preferences: []) == nil)
    #expect(IdempotencyKey.wait(preferences: ["wait=0"]) == 0)
    #expect(IdempotencyKey.wait(preferences: ["respond-async, Wait = 2"]) == 2)
    #expect(IdempotencyKey.wait(preferences: ["return=minimal", "wait=1; x=y"]) == 1)
    #expect(IdempotencyKey.wait(preferences: ["wait", "wait=-1", "wait=x", "waiting=0"]) == nil)
    #expect(IdempotencyKey.wait(preferences: ["wait=99999999999999999999", "wait="]) == nil)
  }
}

@Suite struct RequestFingerprints {
  private func input(
    _ json: String, query: [(name: String, value: String)] = [], path: [String] = ["v1", "posts"],
    change: (inout RequestParts) -> Void = { _ in }
  ) throws -> [UInt8] {
    let bytes = Array(json.utf8)
    var parts = RequestParts(
      method: "POST", path: path, query: query, mediaType: "application/json",
      content: .json(try JSONReader.read(bytes.span)))
    change(&parts)
    return try #require(Fingerprints.standard.input(parts, version: 1))
  }

  @Test func `begin with their version`() throws {
    #expect(try input("{}").first == Fingerprints.standard.current)
    #expect(
      Fingerprints.standard.input(RequestParts(method: "POST", path: []), version: 9) == nil)
  }

  @Test(arguments: [
    (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#),
    (#"{"a":{"x":1,"y":[{"p":1,"q":2}]}}"#, #"{"a":{"y":[{"q":2,"p":1}],"x":1}}"#),
    (#"{"a":1}"#, " {\n\t\"a\" :  1 }\r\n"),
    (#"{"a":"é/\n"}"#, #"{"\u0061":"\u00e9\/\u000a"}"#),
    (#"["😀"]"#, #"["\ud83d\ude00"]"#),
    (#"{"é":1,"z":2}"#, #"{"z":2,"\u00e9":1}"#),
  ])
  func `are the same however JSON is written`(_ one: String, _ other: String) throws {
    #expect(try input(one) == input(other))
  }

  @Test(arguments: [
    ("[1]", "[1.0]"), ("[1e1]", "[10]"), ("[0]", "[-0]"), (#"{"a":null}"#, "{}"),
    (#"["\u00e9"]"#, #"["e\u0301"]"#), ("[1,2]", "[2,1]"), (#"["1"]"#, "[1]"), ("[[]]", "[{}]"),
    (#"["a","b"]"#, #"["a,b"]"#), ("[true]", "[false]"), (#"{"a":"b"}"#, #"{"a":"b "}"#),
    (#"["null"]"#, "[null]"),
  ])
  func `tell values apart`(_ one: String, _ other: String) throws {
    #expect(try input(one) != input(other))
  }

  @Test func `tell every part of a request apart`() throws {
    let plain = try input("{}")
    var all: [[UInt8]] = [plain]
    func add(_ other: [UInt8]) {
      #expect(!all.contains(other))
      all.append(other)
    }
    add(try input("{}") { $0.method = "PUT" })
    add(try input("{}", path: ["v1", "posts", "a"]))
    add(try input("{}", path: ["v1", "posts/a"]))
    add(try input("{}") { $0.mediaType = "application/merge-patch+json" })
    add(try input("{}") { $0.ifMatch = ["\"1-a\""] })
    add(try input("{}") { $0.ifNoneMatch = ["\"1-a\""] })
    add(try input("{}", query: [("a", "1")]))
    add(try input("{}", query: [("a", "2")]))
    add(try input("{}", query: [("a", "1"), ("a", "2")]))
    add(try input("{}", query: [("a", "2"), ("a", "1")]))
    add(try input("{}") { $0.content = .none })
    add(try input("{}") { $0.content = .bytes([1]) })
    #expect(
      try input("{}", query: [("a", "1"), ("b", "2")])
        == input("{}", query: [("b", "2"), ("a", "1")]))
  }

  @Test func `take Markdown byte by byte`() throws {
    func input(_ text: String) throws -> [UInt8] {
      let parts = RequestParts(method: "POST", path: [], content: .bytes(Array(text.utf8)))
      return try #require(Fingerprints.standard.input(parts, version: 1))
    }
    #expect(try input("a\n") != input("a\r\n"))
    #expect(try input("é") != input("e\u{301}"))
    #expect(try input("a") == input("a"))
  }
}
