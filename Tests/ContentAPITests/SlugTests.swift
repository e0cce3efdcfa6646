import ContentAPI
import Testing

@Suite struct SlugRule {
  @Test(arguments: ["a", "0", "rate-limits", "a-b-c", "2026", String(repeating: "a", count: 200)])
  func `takes`(slug: String) {
    #expect(Slug.isValid(slug))
  }

  @Test(arguments: [
    "", "-", "-a", "a-", "a--b", "A", "ä", "a b", "a_b", "a.b", "a/b", "a\n", "a\0", "日本語",
    String(repeating: "a", count: 201),
  ])
  func `refuses`(slug: String) {
    #expect(!Slug.isValid(slug))
  }

  @Test func `has a limit of its own for each use`() {
    #expect(Slug.isValid("abc", limit: 3))
    #expect(!Slug.isValid("abcd", limit: 3))
    #expect(!Slug.isValid("a", limit: 0))
  }
}

@Suite struct SlugFromTitle {
  @Test(arguments: [
    ("Rate Limits", "rate-limits"), ("  Hello,   World!  ", "hello-world"),
    ("Don't panic", "dont-panic"), ("Don’t panic", "dont-panic"), ("C++ & Rust", "c-rust"),
    ("ÄÖÜ äöü ß ẞ", "aou-aou-ss-ss"), ("Ærø Łódź Đakovo", "aero-lodz-dakovo"),
    ("Crème brûlée", "creme-brulee"), ("cre\u{300}me", "creme"),
    ("İstanbul ıssız", "istanbul-issiz"),
    ("Việt Nam", "viet-nam"), ("日本語 and Swift 6.3", "and-swift-6-3"), ("100%", "100"),
    ("a\u{AD}b\u{200B}c", "abc"), ("--a--", "a"), ("snake_case", "snake-case"),
    ("Привет world", "world"), ("naïve—café", "naive-cafe"), ("\u{212A}elvin", "kelvin"),
  ])
  func `is`(title: String, slug: String) {
    #expect(Slug.derive(from: title) == slug)
  }

  @Test(arguments: ["", " ", "日本語", "!?", "'", "—", "\u{0}", "🎉"])
  func `is nothing where nothing can be used`(title: String) {
    #expect(Slug.derive(from: title) == nil)
  }

  @Test func `is cut at a hyphen when it is too long`() {
    #expect(Slug.derive(from: "one two three", limit: 13) == "one-two-three")
    #expect(Slug.derive(from: "one two three", limit: 12) == "one-two")
    #expect(Slug.derive(from: "one two three", limit: 7) == "one-two")
    #expect(Slug.derive(from: "one two three", limit: 6) == "one")
    #expect(Slug.derive(from: "onetwothree", limit: 6) == "onetwo")
    let long = String(repeating: "word ", count: 100)
    let slug = Slug.derive(from: long)
    #expect(slug?.utf8.count == 199)
  }

  @Test func `is always a slug and stands for itself`() throws {
    var random = SeededRandom(seed: 7)
    let alphabet = Array("aZ9 -_'’äßæøłđÆİ日é\u{301}\u{200B}🎉.\0".unicodeScalars)
    for _ in 0..<5_000 {
      var title = String.UnicodeScalarView()
      for _ in 0..<random.next(below: 30) {
        title.append(alphabet[random.next(below: alphabet.count)])
      }
      let limit = 1 + random.next(below: 12)
      guard let slug = Slug.derive(from: String(title), limit: limit) else { continue }
      #expect(Slug.isValid(slug, limit: limit))
      #expect(Slug.derive(from: slug, limit: limit) == slug)
    }
  }
}

/// A small generator whose sequence its seed decides (xorshift64*), so that a failure repeats.
struct SeededRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next(below bound: Int) -> Int {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
  }

  /// The bytes with a few of them changed, taken out, doubled or put in.
  mutating func mutate(_ bytes: [UInt8], with tokens: [[UInt8]]) -> [UInt8] {
    var result = bytes
    for _ in 0...next(below: 4) {
      let place = next(below: result.count + 1)
      switch next(below: 4) {
      case 0 where place < result.count: result[place] = UInt8(next(below: 256))
      case 1 where place < result.count:
        result.removeSubrange(place..<min(result.count, place + 1 + next(below: 8)))
      case 2 where place < result.count:
        let end = min(result.count, place + 1 + next(below: 16))
        result.insert(contentsOf: Array(result[place..<end]), at: place)
      default: result.insert(contentsOf: tokens[next(below: tokens.count)], at: place)
      }
    }
    return result
  }
}
