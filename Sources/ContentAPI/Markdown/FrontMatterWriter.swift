/// Writes front matter, line by line: what `FrontMatter` reads from it is what was given, and so it
/// is for any reader of YAML 1.1 or 1.2.
///
/// A text stands without quotes where nobody could take it for something else, and between double
/// quotes with escapes everywhere else. So every value has one form, and fills one line.
struct FrontMatterWriter {
  /// What has been written so far, with the opening fence.
  private(set) var bytes = Array("---\n".utf8)

  /// A number, a boolean or a date.
  mutating func plain(_ key: String, _ value: String) { line(key, value) }

  /// A text, whatever is in it but U+0000; where it belongs to a mapping, two spaces in front.
  mutating func text(_ key: String, _ text: String, isNested: Bool = false) {
    line((isNested ? "  " : "") + key, Self.scalar(text))
  }

  /// The key of a mapping, whose texts follow.
  mutating func mapping(_ key: String) { bytes += (key + ":\n").utf8 }

  /// Texts that have no characters of YAML's in them, such as slugs.
  mutating func list(_ key: String, of slugs: [String]) {
    line(key, "[" + slugs.map(Self.scalar).joined(separator: ", ") + "]")
  }

  /// The closing fence, behind which the body comes as it is.
  mutating func finish() { bytes += "---\n".utf8 }

  private mutating func line(_ key: String, _ value: String) {
    bytes += (key + ": " + value + "\n").utf8
  }

  private static func scalar(_ text: String) -> String {
    isSafePlain(text) ? text : quoted(text)
  }

  /// Whether a text is the same text without quotes. One that does not begin with a letter may be
  /// a number, a date or some mark of YAML's.
  private static func isSafePlain(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first, first.properties.isAlphabetic,
      !words.contains(text.lowercased())
    else { return false }
    var previous = first
    for scalar in text.unicodeScalars {
      if !isPrintable(scalar) || previous == ":" && scalar == " "
        || previous == " " && scalar == "#"
      {
        return false
      }
      previous = scalar
    }
    return previous != ":" && previous != " "
  }

  /// What YAML 1.1 or 1.2 reads as a boolean or as null.
  private static let words: Set<String> = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null",
  ]

  /// Whether a scalar may stand as it is: YAML's printable ones (1.2.2, section 5.1) without those
  /// that an editor or a reader could take for a line break, a tab or a byte order mark.
  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF: false
    default: scalar.value & 0xFFFE != 0xFFFE
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = String.UnicodeScalarView("\"".unicodeScalars)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += ["\\", scalar]
      case "\n": quoted += ["\\", "n"]
      case "\r": quoted += ["\\", "r"]
      case "\t": quoted += ["\\", "t"]
      case _ where isPrintable(scalar): quoted.append(scalar)
      default:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let width = digits.utf8.count <= 2 ? 2 : digits.utf8.count <= 4 ? 4 : 8
        quoted += ["\\", width == 2 ? "x" : width == 4 ? "u" : "U"]
        quoted += (String(repeating: "0", count: width - digits.utf8.count) + digits).unicodeScalars
      }
    }
    quoted.append("\"")
    return String(quoted)
  }
}
