/// What a key may do.
package enum Scope: String, Sendable, CaseIterable {
  case postsWrite = "posts:write"
  case postsReadDrafts = "posts:read_drafts"
  case projectsWrite = "projects:write"
  case profileWrite = "profile:write"
  case subscribersRead = "subscribers:read"
  case subscribersWrite = "subscribers:write"
}

/// The text of an API key: `colophon_`, sixteen characters that name it, `_`, thirty-two secret
/// ones (160 random bits), and seven that check the rest. The prefix and the checksum let a scanner
/// find a key that was committed somewhere, and let a mistyped one be refused without a look-up.
package struct APIKey: Sendable {
  /// All of it, the secret included.
  package let text: String
  /// The part that anyone may see.
  package let id: String

  private static let prefix = "colophon_"
  private static let encoding = BaseEncoding.base32

  /// Makes a key of 30 random bytes.
  package init(random: [UInt8]) {
    precondition(random.count == 30)
    id = Self.encoding.encode(random[..<10])
    let body = Self.prefix + id + "_" + Self.encoding.encode(random[10...])
    text = body + Self.checksum(body)
  }

  /// Reads a key; nil when it cannot be one of ours.
  package init?(_ text: String) {
    guard text.utf8.count == 65, text.hasPrefix(Self.prefix) else { return nil }
    let bytes = Array(text.utf8)
    let body = String(decoding: bytes[..<58], as: UTF8.self)
    guard bytes[25] == UInt8(ascii: "_"), Self.checksum(body).utf8.elementsEqual(bytes[58...]),
      (bytes[9..<25] + bytes[26...]).allSatisfy({ Self.encoding.alphabet.contains($0) })
    else { return nil }
    self.text = text
    id = String(decoding: bytes[9..<25], as: UTF8.self)
  }

  /// CRC-32 (ISO 3309), in seven characters.
  private static func checksum(_ text: String) -> String {
    var crc: UInt32 = .max
    for byte in text.utf8 {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    crc = ~crc
    let digits = (0..<7).reversed().map { encoding.alphabet[Int(crc >> UInt32($0 * 5) & 31)] }
    return String(decoding: digits, as: UTF8.self)
  }
}
