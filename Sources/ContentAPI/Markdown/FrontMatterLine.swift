/// One line of front matter, read from its start to its end.
struct FrontMatterLine {
  typealias Refusal = FrontMatterReader.Refusal
  typealias Scalar = FrontMatter.Scalar
  typealias Entry = FrontMatter.Entry

  /// What `|` or `>` says of the text on the lines below it (YAML 1.2.2, section 8.1.1).
  struct BlockHeader {
    /// What becomes of the line breaks at the end: one stays, none, all.
    enum Chomping { case clip, strip, keep }

    let isFolded: Bool
    var chomping = Chomping.clip
    /// The spaces before each line beyond those of the key; nil when the first line tells.
    var indentation: Int?
  }

  private let bytes: [UInt8]
  private let end: Int
  private let line: Int
  private var position: Int

  static func isControl(_ byte: UInt8) -> Bool { (byte < 32 && byte != 9) || byte == 127 }

  /// Refuses control characters; YAML allows none but the tab within a line.
  init(_ bytes: [UInt8], _ range: Range<Int>, _ line: Int) throws(Refusal) {
    self.bytes = bytes
    self.line = line
    end = range.upperBound
    position = range.lowerBound
    if bytes[range].contains(where: Self.isControl) { throw refusal(.controlCharacter) }
  }

  private func refusal(_ reason: FrontMatter.Reason) -> Refusal {
    Refusal(line: line, reason: reason)
  }

  private var peek: UInt8? { position < end ? bytes[position] : nil }

  private func isAt(_ marks: String) -> Bool {
    peek.map { marks.utf8.contains($0) } ?? false
  }

  /// Whether one of the marks stands here with a blank or the line's end behind it.
  private func isAtLone(_ marks: String) -> Bool { isAt(marks) && isBlankOrEnd(position + 1) }

  private func isBlankOrEnd(_ index: Int) -> Bool { index >= end || bytes[index].isBlank }

  /// Whether a `#` here begins a comment.
  private var isAtComment: Bool { isAt("#") && isBehindBlank(position) }

  private func isBehindBlank(_ index: Int) -> Bool {
    index > 0 && (bytes[index - 1].isBlank || bytes[index - 1] == UInt8(ascii: "\n"))
  }

  /// Whether only blanks and a comment are left.
  var isAtEndOrComment: Bool {
    let rest = bytes[position..<end].drop(while: \.isBlank)
    return rest.isEmpty || (rest.first == UInt8(ascii: "#") && isBehindBlank(rest.startIndex))
  }

  mutating func skip(_ count: Int) { position = min(position + count, end) }

  mutating func skipBlanks() {
    while let byte = peek, byte.isBlank { position += 1 }
  }

  /// The text from `start` to here without blanks at its end.
  private func text(from start: Int) -> String {
    var end = position
    while end > start, bytes[end - 1].isBlank { end -= 1 }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private func expectEnd() throws(Refusal) {
    guard isAtEndOrComment else { throw refusal(.textAfterValue) }
  }

  /// Refuses what YAML would read as something else than text (section 5.3).
  private func refuseIndicator() throws(Refusal) {
    if isAt("&") { throw refusal(.anchor) }
    if isAt("*") { throw refusal(.alias) }
    if isAt("!") { throw refusal(.tag) }
    if isAt("%@`") { throw refusal(.reservedStart) }
  }
}

// Block form: a key, what stands behind it, an item.
extension FrontMatterLine {
  /// A key with its colon, up to the byte behind it.
  mutating func key() throws(Refusal) -> String {
    if isAtLone("-") { throw refusal(.listWithoutKey) }
    if isAtLone("?") { throw refusal(.complexKey) }
    let rest = bytes[position..<end]
    if rest.starts(with: "---".utf8) || rest.elementsEqual("...".utf8) {
      throw refusal(.documentMarker)
    }
    if isAt("\"'") {
      let name = try quoted()
      skipBlanks()
      guard isAt(":") else { throw refusal(.noColon) }
      guard isAtLone(":") else { throw refusal(.noSpaceAfterColon) }
      position += 1
      return name
    }
    try refuseIndicator()
    if isAt("[]{},|>") { throw refusal(.complexKey) }
    let start = position
    var hasColon = false
    while position < end, !isAtComment, !isAtLone(":") {
      if isAt(":") { hasColon = true }
      position += 1
    }
    guard isAt(":") else { throw refusal(hasColon ? .noSpaceAfterColon : .noColon) }
    let name = text(from: start)
    position += 1
    try check(name)
    return name
  }

  private func check(_ key: String) throws(Refusal) {
    if key.isEmpty { throw refusal(.emptyKey) }
    if key == "<<" { throw refusal(.mergeKey) }
  }

  /// The header of a block scalar, where one stands here.
  mutating func blockHeader() throws(Refusal) -> BlockHeader? {
    guard isAt("|>") else { return nil }
    var header = BlockHeader(isFolded: isAt(">"))
    position += 1
    while let byte = peek, !byte.isBlank {
      switch byte {
      case UInt8(ascii: "-") where header.chomping == .clip: header.chomping = .strip
      case UInt8(ascii: "+") where header.chomping == .clip: header.chomping = .keep
      case UInt8(ascii: "1")...UInt8(ascii: "9") where header.indentation == nil:
        header.indentation = Int(byte - UInt8(ascii: "0"))
      default: throw refusal(.badBlockHeader)
      }
      position += 1
    }
    guard isAtEndOrComment else { throw refusal(.badBlockHeader) }
    return header
  }

  /// A list, a mapping or a scalar that fills the rest of the line.
  mutating func inlineValue() throws(Refusal) -> FrontMatter.Value {
    let value: FrontMatter.Value
    if isAt("[") {
      value = .list(try flowList())
    } else if isAt("{") {
      value = .mapping(try flowMapping())
    } else {
      value = .scalar(try scalar(inFlow: false))
    }
    try expectEnd()
    return value
  }

  /// What stands behind the `-` of a list item.
  mutating func item() throws(Refusal) -> Scalar {
    skipBlanks()
    if isAtEndOrComment { return .absent }
    if isAt("[{|>") || isAtLone("-") { throw refusal(.deepNesting) }
    let scalar = try scalar(inFlow: false)
    try expectEnd()
    return scalar
  }
}

// Flow form: lists and mappings within brackets.
extension FrontMatterLine {
  private mutating func flowList() throws(Refusal) -> [Scalar] {
    position += 1
    var items: [Scalar] = []
    while try !isClosed(by: "]", .unclosedList) {
      items.append(try flowScalar(.unclosedList))
      try separator(or: "]", .unclosedList)
    }
    return items
  }

  private mutating func flowMapping() throws(Refusal) -> [Entry] {
    position += 1
    var mapping: [Entry] = []
    var names: Set<String> = []
    while try !isClosed(by: "}", .unclosedMapping) {
      let name = try flowKey()
      guard names.insert(name).inserted else { throw refusal(.duplicateKey) }
      skipBlanks()
      let isAbsent = peek == nil || isAt(",}")
      let value = isAbsent ? Scalar.absent : try flowScalar(.unclosedMapping)
      mapping.append(
        Entry(key: name, value: .scalar(value), line: FrontMatterReader.fileLine(line)))
      try separator(or: "}", .unclosedMapping)
    }
    return mapping
  }

  /// Reads the closing bracket where it stands next; the line must not end before it.
  private mutating func isClosed(
    by bracket: String, _ unclosed: FrontMatter.Reason
  ) throws(Refusal) -> Bool {
    skipBlanks()
    if peek == nil { throw refusal(unclosed) }
    guard isAt(bracket) else { return false }
    position += 1
    return true
  }

  /// Reads the comma behind an item, unless the bracket stands there.
  private mutating func separator(
    or bracket: String, _ unclosed: FrontMatter.Reason
  ) throws(Refusal) {
    skipBlanks()
    if peek == nil || isAt("#") { throw refusal(unclosed) }
    if isAt(bracket) { return }
    guard isAt(",") else { throw refusal(.textAfterValue) }
    position += 1
  }

  private mutating func flowKey() throws(Refusal) -> String {
    let name: String
    let isQuoted = isAt("\"'")
    if isQuoted {
      name = try quoted()
      skipBlanks()
    } else {
      if isAt(",") { throw refusal(.emptyItem) }
      try refuseIndicator()
      let start = position
      while position < end, !isAt(":,[]{}") { position += 1 }
      name = text(from: start)
    }
    guard isAt(":") else { throw refusal(peek == nil ? .unclosedMapping : .noColon) }
    position += 1
    try check(name)
    // YAML lets a value stand close behind a quoted key, as JSON does.
    guard isQuoted || isBlankOrEnd(position) || isAt(",}") else {
      throw refusal(.noSpaceAfterColon)
    }
    return name
  }

  private mutating func flowScalar(_ unclosed: FrontMatter.Reason) throws(Refusal) -> Scalar {
    if isAt(",") { throw refusal(.emptyItem) }
    if isAt("[{") { throw refusal(.deepNesting) }
    if isAtComment { throw refusal(unclosed) }
    return try scalar(inFlow: true)
  }
}

// Scalars, plain and quoted.
extension FrontMatterLine {
  private mutating func scalar(inFlow: Bool) throws(Refusal) -> Scalar {
    if isAt("\"'") { return Scalar(text: try quoted(), isPlain: false) }
    try refuseIndicator()
    if isAt("[]{},|>#") || isAtLone("-?:") { throw refusal(.reservedStart) }
    let start = position
    while position < end, !isAtComment {
      if inFlow, isAt(",]}") { break }
      if inFlow, isAt("[{") { throw refusal(.reservedStart) }
      if isAtLone(":") { throw refusal(.colonInPlainText) }
      position += 1
    }
    return Scalar(text: text(from: start), isPlain: true)
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
      guard let digit = peek.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw refusal(.badEscape)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}

// Values that nobody looks into.
extension FrontMatterLine {
  /// Whether the text of the lines below begins here.
  var isAtBlockHeader: Bool { isAt("|>") }

  /// How far the line has been read, as an index into its bytes.
  var place: Int { position }

  /// Refuses brackets that do not match, or lie too deep in each other.
  func checkBrackets() throws(Refusal) {
    var scan = self
    var open: [UInt8] = []
    while let byte = scan.peek {
      // An apostrophe within a word opens nothing.
      if scan.isAt("\"'"), scan.isBehind("[{,: ") {
        _ = try scan.quoted()
        continue
      }
      if scan.isAtComment { break }
      if scan.isAt("&*!"), scan.isBehind("[{,: "), !scan.isBlankOrEnd(scan.position + 1) {
        try scan.refuseIndicator()
      }
      if scan.isAt("[{") {
        // In ASCII a closing bracket comes two behind its opening one.
        open.append(byte + 2)
        if open.count > FrontMatter.maximumDepth { throw refusal(.tooDeep) }
      } else if scan.isAt("]}"), open.popLast() != byte {
        throw refusal(byte == UInt8(ascii: "]") ? .unclosedMapping : .unclosedList)
      }
      scan.position += 1
    }
    if let last = open.last {
      throw refusal(last == UInt8(ascii: "]") ? .unclosedList : .unclosedMapping)
    }
  }

  private func isBehind(_ marks: String) -> Bool {
    position > 0 && marks.utf8.contains(bytes[position - 1])
  }

  /// Refuses what no line of nested data may have; how many lists begin in it, and whether the lines
  /// below are a text.
  mutating func checkNested() throws(Refusal) -> (items: Int, opensText: Bool) {
    skipBlanks()
    var items = 0
    while isAtLone("-") {
      items += 1
      position += 1
      skipBlanks()
    }
    while true {
      if isAtBlockHeader { return (items, true) }
      if isAt("&*!"), !isBlankOrEnd(position + 1) { try refuseIndicator() }
      guard
        let colon = (position..<end).first(where: { index in
          bytes[index] == UInt8(ascii: ":") && isBlankOrEnd(index + 1)
        })
      else { return (items, false) }
      position = colon + 1
      skipBlanks()
    }
  }
}
