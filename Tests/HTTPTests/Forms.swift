import HTTP
import Testing

@Suite struct Forms {
  @Test(arguments: [
    ("", []), ("&&", []), ("a=1", ["a", "1"]), ("a=1&b=2", ["a", "1", "b", "2"]),
    ("a=1&a=2", ["a", "1", "a", "2"]), ("a", ["a", ""]), ("a=", ["a", ""]), ("=a", ["", "a"]),
    ("=", ["", ""]), ("a=b=c", ["a", "b=c"]), ("a=1&", ["a", "1"]), ("&a=1", ["a", "1"]),
    ("a+b=c+d", ["a b", "c d"]), ("a%2Bb=c%20d", ["a+b", "c d"]), ("a=%26%3D%25", ["a", "&=%"]),
    ("e=a%40b.c", ["e", "a@b.c"]), ("e=a@b.c", ["e", "a@b.c"]), ("a=%c3%A9", ["a", "é"]),
    ("a=é", ["a", "é"]), ("a=%F0%9F%92%8C", ["a", "💌"]), ("a=%00", ["a", "\0"]),
    ("a=\r\n", ["a", "\r\n"]), ("a=e%CC%81", ["a", "e\u{301}"]),
  ])
  func `are read as names and values`(text: String, expected: [String]) throws {
    let fields = try FormContent(Array(text.utf8)).fields.flatMap { [$0.name, $0.value] }
    #expect(fields.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
  }

  @Test(arguments: [
    ("%", FormContent.Fault.percent(at: 0)), ("a=%", .percent(at: 2)), ("a=%4", .percent(at: 2)),
    ("a=%4&b=1", .percent(at: 2)), ("a=%zz", .percent(at: 2)), ("a=1&%g0=1", .percent(at: 4)),
    ("a=%ff", .notUTF8(at: 2)), ("a=%C3", .notUTF8(at: 2)), ("a=%C3&b=%A9", .notUTF8(at: 2)),
    ("a=%ED%A0%80", .notUTF8(at: 2)), ("a=%C0%80", .notUTF8(at: 2)),
    ("b=1&%ff=1", .notUTF8(at: 4)),
  ])
  func `are refused where they have to be guessed at`(text: String, fault: FormContent.Fault) {
    #expect(throws: fault) { try FormContent(Array(text.utf8)) }
  }

  @Test func `have at most a hundred fields`() throws {
    let hundred = Array(String(repeating: "a=1&", count: 100).utf8)
    #expect(try FormContent(hundred).fields.count == 100)
    #expect(throws: FormContent.Fault.tooManyFields) { try FormContent(hundred + [0x61]) }
  }

  @Test func `of any bytes do not trap`() {
    var generator = SeededGenerator(seed: 7)
    let letters = Array("%=&+aF0".utf8) + [0, 0x80, 0xff, 0xc3]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        letters.randomElement(using: &generator)!
      }
      _ = try? FormContent(bytes)
    }
  }
}
