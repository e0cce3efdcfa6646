/// The source in blocks: which lines belong together, without the marks of their containers.
struct MarkdownBlocks {
  enum Kind { case heading, text, code, footnote }

  struct Block {
    var kind: Kind
    var range: Range<Int>
  }

  /// The label of a link definition as labels are compared: without case and with single spaces.
  struct Label: Hashable {
    private let bytes: [UInt8]

    init(_ label: ArraySlice<UInt8>) {
      let words = label.split { $0 <= 32 }.joined(separator: [32])
      bytes = Array(String(decoding: Array(words), as: UTF8.self).lowercased().utf8)
    }
  }

  /// What the lines are part of until something ends it.
  private enum State: Equatable {
    case between, paragraph, indentedCode
    case fence(mark: UInt8, length: Int)
    /// HTML that ends with a line that holds this text and is read over.
    case html(end: [UInt8], isCode: Bool)
  }

  private(set) var list: [Block] = []
  private(set) var text: [UInt8] = []
  /// The labels that link definitions define.
  private(set) var labels: Set<Label> = []

  private var state = State.between
  private var isInList = false
  /// Where in the line that is read a thematic break can begin.
  private var rule = 0..<0

  init(_ source: [UInt8]) {
    text.reserveCapacity(source.count)
    var start = 0
    while start < source.count {
      var end = start
      while end < source.count, source[end] != 10, source[end] != 13 { end += 1 }
      readLine(source[start..<end])
      let isCRLF = end + 1 < source.count && source[end] == 13 && source[end + 1] == 10
      start = end + (isCRLF ? 2 : 1)
    }
  }

  private mutating func readLine(_ line: ArraySlice<UInt8>) {
    switch state {
    case .fence(let mark, let length):
      var rest = line.drop { $0.isBlank || $0 == UInt8(ascii: ">") }
      let run = rest.prefix { $0 == mark }.count
      rest = rest.dropFirst(run)
      if run >= length, rest.allSatisfy(\.isBlank) {
        state = .between
      } else {
        add(line, .code)
      }
      return
    case .html(let end, let isCode):
      guard let found = line.firstIndex(of: end) else {
        if isCode { add(line, .code) }
        return
      }
      state = .between
      readOpenLine(line[(found + end.count)...])
      return
    default: break
    }
    readOpenLine(line)
  }

  private mutating func readOpenLine(_ line: ArraySlice<UInt8>) {
    var rest = line.drop(while: \.isBlank)
    if rest.isEmpty {
      if state != .indentedCode { state = .between }
      return
    }
    let indentation = MarkdownBlocks.width(of: line[..<rest.startIndex])
    if indentation >= 4, state != .paragraph, !isInList {
      add(rest, .code, joins: state == .indentedCode)
      state = .indentedCode
      return
    }
    if state == .indentedCode { state = .between }
    if indentation == 0, state == .between { isInList = false }
    rule = MarkdownBlocks.rule(in: line)
    while let marked = withoutMarker(rest) {
      rest = marked
    }
    if rest.isEmpty {
      state = .between
    } else {
      readContent(rest)
    }
  }

  /// Columns that blanks take, tabs to the next multiple of four.
  private static func width(of blanks: ArraySlice<UInt8>) -> Int {
    blanks.reduce(0) { width, byte in byte == 9 ? (width / 4 + 1) * 4 : width + 1 }
  }

  /// The rest of a line behind a quote or list mark at its start; nil when there is none.
  private mutating func withoutMarker(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let first = line.first else { return nil }
    switch first {
    case UInt8(ascii: ">"):
      return line.dropFirst().drop(while: \.isBlank)
    case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+"):
      if isRule(line) || isUnderline(line) { return nil }
      return item(line, markLength: 1)
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      let digits = line.prefix(10).prefix { $0.isDigit }
      let mark = line.dropFirst(digits.count).first
      guard digits.count < 10, mark == UInt8(ascii: ".") || mark == UInt8(ascii: ")") else {
        return nil
      }
      // Within a paragraph only 1 begins a list, so that "in\n2024. It was" stays text.
      if state == .paragraph, !digits.elementsEqual([UInt8(ascii: "1")]), !isInList { return nil }
      return item(line, markLength: digits.count + 1)
    default: return nil
    }
  }

  private mutating func item(_ line: ArraySlice<UInt8>, markLength: Int) -> ArraySlice<UInt8>? {
    var rest = line.dropFirst(markLength)
    guard rest.first.map(\.isBlank) ?? true else { return nil }
    if rest.isEmpty, state == .paragraph { return nil }
    rest = rest.drop(while: \.isBlank)
    for box in ["[ ] ", "[x] ", "[X] "] where rest.starts(with: box.utf8) {
      rest = rest.dropFirst(4)
    }
    state = .between
    isInList = true
    return rest
  }

  private mutating func readContent(_ line: ArraySlice<UInt8>) {
    guard let first = line.first else { return }
    switch first {
    case UInt8(ascii: "#"):
      if readHeading(line) { return }
    case UInt8(ascii: "`"), UInt8(ascii: "~"):
      if readFence(line, first) { return }
    case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: "="):
      if state == .paragraph, isUnderline(line) {
        list[list.count - 1].kind = .heading
        state = .between
        return
      }
      if isRule(line) {
        state = .between
        return
      }
    case UInt8(ascii: "<"):
      if readHTML(line) { return }
    case UInt8(ascii: "["):
      if readDefinition(line) { return }
    default: break
    }
    if isTableRule(line) { return }
    if first == UInt8(ascii: "|") {
      add(line.map { $0 == UInt8(ascii: "|") ? UInt8(ascii: " ") : $0 }[...], .text, joins: false)
      state = .between
      return
    }
    add(line, .text, joins: state == .paragraph)
    state = .paragraph
  }

  /// Adds a line to the last block or as a block of its own; lines of code always join.
  private mutating func add(_ line: ArraySlice<UInt8>, _ kind: Kind, joins: Bool = true) {
    let start = text.count
    text += line
    text.append(10)
    let joins = joins && list.last.map { kind == .code ? $0.kind == .code : true } ?? false
    if joins {
      list[list.count - 1].range = list[list.count - 1].range.lowerBound..<text.count
    } else {
      list.append(Block(kind: kind, range: start..<text.count))
    }
  }

  private mutating func readHeading(_ line: ArraySlice<UInt8>) -> Bool {
    let marks = line.prefix { $0 == UInt8(ascii: "#") }.count
    var rest = line.dropFirst(marks)
    guard marks <= 6, rest.first.map(\.isBlank) ?? true else { return false }
    while let last = rest.last, last.isBlank { rest.removeLast() }
    var unmarked = rest
    while unmarked.last == UInt8(ascii: "#") { unmarked.removeLast() }
    if unmarked.last.map(\.isBlank) ?? true { rest = unmarked }
    add(rest, .heading, joins: false)
    state = .between
    return true
  }

  private mutating func readFence(_ line: ArraySlice<UInt8>, _ mark: UInt8) -> Bool {
    let length = line.prefix { $0 == mark }.count
    guard length >= 3 else { return false }
    if mark == UInt8(ascii: "`"), line.dropFirst(length).contains(mark) { return false }
    state = .fence(mark: mark, length: length)
    // A block of its own, so that the code of two fences does not run together.
    list.append(Block(kind: .code, range: text.count..<text.count))
    return true
  }

  /// HTML whose content is no text, up to the line that ends it (CommonMark 4.6, kinds 1 to 3).
  private mutating func readHTML(_ line: ArraySlice<UInt8>) -> Bool {
    let ends: [(start: String, end: String, isCode: Bool)] = [
      ("<!--", "-->", false), ("<?", "?>", false), ("<script", "</script>", false),
      ("<style", "</style>", false), ("<pre", "</pre>", true),
    ]
    for (start, end, isCode) in ends {
      guard line.begins(with: start) else { continue }
      let length = start.utf8.count
      if line[line.startIndex + 1].isLetter {
        let next = line.dropFirst(length).first ?? UInt8(ascii: " ")
        guard next.isBlank || next == UInt8(ascii: ">") else { continue }
      }
      let ending = Array(end.utf8)
      let found = line.dropFirst(length).firstIndex(of: ending)
      // What a line opens and closes is left to the inlines unless it holds what is no text.
      if found != nil { return start == "<script" || start == "<style" }
      state = .html(end: ending, isCode: isCode)
      return true
    }
    return false
  }

  private mutating func readDefinition(_ line: ArraySlice<UInt8>) -> Bool {
    guard let close = line.dropFirst().firstIndex(where: { $0 == 91 || $0 == 93 }),
      line[close] == UInt8(ascii: "]"), close + 1 < line.endIndex,
      line[close + 1] == UInt8(ascii: ":")
    else { return false }
    let label = line[(line.startIndex + 1)..<close]
    if label.first == UInt8(ascii: "^") {
      add(line[(close + 2)...], .footnote, joins: false)
      state = .paragraph
      return true
    }
    guard state != .paragraph, !label.allSatisfy(\.isBlank) else { return false }
    labels.insert(Label(label))
    return true
  }

  /// Whether the rest of the line is a thematic break, which `rule(in:)` found out once.
  private func isRule(_ rest: ArraySlice<UInt8>) -> Bool { rule.contains(rest.startIndex) }

  /// Where a thematic break can begin: three or more of one mark and blanks up to the line's end.
  ///
  /// It is found from the end and once for a line, because "- - - - - x" is asked at each mark.
  private static func rule(in line: ArraySlice<UInt8>) -> Range<Int> {
    guard let mark = line.last(where: { !$0.isBlank }), "-*_".utf8.contains(mark) else {
      return 0..<0
    }
    var marks = 0
    var end = line.startIndex
    var start = line.endIndex
    while start > line.startIndex {
      let byte = line[start - 1]
      guard byte == mark || byte.isBlank else { break }
      start -= 1
      if byte == mark { marks += 1 }
      if marks == 3, byte == mark { end = start + 1 }
    }
    return marks < 3 ? 0..<0 : start..<end
  }

  /// The line below a heading of two lines (CommonMark 4.3).
  private func isUnderline(_ line: ArraySlice<UInt8>) -> Bool {
    guard state == .paragraph, !isInList, list.last?.kind == .text, let mark = line.first,
      mark == UInt8(ascii: "=") || mark == UInt8(ascii: "-")
    else { return false }
    return line.drop { $0 == mark }.allSatisfy(\.isBlank)
  }

  /// The row of a table that holds dashes only.
  private func isTableRule(_ line: ArraySlice<UInt8>) -> Bool {
    line.contains(UInt8(ascii: "|")) && line.contains(UInt8(ascii: "-"))
      && line.allSatisfy { "|:-".utf8.contains($0) || $0.isBlank }
  }
}
