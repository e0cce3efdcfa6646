/// SQL that writes text as XML 1.0, so that a strict parser reads it again: what stands there is
/// what was written, but for the few characters that no XML 1.0 document can hold.
enum XMLText {
  /// The content of an element. Every `>` is escaped, so `]]>` is; a carriage return is named,
  /// because a parser makes a line feed of one that stands there (XML 1.0 §2.11).
  static func content(_ text: String) -> String {
    "replace(\(escaped(writable(text))), e'\\r', '&#13;')"
  }

  /// The value of an attribute between double quotes, in which white space is named too (§3.3.3).
  static func attribute(_ text: String) -> String {
    "replace(replace(replace(\(content(text)), '\"', '&quot;'), e'\\t', '&#9;'), e'\\n', '&#10;')"
  }

  /// A URI, as content or in an attribute: of what needs to be escaped it can have one character.
  static func uri(_ address: String) -> String { "replace(\(address), '&', '&amp;')" }

  /// The content of an element that is read as HTML, as that of RSS's `description` is: HTML that
  /// shows the text.
  static func html(_ text: String) -> String { content(escaped(text)) }

  private static func escaped(_ text: String) -> String {
    "replace(replace(replace(\(text), '&', '&amp;'), '<', '&lt;'), '>', '&gt;')"
  }

  /// The text with U+FFFD, the replacement character, for each that is no `Char` (§2.2). U+0000 and
  /// surrogates are in no text of PostgreSQL.
  ///
  /// To translate takes thirty times as long as to see that there is nothing to be translated.
  private static func writable(_ text: String) -> String {
    let characters = unwritable.joined()
    return """
      case when \(text) ~ e'[\(characters)]'
          then translate(\(text), e'\(characters)', repeat(e'\\uFFFD', \(unwritable.count)))
          else \(text) end
      """
  }

  private static let unwritable: [String] =
    ((0x01...0x1F).filter { ![0x09, 0x0A, 0x0D].contains($0) } + [0xFFFE, 0xFFFF]).map { value in
      let digits = String(value, radix: 16, uppercase: true)
      return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}
