/// The words of a Markdown source without its markup: for an excerpt, a word count and a reading
/// time, computed once when a post is written.
///
/// It is not a renderer. It knows CommonMark's blocks and inlines with GitHub's tables,
/// strikethrough and footnotes well enough that readers see no marks, in time linear in the source
/// whatever that holds: every byte is looked at a bounded number of times and nothing recurses.
package struct MarkdownText: Sendable, Equatable {
  /// The most characters (Unicode scalars) of a derived excerpt, its `…` included.
  package static let excerptLength = 300
  /// How many words a reader is taken to read in a minute.
  package static let wordsPerMinute = 220

  /// Headings and text, a line each, without code blocks, images, HTML, comments, footnotes and
  /// link definitions. Characters are as the reader would see them: escapes and the common
  /// entities are resolved, and runs of white space are one space.
  package let plainText: String
  /// The opening of the text, headings left out unless there is nothing else, cut to
  /// `excerptLength`; empty when there is nothing to read.
  package let excerpt: String
  /// The words of prose and of code: runs between white space that hold a letter or a digit. Han
  /// ideographs and kana count one each, for they are written without spaces. Alternative texts of
  /// images, addresses behind links, HTML and comments do not count.
  package let wordCount: Int

  /// Whole minutes, rounded up, at least 1.
  package var readingTime: Int {
    max(1, (wordCount + MarkdownText.wordsPerMinute - 1) / MarkdownText.wordsPerMinute)
  }

  /// Reads a Markdown source without front matter.
  package init(_ source: String) {
    var blocks = MarkdownBlocks()
    blocks.read(Array(source.utf8))
    var inlines = MarkdownInlines(labels: blocks.labels)
    var lines: [String] = []
    var opening = ""
    var openingLength = 0
    var words = 0
    for block in blocks.list {
      let bytes = blocks.text[block.range]
      if block.kind == .code {
        words += MarkdownText.countWords(String(decoding: bytes, as: UTF8.self))
        continue
      }
      let text = inlines.plainText(bytes)
      if text.isEmpty { continue }
      words += MarkdownText.countWords(text)
      if block.kind == .footnote { continue }
      lines.append(text)
      if block.kind == .text, openingLength <= MarkdownText.excerptLength {
        opening += opening.isEmpty ? text : " " + text
        openingLength += text.unicodeScalars.count
      }
    }
    plainText = lines.joined(separator: "\n")
    wordCount = words
    if opening.isEmpty { opening = lines.joined(separator: " ") }
    excerpt = MarkdownText.shorten(opening, to: MarkdownText.excerptLength)
  }

  /// The text itself when it has at most `limit` Unicode scalars, else its opening with `…` behind
  /// it, together at most `limit`. It is cut between words, between ideographs, or, within a single
  /// long word, between grapheme clusters; never inside one. A limit below 1 gives nothing.
  package static func shorten(_ text: String, to limit: Int) -> String {
    guard limit > 0 else { return "" }
    guard text.unicodeScalars.dropFirst(limit).first != nil else { return text }
    var length = 0
    var end = text.startIndex
    var wordEnd = text.startIndex
    var previous: Unicode.Scalar = " "
    for index in text.indices {
      let scalars = text[index].unicodeScalars
      guard let first = scalars.first, let last = scalars.last else { break }
      if index > text.startIndex, !previous.properties.isWhitespace,
        first.properties.isWhitespace || isWordByItself(first) || isWordByItself(previous)
      {
        wordEnd = index
      }
      length += scalars.count
      if length > limit - 1 { break }
      end = text.index(after: index)
      previous = last
    }
    var opening = text[..<(wordEnd > text.startIndex ? wordEnd : end)].unicodeScalars
    while let last = opening.last, last.properties.isWhitespace { opening.removeLast() }
    return String(opening) + "…"
  }

  private static func countWords(_ text: String) -> Int {
    var count = 0
    var isInWord = false
    for scalar in text.unicodeScalars {
      if scalar.isASCII {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9":
          if !isInWord { count += 1 }
          isInWord = true
        case " ", "\n", "\t", "\r": isInWord = false
        default: break
        }
      } else if isWordByItself(scalar) {
        count += 1
        isInWord = false
      } else if scalar.properties.isWhitespace {
        isInWord = false
      } else if !isInWord, scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
        count += 1
        isInWord = true
      }
    }
    return count
  }

  /// Whether a scalar counts as a word: Han ideographs, hiragana and katakana.
  private static func isWordByItself(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x2E80: false
    case 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FC...0x30FF: true
    case 0x31F0...0x31FF, 0xFF66...0xFF9D, 0x1B000...0x1B16F: true
    default: scalar.properties.isIdeographic
    }
  }
}

/// The source in blocks: which lines belong together, without the marks of their containers.
private struct MarkdownBlocks {
  enum Kind { case heading, text, code, footnote }

  struct Block {
    var kind: Kind
    var range: Range<Int>
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
  private(set) var labels: Set<[UInt8]> = []

  private var state = State.between
  private var isInList = false
  /// Where in the line that is read a thematic break can begin.
  private var rule = 0..<0

  mutating func read(_ source: [UInt8]) {
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
      var rest = line.drop { MarkdownByte.isBlank($0) || $0 == UInt8(ascii: ">") }
      let run = rest.prefix { $0 == mark }.count
      rest = rest.dropFirst(run)
      if run >= length, rest.allSatisfy(MarkdownByte.isBlank) {
        state = .between
      } else {
        add(line, .code)
      }
      return
    case .html(let end, let isCode):
      guard let found = MarkdownByte.firstIndex(of: end, in: line) else {
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
    var rest = line.drop(while: MarkdownByte.isBlank)
    if rest.isEmpty {
      if state != .indentedCode { state = .between }
      return
    }
    let indentation = MarkdownByte.width(of: line[line.startIndex..<rest.startIndex])
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

  /// The rest of a line behind a quote or list mark at its start; nil when there is none.
  private mutating func withoutMarker(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let first = line.first else { return nil }
    switch first {
    case UInt8(ascii: ">"):
      return line.dropFirst().drop(while: MarkdownByte.isBlank)
    case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+"):
      if isRule(line) || isUnderline(line) { return nil }
      return item(line, markLength: 1)
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      let digits = line.prefix(10).prefix { MarkdownByte.isDigit($0) }
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
    guard rest.first.map(MarkdownByte.isBlank) ?? true else { return nil }
    if rest.isEmpty, state == .paragraph { return nil }
    rest = rest.drop(while: MarkdownByte.isBlank)
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
    guard marks <= 6, rest.first.map(MarkdownByte.isBlank) ?? true else { return false }
    while let last = rest.last, MarkdownByte.isBlank(last) { rest.removeLast() }
    var unmarked = rest
    while unmarked.last == UInt8(ascii: "#") { unmarked.removeLast() }
    if unmarked.last.map(MarkdownByte.isBlank) ?? true { rest = unmarked }
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
      guard MarkdownByte.begins(line, start) else { continue }
      let length = start.utf8.count
      if MarkdownByte.isLetter(line[line.startIndex + 1]) {
        let next = line.dropFirst(length).first ?? UInt8(ascii: " ")
        guard MarkdownByte.isBlank(next) || next == UInt8(ascii: ">") else { continue }
      }
      let ending = Array(end.utf8)
      let found = MarkdownByte.firstIndex(of: ending, in: line.dropFirst(length))
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
    guard state != .paragraph, label.contains(where: { !MarkdownByte.isBlank($0) }) else {
      return false
    }
    labels.insert(MarkdownByte.normalised(label))
    return true
  }

  /// Whether the rest of the line is a thematic break, which `rule(in:)` found out once.
  private func isRule(_ rest: ArraySlice<UInt8>) -> Bool { rule.contains(rest.startIndex) }

  /// Where a thematic break can begin: three or more of one mark and blanks up to the line's end.
  ///
  /// It is found from the end and once for a line, because "- - - - - x" is asked at each mark.
  private static func rule(in line: ArraySlice<UInt8>) -> Range<Int> {
    guard let mark = line.last(where: { !MarkdownByte.isBlank($0) }), "-*_".utf8.contains(mark)
    else { return 0..<0 }
    var marks = 0
    var end = line.startIndex
    var start = line.endIndex
    while start > line.startIndex {
      let byte = line[start - 1]
      guard byte == mark || MarkdownByte.isBlank(byte) else { break }
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
    return line.drop { $0 == mark }.allSatisfy(MarkdownByte.isBlank)
  }

  /// The row of a table that holds dashes only.
  private func isTableRule(_ line: ArraySlice<UInt8>) -> Bool {
    line.contains(UInt8(ascii: "|")) && line.contains(UInt8(ascii: "-"))
      && line.allSatisfy { "|:-".utf8.contains($0) || MarkdownByte.isBlank($0) }
  }
}

/// The text of one block without emphasis, links, code marks and HTML.
///
/// One pass writes the text that stays and marks in it, by a byte that UTF-8 never has, what turns
/// out to be markup only later: an opening bracket, an opening `*`.
private struct MarkdownInlines {
  /// The labels that links may refer to.
  let labels: Set<[UInt8]>

  private static let dropped: UInt8 = 0xFF

  private struct Run {
    let start: Int
    var count: Int
  }

  private var bytes: ArraySlice<UInt8> = []
  private var position = 0
  private var output: [UInt8] = []
  private var brackets: [(start: Int, source: Int, isImage: Bool, hasInner: Bool)] = []
  private var openers: [[Run]] = [[], [], []]
  /// For each run of backticks the start of the next one of its length; empty until needed.
  private var closingRuns: [Int: Int] = [:]
  private var hasClosingRuns = false
  /// Ends that were looked for in vain, so that they are not looked for again.
  private var absent: Set<String> = []

  init(labels: Set<[UInt8]>) { self.labels = labels }

  mutating func plainText(_ block: ArraySlice<UInt8>) -> String {
    bytes = block
    position = block.startIndex
    output.removeAll(keepingCapacity: true)
    brackets.removeAll(keepingCapacity: true)
    for kind in openers.indices { openers[kind].removeAll(keepingCapacity: true) }
    closingRuns.removeAll(keepingCapacity: true)
    hasClosingRuns = false
    absent.removeAll(keepingCapacity: true)
    while position < bytes.endIndex { step() }
    return collapsed()
  }

  /// The output without what was dropped, with runs of white space as one space.
  private func collapsed() -> String {
    var text: [UInt8] = []
    text.reserveCapacity(output.count)
    for byte in output where byte != MarkdownInlines.dropped {
      if byte > 32, byte != 127 {
        text.append(byte)
      } else if let last = text.last, last != 32 {
        text.append(32)
      }
    }
    if text.last == 32 { text.removeLast() }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func step() {
    let byte = bytes[position]
    switch byte {
    case UInt8(ascii: "\\"): escape()
    case UInt8(ascii: "`"): code()
    case UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: "~"): emphasis(byte)
    case UInt8(ascii: "["): open(isImage: false)
    case UInt8(ascii: "!") where peek(1) == UInt8(ascii: "["): open(isImage: true)
    case UInt8(ascii: "]"): close()
    case UInt8(ascii: "<"): angle()
    case UInt8(ascii: "&"): entity()
    default: keep(1)
    }
  }

  private func peek(_ offset: Int) -> UInt8? {
    let index = position + offset
    return index < bytes.endIndex ? bytes[index] : nil
  }

  private mutating func keep(_ count: Int) {
    output += bytes[position..<(position + count)]
    position += count
  }

  private mutating func escape() {
    if let next = peek(1), MarkdownByte.isPunctuation(next) || next == 10 {
      output.append(next)
      position += 2
    } else {
      keep(1)
    }
  }

  private mutating func code() {
    if !hasClosingRuns { findClosingRuns() }
    let count = bytes[position...].prefix { $0 == UInt8(ascii: "`") }.count
    guard let end = closingRuns[position] else { return keep(count) }
    output += bytes[(position + count)..<end]
    position = end + count
  }

  private mutating func findClosingRuns() {
    hasClosingRuns = true
    var last: [Int: Int] = [:]
    var index = bytes.endIndex
    while index > bytes.startIndex {
      index -= 1
      guard bytes[index] == UInt8(ascii: "`") else { continue }
      let end = index + 1
      while index > bytes.startIndex, bytes[index - 1] == UInt8(ascii: "`") { index -= 1 }
      if let next = last.updateValue(index, forKey: end - index) { closingRuns[index] = next }
    }
  }
}

// Emphasis (CommonMark 6.2).
extension MarkdownInlines {
  private mutating func emphasis(_ mark: UInt8) {
    let count = bytes[position...].prefix { $0 == mark }.count
    let before = MarkdownByte.scalar(before: position, in: bytes)
    let after = MarkdownByte.scalar(at: position + count, in: bytes)
    let isBeforeMark = MarkdownByte.isPunctuation(before)
    let isAfterMark = MarkdownByte.isPunctuation(after)
    let isBeforeSpace = before.properties.isWhitespace
    let isAfterSpace = after.properties.isWhitespace
    let isLeft = !isAfterSpace && (!isAfterMark || isBeforeSpace || isBeforeMark)
    let isRight = !isBeforeSpace && (!isBeforeMark || isAfterSpace || isAfterMark)
    var canOpen = isLeft
    var canClose = isRight
    let kind: Int
    switch mark {
    case UInt8(ascii: "*"): kind = 0
    case UInt8(ascii: "_"):
      kind = 1
      canOpen = isLeft && (!isRight || isBeforeMark)
      canClose = isRight && (!isLeft || isAfterMark)
    default:
      kind = 2
      // One tilde is more often "about" than a strike.
      if count != 2 { (canOpen, canClose) = (false, false) }
    }
    let start = output.count
    keep(count)
    var left = count
    if canClose {
      while left > 0, var opener = openers[kind].popLast() {
        let pairs = min(left, opener.count)
        for offset in 0..<pairs {
          output[opener.start + opener.count - 1 - offset] = MarkdownInlines.dropped
          output[start + count - left + offset] = MarkdownInlines.dropped
        }
        opener.count -= pairs
        left -= pairs
        if opener.count > 0 { openers[kind].append(opener) }
      }
    }
    if canOpen, left > 0 { openers[kind].append(Run(start: start + count - left, count: left)) }
  }
}

// Links and images (CommonMark 6.3 and 6.4).
extension MarkdownInlines {
  private mutating func open(isImage: Bool) {
    let start = output.count
    keep(isImage ? 2 : 1)
    // Nobody nests so deeply; the rest of a hostile source may keep its brackets.
    if brackets.count >= 1000 { return }
    if !brackets.isEmpty { brackets[brackets.count - 1].hasInner = true }
    brackets.append((start, position, isImage, false))
  }

  private mutating func close() {
    guard let opener = brackets.popLast() else { return keep(1) }
    let label = bytes[opener.source..<position]
    let isNote = label.first == UInt8(ascii: "^") && !opener.hasInner && label.count > 1
    guard let end = isNote ? position + 1 : linkEnd(label, hasInner: opener.hasInner) else {
      return keep(1)
    }
    position = end
    if opener.isImage || isNote {
      output.removeSubrange(opener.start...)
      for kind in openers.indices {
        while let last = openers[kind].last, last.start >= output.count {
          openers[kind].removeLast()
        }
      }
    } else {
      output[opener.start] = MarkdownInlines.dropped
    }
  }

  /// The index behind the link whose text ends at `position`; nil when it is none.
  private func linkEnd(_ label: ArraySlice<UInt8>, hasInner: Bool) -> Int? {
    let next = position + 1
    if next < bytes.endIndex, bytes[next] == UInt8(ascii: "("), let end = targetEnd(next + 1) {
      return end
    }
    if labels.isEmpty { return nil }
    if next < bytes.endIndex, bytes[next] == UInt8(ascii: "[") {
      let rest = bytes[(next + 1)...].prefix(1000)
      if let close = rest.firstIndex(where: { $0 == 91 || $0 == 93 }),
        bytes[close] == UInt8(ascii: "]")
      {
        let reference = close == next + 1 ? label : bytes[(next + 1)..<close]
        if isDefined(reference, hasInner: hasInner && close == next + 1) { return close + 1 }
      }
    }
    return isDefined(label, hasInner: hasInner) ? next : nil
  }

  private func isDefined(_ label: ArraySlice<UInt8>, hasInner: Bool) -> Bool {
    // A label holds no brackets and at most 999 characters, so that no byte is looked at often.
    !hasInner && label.count < 4000 && labels.contains(MarkdownByte.normalised(label))
  }

  /// The index behind `(target "title")`, of which the parenthesis is read.
  private func targetEnd(_ start: Int) -> Int? {
    var index = skipBlanks(start)
    if index < bytes.endIndex, bytes[index] == UInt8(ascii: "<") {
      index += 1
      while index < bytes.endIndex, bytes[index] != UInt8(ascii: ">") {
        if bytes[index] == 10 || bytes[index] == UInt8(ascii: "<") { return nil }
        index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      index += 1
    } else {
      var depth = 0
      target: while index < bytes.endIndex {
        switch bytes[index] {
        case 0...32: break target
        case UInt8(ascii: "\\"): index += 1
        case UInt8(ascii: "("):
          depth += 1
          // As deep as the reference implementation goes; deeper would be quadratic.
          if depth > 32 { return nil }
        case UInt8(ascii: ")"):
          if depth == 0 { break target }
          depth -= 1
        default: break
        }
        index += 1
      }
      if depth > 0 { return nil }
    }
    index = skipBlanks(index)
    guard index < bytes.endIndex else { return nil }
    if let close = MarkdownByte.titleEnd(bytes[index]) {
      let opening = bytes[index]
      index += 1
      while index < bytes.endIndex, bytes[index] != close {
        if opening == UInt8(ascii: "("), bytes[index] == opening { return nil }
        index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      index = skipBlanks(index + 1)
    }
    guard index < bytes.endIndex, bytes[index] == UInt8(ascii: ")") else { return nil }
    return index + 1
  }

  private func skipBlanks(_ start: Int) -> Int {
    var index = start
    while index < bytes.endIndex, bytes[index] == 10 || MarkdownByte.isBlank(bytes[index]) {
      index += 1
    }
    return index
  }
}

// HTML, autolinks and entities (CommonMark 6.5, 6.6 and 2.5).
extension MarkdownInlines {
  private mutating func angle() {
    guard let next = peek(1) else { return keep(1) }
    switch next {
    case UInt8(ascii: "!"):
      let isComment = peek(2) == UInt8(ascii: "-") && peek(3) == UInt8(ascii: "-")
      if !isComment, !(peek(2).map(MarkdownByte.isLetter) ?? false) { return keep(1) }
      skip(to: isComment ? "-->" : ">", from: isComment ? 4 : 2)
    case UInt8(ascii: "?"): skip(to: "?>", from: 2)
    case UInt8(ascii: "/"): tag(nameAt: 2)
    default: if !autolink() { tag(nameAt: 1) }
    }
  }

  /// Drops what stands from here to the end mark, or keeps `<` where there is no end.
  private mutating func skip(to end: String, from offset: Int) {
    let start = position + offset
    guard start <= bytes.endIndex, !absent.contains(end) else { return keep(1) }
    guard let found = MarkdownByte.firstIndex(of: Array(end.utf8), in: bytes[start...]) else {
      absent.insert(end)
      return keep(1)
    }
    position = found + end.utf8.count
  }

  /// Keeps the address of `<https://…>` and `<name@host>` without the brackets.
  private mutating func autolink() -> Bool {
    var index = position + 1
    var isAddress = false
    while index < bytes.endIndex, bytes[index] > 32, bytes[index] != UInt8(ascii: "<") {
      if bytes[index] == UInt8(ascii: ">") {
        guard isAddress else { return false }
        output += bytes[(position + 1)..<index]
        position = index + 1
        return true
      }
      if bytes[index] == UInt8(ascii: ":") || bytes[index] == UInt8(ascii: "@") {
        isAddress = true
      } else if bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "=") {
        if !isAddress { return false }
      }
      index += 1
    }
    return false
  }

  /// Drops a tag; one that separates text leaves a space. Quotes hide `>`, and an open `<` ends the
  /// attempt, so that at most three attempts look at one byte.
  private mutating func tag(nameAt offset: Int) {
    let start = position + offset
    guard start < bytes.endIndex, MarkdownByte.isLetter(bytes[start]) else { return keep(1) }
    var index = start
    while index < bytes.endIndex, MarkdownByte.isNameByte(bytes[index]) { index += 1 }
    let name = bytes[start..<index]
    if index < bytes.endIndex, bytes[index] > 32, !"/>".utf8.contains(bytes[index]) {
      return keep(1)
    }
    var quote: UInt8 = 0
    while index < bytes.endIndex {
      let byte = bytes[index]
      if quote != 0 {
        if byte == quote { quote = 0 }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: "<") {
        break
      } else if byte == UInt8(ascii: ">") {
        if MarkdownByte.separates(name) { output.append(32) }
        position = index + 1
        return
      }
      index += 1
    }
    keep(1)
  }

  private mutating func entity() {
    let rest = bytes[position...].prefix(12)
    guard let end = rest.firstIndex(of: UInt8(ascii: ";")) else { return keep(1) }
    let name = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
    guard let text = MarkdownByte.entity(name) else { return keep(1) }
    output += text.utf8
    position = end + 1
  }
}

/// What Markdown asks of bytes and characters.
private enum MarkdownByte {
  static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  static func isLetter(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return letter >= 97 && letter <= 122
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "-")
  }

  static func isPunctuation(_ byte: UInt8) -> Bool {
    byte > 32 && byte < 127 && !isLetter(byte) && !isDigit(byte)
  }

  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return isPunctuation(UInt8(truncatingIfNeeded: scalar.value)) }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol,
      .modifierSymbol, .otherSymbol:
      return true
    default: return false
    }
  }

  /// Columns that blanks take, tabs to the next multiple of four.
  static func width(of blanks: ArraySlice<UInt8>) -> Int {
    blanks.reduce(0) { width, byte in byte == 9 ? (width / 4 + 1) * 4 : width + 1 }
  }

  /// The scalar that begins at an index; a space at the end.
  static func scalar(at index: Int, in bytes: ArraySlice<UInt8>) -> Unicode.Scalar {
    let text = String(decoding: bytes[min(index, bytes.endIndex)...].prefix(4), as: UTF8.self)
    return text.unicodeScalars.first ?? " "
  }

  /// The scalar that ends before an index; a space at the start.
  static func scalar(before index: Int, in bytes: ArraySlice<UInt8>) -> Unicode.Scalar {
    let text = String(decoding: bytes[..<index].suffix(4), as: UTF8.self)
    return text.unicodeScalars.last ?? " "
  }

  static func begins(_ bytes: ArraySlice<UInt8>, _ lowercased: String) -> Bool {
    let opening = bytes.prefix(lowercased.utf8.count)
    return opening.elementsEqual(lowercased.utf8) { $0 == $1 || (isLetter($0) && $0 | 0x20 == $1) }
  }

  /// Where a short text in lower case first stands, letters in either case.
  static func firstIndex(of lowercased: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count >= lowercased.count else { return nil }
    return (bytes.startIndex...(bytes.endIndex - lowercased.count)).first { start in
      lowercased.indices.allSatisfy { offset in
        let byte = bytes[start + offset]
        return byte == lowercased[offset] || (isLetter(byte) && byte | 0x20 == lowercased[offset])
      }
    }
  }

  /// A label as labels are compared: without case and with single spaces.
  static func normalised(_ label: ArraySlice<UInt8>) -> [UInt8] {
    let words = label.split { $0 <= 32 }.joined(separator: [32])
    return Array(String(decoding: Array(words), as: UTF8.self).lowercased().utf8)
  }

  /// What ends a link's title that begins with this byte.
  static func titleEnd(_ opening: UInt8) -> UInt8? {
    switch opening {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): opening
    case UInt8(ascii: "("): UInt8(ascii: ")")
    default: nil
    }
  }

  /// Whether a tag of this name stands between texts rather than within one.
  static func separates(_ name: ArraySlice<UInt8>) -> Bool {
    guard name.count <= 10 else { return false }
    return separators.contains(String(decoding: name, as: UTF8.self).lowercased())
  }

  private static let separators: Set<String> = [
    "br", "p", "div", "li", "ul", "ol", "td", "th", "tr", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "blockquote", "section", "figure", "figcaption", "summary", "details", "dt", "dd",
  ]

  /// What an entity stands for; nil for the unknown, which stay as they are.
  static func entity(_ name: String) -> String? {
    if name.utf8.first == UInt8(ascii: "#") {
      let digits = name.dropFirst()
      let isHexadecimal = digits.first == "x" || digits.first == "X"
      guard
        let value = UInt32(
          isHexadecimal ? digits.dropFirst() : digits,
          radix: isHexadecimal ? 16 : 10)
      else { return nil }
      return String(value == 0 ? "\u{FFFD}" : Unicode.Scalar(value) ?? "\u{FFFD}")
    }
    return entities[name]
  }

  private static let entities: [String: String] = [
    "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": "\u{A0}", "copy": "©",
    "reg": "®", "trade": "™", "hellip": "…", "mdash": "—", "ndash": "–", "lsquo": "‘",
    "rsquo": "’", "ldquo": "“", "rdquo": "”", "laquo": "«", "raquo": "»", "middot": "·",
    "bull": "•", "times": "×", "deg": "°", "euro": "€", "shy": "\u{AD}",
  ]
}
