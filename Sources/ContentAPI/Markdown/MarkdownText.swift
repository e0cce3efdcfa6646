/// The words of a Markdown source without its markup: for an excerpt and a word count, computed
/// once when a post is written.
///
/// It is not a renderer. It knows CommonMark's blocks and inlines with GitHub's tables,
/// strikethrough and footnotes well enough that readers see no marks, in time linear in the source
/// whatever that holds: every byte is looked at a bounded number of times and nothing recurses.
package struct MarkdownText: Sendable, Equatable {
  /// The most characters (Unicode scalars) of a derived excerpt, its `…` included: enough for the
  /// long teasers of a home page, which `excerpt_length` shortens for everybody else.
  package static let excerptLength = 500

  /// Headings and text, a line each, without code blocks, images, HTML, comments, footnotes and
  /// link definitions. Characters are as the reader would see them: escapes and the common
  /// entities are resolved, and runs of white space are one space.
  package let plainText: String
  /// The opening of the text, headings left out unless there is nothing else, cut to
  /// `excerptLength`; empty when there is nothing to read.
  package let excerpt: String
  /// The words of prose and of code: runs between white space that hold a letter or a digit. Han
  /// ideographs and kana count one each, for they are written without spaces. Alternative texts of
  /// images, addresses behind links, HTML and comments do not count.
  package let wordCount: Int

  /// Reads a Markdown source without front matter.
  package init(_ source: String) {
    let blocks = MarkdownBlocks(Array(source.utf8))
    var inlines = MarkdownInlines(labels: blocks.labels)
    var lines: [String] = []
    var opening = ""
    var words = 0
    for block in blocks.list {
      let bytes = blocks.text[block.range]
      if block.kind == .code {
        words += MarkdownText.countWords(String(decoding: bytes, as: UTF8.self))
        continue
      }
      let text = inlines.plainText(bytes)
      if text.isEmpty { continue }
      words += MarkdownText.countWords(text)
      if block.kind == .footnote { continue }
      lines.append(text)
      // No character has more than four bytes.
      if block.kind == .text, opening.utf8.count <= MarkdownText.excerptLength * 4 {
        opening += opening.isEmpty ? text : " " + text
      }
    }
    plainText = lines.joined(separator: "\n")
    wordCount = words
    if opening.isEmpty { opening = lines.joined(separator: " ") }
    excerpt = MarkdownText.shorten(opening, to: MarkdownText.excerptLength)
  }

  /// The text itself when it has at most `limit` Unicode scalars, else its opening with `…` behind
  /// it, together at most `limit`. It is cut between words, between ideographs, or, within a single
  /// long word, between grapheme clusters; never inside one. A limit below 1 gives nothing.
  package static func shorten(_ text: String, to limit: Int) -> String {
    guard limit > 0 else { return "" }
    let bytes = text.utf8Span.span
    if bytes.count <= limit { return text }
    var scalars = 0
    // Each begins with the one byte of it that does not continue another.
    for place in bytes.indices where bytes[place] & 0xC0 != 0x80 {
      scalars += 1
      if scalars > limit { break }
    }
    if scalars <= limit { return text }
    var length = 0
    var end = 0
    var wordEnd = 0
    // Of the cluster before; white space in front of the first, so that no word ends there.
    var (wasSpace, wasWord) = (true, false)
    while end < bytes.count {
      let start = end
      let byte = bytes[start]
      // An ASCII character in front of another is a cluster of its own, but for CR LF.
      if byte < 0x80, byte != UInt8(ascii: "\r"),
        start + 1 == bytes.count || bytes[start + 1] < 0x80
      {
        length += 1
        end = start + 1
        let isSpace = byte.isWhitespace
        if !wasSpace, isSpace || wasWord { wordEnd = start }
        (wasSpace, wasWord) = (isSpace, false)
      } else {
        let cluster = text[text.utf8.index(text.startIndex, offsetBy: start)]
        length += cluster.unicodeScalars.count
        end = start + cluster.utf8.count
        let (first, last) = (
          cluster.unicodeScalars.first ?? " ", cluster.unicodeScalars.last ?? " "
        )
        if !wasSpace, first.isWhitespace || wasWord || isWordByItself(first) { wordEnd = start }
        (wasSpace, wasWord) = (last.isWhitespace, isWordByItself(last))
      }
      if length > limit - 1 {
        end = start
        break
      }
    }
    let cut = text.utf8.index(text.startIndex, offsetBy: wordEnd > 0 ? wordEnd : end)
    var opening = text[..<cut].unicodeScalars
    while let last = opening.last, last.isWhitespace { opening.removeLast() }
    return String(opening) + "…"
  }

  private static func countWords(_ text: String) -> Int {
    var count = 0
    var isInWord = false
    let bytes = text.utf8Span.span
    var place = 0
    while place < bytes.count {
      let byte = bytes[place]
      if byte < 0x80 {
        place += 1
        if byte.isLetter || byte.isDigit {
          if !isInWord { count += 1 }
          isInWord = true
        } else if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n")
          || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
        {
          isInWord = false
        }
        continue
      }
      let scalar = bytes.scalar(at: &place)
      if isWordByItself(scalar) {
        count += 1
        isInWord = false
      } else if scalar.isWhitespace {
        isInWord = false
      } else if !isInWord, scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
        count += 1
        isInWord = true
      }
    }
    return count
  }

  /// Whether a scalar counts as a word: Han ideographs, hiragana and katakana.
  private static func isWordByItself(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x2E80: false
    case 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FC...0x30FF: true
    case 0x31F0...0x31FF, 0xFF66...0xFF9D, 0x1B000...0x1B16F: true
    default: scalar.properties.isIdeographic
    }
  }
}
