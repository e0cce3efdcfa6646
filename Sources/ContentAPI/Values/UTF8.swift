// UTF-8, of which most is ASCII: what the readers of front matter, Markdown and addresses ask of
// single bytes and characters, and words found without regard to case.

extension UInt8 {
  /// Whether it is a space or a tab.
  var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

  /// Whether it is white space for Unicode.
  var isWhitespace: Bool { self == 32 || (9...13).contains(self) }

  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }

  /// The value of a hexadecimal digit in either case, nil for another byte.
  var hexadecimalValue: UInt8? {
    if isDigit { return self - UInt8(ascii: "0") }
    let letter = (self | 0x20) &- UInt8(ascii: "a")
    return letter < 6 ? letter + 10 : nil
  }

  /// Whether it is this byte of a word in lower case, as a letter of either case.
  fileprivate func matches(_ lowercased: UInt8) -> Bool {
    self == lowercased || (isLetter && self | 0x20 == lowercased)
  }
}

extension ArraySlice<UInt8> {
  /// Whether it begins with a word that is given in lower case, letters in either case.
  func begins(with lowercased: String) -> Bool {
    prefix(lowercased.utf8.count).elementsEqual(lowercased.utf8) { $0.matches($1) }
  }

  /// Where a word that is given in lower case first stands, letters in either case. The time is the
  /// product of both lengths.
  func firstIndex(of lowercased: [UInt8]) -> Int? {
    guard count >= lowercased.count else { return nil }
    return (startIndex...(endIndex - lowercased.count)).first { start in
      lowercased.indices.allSatisfy { self[start + $0].matches(lowercased[$0]) }
    }
  }
}

extension Unicode.Scalar {
  /// Unicode's White_Space; for ASCII without a look into its table.
  var isWhitespace: Bool {
    isASCII ? UInt8(truncatingIfNeeded: value).isWhitespace : properties.isWhitespace
  }
}

extension Span<UInt8> {
  /// The character at `place` of a string's UTF-8, where one begins; `place` moves behind it.
  func scalar(at place: inout Int) -> Unicode.Scalar {
    let first = UInt32(self[place])
    let count = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    var value = count == 1 ? first : first & (0x7F >> UInt32(count))
    for next in place + 1..<place + count { value = value << 6 | UInt32(self[next] & 0x3F) }
    place += count
    return Unicode.Scalar(value) ?? "\u{FFFD}"
  }
}
