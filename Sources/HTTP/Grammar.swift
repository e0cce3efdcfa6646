/// The character classes of RFC 9110 §5.6 and RFC 3986, and how text is compared byte by byte.
///
/// A class is two 64-bit masks: one shift decides a byte, and nothing is looked up in memory.
struct ByteClass: Sendable {
  /// The members below 64.
  let low: UInt64
  /// The members from 64 to 127; bytes from 128 on belong to no class.
  let high: UInt64

  @inline(__always)
  func contains(_ byte: UInt8) -> Bool {
    if byte < 64 { return (low &>> UInt64(byte)) & 1 == 1 }
    return byte < 128 && (high &>> UInt64(byte &- 64)) & 1 == 1
  }

  /// tchar (RFC 9110 §5.6.2).
  @inline(__always)
  static var token: ByteClass { ByteClass(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE) }

  /// pchar without "%", and "/" (RFC 3986 §3.3).
  @inline(__always)
  static var path: ByteClass { ByteClass(low: 0x2FFF_FFD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF) }

  /// A query's bytes without "%" (RFC 3986 §3.4), and `[ ] \ ^ { | }` and the grave accent, which
  /// browsers send as they are (URL Standard, the query percent-encode set).
  @inline(__always)
  static var query: ByteClass { ByteClass(low: 0xAFFF_FFD2_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF) }

  /// The bytes of a reg-name without "%" (RFC 3986 §3.2.2).
  @inline(__always)
  static var registeredName: ByteClass {
    ByteClass(low: 0x2BFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE)
  }
}

extension UInt8 {
  static var tab: UInt8 { 0x09 }
  static var lineFeed: UInt8 { 0x0A }
  static var carriageReturn: UInt8 { 0x0D }
  static var space: UInt8 { 0x20 }
  static var quote: UInt8 { 0x22 }
  static var percent: UInt8 { 0x25 }
  static var comma: UInt8 { 0x2C }
  static var slash: UInt8 { 0x2F }
  static var colon: UInt8 { 0x3A }
  static var semicolon: UInt8 { 0x3B }
  static var equals: UInt8 { 0x3D }
  static var questionMark: UInt8 { 0x3F }
  static var backslash: UInt8 { 0x5C }

  /// tchar (RFC 9110 §5.6.2).
  @inline(__always)
  var isToken: Bool { ByteClass.token.contains(self) }

  /// VCHAR, SP, HTAB or obs-text: what a field value may hold (RFC 9110 §5.5).
  @inline(__always)
  var isFieldValue: Bool { self >= 0x20 ? self != 0x7F : self == .tab }

  /// SP or HTAB (RFC 9110 §5.6.3).
  @inline(__always)
  var isWhitespace: Bool { self == .space || self == .tab }

  @inline(__always)
  var isDigit: Bool { self &- 0x30 < 10 }

  /// The value of a hexadecimal digit in either case.
  @inline(__always)
  var hexadecimalValue: UInt8? {
    if isDigit { return self &- 0x30 }
    let letter = (self | 0x20) &- 0x61
    return letter < 6 ? letter &+ 10 : nil
  }

  /// ASCII letters in lower case, every other byte as it is.
  @inline(__always)
  var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}

extension Span<UInt8> {
  /// Whether the bytes of `range`, which lies within the span, are those of `text`.
  func holds(_ text: String, at range: Range<Int>) -> Bool {
    let expected = text.utf8Span.span
    guard expected.count == range.count else { return false }
    for place in expected.indices where self[range.lowerBound + place] != expected[place] {
      return false
    }
    return true
  }

  /// The same, ASCII letters of either case being one.
  func holds(ignoringCase text: String, at range: Range<Int>) -> Bool {
    let expected = text.utf8Span.span
    guard expected.count == range.count else { return false }
    for place in expected.indices
    where self[range.lowerBound + place].lowercased != expected[place].lowercased {
      return false
    }
    return true
  }

  /// `range` without the whitespace at its ends.
  func trimming(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, self[start].isWhitespace { start += 1 }
    while end > start, self[end - 1].isWhitespace { end -= 1 }
    return start..<end
  }
}
