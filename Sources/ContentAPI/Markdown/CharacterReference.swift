/// HTML's characters by name and by number, as they may stand in Markdown (CommonMark 2.5).
enum CharacterReference {
  /// The text that stands for what is between `&` and `;`; nil for unknown names, which stay as
  /// they are.
  static func text(_ name: String) -> String? {
    guard name.utf8.first == UInt8(ascii: "#") else { return named[name] }
    let digits = name.dropFirst()
    let isHexadecimal = digits.first == "x" || digits.first == "X"
    let number = isHexadecimal ? digits.dropFirst() : digits
    guard let value = UInt32(number, radix: isHexadecimal ? 16 : 10) else { return nil }
    return String(value == 0 ? "\u{FFFD}" : Unicode.Scalar(value) ?? "\u{FFFD}")
  }

  private static let named = [
    "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": "\u{A0}", "copy": "©",
    "reg": "®", "trade": "™", "hellip": "…", "mdash": "—", "ndash": "–", "lsquo": "‘",
    "rsquo": "’", "ldquo": "“", "rdquo": "”", "laquo": "«", "raquo": "»", "middot": "·",
    "bull": "•", "times": "×", "deg": "°", "euro": "€", "shy": "\u{AD}",
  ]
}
