/// The head of a Markdown file between two lines `---`: flat data in a subset of YAML 1.2. In files of
/// other programs it may also stand between two lines `+++`, in a subset of TOML 1.0.
///
/// Read are scalars (plain, single and double quoted, `|` and `>` blocks), lists of scalars and
/// mappings of scalars, each in block form or in one line, and comments. Everything else of YAML,
/// and everything that YAML refuses, is a fault with its line: nothing is guessed. What a plain
/// scalar means is left to the reader of its key, so `title: 1984` can be a text.
package struct FrontMatter: Sendable, Equatable {
  /// The most bytes from the file's start to the end of the closing line.
  static let maximumSize = 65_536

  /// A key with its value, `line` counted from 1 at the file's first line.
  package struct Entry: Sendable, Equatable {
    /// As written, quotes taken off.
    package let key: String
    /// As YAML has it, not as the key means it.
    package let value: Value
    /// Of the key.
    package let line: Int
  }

  /// What stands behind a key.
  package enum Value: Sendable, Equatable {
    case scalar(Scalar)
    case list([Scalar])
    case mapping([Entry])
  }

  /// One value with its escapes and folding resolved.
  package struct Scalar: Sendable, Equatable {
    /// The text; empty for a value that was left out.
    package let text: String
    /// Whether it stood without quotes in one line, so that it may mean more than its text.
    package let isPlain: Bool

    /// What stands for a value that was left out.
    static let absent = Scalar(text: "", isPlain: true)

    /// Whether it is YAML's null: nothing, `~`, `null`, `Null` or `NULL`, without quotes.
    package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

    /// The boolean of YAML 1.2's core schema, without quotes: `true` and `false`, also in capitals
    /// or with one; not `yes`, `no`, `on` and `off`.
    package var boolean: Bool? {
      guard isPlain else { return nil }
      if ["true", "True", "TRUE"].contains(text) { return true }
      return ["false", "False", "FALSE"].contains(text) ? false : nil
    }

    /// The decimal integer, without quotes; nil when it does not fit.
    package var integer: Int? { isPlain ? Int(text) : nil }
  }

  /// One thing that could not be read.
  package struct Fault: Sendable, Equatable {
    /// Counted from 1 at the file's first line.
    package let line: Int
    /// The key whose value is meant, where that much could be read.
    package let key: String?
    /// What is wrong.
    package let reason: Reason
  }

  /// What can be wrong with front matter.
  package enum Reason: Sendable, Equatable, CaseIterable {
    case missing, unclosed, tooLarge, controlCharacter, tab, indentation, anchor, alias, tag
    case mergeKey, complexKey, deepNesting, duplicateKey, noColon, noSpaceAfterColon, emptyKey
    case colonInPlainText, reservedStart, unclosedQuote, textAfterValue, badEscape, listWithoutKey
    case mixedBlock, unclosedList, unclosedMapping, emptyItem, badBlockHeader, documentMarker
    case tooDeep, unclosedTOML, noEqualsSign, badTOMLKey, badTOMLValue, badTable
    case unclosedTOMLText, badTOMLEscape
  }

  /// How deep lists and mappings that nobody looks into may be nested.
  static let maximumDepth = 16

  /// The entries that could be read, in order; keys are unique.
  package let entries: [Entry]
  /// What could not be read, in order; empty when all was.
  package let faults: [Fault]
  /// Keys that the caller does not know, with nested values into which nobody has looked.
  package let passedOver: [String]
  /// The byte at which the body begins, just behind the closing line; nil when there is none.
  package let bodyOffset: Int?

  /// Reads the head of a file, which has to be valid UTF-8. A byte order mark at its start and CRLF
  /// line ends are accepted. Time and space are linear in the front matter, never in the body.
  ///
  /// - Parameter known: for a file that was written for another program, the keys that mean
  ///   something here. Nested values of all others are passed over, a value may go on in indented
  ///   lines below its own, blanks may stand behind a fence, and fences of `+++` hold TOML.
  package static func read(_ file: Span<UInt8>, known: Set<String>? = nil) -> FrontMatter {
    let start = startsWithMark(file) ? 3 : 0
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(file.count, maximumSize))
    for index in start..<max(start, min(file.count, maximumSize)) { bytes.append(file[index]) }

    var lines: [Range<Int>] = []
    var fence = Array("---".utf8)
    var position = 0
    while position < bytes.count {
      let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      // A line that the size limit cuts through is not looked at.
      if end == bytes.count, start + bytes.count < file.count { break }
      let isCRLF = end > position && end < bytes.count && bytes[end - 1] == UInt8(ascii: "\r")
      let line = position..<(isCRLF ? end - 1 : end)
      position = min(end + 1, bytes.count)
      var mark = bytes[line]
      if known != nil { while mark.last?.isBlank == true { mark.removeLast() } }
      if lines.isEmpty, known != nil, mark.elementsEqual("+++".utf8) { fence = Array(mark) }
      let isFence = mark.elementsEqual(fence)
      if lines.isEmpty, !isFence { return FrontMatter(refused: .missing) }
      lines.append(line)
      if lines.count > 1, isFence {
        lines.removeFirst()
        lines.removeLast()
        if let known, fence.first == UInt8(ascii: "+") {
          let text = lines.first.map { bytes[$0.lowerBound..<line.lowerBound] } ?? []
          let reader = TOMLReader(text, known: known)
          return FrontMatter(
            entries: reader.entries, faults: reader.faults, passedOver: reader.passedOver,
            bodyOffset: start + position)
        }
        let reader = FrontMatterReader(bytes: bytes, lines: lines, known: known)
        return FrontMatter(
          entries: reader.entries, faults: reader.faults, passedOver: reader.passedOver,
          bodyOffset: start + position)
      }
    }
    if lines.isEmpty { return FrontMatter(refused: .missing) }
    let isLarge = start + bytes.count < file.count
    let isTOML = fence.first == UInt8(ascii: "+")
    return FrontMatter(refused: isLarge ? .tooLarge : isTOML ? .unclosedTOML : .unclosed)
  }

  private static func startsWithMark(_ file: Span<UInt8>) -> Bool {
    file.count >= 3 && file[0] == 0xEF && file[1] == 0xBB && file[2] == 0xBF
  }

  private init(entries: [Entry], faults: [Fault], passedOver: [String], bodyOffset: Int) {
    self.entries = entries
    self.faults = faults
    self.passedOver = passedOver
    self.bodyOffset = bodyOffset
  }

  private init(refused reason: Reason) {
    entries = []
    faults = [Fault(line: 1, key: nil, reason: reason)]
    passedOver = []
    bodyOffset = nil
  }
}

extension FrontMatter.Reason: CustomStringConvertible {
  /// A sentence for people: what is wrong and what to write.
  package var description: String {
    switch self {
    case .missing:
      "the file has no front matter: its first line must be exactly ---, then title and others, "
        + "then a line --- and the body"
    case .unclosed: "the front matter is not closed by a line that is exactly ---"
    case .tooLarge: "the front matter is not closed within 65,536 bytes"
    case .controlCharacter: "control characters may not stand in front matter"
    case .tab: "tabs may not indent: use spaces"
    case .indentation:
      "this line is indented where none is expected; longer text stands behind key: > or key: |"
    case .anchor: "anchors (&) are not read: put the text in quotes if it begins with &"
    case .alias: "aliases (*) are not read: put the text in quotes if it begins with *"
    case .tag: "YAML tags (!) are not read: put the text in quotes if it begins with !"
    case .mergeKey: "merge keys (<<) are not read"
    case .complexKey: "complex keys (?) are not read: write key: value"
    case .deepNesting: "lists and mappings may only hold single values"
    case .duplicateKey: "the key stands there twice"
    case .noColon: "this is not a line of the form key: value"
    case .noSpaceAfterColon: "a space is missing behind the colon: write key: value"
    case .emptyKey: "a key is missing before the colon"
    case .colonInPlainText: "a text with a colon and a space in it needs quotes"
    case .reservedStart: "a text that begins with this character needs quotes"
    case .unclosedQuote: "the quoted text is not closed in its line"
    case .textAfterValue: "there is text behind the end of the value"
    case .badEscape: "this escape does not exist between double quotes, or names no character"
    case .listWithoutKey: "a list item stands where a key is expected"
    case .mixedBlock: "list items and keys are mixed, or not equally indented"
    case .unclosedList: "the list is not closed by ] in its line"
    case .unclosedMapping: "the mapping is not closed by } in its line"
    case .emptyItem: "there is nothing between two commas"
    case .badBlockHeader: "behind | or > only +, - or one digit 1 to 9 may stand"
    case .documentMarker: "document markers may not stand inside front matter"
    case .tooDeep: "lists and mappings are nested more than \(FrontMatter.maximumDepth) deep"
    case .unclosedTOML: "the front matter is not closed by a line that is exactly +++"
    case .noEqualsSign: "this is not a line of the form key = value"
    case .badTOMLKey: "a key of other characters than A-Z, a-z, digits, _ and - needs quotes"
    case .badTOMLValue: "this is no value of TOML: a text needs quotes"
    case .badTable: "the name of a table is not closed by ]"
    case .unclosedTOMLText: "the text is not closed by the quotes that opened it"
    case .badTOMLEscape: "this escape does not exist in TOML, or names no character"
    }
  }
}
