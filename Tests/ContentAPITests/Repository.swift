import EventLoop

/// The files of this repository, found from this one.
enum Repository {
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

  static func text(_ path: String) throws -> String {
    String(decoding: try Files.read(root + "/" + path), as: UTF8.self)
  }

  static func lines(_ path: String) throws -> [String] {
    try text(path).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// Every Swift file below a folder, whole.
  static func sources(_ folder: String) throws -> [String] {
    try Files.names(in: root + "/" + folder).flatMap { name in
      let path = folder + "/" + name
      return name.hasSuffix(".swift") ? [try text(path)] : try sources(path)
    }
  }
}

/// openapi.yaml as far as the tests look into it: mappings, sequences and scalars by indentation.
/// The file keeps to block style; only JSON-like scalars stand in flow style.
indirect enum YAML {
  case scalar(String)
  case sequence([YAML])
  case mapping([(name: String, value: YAML)])

  subscript(_ name: String) -> YAML? {
    guard case .mapping(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The value that a path of names leads to.
  func at(_ names: String...) -> YAML? {
    names.reduce(self as YAML?) { $0?[$1] }
  }

  var names: [String] {
    guard case .mapping(let members) = self else { return [] }
    return members.map(\.name)
  }

  var elements: [YAML] {
    guard case .sequence(let elements) = self else { return [] }
    return elements
  }

  var text: String? {
    guard case .scalar(let text) = self else { return nil }
    return text
  }

  /// Every mapping within, this one included.
  var mappings: [YAML] {
    switch self {
    case .scalar: []
    case .sequence(let elements): elements.flatMap(\.mappings)
    case .mapping(let members): [self] + members.flatMap(\.value.mappings)
    }
  }

  init(_ lines: [String]) {
    var reader = Reader(
      lines: lines.filter { line in
        let rest = line.drop { $0 == " " }
        return !rest.isEmpty && !rest.hasPrefix("#")
      })
    self = reader.block()
  }

  private struct Reader {
    var lines: [String]
    var index = 0

    private func indentation(_ line: String) -> Int { line.prefix { $0 == " " }.count }

    private var depth: Int? { index < lines.count ? indentation(lines[index]) : nil }

    mutating func block() -> YAML {
      guard let depth else { return .scalar("") }
      return lines[index].dropFirst(depth).hasPrefix("- ") ? sequence(depth) : mapping(depth)
    }

    private mutating func sequence(_ depth: Int) -> YAML {
      var elements: [YAML] = []
      while self.depth == depth, lines[index].dropFirst(depth).hasPrefix("- ") {
        let rest = String(lines[index].dropFirst(depth + 2))
        if Self.colon(in: rest) != nil {
          // The element's first member stands behind the dash.
          lines[index] = String(repeating: " ", count: depth + 2) + rest
          elements.append(mapping(depth + 2))
        } else {
          index += 1
          elements.append(.scalar(Self.plain(rest)))
        }
      }
      return .sequence(elements)
    }

    private mutating func mapping(_ depth: Int) -> YAML {
      var members: [(String, YAML)] = []
      while self.depth == depth {
        let line = String(lines[index].dropFirst(depth))
        guard let colon = Self.colon(in: line) else { break }
        let name = Self.plain(String(line[..<colon]))
        let rest = line[colon...].dropFirst().drop { $0 == " " }
        index += 1
        if rest == "|" {
          var text: [String] = []
          while let inner = self.depth, inner > depth {
            text.append(lines[index])
            index += 1
          }
          members.append((name, .scalar(text.joined(separator: "\n"))))
        } else if !rest.isEmpty {
          members.append((name, .scalar(Self.plain(String(rest)))))
        } else if let inner = self.depth, inner > depth {
          members.append((name, block()))
        } else {
          members.append((name, .scalar("")))
        }
      }
      return .mapping(members)
    }

    /// The colon that ends a name: behind the closing quote, or before a space or the end.
    private static func colon(in line: String) -> String.Index? {
      var start = line.startIndex
      if line.first == "\"" {
        guard let close = line.dropFirst().firstIndex(of: "\"") else { return nil }
        start = line.index(after: close)
        return start < line.endIndex && line[start] == ":" ? start : nil
      }
      while let colon = line[start...].firstIndex(of: ":") {
        let next = line.index(after: colon)
        if next == line.endIndex || line[next] == " " { return colon }
        start = next
      }
      return nil
    }

    private static func plain(_ text: String) -> String {
      for quote in ["\"", "'"]
      where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
        return String(text.dropFirst().dropLast())
      }
      return text
    }
  }
}
