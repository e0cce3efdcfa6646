import Testing

/// An XML 1.0 document without a document type, read as strictly as the specification says: what is
/// not well-formed is none.
struct XMLElement: Equatable {
  let name: String
  let attributes: [String: String]
  private(set) var children: [XMLElement] = []
  /// All text within, that of the children not among it.
  private(set) var text = ""

  /// Nil when the bytes are no such document.
  init?(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    var reader = Reader(text)
    guard reader.takeDeclaration() else { return nil }
    reader.skipSpace()
    guard let root = reader.element(depth: 0) else { return nil }
    reader.skipSpace()
    guard reader.isAtEnd else { return nil }
    self = root
  }

  private init(name: String, attributes: [String: String]) {
    self.name = name
    self.attributes = attributes
  }

  /// The children of this name.
  func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

  /// The text of the one child of this name.
  subscript(_ name: String) -> String? {
    let all = all(name)
    return all.count == 1 ? all[0].text : nil
  }

  private struct Reader {
    private let scalars: [Unicode.Scalar]
    private var place = 0

    /// Line ends as a parser hands them on (§2.11).
    init(_ text: String) {
      var scalars: [Unicode.Scalar] = []
      for scalar in text.unicodeScalars {
        if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
        scalars.append(scalar)
      }
      self.scalars = scalars.map { $0 == "\r" ? "\n" : $0 }
    }

    var isAtEnd: Bool { place == scalars.count }
    private var next: Unicode.Scalar? { isAtEnd ? nil : scalars[place] }

    private func begins(with text: String) -> Bool {
      scalars[place...].starts(with: text.unicodeScalars)
    }

    private mutating func take(_ text: String) -> Bool {
      guard begins(with: text) else { return false }
      place += text.unicodeScalars.count
      return true
    }

    mutating func takeDeclaration() -> Bool { take("<?xml version=\"1.0\" encoding=\"utf-8\"?>") }

    @discardableResult
    mutating func skipSpace() -> Bool {
      let start = place
      while let next, [" ", "\t", "\n"].contains(next) { place += 1 }
      return place > start
    }

    /// Names in ASCII are enough here.
    private mutating func name() -> String? {
      let start = place
      while let next, next.isASCII,
        next.properties.isAlphabetic || ":-_.0123456789".unicodeScalars.contains(next)
      {
        place += 1
      }
      guard start < place, scalars[start].properties.isAlphabetic else { return nil }
      return String(String.UnicodeScalarView(scalars[start..<place]))
    }

    mutating func element(depth: Int) -> XMLElement? {
      guard depth < 20, take("<"), let name = name() else { return nil }
      var attributes: [String: String] = [:]
      while skipSpace(), !begins(with: ">"), !begins(with: "/>") {
        guard let key = self.name(), take("=\""), let value = value(), attributes[key] == nil else {
          return nil
        }
        attributes[key] = value
      }
      var element = XMLElement(name: name, attributes: attributes)
      if take("/>") { return element }
      guard take(">") else { return nil }
      var text = String.UnicodeScalarView()
      while !begins(with: "</") {
        if begins(with: "<") {
          guard let child = self.element(depth: depth + 1) else { return nil }
          element.children.append(child)
        } else {
          guard !begins(with: "]]>"), let scalar = character() else { return nil }
          text.append(scalar)
        }
      }
      element.text = String(text)
      guard take("</"), self.name() == name, !skipSpace(), take(">") else { return nil }
      return element
    }

    /// Up to the closing quote, white space as a parser hands it on (§3.3.3).
    private mutating func value() -> String? {
      var text = String.UnicodeScalarView()
      while !begins(with: "\"") {
        if let next, ["\n", "\t"].contains(next) {
          place += 1
          text.append(" ")
        } else {
          guard !begins(with: "<"), let scalar = character() else { return nil }
          text.append(scalar)
        }
      }
      place += 1
      return String(text)
    }

    /// One character (§2.2), or what a reference stands for.
    private mutating func character() -> Unicode.Scalar? {
      guard let next else { return nil }
      place += 1
      guard next == "&" else { return Self.isCharacter(next) ? next : nil }
      let start = place
      while let next = self.next, next != ";", place - start < 10 { place += 1 }
      let reference = String(String.UnicodeScalarView(scalars[start..<place]))
      guard take(";") else { return nil }
      switch reference {
      case "amp": return "&"
      case "lt": return "<"
      case "gt": return ">"
      case "quot": return "\""
      case "apos": return "'"
      default:
        guard reference.hasPrefix("#"), let value = UInt32(reference.dropFirst()),
          let scalar = Unicode.Scalar(value), Self.isCharacter(scalar)
        else { return nil }
        return scalar
      }
    }

    private static func isCharacter(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.value {
      case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
      default: false
      }
    }
  }
}

/// What XML can hold of a text: U+FFFD for each character that it cannot.
func writable(_ text: String) -> String {
  var view = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 0x20 && !["\t", "\n", "\r"].contains(scalar)
    view.append(isControl || [0xFFFE, 0xFFFF].contains(scalar.value) ? "\u{FFFD}" : scalar)
  }
  return String(view)
}

/// What the tests of feeds rest on.
@Suite struct XMLDocuments {
  private static let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"

  @Test func `say what stands in them`() throws {
    let text = "<a x=\"1&#10;&quot;&#9; \n\"><b>&lt;&amp;&#13;\r\n]]&gt;</b> &#128512;<b/></a>\n"
    let root = try #require(XMLElement(Array((Self.declaration + text).utf8)))
    #expect(root.name == "a" && root.attributes == ["x": "1\n\"\t  "])
    #expect(root.text == " 😀" && root.children.count == 2)
    let content = Array("<&\r\n]]>".unicodeScalars)
    #expect(root.children[0].text.unicodeScalars.elementsEqual(content))
  }

  @Test(arguments: [
    "", "<a>", "<a></b>", "<a/><a/>", "<a>]]></a>", "<a>&</a>", "<a>&x;</a>", "<a>&#0;</a>",
    "<a>&#1;</a>", "<a>&#65534;</a>", "<a>&#55296;</a>", "<a>\u{1}</a>", "<a>\u{B}</a>",
    "<a x='1'/>", "<a x=\"<\"/>", "<a x=\"1\" x=\"2\"/>", "<a x=\"1\"y=\"2\"/>", "<a x/>", "text",
    "<a/>text", "<a><![CDATA[x]]></a>", "<!DOCTYPE a><a/>", "<a><b></a></b>", "<a>&amp</a>",
  ])
  func `are none when they are not well-formed`(text: String) {
    #expect(XMLElement(Array((Self.declaration + text).utf8)) == nil)
  }

  @Test func `hold no noncharacter and nothing but UTF-8`() {
    for bytes: [UInt8] in [
      [0xEF, 0xBF, 0xBE], [0xEF, 0xBF, 0xBF], [0xFF], [0xED, 0xA0, 0x80], [0],
    ] {
      let document = Array((Self.declaration + "<a>").utf8) + bytes + Array("</a>".utf8)
      #expect(XMLElement(document) == nil)
    }
  }
}
