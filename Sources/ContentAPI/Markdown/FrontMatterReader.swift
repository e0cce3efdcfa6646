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
  private(set) var passedOver: [String] = []

  /// As `FrontMatter.read` has it.
  private let known: Set<String>?
  /// Whether brackets were open at the end, so that others need not be looked for as far.
  private var hasUnclosedFlow = false
  private let bytes: [UInt8]
  private let lines: [Range<Int>]
  private var keys: Set<String> = []
  /// The line that is read next.
  private var next = 0

  init(bytes: [UInt8], lines: [Range<Int>], known: Set<String>?) {
    self.known = known
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
        guard let value = try topValue(of: name, after: &scan, at: line) else { continue }
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

// Front matter of other programs.
extension FrontMatterReader {
  /// The value behind a key without indentation; nil when it was passed over.
  private mutating func topValue(
    of key: String, after scan: inout FrontMatterLine, at line: Int
  ) throws(Refusal) -> FrontMatter.Value? {
    guard let known else { return try value(after: &scan, at: line, parent: 0) }
    scan.skipBlanks()
    let isKnown = known.contains(key)
    let isBelow = scan.isAtEndOrComment
    if isBelow, !isKnown, let first = content(from: line + 1), isNested(first) {
      try passOver(from: line + 1)
      passedOver.append(key)
      return nil
    }
    guard !scan.isAtBlockHeader, !isBelow || content(from: line + 1).map(isOpening) ?? false,
      let (text, last) = joined(line, from: isBelow ? nil : scan.place)
    else { return try inline(key, isKnown, &scan, at: line) }
    var scan = try FrontMatterLine(text, text.indices, line)
    _ = try scan.key()
    scan.skipBlanks()
    return try inline(key, isKnown, &scan, at: last)
  }

  /// The value that begins here; nil when it is nested and its key is not known.
  private mutating func inline(
    _ key: String, _ isKnown: Bool, _ scan: inout FrontMatterLine, at line: Int
  ) throws(Refusal) -> FrontMatter.Value? {
    let start = scan
    do throws(Refusal) {
      return try value(after: &scan, at: line, parent: 0)
    } catch {
      guard !isKnown, error.reason == .deepNesting else { throw error }
      try start.checkBrackets()
      next = line + 1
      passedOver.append(key)
      return nil
    }
  }

  /// Whether a line belongs to the key above it that has no indentation.
  private func isNested(_ line: Int) -> Bool {
    bytes[lines[line]].first.map { $0.isBlank } ?? false || isItem(line, at: 0)
  }

  /// Whether a line opens brackets or quotes that belong to the key above it.
  private func isOpening(_ line: Int) -> Bool {
    let text = bytes[lines[line]]
    return text.first?.isBlank == true
      && text.first { !$0.isBlank }.map { "[{\"'".utf8.contains($0) } ?? false
  }

  /// The line of a key with those below it in which its value goes on, as one line; nil when it does
  /// not go on.
  ///
  /// - Parameter start: where the value begins in its line; nil when it begins in the next.
  private mutating func joined(_ line: Int, from start: Int?) -> (text: [UInt8], last: Int)? {
    let key = bytes[lines[line]]
    var text = Array(key[..<(start ?? key.endIndex)])
    if start == nil, let colon = text.firstIndex(of: UInt8(ascii: ":")) {
      // What stands behind the key can only be a comment.
      text.removeSubrange((colon + 1)...)
    }
    var flow = FlowText(text)
    if let start { flow.append(key[start...]) }
    var last = line
    while last + 1 < lines.count {
      let below = bytes[lines[last + 1]]
      let content = below.drop(while: \.isBlank)
      if !flow.isOpen || hasUnclosedFlow {
        let margin = below[..<content.startIndex]
        if content.isEmpty || margin.isEmpty || margin.contains(9) { break }
      }
      last += 1
      flow.append(content)
    }
    if flow.isOpen { hasUnclosedFlow = true }
    return last > line ? (flow.text, last) : nil
  }

  /// Lines that become one, without their comments, as long as brackets are open in it.
  private struct FlowText {
    private(set) var text: [UInt8]
    private var depth = 0
    private var quote: UInt8?
    private var isFlow: Bool?

    /// Begins with a key.
    init(_ text: [UInt8]) { self.text = text }

    var isOpen: Bool { isFlow == true && depth > 0 }

    mutating func append(_ line: ArraySlice<UInt8>) {
      guard line.first != UInt8(ascii: "#") else { return }
      if text.last?.isBlank == false { text.append(UInt8(ascii: " ")) }
      if isFlow == nil { isFlow = line.first.map { "[{".utf8.contains($0) } }
      var isEscaped = false
      for byte in line {
        let previous = text.last
        if let open = quote {
          if byte == open, !isEscaped { quote = nil }
          isEscaped = open == UInt8(ascii: "\"") && byte == UInt8(ascii: "\\") && !isEscaped
        } else if byte == UInt8(ascii: "#"), previous?.isBlank == true {
          return
        } else if "\"'".utf8.contains(byte), previous.map({ "[{,: ".utf8.contains($0) }) ?? true {
          quote = byte
        } else if "[{".utf8.contains(byte) {
          depth += 1
        } else if "]}".utf8.contains(byte) {
          depth -= 1
        }
        text.append(byte)
      }
    }
  }

  /// Goes to the line behind the nested value of a key. What stands there is not read, but what could
  /// do harm to another reader is refused: anchors, aliases, tags, tabs, control characters.
  private mutating func passOver(from line: Int) throws(Refusal) {
    next = line
    var levels = [0]
    while let line = content(from: next), isNested(line) {
      let indentation = try indentation(of: line)
      while levels.count > 1, indentation < levels[levels.count - 1] { levels.removeLast() }
      if indentation > levels[levels.count - 1] { levels.append(indentation) }
      var scan = try FrontMatterLine(bytes, lines[line], line)
      let (items, opensText) = try scan.checkNested()
      guard levels.count + items <= FrontMatter.maximumDepth else {
        throw Refusal(line: line, reason: .tooDeep)
      }
      next = line + 1
      // What stands there may look like anything.
      while opensText, let below = content(from: next),
        try self.indentation(of: below) > indentation
      {
        _ = try FrontMatterLine(bytes, lines[below], below)
        next = below + 1
      }
    }
  }
}
