import ContentAPI
import Testing

@Suite struct YAMLDocuments {
  private func read(_ text: String) throws -> YAML { try YAML(Array(text.utf8)) }

  @Test func `are blocks of mappings and sequences`() throws {
    let document = try read(
      """
      a:
        b: 1
        # not this
        "c d":
          - x: y
            z: w

          - plain text: with a colon
          - 'it''s'

      e: {}
      f: []
      """)
    #expect(document.names == ["a", "e", "f"])
    #expect(document.at("a", "b")?.text == "1")
    let elements = document.at("a", "c d")?.elements ?? []
    #expect(elements.map(\.names) == [["x", "z"], ["plain text"], []])
    #expect(elements.last?.text == "it's")
    #expect(document["e"]?.members.isEmpty == true)
    #expect(document["e"]?.text == nil)
    #expect(document["f"]?.elements.isEmpty == true)
    #expect(document.mappings.count == 5)
  }

  @Test func `tell quoted scalars from others`() throws {
    let document = try read(
      #"""
      a: "true"
      b: true
      c: "say \"no\" to \\"
      d: 'a "b"'
      "200": x
      'e: f': http://example.com/#g
      """#)
    guard case .scalar("true", isQuoted: true)? = document["a"],
      case .scalar("true", isQuoted: false)? = document["b"]
    else {
      Issue.record("a quoted word is text")
      return
    }
    #expect(document["c"]?.text == #"say "no" to \"#)
    #expect(document["d"]?.text == #"a "b""#)
    #expect(document["200"]?.text == "x")
    #expect(document["e: f"]?.text == "http://example.com/#g")
  }

  @Test func `keep the lines of a literal, and its inner margins`() throws {
    let document = try read("a: |\n  one\n\n    two: 2\n  # three\n\nb: |\n  four\n")
    #expect(document["a"]?.text == "one\n\n  two: 2\n# three\n")
    #expect(document["b"]?.text == "four\n")
  }

  @Test func `are refused by line where they are anything else`() throws {
    let malformed: [(String, Int)] = [
      ("", 2), ("# nothing", 2), ("a", 1), ("a: 1\nb", 2), ("a: 1\n  b: 2", 2), ("a:", 2),
      ("a: [1, 2]", 1), ("a: {b: c}", 1), ("a: &b c", 1), ("a: >\n  b", 1), ("a: \"b", 1),
      ("a: 'b' c", 1), ("a: \"\\n\"", 1), ("  a: 1\nb: 2", 2), ("- a\nb: c", 2), ("-", 1),
      ("a:\n  - b\n  c: d", 3), ("a:\nb: 1", 2),
    ]
    for (text, line) in malformed {
      let error = #expect(throws: YAML.Malformed.self, "\(text)") { try read(text) }
      #expect(error?.line == line, "\(text)")
    }
  }

  @Test func `are no trap, wherever they are cut off`() throws {
    let document = Array(try Repository.bytes("openapi.yaml").suffix(12_000))
    for count in stride(from: 0, through: document.count, by: 7) {
      _ = try? YAML(Array(document.prefix(count)))
    }
  }
}
