/// The head of a Markdown file between two lines `---`: flat data in a subset of YAML 1.2.
///
/// Read are scalars (plain, single and double quoted, `|` and `>` blocks), lists of scalars and
/// mappings of scalars, each in block form or in one line, and comments. Everything else of YAML,
/// and everything that YAML refuses, is a fault with its line: nothing is guessed. What a plain
/// scalar means is left to the reader of its key, so `title: 1984` can be a text.
package struct FrontMatter: Sendable, Equatable {
  /// The most bytes from the file's start to the end of the closing line.
  package static let maximumSize = 65_536

  /// A key with its value, `line` counted from 1 at the file's first line.
  package struct Entry: Sendable, Equatable {
    package let key: String
    package let value: Value
    package let line: Int
  }

  /// What stands behind a key.
  package enum Value: Sendable, Equatable {
    case scalar(Scalar)
    case list([Scalar])
    case mapping([Entry])
  }

  /// One value with its escapes and folding resolved.
  package struct Scalar: Sendable, Equatable {
    /// The text; empty for a value that was left out.
    package let text: String
    /// Whether it stood without quotes in one line, so that it may mean more than its text.
    package let isPlain: Bool

    /// Whether it is YAML's null: nothing, `~`, `null`, `Null` or `NULL`, without quotes.
    package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

    /// The boolean of YAML 1.2's core schema, without quotes: `true` and `false`, also in capitals
    /// or with one; not `yes`, `no`, `on` and `off`.
    package var boolean: Bool? {
      guard isPlain else { return nil }
      if ["true", "True", "TRUE"].contains(text) { return true }
      return ["false", "False", "FALSE"].contains(text) ? false : nil
    }

    /// The decimal integer, without quotes; nil when it does not fit.
    package var integer: Int? { isPlain ? Int(text) : nil }
  }

  /// One thing that could not be read.
  package struct Fault: Sendable, Equatable {
    /// Counted from 1 at the file's first line.
    package let line: Int
    /// The key whose value is meant, where that much could be read.
    package let key: String?
    /// What is wrong.
    package let reason: Reason
  }

  /// What can be wrong with front matter.
  package enum Reason: Sendable, Equatable, CaseIterable {
    case missing, unclosed, tooLarge, controlCharacter, tab, indentation, anchor, alias, tag
    case mergeKey, complexKey, deepNesting, duplicateKey, noColon, noSpaceAfterColon, emptyKey
    case colonInPlainText, reservedStart, unclosedQuote, textAfterValue, badEscape, listWithoutKey
    case mixedBlock, unclosedList, unclosedMapping, emptyItem, badBlockHeader, documentMarker
  }

  /// The entries that could be read, in order; keys are unique.
  package let entries: [Entry]
  /// What could not be read, in order; empty when all was.
  package let faults: [Fault]
  /// The byte at which the body begins, just behind the closing line; nil when there is none.
  package let bodyOffset: Int?

  /// Reads the head of a file, which has to be valid UTF-8. A byte order mark at its start and CRLF
  /// line ends are accepted. Time and space are linear in the front matter, never in the body.
  package static func read(_ file: Span<UInt8>) -> FrontMatter {
    let start = startsWithMark(file) ? 3 : 0
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(file.count, maximumSize))
    for index in start..<max(start, min(file.count, maximumSize)) { bytes.append(file[index]) }

    var lines: [Range<Int>] = []
    var position = 0
    while position < bytes.count {
      let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      // A line that the size limit cuts through is not looked at.
      if end == bytes.count, start + bytes.count < file.count { break }
      let isCRLF = end > position && end < bytes.count && bytes[end - 1] == UInt8(ascii: "\r")
      let line = position..<(isCRLF ? end - 1 : end)
      position = min(end + 1, bytes.count)
      let isFence = bytes[line].elementsEqual([45, 45, 45])
      if lines.isEmpty, !isFence { return FrontMatter(refused: .missing, line: 1) }
      lines.append(line)
      if lines.count > 1, isFence {
        lines.removeFirst()
        lines.removeLast()
        var reader = FrontMatterReader(bytes: bytes, lines: lines)
        reader.readAll()
        return FrontMatter(
          entries: reader.entries, faults: reader.faults, bodyOffset: start + position)
      }
    }
    if lines.isEmpty { return FrontMatter(refused: .missing, line: 1) }
    let isLarge = start + bytes.count < file.count
    return FrontMatter(refused: isLarge ? .tooLarge : .unclosed, line: 1)
  }

  private static func startsWithMark(_ file: Span<UInt8>) -> Bool {
    file.count >= 3 && file[0] == 0xEF && file[1] == 0xBB && file[2] == 0xBF
  }

  private init(entries: [Entry], faults: [Fault], bodyOffset: Int) {
    self.entries = entries
    self.faults = faults
    self.bodyOffset = bodyOffset
  }

  private init(refused reason: Reason, line: Int) {
    entries = []
    faults = [Fault(line: line, key: nil, reason: reason)]
    bodyOffset = nil
  }
}

extension FrontMatter.Reason: CustomStringConvertible {
  /// A sentence for people: what is wrong and what to write.
  package var description: String {
    switch self {
    case .missing:
      "the file has no front matter: its first line must be exactly ---, then title and others, "
        + "then a line --- and the body"
    case .unclosed: "the front matter is not closed by a line that is exactly ---"
    case .tooLarge: "the front matter is not closed by a line --- within 65,536 bytes"
    case .controlCharacter: "control characters may not stand in front matter"
    case .tab: "tabs may not indent: use spaces"
    case .indentation:
      "this line is indented where none is expected; longer text stands behind key: > or key: |"
    case .anchor: "anchors (&) are not read: put the text in quotes if it begins with &"
    case .alias: "aliases (*) are not read: put the text in quotes if it begins with *"
    case .tag: "YAML tags (!) are not read: put the text in quotes if it begins with !"
    case .mergeKey: "merge keys (<<) are not read"
    case .complexKey: "complex keys (?) are not read: write key: value"
    case .deepNesting: "lists and mappings may only hold single values"
    case .duplicateKey: "the key stands there twice"
    case .noColon: "this is not a line of the form key: value"
    case .noSpaceAfterColon: "a space is missing behind the colon: write key: value"
    case .emptyKey: "a key is missing before the colon"
    case .colonInPlainText: "a text with a colon and a space in it needs quotes"
    case .reservedStart: "a text that begins with this character needs quotes"
    case .unclosedQuote: "the quoted text is not closed in its line"
    case .textAfterValue: "there is text behind the end of the value"
    case .badEscape: "this escape does not exist between double quotes, or names no character"
    case .listWithoutKey: "a list item stands where a key is expected"
    case .mixedBlock: "list items and keys are mixed, or not equally indented"
    case .unclosedList: "the list is not closed by ] in its line"
    case .unclosedMapping: "the mapping is not closed by } in its line"
    case .emptyItem: "there is nothing between two commas"
    case .badBlockHeader: "behind | or > only +, - or one digit 1 to 9 may stand"
    case .documentMarker: "document markers may not stand inside front matter"
    }
  }
}

/// The walk over the lines between the fences.
private struct FrontMatterReader {
  typealias Reason = FrontMatter.Reason
  typealias Scalar = FrontMatter.Scalar
  typealias Entry = FrontMatter.Entry

  /// A fault on its way to the list; `line` is an index into `lines`.
  struct Refusal: Error {
    let line: Int
    let reason: Reason
  }

  let bytes: [UInt8]
  let lines: [Range<Int>]
  var entries: [Entry] = []
  var faults: [FrontMatter.Fault] = []
  private var keys: Set<String> = []
  /// The line that is read next.
  private var next = 0

  init(bytes: [UInt8], lines: [Range<Int>]) {
    self.bytes = bytes
    self.lines = lines
  }

  mutating func readAll() {
    while next < lines.count {
      if isBlank(next) {
        next += 1
        continue
      }
      let line = next
      var key: String?
      do throws(Refusal) {
        guard try indentation(of: line) == 0 else {
          throw Refusal(line: line, reason: .indentation)
        }
        var scan = try LineScan(bytes, lines[line], line)
        let name = try scan.key()
        key = name
        guard keys.insert(name).inserted else { throw Refusal(line: line, reason: .duplicateKey) }
        let value = try value(after: &scan, at: line, parent: 0)
        entries.append(Entry(key: name, value: value, line: fileLine(line)))
      } catch {
        faults.append(FrontMatter.Fault(line: fileLine(error.line), key: key, reason: error.reason))
        skipRest(of: max(line, error.line))
      }
    }
  }

  /// Lines are counted from the opening fence, which is the first.
  private func fileLine(_ line: Int) -> Int { line + 2 }

  /// Goes on at the next line that can begin an entry, so that one mistake is one fault.
  private mutating func skipRest(of line: Int) {
    next = line + 1
    while next < lines.count {
      let first = lines[next].isEmpty ? UInt8(ascii: " ") : bytes[lines[next].lowerBound]
      guard LineScan.isWhite(first) || first == UInt8(ascii: "-") else { return }
      next += 1
    }
  }

  private func isBlank(_ line: Int) -> Bool {
    let content = bytes[lines[line]].drop(while: LineScan.isWhite)
    guard content.first == UInt8(ascii: "#") else { return content.isEmpty }
    return !content.contains(where: LineScan.isControl)
  }

  private func indentation(of line: Int) throws(Refusal) -> Int {
    let spaces = bytes[lines[line]].prefix { $0 == UInt8(ascii: " ") }.count
    let start = lines[line].lowerBound + spaces
    if start < lines[line].upperBound, bytes[start] == UInt8(ascii: "\t") {
      throw Refusal(line: line, reason: .tab)
    }
    return spaces
  }

  private func isItem(_ line: Int, at indentation: Int) -> Bool {
    let start = lines[line].lowerBound + indentation
    guard start < lines[line].upperBound, bytes[start] == UInt8(ascii: "-") else { return false }
    return start + 1 == lines[line].upperBound || LineScan.isWhite(bytes[start + 1])
  }

  private func nextContent(after line: Int) -> Int? {
    (line + 1..<lines.count).first { !isBlank($0) }
  }

  /// The value behind a key that stands at the indentation `parent`, and moves to the line after.
  private mutating func value(
    after scan: inout LineScan, at line: Int, parent: Int
  ) throws(Refusal) -> FrontMatter.Value {
    next = line + 1
    scan.skipWhite()
    if let (isFolded, chomp, indentation) = try scan.blockHeader() {
      let text = try blockScalar(isFolded, chomp, parent, indentation)
      return .scalar(Scalar(text: text, isPlain: false))
    }
    if !scan.isAtEndOrComment { return try scan.inlineValue() }

    let empty = FrontMatter.Value.scalar(Scalar(text: "", isPlain: true))
    guard let first = nextContent(after: line) else { return empty }
    let indentation = try indentation(of: first)
    if isItem(first, at: indentation) {
      guard indentation >= parent else { return empty }
      return .list(try blockList(from: first, indentation))
    }
    guard indentation > parent else { return empty }
    return .mapping(try blockMapping(from: first, indentation))
  }

  private mutating func blockList(
    from first: Int, _ indentation: Int
  ) throws(Refusal) -> [Scalar] {
    var items: [Scalar] = []
    next = first
    while next < lines.count {
      if isBlank(next) {
        next += 1
        continue
      }
      let found = try self.indentation(of: next)
      if found == 0, !isItem(next, at: 0) { break }
      guard found == indentation, isItem(next, at: found) else {
        throw Refusal(line: next, reason: .mixedBlock)
      }
      var scan = try LineScan(bytes, lines[next], next)
      scan.skip(found + 1)
      items.append(try scan.item())
      next += 1
    }
    return items
  }

  private mutating func blockMapping(
    from first: Int, _ indentation: Int
  ) throws(Refusal) -> [Entry] {
    var mapping: [Entry] = []
    var names: Set<String> = []
    next = first
    while next < lines.count {
      if isBlank(next) {
        next += 1
        continue
      }
      let line = next
      let found = try self.indentation(of: line)
      if found == 0 { break }
      guard found == indentation, !isItem(line, at: found) else {
        throw Refusal(line: line, reason: .mixedBlock)
      }
      var scan = try LineScan(bytes, lines[line], line)
      scan.skip(found)
      let name = try scan.key()
      guard names.insert(name).inserted else { throw Refusal(line: line, reason: .duplicateKey) }
      if scan.isAtEndOrComment, let below = nextContent(after: line),
        try self.indentation(of: below) > indentation || isItem(below, at: indentation)
      {
        throw Refusal(line: below, reason: .deepNesting)
      }
      guard case .scalar(let scalar) = try value(after: &scan, at: line, parent: indentation) else {
        throw Refusal(line: line, reason: .deepNesting)
      }
      mapping.append(Entry(key: name, value: .scalar(scalar), line: fileLine(line)))
    }
    return mapping
  }

  /// The text of a `|` or `>` block (YAML 1.2.2, sections 8.1.2 and 8.1.3).
  private mutating func blockScalar(
    _ isFolded: Bool, _ chomp: UInt8?, _ parent: Int, _ stated: Int?
  ) throws(Refusal) -> String {
    var indentation = stated.map { parent + $0 }
    var text: [UInt8] = []
    var blanks = 0
    var previousIsIndented = false
    var isFirst = true
    while next < lines.count {
      let line = lines[next]
      let spaces = bytes[line].prefix { $0 == UInt8(ascii: " ") }.count
      let isEmpty = spaces == line.count
      if isEmpty, spaces <= indentation ?? Int.max {
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
      _ = try LineScan(bytes, line, next)
      let content = bytes[(line.lowerBound + margin)..<line.upperBound]
      let isIndented = content.first.map(LineScan.isWhite) ?? false
      let isJoined = isFolded && !isFirst && !isIndented && !previousIsIndented
      if isJoined, blanks == 0 { text.append(UInt8(ascii: " ")) }
      let breaks = isFirst || isJoined ? blanks : blanks + 1
      text.append(contentsOf: repeatElement(UInt8(ascii: "\n"), count: breaks))
      text += content
      blanks = 0
      isFirst = false
      previousIsIndented = isIndented
      next += 1
    }
    switch chomp {
    case UInt8(ascii: "-"): break
    case UInt8(ascii: "+"):
      let breaks = isFirst ? blanks : blanks + 1
      text.append(contentsOf: repeatElement(UInt8(ascii: "\n"), count: breaks))
    default: if !isFirst { text.append(UInt8(ascii: "\n")) }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// The walk over one line.
private struct LineScan {
  typealias Refusal = FrontMatterReader.Refusal
  typealias Scalar = FrontMatter.Scalar

  private let bytes: [UInt8]
  private let end: Int
  private let line: Int
  private var position: Int

  static func isWhite(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == 9 }
  static func isControl(_ byte: UInt8) -> Bool { (byte < 32 && byte != 9) || byte == 127 }

  /// Refuses control characters; YAML allows none but the tab within a line.
  init(_ bytes: [UInt8], _ range: Range<Int>, _ line: Int) throws(Refusal) {
    self.bytes = bytes
    self.line = line
    end = range.upperBound
    position = range.lowerBound
    if bytes[range].contains(where: LineScan.isControl) { throw refusal(.controlCharacter) }
  }

  private func refusal(_ reason: FrontMatter.Reason) -> Refusal {
    Refusal(line: line, reason: reason)
  }

  private var peek: UInt8? { position < end ? bytes[position] : nil }

  private func byte(_ offset: Int) -> UInt8? {
    position + offset < end ? bytes[position + offset] : nil
  }

  private func isWhiteOrEnd(_ byte: UInt8?) -> Bool { byte.map(LineScan.isWhite) ?? true }

  mutating func skip(_ count: Int) { position = min(position + count, end) }

  mutating func skipWhite() {
    while let byte = peek, LineScan.isWhite(byte) { position += 1 }
  }

  /// Whether only blanks and a comment are left.
  var isAtEndOrComment: Bool {
    let rest = bytes[position..<end].drop(while: LineScan.isWhite)
    return rest.isEmpty || (rest.first == UInt8(ascii: "#") && isBehindWhite(rest.startIndex))
  }

  private func isBehindWhite(_ index: Int) -> Bool {
    index > 0 && (LineScan.isWhite(bytes[index - 1]) || bytes[index - 1] == UInt8(ascii: "\n"))
  }

  private func expectEnd() throws(Refusal) {
    guard isAtEndOrComment else { throw refusal(.textAfterValue) }
  }

  /// A key with its colon, up to the byte behind it.
  mutating func key() throws(Refusal) -> String {
    if peek == UInt8(ascii: "-"), isWhiteOrEnd(byte(1)) { throw refusal(.listWithoutKey) }
    if peek == UInt8(ascii: "?"), isWhiteOrEnd(byte(1)) { throw refusal(.complexKey) }
    let rest = bytes[position..<end]
    if rest.starts(with: [45, 45, 45]) || rest.elementsEqual([46, 46, 46]) {
      throw refusal(.documentMarker)
    }
    if peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") {
      let name = try quoted()
      skipWhite()
      guard peek == UInt8(ascii: ":") else { throw refusal(.noColon) }
      position += 1
      guard isWhiteOrEnd(peek) else { throw refusal(.noSpaceAfterColon) }
      return name
    }
    try refuseIndicator()
    if let first = peek, "[]{},|>".utf8.contains(first) { throw refusal(.complexKey) }
    let start = position
    var hasColon = false
    while let byte = peek {
      if byte == UInt8(ascii: ":") {
        hasColon = true
        if isWhiteOrEnd(self.byte(1)) { break }
      }
      if byte == UInt8(ascii: "#"), isBehindWhite(position) {
        position = end
        break
      }
      position += 1
    }
    guard peek != nil else { throw refusal(hasColon ? .noSpaceAfterColon : .noColon) }
    let name = text(start..<position)
    position += 1
    if name.isEmpty { throw refusal(.emptyKey) }
    if name == "<<" { throw refusal(.mergeKey) }
    return name
  }

  /// The header of a block scalar, where one stands here.
  mutating func blockHeader() throws(Refusal) -> (folded: Bool, chomp: UInt8?, indentation: Int?)? {
    guard let first = peek, first == UInt8(ascii: "|") || first == UInt8(ascii: ">") else {
      return nil
    }
    position += 1
    var chomp: UInt8?
    var indentation: Int?
    while let byte = peek, !LineScan.isWhite(byte) {
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-"), chomp == nil {
        chomp = byte
      } else if (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(byte), indentation == nil {
        indentation = Int(byte - UInt8(ascii: "0"))
      } else {
        throw refusal(.badBlockHeader)
      }
      position += 1
    }
    guard isAtEndOrComment else { throw refusal(.badBlockHeader) }
    return (first == UInt8(ascii: ">"), chomp, indentation)
  }

  /// A list, a mapping or a scalar that fills the rest of the line.
  mutating func inlineValue() throws(Refusal) -> FrontMatter.Value {
    switch peek {
    case UInt8(ascii: "["):
      position += 1
      let items = try flowList()
      try expectEnd()
      return .list(items)
    case UInt8(ascii: "{"):
      position += 1
      let mapping = try flowMapping()
      try expectEnd()
      return .mapping(mapping)
    default:
      let scalar = try scalar(inFlow: false)
      try expectEnd()
      return .scalar(scalar)
    }
  }

  /// What stands behind the `-` of a list item.
  mutating func item() throws(Refusal) -> Scalar {
    skipWhite()
    if isAtEndOrComment { return Scalar(text: "", isPlain: true) }
    if let first = peek, "[{|>".utf8.contains(first) { throw refusal(.deepNesting) }
    if peek == UInt8(ascii: "-"), isWhiteOrEnd(byte(1)) { throw refusal(.deepNesting) }
    let scalar = try scalar(inFlow: false)
    try expectEnd()
    return scalar
  }

  private mutating func flowList() throws(Refusal) -> [Scalar] {
    var items: [Scalar] = []
    while true {
      skipWhite()
      guard let first = peek else { throw refusal(.unclosedList) }
      if first == UInt8(ascii: "]") {
        position += 1
        return items
      }
      items.append(try flowScalar(.unclosedList))
      if try isClosed(by: UInt8(ascii: "]"), .unclosedList) { return items }
    }
  }

  private mutating func flowMapping() throws(Refusal) -> [Entry] {
    var mapping: [Entry] = []
    var names: Set<String> = []
    while true {
      skipWhite()
      guard let first = peek else { throw refusal(.unclosedMapping) }
      if first == UInt8(ascii: "}") {
        position += 1
        return mapping
      }
      let name = try flowKey()
      guard names.insert(name).inserted else { throw refusal(.duplicateKey) }
      skipWhite()
      var value = Scalar(text: "", isPlain: true)
      if let byte = peek, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}") {
        value = try flowScalar(.unclosedMapping)
      }
      mapping.append(Entry(key: name, value: .scalar(value), line: line + 2))
      if try isClosed(by: UInt8(ascii: "}"), .unclosedMapping) { return mapping }
    }
  }

  private typealias Entry = FrontMatter.Entry

  private mutating func flowKey() throws(Refusal) -> String {
    let name: String
    var isQuoted = false
    if peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") {
      name = try quoted()
      isQuoted = true
      skipWhite()
    } else {
      if peek == UInt8(ascii: ",") { throw refusal(.emptyItem) }
      try refuseIndicator()
      let start = position
      while let byte = peek, !":,[]{}".utf8.contains(byte) { position += 1 }
      name = text(start..<position)
    }
    guard peek == UInt8(ascii: ":") else {
      throw refusal(peek == nil ? .unclosedMapping : .noColon)
    }
    position += 1
    if name.isEmpty { throw refusal(.emptyKey) }
    if name == "<<" { throw refusal(.mergeKey) }
    // YAML lets a value stand close behind a quoted key, as JSON does.
    guard isQuoted || isWhiteOrEnd(peek) || peek == UInt8(ascii: ",") || peek == UInt8(ascii: "}")
    else { throw refusal(.noSpaceAfterColon) }
    return name
  }

  private mutating func flowScalar(_ unclosed: FrontMatter.Reason) throws(Refusal) -> Scalar {
    if peek == UInt8(ascii: ",") { throw refusal(.emptyItem) }
    if peek == UInt8(ascii: "[") || peek == UInt8(ascii: "{") { throw refusal(.deepNesting) }
    if peek == UInt8(ascii: "#"), isBehindWhite(position) { throw refusal(unclosed) }
    return try scalar(inFlow: true)
  }

  /// Reads the comma or the closing bracket behind an item.
  private mutating func isClosed(
    by bracket: UInt8, _ unclosed: FrontMatter.Reason
  ) throws(Refusal) -> Bool {
    skipWhite()
    guard let byte = peek, byte != UInt8(ascii: "#") else { throw refusal(unclosed) }
    position += 1
    if byte == bracket { return true }
    guard byte == UInt8(ascii: ",") else { throw refusal(.textAfterValue) }
    return false
  }

  private mutating func scalar(inFlow: Bool) throws(Refusal) -> Scalar {
    if peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") {
      return Scalar(text: try quoted(), isPlain: false)
    }
    try refuseIndicator()
    if let first = peek {
      let isReserved = "[]{},|>#".utf8.contains(first)
      let isLone = "-?:".utf8.contains(first) && isWhiteOrEnd(byte(1))
      if isReserved || isLone { throw refusal(.reservedStart) }
    }
    let start = position
    while let byte = peek {
      if byte == UInt8(ascii: "#"), isBehindWhite(position) { break }
      if inFlow, byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") { break }
      if inFlow, byte == UInt8(ascii: "}") { break }
      if inFlow, byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
        throw refusal(.reservedStart)
      }
      if byte == UInt8(ascii: ":"), isWhiteOrEnd(self.byte(1)) {
        throw refusal(.colonInPlainText)
      }
      position += 1
    }
    return Scalar(text: text(start..<position), isPlain: true)
  }

  /// Refuses what YAML would read as something else than text (section 5.3).
  private func refuseIndicator() throws(Refusal) {
    switch peek {
    case UInt8(ascii: "&"): throw refusal(.anchor)
    case UInt8(ascii: "*"): throw refusal(.alias)
    case UInt8(ascii: "!"): throw refusal(.tag)
    case UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"): throw refusal(.reservedStart)
    default: return
    }
  }

  private func text(_ range: Range<Int>) -> String {
    var end = range.upperBound
    while end > range.lowerBound, LineScan.isWhite(bytes[end - 1]) { end -= 1 }
    return String(decoding: bytes[range.lowerBound..<end], as: UTF8.self)
  }

  private mutating func quoted() throws(Refusal) -> String {
    let quote = bytes[position]
    position += 1
    var text: [UInt8] = []
    while let byte = peek {
      position += 1
      if byte == quote {
        guard quote == UInt8(ascii: "'"), peek == quote else {
          return String(decoding: text, as: UTF8.self)
        }
        position += 1
        text.append(quote)
      } else if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
        text += try escape().utf8
      } else {
        text.append(byte)
      }
    }
    throw refusal(.unclosedQuote)
  }

  /// The character that the escape behind a backslash names (YAML 1.2.2, section 5.7).
  private mutating func escape() throws(Refusal) -> String {
    guard let letter = peek else { throw refusal(.unclosedQuote) }
    position += 1
    let value: UInt32
    switch letter {
    case UInt8(ascii: "a"): value = 7
    case UInt8(ascii: "b"): value = 8
    case UInt8(ascii: "t"), 9: value = 9
    case UInt8(ascii: "n"): value = 10
    case UInt8(ascii: "v"): value = 11
    case UInt8(ascii: "f"): value = 12
    case UInt8(ascii: "r"): value = 13
    case UInt8(ascii: "e"): value = 27
    case UInt8(ascii: " "), UInt8(ascii: "\""), UInt8(ascii: "/"), UInt8(ascii: "\\"):
      value = UInt32(letter)
    case UInt8(ascii: "N"): value = 0x85
    case UInt8(ascii: "_"): value = 0xA0
    case UInt8(ascii: "L"): value = 0x2028
    case UInt8(ascii: "P"): value = 0x2029
    case UInt8(ascii: "x"): value = try hexadecimal(2)
    case UInt8(ascii: "u"): value = try hexadecimal(4)
    case UInt8(ascii: "U"): value = try hexadecimal(8)
    default: throw refusal(.badEscape)
    }
    guard value != 0, let scalar = Unicode.Scalar(value) else { throw refusal(.badEscape) }
    return String(scalar)
  }

  private mutating func hexadecimal(_ count: Int) throws(Refusal) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw refusal(.badEscape)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
