/// A place in a list, between two of its members: the key and the id of the one it was cut at and the
/// direction to walk from there. Opaque to clients; bound to the filters and the order it was made
/// with.
struct Cursor: Equatable {
  enum Direction: UInt8 { case forward = 0, backward = 1 }

  let direction: Direction
  /// Of the list's filters and order.
  let filters: UInt64
  /// What the list is sorted by, as text. Whoever walks by it knows which texts can be keys.
  let key: String
  /// Sixteen bytes, a UUID.
  let id: [UInt8]

  init?(direction: Direction, filters: String, key: String, id: String) {
    guard let id = Self.bytes(ofUUID: id) else { return nil }
    self.direction = direction
    self.filters = FNV1a.hash(filters.utf8)
    self.key = key
    self.id = id
  }

  /// Reads what `text` writes; nil for everything else, and for a cursor of other filters.
  init?(_ text: String, filters: String) {
    guard let bytes = Base64URL.decode(text), bytes.count >= Self.keyOffset + Self.checkSize,
      bytes[0] == Self.format, let direction = Direction(rawValue: bytes[1])
    else { return nil }
    let checkOffset = bytes.count - Self.checkSize
    self.direction = direction
    self.filters = Self.number(bytes[2..<10])
    id = Array(bytes[10..<Self.keyOffset])
    guard FNV1a.hash(bytes[..<checkOffset]) & 0xffff_ffff == Self.number(bytes[checkOffset...]),
      self.filters == FNV1a.hash(filters.utf8),
      let key = String(validating: bytes[Self.keyOffset..<checkOffset], as: UTF8.self)
    else { return nil }
    self.key = key
  }

  var text: String {
    var bytes: [UInt8] = [Self.format, direction.rawValue]
    Self.append(filters, size: 8, to: &bytes)
    bytes += id
    bytes += key.utf8
    Self.append(FNV1a.hash(bytes), size: Self.checkSize, to: &bytes)
    return Base64URL.encode(bytes)
  }

  /// The UUID as PostgreSQL reads it.
  var idText: String {
    id.map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }

  private static let format: UInt8 = 2
  private static let keyOffset = 26
  private static let checkSize = 4

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The lowest bytes of a number, most significant first.
  private static func append(_ number: UInt64, size: Int, to bytes: inout [UInt8]) {
    for place in (0..<size).reversed() {
      bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place)))
    }
  }

  private static func bytes(ofUUID text: String) -> [UInt8]? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
    guard digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 32, by: 2) {
      let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
      guard let byte = UInt8(pair, radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

/// RFC 4648 §5, without padding, and strict: one text for each sequence of bytes.
enum Base64URL {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    var buffer: UInt32 = 0
    var bits = 0
    for byte in bytes {
      buffer = (buffer << 8 | UInt32(byte)) & 0xffff
      bits += 8
      while bits >= 6 {
        bits -= 6
        text.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
      }
    }
    if bits > 0 { text.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)]) }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var buffer: UInt32 = 0
    var bits = 0
    for character in text.utf8 {
      guard let value = alphabet.firstIndex(of: character) else { return nil }
      buffer = (buffer << 6 | UInt32(value)) & 0xffff
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
      }
    }
    // What is left must be the padding bits that `encode` leaves zero.
    return bits < 6 && buffer & (1 << UInt32(bits) - 1) == 0 ? bytes : nil
  }
}
