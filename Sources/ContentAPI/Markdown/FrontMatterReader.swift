/// The walk over the lines between the fences of front matter.
struct FrontMatterReader {
  typealias Scalar = FrontMatter.Scalar
  typealias Entry = FrontMatter.Entry

  /// A fault on its way to the list; `line` is an index into `lines`.
  struct Refusal: Error {
    let line: Int
    let reason: FrontMatter.Reason
  }

  private(set) var entries: [Entry] = []
  private(set) var faults: [FrontMatter.Fault] = []

  private let bytes: [UInt8]
  private let lines: [Range<Int>]
  private var keys: Set<String> = []
  /// The line that is read next.
  private var next = 0

  init(bytes: [UInt8], lines: [Range<Int>]) {
    self.bytes = bytes
    self.lines = lines
    while let line = content(from: next) {
      var key: String?
      do throws(Refusal) {
        guard try indentation(of: line) == 0 else {
          throw Refusal(line: line, reason: .indentation)
        }
        var scan = try FrontMatterLine(bytes, lines[line], line)
        let name = try scan.key()
        key = name
        guard keys.insert(name).inserted else { throw Refusal(line: line, reason: .duplicateKey) }
        let value = try value(after: &scan, at: line, parent: 0)
        entries.append(Entry(key: name, value: value, line: Self.fileLine(line)))
      } catch {
        let fileLine = Self.fileLine(error.line)
        faults.append(FrontMatter.Fault(line: fileLine, key: key, reason: error.reason))
        skipRest(of: max(line, error.line))
      }
    }
  }

  /// The number of a line in its file, where the opening fence is line 1.
  static func fileLine(_ line: Int) -> Int { line + 2 }

  /// Goes on at the next line that can begin an entry, so that one mistake is one fault.
  private mutating func skipRest(of line: Int) {
    next = line + 1
    while next < lines.count {
      let first = bytes[lines[next]].first
      guard first.map(\.isBlank) ?? true || first == UInt8(ascii: "-") else { return }
      next += 1
    }
  }

  /// The first line from `line` on that holds more than blanks and a comment.
  private func content(from line: Int) -> Int? {
    (line..<lines.count).first { line in
      let content = bytes[lines[line]].drop(while: \.isBlank)
      guard content.first == UInt8(ascii: "#") else { return !content.isEmpty }
      return content.contains(where: FrontMatterLine.isControl)
    }
  }

  private func indentation(of line: Int) throws(Refusal) -> Int {
    let spaces = bytes[lines[line]].prefix { $0 == UInt8(ascii: " ") }
    if spaces.endIndex < lines[line].upperBound, bytes[spaces.endIndex] == UInt8(ascii: "\t") {
      throw Refusal(line: line, reason: .tab)
    }
    return spaces.count
  }

  private func isItem(_ line: Int, at indentation: Int) -> Bool {
    let content = bytes[lines[line]].dropFirst(indentation)
    return content.first == UInt8(ascii: "-") && content.dropFirst().first.map(\.isBlank) ?? true
  }

  /// The value behind a key that stands at the indentation `parent`, and moves to the line after.
  private mutating func value(
    after scan: inout FrontMatterLine, at line: Int, parent: Int
  ) throws(Refusal) -> FrontMatter.Value {
    next = line + 1
    scan.skipBlanks()
    if let header = try scan.blockHeader() {
      return .scalar(Scalar(text: try blockScalar(header, parent), isPlain: false))
    }
    if !scan.isAtEndOrComment { return try scan.inlineValue() }

    guard let first = content(from: next) else { return .scalar(.absent) }
    let indentation = try indentation(of: first)
    if isItem(first, at: indentation) {
      return indentation < parent ? .scalar(.absent) : .list(try blockList(indentation))
    }
    return indentation <= parent ? .scalar(.absent) : .mapping(try blockMapping(indentation))
  }

  private mutating func blockList(_ indentation: Int) throws(Refusal) -> [Scalar] {
    var items: [Scalar] = []
    while let line = content(from: next) {
      let found = try self.indentation(of: line)
      let isItem = isItem(line, at: found)
      if found == 0, !isItem { break }
      guard found == indentation, isItem else { throw Refusal(line: line, reason: .mixedBlock) }
      var scan = try FrontMatterLine(bytes, lines[line], line)
      scan.skip(found + 1)
      items.append(try scan.item())
      next = line + 1
    }
    return items
  }

  private mutating func blockMapping(_ indentation: Int) throws(Refusal) -> [Entry] {
    var mapping: [Entry] = []
    var names: Set<String> = []
    while let line = content(from: next) {
      let found = try self.indentation(of: line)
      if found == 0 { break }
      guard found == indentation, !isItem(line, at: found) else {
        throw Refusal(line: line, reason: .mixedBlock)
      }
      var scan = try FrontMatterLine(bytes, lines[line], line)
      scan.skip(found)
      let name = try scan.key()
      guard names.insert(name).inserted else { throw Refusal(line: line, reason: .duplicateKey) }
      if scan.isAtEndOrComment, let below = content(from: line + 1),
        try self.indentation(of: below) > indentation || isItem(below, at: indentation)
      {
        throw Refusal(line: below, reason: .deepNesting)
      }
      let value = try value(after: &scan, at: line, parent: indentation)
      guard case .scalar = value else { throw Refusal(line: line, reason: .deepNesting) }
      mapping.append(Entry(key: name, value: value, line: Self.fileLine(line)))
    }
    return mapping
  }

  /// The text of a `|` or `>` block (YAML 1.2.2, sections 8.1.2 and 8.1.3).
  private mutating func blockScalar(
    _ header: FrontMatterLine.BlockHeader, _ parent: Int
  ) throws(Refusal) -> String {
    var indentation = header.indentation.map { parent + $0 }
    var text: [UInt8] = []
    var blanks = 0
    var previousIsIndented = false
    var isFirst = true
    func append(lineBreaks count: Int) {
      text.append(contentsOf: repeatElement(UInt8(ascii: "\n"), count: count))
    }
    while next < lines.count {
      let line = bytes[lines[next]]
      let spaces = line.prefix { $0 == UInt8(ascii: " ") }.count
      if spaces == line.count, spaces <= indentation ?? Int.max {
        blanks += 1
        next += 1
        continue
      }
      if spaces <= parent {
        _ = try self.indentation(of: next)
        break
      }
      let margin = indentation ?? spaces
      indentation = margin
      guard spaces >= margin else { throw Refusal(line: next, reason: .indentation) }
      _ = try FrontMatterLine(bytes, lines[next], next)
      let content = line.dropFirst(margin)
      let isIndented = content.first?.isBlank ?? false
      let isJoined = header.isFolded && !isFirst && !isIndented && !previousIsIndented
      if isJoined, blanks == 0 { text.append(UInt8(ascii: " ")) }
      append(lineBreaks: isFirst || isJoined ? blanks : blanks + 1)
      text += content
      blanks = 0
      isFirst = false
      previousIsIndented = isIndented
      next += 1
    }
    switch header.chomping {
    case .strip: break
    case .clip: append(lineBreaks: isFirst ? 0 : 1)
    case .keep: append(lineBreaks: isFirst ? blanks : blanks + 1)
    }
    return String(decoding: text, as: UTF8.self)
  }
}
