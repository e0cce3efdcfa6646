/// Bytes as text in an alphabet of 32 or 64 characters (RFC 4648), without padding and strict: one
/// text for each sequence of bytes.
package struct BaseEncoding: Sendable {
  /// Base 64 for URLs (RFC 4648 §5).
  package static let base64URL = BaseEncoding(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

  /// Digits and lower-case letters without i, l, o and u, which are mistaken for others.
  static let base32 = BaseEncoding("0123456789abcdefghjkmnpqrstvwxyz")

  let alphabet: [UInt8]
  /// What each byte stands for; 255 where it is none of the alphabet.
  private let values: [UInt8]
  /// How many bits a character stands for.
  private let width: Int

  private init(_ alphabet: String) {
    self.alphabet = Array(alphabet.utf8)
    width = self.alphabet.count.trailingZeroBitCount
    var values = [UInt8](repeating: 255, count: 256)
    for (value, character) in self.alphabet.enumerated() {
      values[Int(character)] = UInt8(value)
    }
    self.values = values
  }

  /// Whether this is a character of the alphabet.
  func holds(_ character: UInt8) -> Bool { values[Int(character)] != 255 }

  /// The text of these bytes; bits that its last character has beyond them are zero.
  package func encode(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    var buffer = 0
    var bits = 0
    for byte in bytes {
      buffer = (buffer << 8 | Int(byte)) & 0xffff
      bits += 8
      while bits >= width {
        bits -= width
        text.append(alphabet[buffer >> bits & (alphabet.count - 1)])
      }
    }
    if bits > 0 { text.append(alphabet[buffer << (width - bits) & (alphabet.count - 1)]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of this text; nil when `encode` writes no such text.
  package func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var buffer = 0
    var bits = 0
    for character in text.utf8 {
      guard holds(character) else { return nil }
      buffer = (buffer << width | Int(values[Int(character)])) & 0xffff
      bits += width
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
      }
    }
    return bits < width && buffer & (1 << bits - 1) == 0 ? bytes : nil
  }
}
