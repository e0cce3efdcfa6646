/// A place in a list, between two of its members: the key and the id of the one it was cut at and
/// the direction to walk from there. Opaque to clients; bound to the filters and the order it was
/// made with.
package struct Cursor: Sendable, Equatable {
  /// Which way to walk; the raw value stands in the text.
  package enum Direction: UInt8, Sendable { case forward = 0, backward = 1 }

  /// Towards the list's end or its start.
  package let direction: Direction
  /// A hash of the list's filters and order.
  private let filters: UInt64
  /// What the list is sorted by, as text. Whoever walks by it knows which texts can be keys.
  package let key: String
  /// Sixteen bytes, a UUID.
  private let id: [UInt8]

  /// A cursor behind, or before, the member of this key; nil when `id` is no UUID.
  package init?(direction: Direction, filters: String, key: String, id: String) {
    guard let id = Self.bytes(ofUUID: id) else { return nil }
    self.direction = direction
    self.filters = FNV1a.hash(filters.utf8)
    self.key = key
    self.id = id
  }

  /// Reads what `text` writes; nil for everything else, and for a cursor of other filters.
  package init?(_ text: String, filters: String) {
    guard let bytes = BaseEncoding.base64URL.decode(text),
      bytes.count >= Self.keyOffset + Self.checkSize, bytes[0] == Self.format,
      let direction = Direction(rawValue: bytes[1])
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

  private init(direction: Direction, filters: UInt64, key: String, id: [UInt8]) {
    self.direction = direction
    self.filters = filters
    self.key = key
    self.id = id
  }

  /// The cursor to all that lies on the other side: the way back from a page that turned out empty.
  /// A cursor leaves out the member it was cut at, which belongs to this side then, so its id is
  /// one further; nil when there is none.
  ///
  /// - Parameter descending: whether the walk that found nothing goes from high keys to low ones.
  package func reversed(descending: Bool) -> Cursor? {
    var id = id
    for index in id.indices.reversed() {
      id[index] = descending ? id[index] &- 1 : id[index] &+ 1
      if id[index] != (descending ? 0xff : 0) {
        return Cursor(
          direction: direction == .forward ? .backward : .forward, filters: filters, key: key,
          id: id)
      }
    }
    return nil
  }

  /// As it stands in a query.
  package var text: String {
    var bytes: [UInt8] = [Self.format, direction.rawValue]
    Self.append(filters, size: 8, to: &bytes)
    bytes += id
    bytes += key.utf8
    Self.append(FNV1a.hash(bytes), size: Self.checkSize, to: &bytes)
    return BaseEncoding.base64URL.encode(bytes)
  }

  /// The UUID as PostgreSQL reads it.
  package var idText: String {
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
