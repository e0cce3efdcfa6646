import ContentAPI
import JSON
import Testing

private func read(_ file: [UInt8]) -> Result<PostDraft, PostDraft.MarkdownError> {
  PostDraft.read(markdown: file.span)
}

@Suite struct PostFile {
  @Test func `has what the writer gave, each in its line`() {
    var draft = PostDraft(title: "Page four hundred", body: "\n`limit 20`\n")
    draft.slug = "page-four-hundred"
    draft.status = .published
    #expect(
      String(decoding: draft.file, as: UTF8.self) == """
        ---
        title: Page four hundred
        slug: page-four-hundred
        ---

        `limit 20`

        """)
    draft.type = "essay"
    draft.status = .draft
    draft.publishedAt = try? Instant(rfc3339: "2026-03-12T11:00:00.25+02:00")
    draft.tags = ["postgresql", "null", "2024"]
    draft.featured = true
    draft.featuredOrder = 0
    draft.excerpt = "One: two\nthree"
    draft.coverImage = PostDraft.CoverImage(url: "https://example.com/a.png#b", alt: "A # B")
    draft.canonicalURL = "https://example.com/"
    draft.metaTitle = "1984"
    draft.metaDescription = "Off"
    #expect(
      String(decoding: draft.file, as: UTF8.self) == """
        ---
        title: Page four hundred
        slug: page-four-hundred
        type: essay
        status: draft
        date: 2026-03-12T09:00:00.25Z
        tags: [postgresql, "null", "2024"]
        featured: true
        featured_order: 0
        excerpt: "One: two\\nthree"
        cover_image:
          url: https://example.com/a.png#b
          alt: "A # B"
        canonical_url: https://example.com/
        meta_title: "1984"
        meta_description: "Off"
        ---

        `limit 20`

        """)
    #expect(read(draft.file) == .success(draft))
  }

  @Test(arguments: [
    "Plain", "It's", "\"Quoted\"", "Say \"hi\"", "A: b", "A:b", "A:", "a #b", "a#b", "#a", "- a",
    "-", "?", "? a", ": a", "[a]", "{a: b}", "a, b", "&a", "*a", "!a", "!!str a", "%a", "@a", "`a`",
    "| a", ">", "'", "''", "\\", "\\n", "a\\", "~", "null", "Null", "true", "FALSE", "yes", "No",
    "on", "y", "N", "1984", "-1", "+1", "0x1F", "1e3", ".5", ".inf", ".nan", "1_000", "12:30:00",
    "2026-03-12", "2026-03-12 09:00", "---", "--- a", "...", "<<", "=", "a\u{A0}b", "日本語: ü",
    "👩🏽‍🚀 flies", "e\u{301}tude", "\u{200F}שלום", "a\u{FEFF}b", "\u{FFFE}", "a\u{10FFFF}b",
    "a\u{E000}", "a \u{200B}", "\u{301}a",
  ])
  func `is read as it was written, whatever its texts`(text: String) throws {
    var draft = PostDraft(title: text, body: "B")
    draft.status = .published
    draft.metaTitle = text
    draft.excerpt = text
    draft.coverImage = PostDraft.CoverImage(url: "https://example.com", alt: text)
    #expect(read(draft.file) == .success(draft))
    #expect(try ImportedFile.read(draft.file, at: "a.md").get().draft.title == text)
  }

  @Test(arguments: [
    "B", "\nB", "\n\n\nB\n\n", "---\nB", "---\ntitle: B\n---\n", "B\n---\n", "B\r\nC\r\n",
    "\u{FEFF}B",
    "  B", "\tB  ", "B\u{2028}C", "B\u{1}", "+++\nB",
  ])
  func `keeps every byte of the body`(body: String) {
    var draft = PostDraft(title: "T", body: body)
    draft.status = .published
    #expect(Array(draft.file.suffix(body.utf8.count)) == Array(body.utf8))
    #expect(read(draft.file) == .success(draft))
  }

  @Test func `is read as it was written, whatever the post`() throws {
    var random = SeededRandom(seed: 8)
    var files: Set<[UInt8]> = []
    for _ in 0..<3000 {
      let draft = GeneratedDraft.make(&random)
      let file = draft.file
      #expect(read(file) == .success(draft))
      #expect(try ImportedFile.read(file, at: "other.md").get().draft == draft)
      files.insert(file)
    }
    #expect(files.count > 2900)
  }
}

/// Posts as a writer may give them.
enum GeneratedDraft {
  static func make(_ random: inout SeededRandom) -> PostDraft {
    var draft = PostDraft(
      title: text(&random, 300) ?? "T", body: (body(&random)))
    func chance(_ percent: Int) -> Bool { random.next(below: 100) < percent }
    draft.slug = slug(&random)
    if chance(30) { draft.type = slug(&random) }
    draft.status = chance(20) ? .draft : .published
    if draft.status == .published || chance(50) {
      let micros = Int64(random.next(below: 1 << 30)) * 200_000_000
      let fraction = chance(70) ? 0 : Int64(random.next(below: 1_000_000))
      draft.publishedAt = Instant(
        microseconds: Instant.earliest.microseconds + micros + fraction)
    }
    draft.featured = chance(20)
    if chance(20) { draft.featuredOrder = chance(10) ? .max : Int32(random.next(below: 40)) }
    for _ in 0..<random.next(below: 6) {
      let tag = slug(&random)
      if !draft.tags.contains(tag) { draft.tags.append(tag) }
    }
    draft.excerpt = text(&random, 1000, lines: true)
    if chance(30) {
      draft.coverImage = PostDraft.CoverImage(
        url: "https://example.com/\(random.next(below: 999)).png?a=b#c",
        alt: text(&random, 300) ?? "")
    }
    if chance(20) { draft.canonicalURL = "http://example.com/\(random.next(below: 999))" }
    draft.metaTitle = text(&random, 300)
    draft.metaDescription = text(&random, 500)
    return draft
  }

  static func slug(_ random: inout SeededRandom) -> String {
    let words = ["a", "null", "true", "2024", "01", "e5", "on", "plain", "text", "no", "x9"]
    return (0...random.next(below: 4)).map { _ in words[random.next(below: words.count)] }
      .joined(separator: "-")
  }

  private static let pieces = [
    "a", "Word", " ", " ", ":", ": ", " #", "#", "\"", "'", "\\", "-", "- ", "[", "]", "{", "}",
    ",",
    "&", "*", "!", "|", ">", "%", "@", "`", "~", "null", "true", "1984", "2026-03-12", "...", "---",
    "é", "日本", "👩🏽‍🚀", "\u{A0}", "\u{FEFF}", "\u{FFFF}", "\u{200D}", "\u{5D0}", "<<",
  ]

  /// A text as it is after normalisation: without white space at its ends; nil for none.
  private static func text(
    _ random: inout SeededRandom, _ limit: Int, lines: Bool = false
  ) -> String? {
    let pieces = pieces + (lines ? ["\n", "\n\n", "\r\n", "\t", "\n  "] : [])
    var text = String.UnicodeScalarView()
    for _ in 0..<random.next(below: 12) {
      text += pieces[random.next(below: pieces.count)].unicodeScalars
    }
    while let first = text.first, first.properties.isWhitespace { text.removeFirst() }
    while let last = text.last, last.properties.isWhitespace { text.removeLast() }
    return text.isEmpty || text.count > limit ? nil : String(text)
  }

  private static func body(_ random: inout SeededRandom) -> String {
    let pieces =
      pieces + ["\n", "\r\n", "---\n", "\n---\n", "# Title\n", "\u{2028}", "\u{1}", "\t"]
    return (0..<random.next(below: 20)).map { _ in pieces[random.next(below: pieces.count)] }
      .joined() + "end"
  }
}
