import ContentAPI
import Testing

@Suite struct Cursors {
  private static let id = "019ce15f-2c80-7cc3-98c4-dc0c0c07398f"

  @Test(arguments: [
    0, 1, -1, 1_773_306_000_000_000, -62_135_596_800_000_000, 253_402_300_799_999_999,
  ])
  func `are read back as they were written`(publishedAt: Int) throws {
    for direction in [Cursor.Direction.forward, .backward] {
      let cursor = try #require(
        Cursor(direction: direction, filters: "f", key: String(publishedAt), id: Self.id))
      #expect(Cursor(cursor.text, filters: "f") == cursor)
      #expect(Cursor(cursor.text, filters: "g") == nil)
      #expect(cursor.idText == Self.id.filter { $0 != "-" })
      #expect(cursor.key == String(publishedAt))
    }
  }

  @Test func `are made of UUIDs alone`() {
    for id in ["", "x", Self.id + "0", String(Self.id.dropLast()) + "g"] {
      #expect(Cursor(direction: .forward, filters: "", key: "0", id: id) == nil, "\(id)")
    }
  }

  @Test func `turn round without losing the post between`() throws {
    func reversed(_ id: String, _ direction: Cursor.Direction) throws -> Cursor? {
      try #require(Cursor(direction: direction, filters: "f", key: "5", id: id))
        .reversed(descending: direction == .forward)
    }
    let back = try #require(try reversed("00000000-0000-0000-0000-000000010000", .forward))
    #expect(back.direction == .backward)
    #expect(back.key == "5")
    #expect(back.idText == "0000000000000000000000000000ffff")
    #expect(back.reversed(descending: false)?.idText == "00000000000000000000000000010000")
    #expect(Cursor(back.text, filters: "f") == back)
    #expect(try reversed("00000000-0000-0000-0000-000000000000", .forward) == nil)
    // A list that begins with its lowest key turns the other way.
    let ascending = try #require(Cursor(direction: .forward, filters: "f", key: "b", id: Self.id))
    #expect(ascending.reversed(descending: false)?.idText.suffix(4) == "3990")
    #expect(try reversed("ffffffff-ffff-ffff-ffff-ffffffffffff", .backward) == nil)
  }

  @Test func `are refused after any change, and never trap`() throws {
    let cursor = try #require(
      Cursor(direction: .forward, filters: "f", key: "7", id: Self.id))
    let bytes = Array(cursor.text.utf8)
    let tokens = ["=", "-_", "\u{0}", "é", "AAAA", ""].map { Array($0.utf8) }
    var random = SeededRandom(seed: 11)
    for _ in 0..<20_000 {
      let text = String(decoding: random.mutate(bytes, with: tokens), as: UTF8.self)
      if let other = Cursor(text, filters: "f") { #expect(other == cursor) }
    }
  }
}

@Suite struct Base64 {
  @Test(arguments: [
    ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
    ("foobar", "Zm9vYmFy"), ("\u{3ff}\u{3ff}", "z7_Pvw"),
  ])
  func `for URLs`(plain: String, encoded: String) {
    #expect(BaseEncoding.base64URL.encode(Array(plain.utf8)) == encoded)
    #expect(BaseEncoding.base64URL.decode(encoded) == Array(plain.utf8))
  }

  @Test(arguments: ["A", "Zh", "Zm9", "Zg==", "Zm9v\n", "Zm9+", "Zm9/", "ä", " ", "AAAAA"])
  func `has one text for each value`(text: String) {
    #expect(BaseEncoding.base64URL.decode(text) == nil)
  }

  @Test func `brings random bytes back`() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<2_000 {
      let bytes = (0..<random.next(below: 60)).map { _ in UInt8(random.next(below: 256)) }
      #expect(BaseEncoding.base64URL.decode(BaseEncoding.base64URL.encode(bytes)) == bytes)
    }
  }
}

@Suite struct KeyText {
  @Test func `has a prefix, a name, a secret and a checksum`() throws {
    let key = APIKey(random: (0..<30).map { UInt8($0) })
    #expect(key.text.hasPrefix("colophon_" + key.id + "_"))
    #expect(key.text.utf8.count == 65)
    #expect(key.id.utf8.count == 16)
    let read = try #require(APIKey(key.text))
    #expect(read.text == key.text)
    #expect(read.id == key.id)
  }

  @Test func `differs wherever its random bytes differ`() {
    let zero = [UInt8](repeating: 0, count: 30)
    var texts: Set<String> = [APIKey(random: zero).text]
    for index in 0..<30 {
      for bit in 0..<8 {
        var bytes = zero
        bytes[index] = 1 << UInt8(bit)
        texts.insert(APIKey(random: bytes).text)
      }
    }
    #expect(texts.count == 241)
  }

  @Test func `is refused when one character is mistyped, and never traps`() {
    let key = APIKey(random: (0..<30).map { UInt8($0 &* 7) })
    let bytes = Array(key.text.utf8)
    for index in bytes.indices {
      for other in "0aZ_ é".utf8 where other != bytes[index] {
        var changed = bytes
        changed[index] = other
        #expect(APIKey(String(decoding: changed, as: UTF8.self)) == nil, "at \(index)")
      }
    }
    let tokens = ["colophon_", "_", "\u{0}", "é", "0"].map { Array($0.utf8) }
    var random = SeededRandom(seed: 5)
    for _ in 0..<20_000 {
      let text = String(decoding: random.mutate(bytes, with: tokens), as: UTF8.self)
      if let other = APIKey(text) { #expect(other.text == key.text) }
    }
  }
}
