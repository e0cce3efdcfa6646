/// Keeps out of logs what other programs may have quoted.
package enum Redaction {
  /// The beginning of a text in which no word has an @, which may be an address of mail, and none a
  /// long run of letters and digits, which may be a key or a token.
  package static func cleaned(_ text: String) -> String {
    let words = text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).map {
      word -> String in
      if word.contains("@") || word.contains("＠") { return "[address]" }
      return word.split { !isToken($0) }.contains(where: isSecret) ? "[…]" : String(word)
    }
    return String(words.joined(separator: " ").prefix(500))
  }

  /// Names of tables and constraints are as long, but have no digits.
  private static func isSecret(_ run: Substring.UnicodeScalarView) -> Bool {
    run.count >= 20 && run.contains { ("0"..."9").contains($0) }
  }

  private static func isToken(_ scalar: UnicodeScalar) -> Bool {
    guard scalar.isASCII else { return false }
    let byte = UInt8(truncatingIfNeeded: scalar.value)
    return byte.isLetter || byte.isDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }
}
