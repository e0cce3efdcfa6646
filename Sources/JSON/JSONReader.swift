/// Reads one JSON document, exactly as RFC 8259 describes it and with nothing forgiven.
///
/// Beyond the grammar it refuses what two readers would understand differently: repeated member
/// names, lone surrogates, a byte order mark. What the grammar allows it keeps, U+0000 and numbers
/// of any size included; whether they make sense is for the caller to say.
/// It descends by recursion, because the bound on the depth is checked before each step down.
package struct JSONReader {
  private let maximumDepth: Int
  private var offset = 0
  private var depth = 0
  /// A string with escapes while it is put together; kept between strings for its memory.
  private var unescaped: [UInt8] = []

  private init(maximumDepth: Int) {
    self.maximumDepth = maximumDepth
  }

  /// The value that `bytes` is the document of, or the first place that is wrong with it.
  ///
  /// Depth counts arrays and objects; the outermost one has depth 1. Every level takes some stack,
  /// so a `maximumDepth` in the thousands wants a thread that has it. Time is in proportion to the
  /// number of bytes, whatever they are.
  package static func read(
    _ bytes: Span<UInt8>, maximumDepth: Int = 64
  ) throws(JSONError) -> JSONValue {
    var reader = JSONReader(maximumDepth: maximumDepth)
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      throw reader.error(.byteOrderMark)
    }
    reader.skipWhiteSpace(bytes)
    if reader.offset == bytes.count { throw reader.error(.empty) }
    let value = try reader.value(bytes)
    reader.skipWhiteSpace(bytes)
    if reader.offset < bytes.count { throw reader.error(.trailingBytes) }
    return value
  }

  /// Whether `lexeme` is a number of RFC 8259 section 6 from its first byte to its last.
  static func isNumber(_ lexeme: String) -> Bool {
    let bytes = lexeme.utf8Span.span
    var reader = JSONReader(maximumDepth: 0)
    let number = try? reader.number(bytes)
    return number != nil && reader.offset == bytes.count
  }

  private func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(offset: offset, reason: reason)
  }

  /// The byte at the offset; the end is an error that a longer document would not have.
  private func next(_ bytes: Span<UInt8>) throws(JSONError) -> UInt8 {
    guard offset < bytes.count else { throw error(.unexpectedEnd) }
    return bytes[offset]
  }

  private mutating func skipWhiteSpace(_ bytes: Span<UInt8>) {
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
        offset += 1
      default:
        return
      }
    }
  }

  private mutating func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
    switch try next(bytes) {
    case UInt8(ascii: "\""):
      return .string(try string(bytes))
    case UInt8(ascii: "{"):
      return .object(try members(bytes))
    case UInt8(ascii: "["):
      return .array(try elements(bytes))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return .number(try number(bytes))
    case UInt8(ascii: "t"):
      try word("true", bytes)
      return .bool(true)
    case UInt8(ascii: "f"):
      try word("false", bytes)
      return .bool(false)
    case UInt8(ascii: "n"):
      try word("null", bytes)
      return .null
    default:
      throw error(.expectedValue)
    }
  }

  private mutating func word(_ word: String, _ bytes: Span<UInt8>) throws(JSONError) {
    for byte in word.utf8 {
      guard try next(bytes) == byte else { throw error(.unknownWord) }
      offset += 1
    }
  }

  private mutating func elements(_ bytes: Span<UInt8>) throws(JSONError) -> [JSONValue] {
    try descend()
    var elements: [JSONValue] = []
    skipWhiteSpace(bytes)
    if try next(bytes) != UInt8(ascii: "]") {
      while true {
        elements.append(try value(bytes))
        skipWhiteSpace(bytes)
        let separator = try next(bytes)
        if separator == UInt8(ascii: "]") { break }
        guard separator == UInt8(ascii: ",") else { throw error(.expectedCommaOrBracket) }
        offset += 1
        skipWhiteSpace(bytes)
      }
    }
    ascend()
    return elements
  }

  private mutating func members(_ bytes: Span<UInt8>) throws(JSONError) -> [JSONMember] {
    try descend()
    var members: [JSONMember] = []
    var names = MemberNames()
    skipWhiteSpace(bytes)
    if try next(bytes) != UInt8(ascii: "}") {
      while true {
        let start = offset
        guard try next(bytes) == UInt8(ascii: "\"") else { throw error(.expectedName) }
        let name = try string(bytes)
        guard names.insert(name) else {
          throw JSONError(offset: start, reason: .duplicateName)
        }
        skipWhiteSpace(bytes)
        guard try next(bytes) == UInt8(ascii: ":") else { throw error(.expectedColon) }
        offset += 1
        skipWhiteSpace(bytes)
        members.append(JSONMember(name: name, value: try value(bytes)))
        skipWhiteSpace(bytes)
        let separator = try next(bytes)
        if separator == UInt8(ascii: "}") { break }
        guard separator == UInt8(ascii: ",") else { throw error(.expectedCommaOrBrace) }
        offset += 1
        skipWhiteSpace(bytes)
      }
    }
    ascend()
    return members
  }

  /// Steps over an opening bracket.
  private mutating func descend() throws(JSONError) {
    guard depth < maximumDepth else { throw error(.tooDeep) }
    depth += 1
    offset += 1
  }

  /// Steps over a closing bracket.
  private mutating func ascend() {
    depth -= 1
    offset += 1
  }

  /// The lexeme of a number: RFC 8259 section 6.
  private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> String {
    let start = offset
    if try next(bytes) == UInt8(ascii: "-") { offset += 1 }
    if try next(bytes) == UInt8(ascii: "0") {
      offset += 1
      if offset < bytes.count, bytes[offset].isDigit { throw error(.leadingZero) }
    } else {
      try digits(bytes)
    }
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      try digits(bytes)
    }
    if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      offset += 1
      let sign = try next(bytes)
      if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { offset += 1 }
      try digits(bytes)
    }
    return try text(bytes, from: start)
  }

  private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
    guard try next(bytes).isDigit else { throw error(.expectedDigit) }
    repeat { offset += 1 } while offset < bytes.count && bytes[offset].isDigit
  }

  /// The string whose quotation mark stands at the offset, with its escapes resolved.
  private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> String {
    offset += 1
    var start = offset
    skipPlain(bytes)
    if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
      let text = try text(bytes, from: start)
      offset += 1
      return text
    }
    unescaped.removeAll(keepingCapacity: true)
    while true {
      // What stands before the offset is looked at first, so that the earliest fault is reported.
      try appendText(bytes, from: start)
      switch try next(bytes) {
      case UInt8(ascii: "\""):
        offset += 1
        return String(decoding: unescaped, as: UTF8.self)
      case UInt8(ascii: "\\"):
        try escape(bytes)
      default:
        throw error(.controlCharacter)
      }
      start = offset
      skipPlain(bytes)
    }
  }

  /// Goes on to the next quotation mark, backslash or control character, or to the end.
  private mutating func skipPlain(_ bytes: Span<UInt8>) {
    var index = offset
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
      index += 1
    }
    offset = index
  }

  /// The bytes from `start` to the offset, when they are UTF-8 (RFC 3629).
  private func text(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) -> String {
    do {
      return String(copying: try UTF8Span(validating: bytes.extracting(start..<offset)))
    } catch {
      throw JSONError(offset: start + error.byteOffsets.lowerBound, reason: .invalidUTF8)
    }
  }

  /// Appends the bytes from `start` to the offset to `unescaped`, when they are UTF-8 (RFC 3629).
  private mutating func appendText(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) {
    do {
      unescaped.append(try UTF8Span(validating: bytes.extracting(start..<offset)).span)
    } catch {
      throw JSONError(offset: start + error.byteOffsets.lowerBound, reason: .invalidUTF8)
    }
  }

  /// Resolves the escape at the offset into `unescaped`: RFC 8259 section 7.
  private mutating func escape(_ bytes: Span<UInt8>) throws(JSONError) {
    let start = offset
    offset += 1
    let letter = try next(bytes)
    offset += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(letter)
    case UInt8(ascii: "b"): unescaped.append(0x08)
    case UInt8(ascii: "f"): unescaped.append(0x0C)
    case UInt8(ascii: "n"): unescaped.append(0x0A)
    case UInt8(ascii: "r"): unescaped.append(0x0D)
    case UInt8(ascii: "t"): unescaped.append(0x09)
    case UInt8(ascii: "u"):
      let scalar = try scalar(bytes, escapedAt: start)
      unescaped.append(contentsOf: scalar.utf8)
    default:
      throw JSONError(offset: start, reason: .invalidEscape)
    }
  }

  /// The character of a `\u` escape, or of two that make a surrogate pair.
  private mutating func scalar(
    _ bytes: Span<UInt8>, escapedAt start: Int
  ) throws(JSONError) -> Unicode.Scalar {
    let unit = try hexadecimal(bytes, escapedAt: start)
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let lone = JSONError(offset: start, reason: .loneSurrogate)
    guard unit < 0xDC00 else { throw lone }
    let second = offset
    guard try next(bytes) == UInt8(ascii: "\\") else { throw lone }
    offset += 1
    guard try next(bytes) == UInt8(ascii: "u") else { throw lone }
    offset += 1
    let low = try hexadecimal(bytes, escapedAt: second)
    guard 0xDC00...0xDFFF ~= low,
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    else { throw lone }
    return scalar
  }

  /// Four hexadecimal digits.
  private mutating func hexadecimal(
    _ bytes: Span<UInt8>, escapedAt start: Int
  ) throws(JSONError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = try next(bytes).hexadecimalDigit else {
        throw JSONError(offset: start, reason: .invalidEscape)
      }
      unit = unit << 4 | digit
      offset += 1
    }
    return unit
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }

  fileprivate var hexadecimalDigit: UInt32? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(self - UInt8(ascii: "0"))
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(self - UInt8(ascii: "A") + 10)
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(self - UInt8(ascii: "a") + 10)
    default: nil
    }
  }
}
