import HTTP
import Testing

@Suite struct RequestTarget {
  @Test(arguments: [
    ("/", [""]), ("/v1/posts", ["v1", "posts"]), ("/v1/", ["v1", ""]), ("//", ["", ""]),
    ("/a%2Fb/c", ["a/b", "c"]), ("/./../x", [".", "..", "x"]), ("/%2e%2E", [".."]),
    ("/caf%C3%A9", ["caf\u{e9}"]), ("/a+b", ["a+b"]), ("/%25", ["%"]), ("/%2525", ["%25"]),
    ("http://a/x/y", ["x", "y"]), ("http://a", [""]), ("HTTPS://a?q", [""]),
    ("/a;b=c,d", ["a;b=c,d"]),
  ])
  func `splits the path, then decodes each segment`(_ text: String, _ segments: [String]) throws {
    #expect(try Target(text).segments == segments)
  }

  @Test(arguments: [
    ("/", []), ("/?", []), ("/?a", ["a="]), ("/?a=", ["a="]),
    ("/?a=1&b=2&a=3", ["a=1", "b=2", "a=3"]),
    ("/?a=b=c", ["a=b=c"]), ("/?=x", ["=x"]), ("/?&&a=1&", ["a=1"]), ("/?a+b=c+d%2B", ["a b=c d+"]),
    ("/?a%26b=%3D", ["a&b=="]), ("/?q=%E2%82%AC", ["q=\u{20ac}"]), ("/?a?b", ["a?b="]),
    ("http://a?x=1", ["x=1"]),
  ])
  func `reads the query in order`(_ text: String, _ pairs: [String]) throws {
    #expect(try Target(text).query.map { "\($0.name)=\($0.value)" } == pairs)
  }

  @Test func `keeps what was sent`() throws {
    let target = try Target("/a%2Fb?c=%20d")
    #expect(target.rawPath == "/a%2Fb")
    #expect(target.rawQuery == "c=%20d")
    #expect(try Target("/").rawQuery == nil)
    #expect(try Target("/?").rawQuery == "")
    #expect(try Target("http://a").rawPath == "/")
  }

  @Test func `knows its form`() throws {
    #expect(try Target("/").form == .origin)
    #expect(try Target("/").authority == nil)
    #expect(try Target("http://a:80/b").form == .absolute)
    #expect(try Target("http://a:80/b").authority == "a:80")
    let asterisk = try Target("*", for: .options)
    #expect(asterisk.form == .asterisk)
    #expect(asterisk.segments == [])
    #expect(asterisk.rawPath == "*")
  }

  @Test func `every byte beyond a URI's own is refused in a path`() {
    let allowed = Set(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?".utf8)
    for byte in UInt8(1)..<0x80 {
      let text = "/" + String(decoding: [byte], as: UTF8.self)
      #expect(((try? Target(text)) != nil) == allowed.contains(byte), "\(byte)")
    }
  }

  @Test func `a query takes what browsers leave as it is`() {
    let allowed = Set(
      ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?"
        + "[]\\^`{|}").utf8)
    for byte in UInt8(1)..<0x80 {
      let text = "/?" + String(decoding: [byte], as: UTF8.self)
      #expect(((try? Target(text)) != nil) == allowed.contains(byte), "\(byte)")
    }
  }

  @Test func `every character decodes to itself, and no other bytes decode`() throws {
    for value in stride(from: UInt32(1), through: 0x10FFFF, by: 97) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let encoded = text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      #expect(try Target("/" + encoded).segments.map { Array($0.utf8) } == [Array(text.utf8)])
    }
    var random = SeededGenerator(seed: 1)
    for _ in 0..<20_000 {
      let bytes = (0..<4).map { _ in
        UInt8.random(in: Bool.random(using: &random) ? 0x80...0xBF : 0xC0...0xFF, using: &random)
      }
      let encoded = bytes.map { "%" + String($0, radix: 16) }.joined()
      #expect(
        ((try? Target("/" + encoded)) != nil) == (String(validating: bytes, as: UTF8.self) != nil))
    }
  }
}
