/// The walk over front matter in a subset of TOML 1.0: what `FrontMatter` holds comes out, everything
/// else of TOML is passed over where its key is not known, and refused with its line where it is.
///
/// Not checked is what a value that is passed over means; its form is.
struct TOMLReader {
  private typealias Scalar = FrontMatter.Scalar

  private(set) var entries: [FrontMatter.Entry] = []
  private(set) var faults: [FrontMatter.Fault] = []
  private(set) var passedOver: [String] = []

  private struct Refusal: Error {
    let reason: FrontMatter.Reason
  }

  private indirect enum Value {
    case scalar(Scalar)
    case list([Value])
    case table([(key: String, value: Value)])
  }

  /// What a name of the outermost table stands for.
  private struct Top {
    let key: String
    let line: Int
    /// nil for a table that is made of headers and dotted keys, so that more may come.
    let value: Value?
    /// Of such a table.
    var members: [(key: String, value: Value)] = []
    /// Whether more is in it than its value shows.
    var isDeep = false
  }

  private let bytes: [UInt8]
  private var position = 0
  /// In the file, where the opening fence is line 1.
  private var line = 2

  private var tops: [Top] = []
  private var places: [String: Int] = [:]
  private var paths: Set<[String]> = []
  /// Of the table whose keys are read.
  private var table: [String] = []
  private var tablesInArrays = 0

  init(_ text: ArraySlice<UInt8>, known: Set<String>) {
    bytes = Array(text)
    while true {
      skipLines()
      if position == bytes.count { break }
      let line = line
      var key: String?
      do throws(Refusal) {
        if peek == UInt8(ascii: "[") { try header() } else { try pair(&key) }
        skipBlanks()
        if peek != nil, !isAtLineEnd, peek != UInt8(ascii: "#") {
          throw Refusal(reason: .textAfterValue)
        }
      } catch {
        // A text of several lines is not closed where it begins, everything else is wrong where it
        // stands.
        let place = error.reason == .unclosedTOMLText ? line : self.line
        faults.append(FrontMatter.Fault(line: place, key: key, reason: error.reason))
        while peek != nil, !isAtLineEnd { position += 1 }
      }
    }
    for top in tops { take(top, isKnown: known.contains(top.key)) }
  }

  private mutating func take(_ top: Top, isKnown: Bool) {
    if !top.isDeep, let value = Self.flat(top.value ?? .table(top.members)) {
      entries.append(FrontMatter.Entry(key: top.key, value: value, line: top.line))
    } else if isKnown {
      faults.append(FrontMatter.Fault(line: top.line, key: top.key, reason: .deepNesting))
    } else {
      passedOver.append(top.key)
    }
  }

  private static func flat(_ value: Value) -> FrontMatter.Value? {
    switch value {
    case .scalar(let scalar): return .scalar(scalar)
    case .list(let values):
      var items: [Scalar] = []
      for value in values {
        guard case .scalar(let scalar) = value else { return nil }
        items.append(scalar)
      }
      return .list(items)
    case .table(let members):
      var mapping: [FrontMatter.Entry] = []
      for member in members {
        guard case .scalar(let scalar) = member.value else { return nil }
        mapping.append(FrontMatter.Entry(key: member.key, value: .scalar(scalar), line: 0))
      }
      return .mapping(mapping)
    }
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func isAt(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

  private var isAtLineEnd: Bool { isAt("\n") || isAt("\r\n") }

  private mutating func take(_ text: String) -> Bool {
    guard isAt(text) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func skipBlanks() { while peek?.isBlank == true { position += 1 } }

  /// Skips blanks, comments and line ends.
  private mutating func skipLines() {
    while true {
      skipBlanks()
      if peek == UInt8(ascii: "#") {
        while peek != nil, peek != UInt8(ascii: "\n"), !isAtControl { position += 1 }
      }
      guard isAtLineEnd else { return }
      position += isAt("\n") ? 1 : 2
      line += 1
    }
  }

  private var isAtControl: Bool {
    peek.map { ($0 < 32 && $0 != 9 || $0 == 127) && !isAtLineEnd } ?? false
  }
}

// Keys and tables.
extension TOMLReader {
  private mutating func header() throws(Refusal) {
    position += 1
    let isArray = take("[")
    skipBlanks()
    var path = try path()
    skipBlanks()
    guard take(isArray ? "]]" : "]") else { throw Refusal(reason: .badTable) }
    if isArray {
      tablesInArrays += 1
      path.append("\u{0}\(tablesInArrays)")
    } else if !paths.insert(path + [""]).inserted {
      throw Refusal(reason: .duplicateKey)
    }
    // What follows a header that is refused belongs to it all the same.
    table = path
    try open(path[0], isDeep: path.count > 1)
  }

  private mutating func pair(_ key: inout String?) throws(Refusal) {
    let start = line
    let path = table + (try path())
    key = path[0]
    skipBlanks()
    guard take("=") else { throw Refusal(reason: .noEqualsSign) }
    skipBlanks()
    let value = try value(depth: 1)
    guard paths.insert(path).inserted else { throw Refusal(reason: .duplicateKey) }
    guard path.count > 1 else {
      guard places[path[0]] == nil else { throw Refusal(reason: .duplicateKey) }
      places[path[0]] = tops.count
      tops.append(Top(key: path[0], line: start, value: value))
      return
    }
    try open(path[0], isDeep: path.count > 2)
    if path.count == 2, let place = places[path[0]] {
      tops[place].members.append((path[1], value))
    }
  }

  /// Sees to it that there is a table of this name.
  private mutating func open(_ key: String, isDeep: Bool) throws(Refusal) {
    if let place = places[key] {
      guard tops[place].value == nil else { throw Refusal(reason: .duplicateKey) }
      if isDeep { tops[place].isDeep = true }
    } else {
      places[key] = tops.count
      tops.append(Top(key: key, line: line, value: nil, isDeep: isDeep))
    }
  }

  /// A key with its dots.
  private mutating func path() throws(Refusal) -> [String] {
    var path: [String] = []
    while true {
      path.append(try name())
      let end = position
      skipBlanks()
      guard take(".") else {
        position = end
        return path
      }
      if path.count == FrontMatter.maximumDepth { throw Refusal(reason: .tooDeep) }
      skipBlanks()
    }
  }

  private mutating func name() throws(Refusal) -> String {
    if isAt("\"") || isAt("'") { return try text(allowsLines: false) }
    let start = position
    while let byte = peek, byte.isLetter || byte.isDigit || "_-".utf8.contains(byte) {
      position += 1
    }
    if start < position { return String(decoding: bytes[start..<position], as: UTF8.self) }
    if isAtControl { throw Refusal(reason: .controlCharacter) }
    throw Refusal(reason: isAt("=") ? .emptyKey : .badTOMLKey)
  }
}

// Values.
extension TOMLReader {
  private mutating func value(depth: Int) throws(Refusal) -> Value {
    if depth > FrontMatter.maximumDepth { throw Refusal(reason: .tooDeep) }
    switch peek {
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      return .scalar(Scalar(text: try text(allowsLines: true), isPlain: false))
    case UInt8(ascii: "["): return try list(depth: depth)
    case UInt8(ascii: "{"): return try inlineTable(depth: depth)
    default: return .scalar(try word())
    }
  }

  private mutating func list(depth: Int) throws(Refusal) -> Value {
    position += 1
    var items: [Value] = []
    while true {
      skipLines()
      if take("]") { return .list(items) }
      if peek == nil { throw Refusal(reason: .unclosedList) }
      if isAt(",") { throw Refusal(reason: .emptyItem) }
      items.append(try value(depth: depth + 1))
      skipLines()
      if !take(",") {
        guard isAt("]") else {
          throw Refusal(reason: peek == nil ? .unclosedList : .textAfterValue)
        }
      }
    }
  }

  private mutating func inlineTable(depth: Int) throws(Refusal) -> Value {
    position += 1
    var members: [(key: String, value: Value)] = []
    var names: Set<String> = []
    while true {
      skipBlanks()
      if take("}") { return .table(members) }
      if peek == nil || isAtLineEnd { throw Refusal(reason: .unclosedMapping) }
      if isAt(",") { throw Refusal(reason: .emptyItem) }
      let path = try path()
      skipBlanks()
      guard take("=") else { throw Refusal(reason: .noEqualsSign) }
      skipBlanks()
      let value = try value(depth: depth + 1)
      // A dotted key is one member that is no scalar.
      let key = path.joined(separator: "\u{0}")
      guard names.insert(key).inserted else { throw Refusal(reason: .duplicateKey) }
      members.append((path[0], path.count == 1 ? value : .table([])))
      skipBlanks()
      if !take(","), !isAt("}") {
        throw Refusal(
          reason: peek == nil || isAtLineEnd ? .unclosedMapping : .textAfterValue)
      }
    }
  }

  /// A boolean, a number or a date.
  private mutating func word() throws(Refusal) -> Scalar {
    let start = position
    func isPart(_ byte: UInt8) -> Bool {
      byte.isLetter || byte.isDigit || "+-_.:".utf8.contains(byte)
    }
    while let byte = peek, isPart(byte) { position += 1 }
    // A blank may stand between date and time.
    if position - start == 10, bytes[start + 4] == UInt8(ascii: "-"), peek == UInt8(ascii: " "),
      position + 1 < bytes.count, bytes[position + 1].isDigit
    {
      position += 1
      while let byte = peek, isPart(byte) { position += 1 }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isAtControl { throw Refusal(reason: .controlCharacter) }
    if ["true", "false"].contains(text) { return Scalar(text: text, isPlain: true) }
    let digits = text.filter { $0 != "_" }
    let isDate = text.utf8.count >= 8 && text.utf8.dropFirst(2).contains { "-:".utf8.contains($0) }
    let isNumber =
      ["0x", "0o", "0b"].contains { digits.hasPrefix($0) } || Double(digits) != nil
    guard let first = text.utf8.first, first.isDigit || "+-in".utf8.contains(first),
      isNumber || isDate && first.isDigit
    else { throw Refusal(reason: .badTOMLValue) }
    return Scalar(text: isNumber ? digits : text, isPlain: true)
  }

  /// A text in one of the four kinds of quotes.
  private mutating func text(allowsLines: Bool) throws(Refusal) -> String {
    let mark = isAt("\"") ? "\"" : "'"
    let isLong = allowsLines && isAt(mark + mark + mark)
    let end = isLong ? mark + mark + mark : mark
    position += end.utf8.count
    if isLong, isAtLineEnd { takeLineEnd() }
    var text: [UInt8] = []
    while let byte = peek {
      if isAt(end) {
        position += end.utf8.count
        // Up to two quotes may stand in front of the closing three.
        for _ in 0..<2 where isLong && isAt(mark) {
          text += mark.utf8
          position += 1
        }
        return String(decoding: text, as: UTF8.self)
      }
      if isAtLineEnd {
        guard isLong else { throw Refusal(reason: .unclosedTOMLText) }
        takeLineEnd()
        text.append(UInt8(ascii: "\n"))
      } else if isAtControl {
        throw Refusal(reason: .controlCharacter)
      } else if byte == UInt8(ascii: "\\"), mark == "\"" {
        position += 1
        text += try escape(isLong: isLong).utf8
      } else {
        text.append(byte)
        position += 1
      }
    }
    throw Refusal(reason: .unclosedTOMLText)
  }

  private mutating func takeLineEnd() {
    position += isAt("\n") ? 1 : 2
    line += 1
  }

  /// What a backslash stands for with what is behind it.
  private mutating func escape(isLong: Bool) throws(Refusal) -> String {
    guard let letter = peek else { throw Refusal(reason: .unclosedTOMLText) }
    if isLong, letter.isBlank || isAtLineEnd {
      skipBlanks()
      guard isAtLineEnd else { throw Refusal(reason: .badTOMLEscape) }
      while peek?.isBlank == true || isAtLineEnd {
        if isAtLineEnd { takeLineEnd() } else { position += 1 }
      }
      return ""
    }
    position += 1
    switch letter {
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      var value: UInt32 = 0
      for _ in 0..<(letter == UInt8(ascii: "u") ? 4 : 8) {
        guard let digit = peek?.hexadecimalValue else { throw Refusal(reason: .badTOMLEscape) }
        value = value << 4 | UInt32(digit)
        position += 1
      }
      guard value != 0, let scalar = Unicode.Scalar(value) else {
        throw Refusal(reason: .badTOMLEscape)
      }
      return String(scalar)
    default: throw Refusal(reason: .badTOMLEscape)
    }
  }
}
