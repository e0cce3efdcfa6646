/// One value of a YAML document, as far as openapi.yaml uses the language: block mappings and block
/// sequences, plain and quoted scalars on one line, literal scalars (`|`), the empty `{}` and `[]`,
/// and comments that have a line of their own.
package indirect enum YAML: Sendable {
  /// A quoted one is text, whatever it says: `"true"` is not `true`.
  case scalar(String, isQuoted: Bool)
  case sequence([YAML])
  case mapping([(name: String, value: YAML)])

  /// A line that is none of this language.
  package struct Malformed: Error, Equatable {
    /// Its number, from 1.
    package let line: Int
  }

  /// Reads a document that is one block, in UTF-8.
  package init(_ document: [UInt8]) throws(Malformed) {
    var reader = YAMLReader(document)
    self = try reader.document()
  }

  package subscript(_ name: String) -> YAML? {
    guard case .mapping(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The value that a path of names leads to.
  package func at(_ names: String...) -> YAML? {
    names.reduce(self as YAML?) { $0?[$1] }
  }

  /// The names of a mapping in their order; of anything else none.
  package var names: [String] { members.map(\.name) }

  package var members: [(name: String, value: YAML)] {
    guard case .mapping(let members) = self else { return [] }
    return members
  }

  /// The elements of a sequence; of anything else none.
  package var elements: [YAML] {
    guard case .sequence(let elements) = self else { return [] }
    return elements
  }

  /// What a scalar says.
  package var text: String? {
    guard case .scalar(let text, _) = self else { return nil }
    return text
  }

  /// Every mapping within, this one included.
  package var mappings: [YAML] {
    switch self {
    case .scalar: []
    case .sequence(let elements): elements.flatMap(\.mappings)
    case .mapping(let members): [self] + members.flatMap(\.value.mappings)
    }
  }
}

/// Goes through the lines once, and takes what is deeper as what belongs to the line before.
private struct YAMLReader {
  private var lines: [ArraySlice<UInt8>]
  private var index = 0

  init(_ document: [UInt8]) {
    lines = document.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  }

  mutating func document() throws(YAML.Malformed) -> YAML {
    guard depth != nil else { throw malformed }
    let value = try block()
    guard depth == nil else { throw malformed }
    return value
  }

  private var malformed: YAML.Malformed { YAML.Malformed(line: index + 1) }

  private static func indentation(_ line: ArraySlice<UInt8>) -> Int {
    line.prefix { $0 == UInt8(ascii: " ") }.count
  }

  /// The indentation of the next line that says something; nil behind the last one.
  private var depth: Int? {
    mutating get {
      while index < lines.count {
        let depth = Self.indentation(lines[index])
        let first = lines[index].dropFirst(depth).first
        if let first, first != UInt8(ascii: "#") { return depth }
        index += 1
      }
      return nil
    }
  }

  private mutating func block() throws(YAML.Malformed) -> YAML {
    guard let depth else { throw malformed }
    return isElement(at: depth) ? try sequence(depth) : try mapping(depth)
  }

  private func isElement(at depth: Int) -> Bool {
    lines[index].dropFirst(depth).starts(with: "- ".utf8)
  }

  private mutating func sequence(_ depth: Int) throws(YAML.Malformed) -> YAML {
    var elements: [YAML] = []
    while self.depth == depth, isElement(at: depth) {
      let rest = lines[index].dropFirst(depth + 2)
      if Self.colon(in: rest) != nil {
        // The element's first member stands behind the dash, as deep as the others.
        lines[index] = [UInt8](repeating: UInt8(ascii: " "), count: depth + 2) + rest
        elements.append(try mapping(depth + 2))
      } else {
        elements.append(try inline(rest))
        index += 1
      }
    }
    return .sequence(elements)
  }

  private mutating func mapping(_ depth: Int) throws(YAML.Malformed) -> YAML {
    var members: [(String, YAML)] = []
    while self.depth == depth, !isElement(at: depth) {
      let line = lines[index].dropFirst(depth)
      guard let colon = Self.colon(in: line), let name = try inline(line[..<colon]).text else {
        throw malformed
      }
      let rest = line[colon...].dropFirst().drop { $0 == UInt8(ascii: " ") }
      if rest.elementsEqual("|".utf8) {
        index += 1
        members.append((name, .scalar(literal(below: depth), isQuoted: true)))
      } else if !rest.isEmpty {
        members.append((name, try inline(rest)))
        index += 1
      } else {
        index += 1
        guard let inner = self.depth, inner > depth else { throw malformed }
        members.append((name, try block()))
      }
    }
    return .mapping(members)
  }

  /// The lines of a literal scalar without their common indentation, and one line feed at its end.
  private mutating func literal(below depth: Int) -> String {
    var text: [UInt8] = []
    var margin: Int?
    while index < lines.count {
      let line = lines[index]
      let inner = Self.indentation(line)
      let isBlank = inner == line.count
      if !isBlank, inner <= depth { break }
      if !isBlank, margin == nil { margin = inner }
      text += line.dropFirst(margin ?? inner)
      text.append(UInt8(ascii: "\n"))
      index += 1
    }
    while text.suffix(2).elementsEqual("\n\n".utf8) { text.removeLast() }
    return String(decoding: text, as: UTF8.self)
  }

  /// A value that stands in one line.
  private func inline(_ bytes: ArraySlice<UInt8>) throws(YAML.Malformed) -> YAML {
    if bytes.elementsEqual("{}".utf8) { return .mapping([]) }
    if bytes.elementsEqual("[]".utf8) { return .sequence([]) }
    guard let first = bytes.first, !Self.indicators.contains(first) else { throw malformed }
    guard first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") else {
      return .scalar(String(decoding: bytes, as: UTF8.self), isQuoted: false)
    }
    guard let end = Self.closingQuote(of: bytes), end == bytes.endIndex - 1 else { throw malformed }
    var text: [UInt8] = []
    var rest = bytes.dropFirst().dropLast()
    while let byte = rest.popFirst() {
      switch (first, byte) {
      case (UInt8(ascii: "'"), first): _ = rest.popFirst()
      case (UInt8(ascii: "\""), UInt8(ascii: "\\")):
        // No other escapes are needed.
        guard let escaped = rest.popFirst(), escaped == first || escaped == byte else {
          throw malformed
        }
        text.append(escaped)
        continue
      default: break
      }
      text.append(byte)
    }
    return .scalar(String(decoding: text, as: UTF8.self), isQuoted: true)
  }

  /// What begins flow collections, anchors, tags and other things that there are not here.
  private static let indicators = Array("{[&*!|>%@`".utf8)

  private static func closingQuote(of bytes: ArraySlice<UInt8>) -> Int? {
    guard let quote = bytes.first else { return nil }
    var index = bytes.startIndex + 1
    while index < bytes.endIndex {
      if quote == UInt8(ascii: "\""), bytes[index] == UInt8(ascii: "\\") {
        index += 2
      } else if bytes[index] != quote {
        index += 1
      } else if quote == UInt8(ascii: "'"), bytes[index...].dropFirst().first == quote {
        index += 2
      } else {
        return index
      }
    }
    return nil
  }

  /// The colon that ends a name: behind the closing quote, or before a space or the end.
  private static func colon(in line: ArraySlice<UInt8>) -> Int? {
    let colon = UInt8(ascii: ":")
    if line.first == UInt8(ascii: "\"") || line.first == UInt8(ascii: "'") {
      guard let close = closingQuote(of: line), line[(close + 1)...].first == colon else {
        return nil
      }
      return close + 1
    }
    return line.indices.first { index in
      guard line[index] == colon else { return false }
      return index + 1 == line.endIndex || line[index + 1] == UInt8(ascii: " ")
    }
  }
}
