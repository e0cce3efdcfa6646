import HTTP

/// The head of a mail (RFC 5322 §2.2), one field at a time.
///
/// What comes from outside goes through one of three doors, and none of them lets a line break
/// through: an address has none by its type, a link is refused unless it is visible ASCII, and text
/// becomes encoded words (RFC 2047) unless it is printable ASCII. Lines end in LF, as the `sendmail`
/// interface has them.
struct MailHeader {
  private(set) var lines: [String] = []

  /// A field whose value is written in this program.
  mutating func add(_ name: StaticString, _ value: StaticString) {
    lines.append("\(name): \(value)")
  }

  mutating func add(_ name: StaticString, _ address: MailAddress) {
    lines.append("\(name): \(address.text)")
  }

  /// A field with a mailbox whose owner has a name; an empty name is left out.
  mutating func add(_ name: StaticString, _ address: MailAddress, named text: String) {
    let text = Self.onOneLine(text)
    guard !text.isEmpty else {
      add(name, address)
      return
    }
    let phrase = Self.isPlain(text) ? Self.quoted(text) : Self.encoded(text, after: name)
    // On a line of its own the address keeps any line below 78 characters that can be.
    lines.append("\(name): \(phrase)\n <\(address.text)>")
  }

  /// A field of unstructured text, such as Subject.
  mutating func add(_ name: StaticString, text: String) {
    let text = Self.onOneLine(text)
    let value = Self.isPlain(text) ? Self.folded(text) : Self.encoded(text, after: name)
    lines.append("\(name): \(value)")
  }

  /// A field with a link in angle brackets; false when the link has characters that no link has.
  mutating func add(_ name: StaticString, link: String) -> Bool {
    guard link.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ">") }),
      link.utf8.count <= 900
    else { return false }
    lines.append("\(name): <\(link)>")
    return true
  }

  /// `msg-id`: both halves are letters, digits, dots and hyphens, or the field is left out.
  mutating func addMessageID(_ left: String, at domain: String) {
    let both = Array(left.utf8) + domain.utf8
    guard both.allSatisfy({ $0.isLetter || $0.isDigit || ".-".utf8.contains($0) }) else { return }
    lines.append("Message-ID: <\(left)@\(domain)>")
  }

  /// The instant in seconds since 1970-01-01T00:00:00Z.
  mutating func addDate(_ seconds: Int64) {
    // HTTP's dates are these but for the name of the zone.
    lines.append("Date: " + HTTPDate(secondsSinceEpoch: seconds).text.dropLast(3) + "+0000")
  }

  /// The text without line breaks and other control characters, blanks in a row made one.
  static func onOneLine(_ text: String) -> String {
    text.unicodeScalars.split { scalar in
      scalar.properties.generalCategory == .control || scalar.properties.isWhitespace
    }.map(String.init).joined(separator: " ")
  }

  /// Whether a text can stand in a field as it is: printable ASCII, not too long for a line, and
  /// nothing that is read as an encoded word.
  private static func isPlain(_ text: String) -> Bool {
    text.utf8.count <= 400 && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
      && !text.contains("=?")
  }

  /// The text on as many lines as it needs, parted at blanks.
  private static func folded(_ text: String) -> String {
    var folded = ""
    var length = 0
    for word in text.split(separator: " ") {
      if length > 0, length + word.utf8.count > 60 {
        folded += "\n "
        length = 0
      } else if length > 0 {
        folded += " "
      }
      folded += word
      length += word.utf8.count + 1
    }
    return folded
  }

  /// A quoted string (RFC 5322 §3.2.4).
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for character in text {
      if character == "\"" || character == "\\" { quoted.append("\\") }
      quoted.append(character)
    }
    return quoted + "\""
  }

  /// Encoded words, one for each line of at most 76 characters, none of which parts a character.
  /// The encoding is Q with nothing but letters and digits left as they are, which is right in a
  /// phrase too (RFC 2047 §5).
  private static func encoded(_ text: String, after name: StaticString) -> String {
    var words: [String] = []
    var word = ""
    // What the first line has besides: the name and a colon, as the others have a blank.
    var used = "\(name):".utf8.count
    for scalar in text.unicodeScalars {
      let piece = String(scalar).utf8.map { byte in
        byte.isLetter || byte.isDigit
          ? String(UnicodeScalar(byte)) : byte == 0x20 ? "_" : "=" + hexadecimal(byte)
      }.joined()
      if used + 1 + wrapping.utf8.count + word.utf8.count + piece.utf8.count > 76 {
        words.append(word)
        word = ""
        used = 0
      }
      word += piece
    }
    words.append(word)
    return words.map { "=?UTF-8?Q?\($0)?=" }.joined(separator: "\n ")
  }

  private static let wrapping = "=?UTF-8?Q??="

  private static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.utf8.count == 1 ? "0" + digits : digits
  }
}
