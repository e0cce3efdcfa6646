import ContentAPI
import Testing

private func read(_ text: String) -> FrontMatter { FrontMatter.read(Array(text.utf8).span) }

private func body(_ text: String) -> String? {
  let bytes = Array(text.utf8)
  return FrontMatter.read(bytes.span).bodyOffset.map {
    String(decoding: bytes[$0...], as: UTF8.self)
  }
}

/// The value of one key between fences, as text; nil when there was a fault.
private func value(_ lines: String) -> String? {
  let frontMatter = read("---\n\(lines)\n---\n")
  guard frontMatter.faults.isEmpty, let entry = frontMatter.entries.first else { return nil }
  return shown(entry.value)
}

private func shown(_ value: FrontMatter.Value) -> String {
  switch value {
  case .scalar(let scalar): scalar.isNull ? "null" : scalar.text
  case .list(let items):
    "[" + items.map { $0.isNull ? "null" : $0.text }.joined(separator: "|") + "]"
  case .mapping(let entries):
    "{" + entries.map { "\($0.key)=\(shown($0.value))" }.joined(separator: "|") + "}"
  }
}

@Suite struct FrontMatterFences {
  @Test func `part the head from the body, which keeps every byte`() {
    #expect(body("---\ntitle: A\n---\nText\n") == "Text\n")
    #expect(body("---\ntitle: A\n---\n\nText\r\n---\n") == "\nText\r\n---\n")
    #expect(body("---\r\ntitle: A\r\n---\r\nText") == "Text")
    #expect(body("\u{FEFF}---\ntitle: A\n---\nText") == "Text")
    #expect(body("---\n---\n") == "")
    #expect(body("---\n---") == "")
  }

  @Test(arguments: [
    "", "Text", "\n---\ntitle: A\n---\n", "----\ntitle: A\n----\n", " ---\ntitle: A\n---\n",
    "--- \ntitle: A\n---\n", "+++\ntitle = 1\n+++\n", "\u{FEFF}\u{FEFF}---\n---\n", "--",
  ])
  func `are missing in a file that does not begin with one`(text: String) {
    let frontMatter = read(text)
    #expect(frontMatter.faults.map(\.reason) == [.missing])
    #expect(frontMatter.faults.map(\.line) == [1])
    #expect(frontMatter.bodyOffset == nil)
  }

  @Test(arguments: [
    "---", "---\n", "---\ntitle: A\n", "---\ntitle: A\n ---\n", "---\na: b\n----\n",
  ])
  func `have to be closed`(text: String) {
    #expect(read(text).faults.map(\.reason) == [.unclosed])
  }

  @Test func `are at most 65,536 bytes apart`() {
    let padding = String(repeating: "# padding\n", count: 6_552)
    let head = "---\n\(padding)a: bcdefg\n---\n"
    #expect(head.utf8.count == 65_538)
    #expect(read(head + "Text").faults.map(\.reason) == [.tooLarge])
    let fitting = "---\n\(padding)a: bcde\n---\n"
    #expect(read(fitting + "Text").faults.isEmpty)
    #expect(read(fitting + "Text").bodyOffset == 65_536)
  }
}

@Suite struct FrontMatterValue {
  @Test(arguments: [
    ("a: b", "b"), ("a:   b c  ", "b c"), ("a:\tb", "b"), ("a: b # c", "b"), ("a: b#c", "b#c"),
    ("a: https://x.org/y?z=1#f", "https://x.org/y?z=1#f"), ("a: 12:30", "12:30"),
    ("a: don't", "don't"), ("a: -5", "-5"), ("a: ?x", "?x"), ("a: a, b", "a, b"),
    ("a: a [b] {c}", "a [b] {c}"), ("a: 日本語 – ä", "日本語 – ä"), ("a b: c", "c"),
    ("\"a\": b", "b"), ("'a' : b", "b"), ("a : b", "b"),
    ("a:", "null"), ("a: ~", "null"), ("a: null", "null"), ("a: # nothing", "null"),
    ("a: ''", ""), ("a: \"\"", ""), ("a: 'null'", "null"), ("a: 'it''s: # fine'", "it's: # fine"),
    ("a: \"x: \\\"y\\\" # z\" # c", "x: \"y\" # z"),
    (#"a: "\t\n\\\/\x41\u00e9\U0001F600\_\e""#, "\t\n\\/Aé😀\u{A0}\u{1B}"),
  ])
  func `of one line is`(lines: String, text: String) {
    #expect(value(lines) == text)
  }

  @Test(arguments: [
    ("a: []", "[]"), ("a: [b]", "[b]"), ("a: [b, \"c d\", 'e,f', ]", "[b|c d|e,f]"),
    ("a: [ b c , d ] # e", "[b c|d]"), ("a: [~, '']", "[null|]"), ("a: [1, x:y]", "[1|x:y]"),
    ("a:\n- b\n- c d", "[b|c d]"), ("a:\n  - b\n\n  # x\n  - \"c\" # d\n  -", "[b|c|null]"),
    ("a: # x\n  -   b: c", nil), ("a:\n- b\nc: d", "[b]"),
  ])
  func `that is a list is`(lines: String, text: String?) {
    #expect(value(lines) == text)
  }

  @Test(arguments: [
    ("a: {}", "{}"), ("a: {url: https://x.org/y, alt: \"A, b\"}", "{url=https://x.org/y|alt=A, b}"),
    (#"a: {"url":"x","alt":null}"#, "{url=x|alt=null}"),
    ("a: {url: x, alt: , }", "{url=x|alt=null}"),
    ("a:\n  url: x\n  alt: 'A: b'\nc: d", "{url=x|alt=A: b}"),
    ("a:\n    url: x\n\n    alt:", "{url=x|alt=null}"),
    ("a:\n  url: x\n  alt: >\n    one\n    two\nb: c", "{url=x|alt=one two\n}"),
  ])
  func `that is a mapping is`(lines: String, text: String) {
    #expect(value(lines) == text)
  }

  @Test(arguments: [
    ("a: |\n  one\n  two\nb: c", "one\ntwo\n"),
    ("a: >\n  one\n  two\n\n  three", "one two\nthree\n"),
    ("a: >-\n  one\n  two", "one two"), ("a: |+\n  one\n\n", "one\n\n\n"),
    ("a: |-\n  one\n\n\n", "one"),
    ("a: |\n    one\n      two\n", "one\n  two\n"),
    ("a: >\n  one\n    two\n  three", "one\n  two\nthree\n"),
    ("a: | # note\n\n  one", "\none\n"), ("a: |2\n    one", "  one\n"), ("a: |\n# c\nb: c", ""),
    ("a: |\n  - x: [y # z", "- x: [y # z\n"), ("a: >\n\nb: c", ""),
  ])
  func `of several lines is`(lines: String, text: String) {
    #expect(value(lines) == text)
  }

  @Test func `means a boolean, an integer or null only without quotes`() throws {
    let text = "---\na: [true, False, yes, 'true', 12, -3, '12', 1.5, 99999999999999999999]\n---\n"
    guard case .list(let items) = try #require(read(text).entries.first).value else {
      Issue.record("not a list")
      return
    }
    #expect(items.map(\.boolean) == [true, false, nil, nil, nil, nil, nil, nil, nil])
    #expect(items.map(\.integer) == [nil, nil, nil, nil, 12, -3, nil, nil, nil])
  }

  @Test func `carries its key and its line`() {
    let entries = read("---\n# c\ntitle: A\n\ntags:\n- b\nslug: c\n---\n").entries
    #expect(entries.map(\.key) == ["title", "tags", "slug"])
    #expect(entries.map(\.line) == [3, 5, 7])
  }
}

@Suite struct FrontMatterFault {
  @Test(arguments: [
    ("a: &x b", FrontMatter.Reason.anchor, 2), ("a: *x", .alias, 2), ("a: !!str b", .tag, 2),
    ("&x a: b", .anchor, 2), ("<<: b", .mergeKey, 2), ("? a", .complexKey, 2),
    ("[a]: b", .complexKey, 2), ("a: b: c", .colonInPlainText, 2), ("a: b:", .colonInPlainText, 2),
    ("a: @b", .reservedStart, 2), ("a: `b`", .reservedStart, 2), ("a: %b", .reservedStart, 2),
    ("a: - b", .reservedStart, 2), ("a: ]", .reservedStart, 2), ("a: \"b", .unclosedQuote, 2),
    ("a: 'b", .unclosedQuote, 2), ("a: \"b\\\"", .unclosedQuote, 2),
    ("a: \"b\" c", .textAfterValue, 2),
    ("a: [b] c", .textAfterValue, 2), ("a: [b, c", .unclosedList, 2),
    ("a: [b,\n  c]", .unclosedList, 2),
    ("a: {b: c", .unclosedMapping, 2), ("a: {b}", .noColon, 2),
    ("a: {b: c, b: d}", .duplicateKey, 2),
    ("a: {b:c}", .noSpaceAfterColon, 2), ("a: [b,, c]", .emptyItem, 2), ("a: [, b]", .emptyItem, 2),
    ("a: [[b]]", .deepNesting, 2), ("a: [{b: c}]", .deepNesting, 2),
    ("a: {b: [c]}", .deepNesting, 2),
    ("a: [b: c]", .colonInPlainText, 2), ("a: [b[c]", .reservedStart, 2),
    ("a: ['b' c]", .textAfterValue, 2),
    ("a: \"\\q\"", .badEscape, 2), ("a: \"\\0\"", .badEscape, 2),
    ("a: \"\\ud83d\\ude00\"", .badEscape, 2),
    ("a: \"\\x4\"", .badEscape, 2), ("a: \"\\UFFFFFFFF\"", .badEscape, 2),
    ("a", .noColon, 2), ("a:b", .noSpaceAfterColon, 2), (": b", .emptyKey, 2),
    ("- a", .listWithoutKey, 2),
    (" a: b", .indentation, 2), ("\ta: b", .tab, 2), ("a: b\n  c", .indentation, 3),
    ("a:\n\t- b", .tab, 3), ("a:\n  b: c\n \td: e", .tab, 4), ("a:\n  - b\n - c", .mixedBlock, 4),
    ("a:\n  - b\n  c: d", .mixedBlock, 4), ("a:\n  b: c\n  - d", .mixedBlock, 4),
    ("a:\n  b: c\n    d: e", .mixedBlock, 4), ("a:\n  b:\n    c: d", .deepNesting, 4),
    ("a:\n  b:\n  - c", .deepNesting, 4), ("a:\n  b: [c]", .deepNesting, 3),
    ("a:\n  - - b", .deepNesting, 3),
    ("a:\n  - [b]", .deepNesting, 3), ("a:\n  - b: c", .colonInPlainText, 3),
    ("a:\n  - |\n    b", .deepNesting, 3),
    ("a:\n  b: c\n  b: d", .duplicateKey, 4), ("a: b\nc: d\na: e", .duplicateKey, 4),
    ("a: |x\n  b", .badBlockHeader, 2), ("a: |0\n  b", .badBlockHeader, 2),
    ("a: | b", .badBlockHeader, 2),
    ("a: |\n    b\n  c", .indentation, 4), ("...", .documentMarker, 2),
    ("---x: y", .documentMarker, 2),
    ("a: b\u{0}", .controlCharacter, 2), ("a: b\u{7F}", .controlCharacter, 2),
    ("# \u{0}", .controlCharacter, 2),
    ("a: b\rc: d", .controlCharacter, 2), ("a: |\n  b\u{1}", .controlCharacter, 3),
  ])
  func `is named with its line`(lines: String, reason: FrontMatter.Reason, line: Int) {
    let faults = read("---\n\(lines)\n---\n").faults
    #expect(faults.map(\.reason) == [reason])
    #expect(faults.map(\.line) == [line])
  }

  @Test func `does not hide the faults and entries behind it`() {
    let frontMatter = read("---\na: [\n  b\nc: d\ne: \"f\n- g\nh: i\nj\n---\n")
    #expect(frontMatter.entries.map(\.key) == ["c", "h"])
    #expect(frontMatter.faults.map(\.line) == [2, 5, 8])
    #expect(frontMatter.faults.map(\.key) == ["a", "e", nil])
  }

  @Test func `says each in words of its own`() {
    #expect(
      Set(FrontMatter.Reason.allCases.map(\.description)).count == FrontMatter.Reason.allCases.count
    )
  }

  @Test func `never comes as a trap, whatever the bytes`() {
    let seeds = [
      "---\ntitle: \"A \\u00e9\"\ntags: [a, 'b c', \"d\"]\ndate: 2026-03-12\n---\nText",
      "---\r\na: >-\r\n  one\r\n\r\n   two\r\nb: {url: x, alt: 'y'}\r\n---\r\n",
      "\u{FEFF}---\nc:\n  url: x\n  alt: |\n    y\nt:\n- a\n- b # c\n---\n",
    ].map { Array($0.utf8) }
    let tokens = [
      "---\n", "\n", "\r", ": ", "\"", "'", "\\", "[", "]", "{", "}", "- ", "| ", ">", "\t", " ",
      "#", "&", ",",
    ]
    .map { Array($0.utf8) }
    var random = SeededRandom(seed: 1)
    var read = 0
    for round in 0..<10_000 {
      let bytes = random.mutate(seeds[round % seeds.count], with: tokens)
      let frontMatter = FrontMatter.read(bytes.span)
      #expect((frontMatter.bodyOffset ?? 0) <= bytes.count)
      if frontMatter.faults.isEmpty { read += 1 }
    }
    #expect(read > 0)
  }

  @Test(arguments: [
    "a:\n", "a: [", "[", "{", "- ", "\"", "'", " ", "\n", "a: |\n", "? ", "a: {b: ", "#", "\t",
  ])
  func `costs no more than its size`(unit: String) {
    let middle = String(repeating: unit, count: 60_000 / unit.utf8.count)
    #expect(read("---\na: \(middle)\n---\n").bodyOffset != nil)
    #expect(read("---\n\(middle)\n---\n").bodyOffset != nil)
  }
}
