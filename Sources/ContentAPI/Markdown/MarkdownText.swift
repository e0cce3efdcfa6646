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
    var openingLength = 0
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
      if block.kind == .text, openingLength <= MarkdownText.excerptLength {
        opening += opening.isEmpty ? text : " " + text
        openingLength += text.unicodeScalars.count
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
    guard text.unicodeScalars.dropFirst(limit).first != nil else { return text }
    var length = 0
    var end = text.startIndex
    var wordEnd = text.startIndex
    var previous: Unicode.Scalar = " "
    for index in text.indices {
      let scalars = text[index].unicodeScalars
      guard let first = scalars.first, let last = scalars.last else { break }
      if index > text.startIndex, !previous.isWhitespace,
        first.isWhitespace || isWordByItself(first) || isWordByItself(previous)
      {
        wordEnd = index
      }
      length += scalars.count
      if length > limit - 1 { break }
      end = text.index(after: index)
      previous = last
    }
    var opening = text[..<(wordEnd > text.startIndex ? wordEnd : end)].unicodeScalars
    while let last = opening.last, last.isWhitespace { opening.removeLast() }
    return String(opening) + "…"
  }

  private static func countWords(_ text: String) -> Int {
    var count = 0
    var isInWord = false
    for scalar in text.unicodeScalars {
      if scalar.isASCII {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9":
          if !isInWord { count += 1 }
          isInWord = true
        case " ", "\n", "\t", "\r": isInWord = false
        default: break
        }
      } else if isWordByItself(scalar) {
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
