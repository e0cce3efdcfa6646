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
    let check = Self.checksum(body.utf8Span.span)
    text = body + String(decoding: (0..<7).map { Self.digit(check, $0) }, as: UTF8.self)
  }

  /// Reads a key; nil when it cannot be one of ours.
  package init?(_ text: String) {
    self.init(text.utf8Span.span)
  }

  /// Reads a key; nil when it cannot be one of ours.
  init?(_ bytes: Span<UInt8>) {
    guard bytes.count == 65 else { return nil }
    let prefix = Self.prefix.utf8Span.span
    for place in prefix.indices where bytes[place] != prefix[place] { return nil }
    for place in 9..<65 {
      let isRight =
        place == 25 ? bytes[place] == UInt8(ascii: "_") : Self.encoding.holds(bytes[place])
      guard isRight else { return nil }
    }
    let check = Self.checksum(bytes.extracting(..<58))
    for place in 0..<7 where bytes[58 + place] != Self.digit(check, place) { return nil }
    guard let text = try? UTF8Span(validating: bytes),
      let id = try? UTF8Span(validating: bytes.extracting(9..<25))
    else { return nil }
    self.text = String(copying: text)
    self.id = String(copying: id)
  }

  /// CRC-32 (ISO 3309).
  private static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
    var crc: UInt32 = .max
    for place in bytes.indices {
      crc ^= UInt32(bytes[place])
      for _ in 0..<8 { crc = crc >> 1 ^ (0xedb8_8320 & (0 &- (crc & 1))) }
    }
    return ~crc
  }

  /// One of the seven characters that write a checksum.
  private static func digit(_ checksum: UInt32, _ place: Int) -> UInt8 {
    encoding.alphabet[Int(checksum >> UInt32((6 - place) * 5) & 31)]
  }
}
