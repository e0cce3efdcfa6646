/// The text of one block without emphasis, links, code marks and HTML.
///
/// One pass writes the text that stays and marks in it, by a byte that UTF-8 never has, what turns
/// out to be markup only later: an opening bracket, an opening `*`.
struct MarkdownInlines {
  /// The labels that links may refer to.
  let labels: Set<MarkdownBlocks.Label>

  private static let dropped: UInt8 = 0xFF

  private struct Run {
    let start: Int
    var count: Int
  }

  private var bytes: ArraySlice<UInt8> = []
  private var position = 0
  private var output: [UInt8] = []
  private var brackets: [(start: Int, source: Int, isImage: Bool, hasInner: Bool)] = []
  private var openers: [[Run]] = [[], [], []]
  /// For each run of backticks the start of the next one of its length; empty until needed.
  private var closingRuns: [Int: Int] = [:]
  private var hasClosingRuns = false
  /// Ends that were looked for in vain, so that they are not looked for again.
  private var absent: Set<String> = []

  init(labels: Set<MarkdownBlocks.Label>) { self.labels = labels }

  mutating func plainText(_ block: ArraySlice<UInt8>) -> String {
    bytes = block
    position = block.startIndex
    output.removeAll(keepingCapacity: true)
    brackets.removeAll(keepingCapacity: true)
    for kind in openers.indices { openers[kind].removeAll(keepingCapacity: true) }
    closingRuns.removeAll(keepingCapacity: true)
    hasClosingRuns = false
    absent.removeAll(keepingCapacity: true)
    while position < bytes.endIndex { step() }
    return collapsed()
  }

  /// The output without what was dropped, with runs of white space as one space.
  private func collapsed() -> String {
    var text: [UInt8] = []
    text.reserveCapacity(output.count)
    for byte in output where byte != MarkdownInlines.dropped {
      if byte > 32, byte != 127 {
        text.append(byte)
      } else if let last = text.last, last != 32 {
        text.append(32)
      }
    }
    if text.last == 32 { text.removeLast() }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func step() {
    let byte = bytes[position]
    switch byte {
    case UInt8(ascii: "\\"): escape()
    case UInt8(ascii: "`"): code()
    case UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: "~"): emphasis(byte)
    case UInt8(ascii: "["): open(isImage: false)
    case UInt8(ascii: "!") where peek(1) == UInt8(ascii: "["): open(isImage: true)
    case UInt8(ascii: "]"): close()
    case UInt8(ascii: "<"): angle()
    case UInt8(ascii: "&"): entity()
    default: keepText()
    }
  }

  /// Keeps what stands here up to the next byte that may be markup.
  private mutating func keepText() {
    let text = bytes[(position + 1)...]
    let end = text.firstIndex { byte in
      switch byte {
      case UInt8(ascii: "\\"), UInt8(ascii: "`"), UInt8(ascii: "*"), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "!"),
        UInt8(ascii: "<"), UInt8(ascii: "&"):
        true
      default: false
      }
    }
    keep((end ?? bytes.endIndex) - position)
  }

  private func peek(_ offset: Int) -> UInt8? {
    let index = position + offset
    return index < bytes.endIndex ? bytes[index] : nil
  }

  private mutating func keep(_ count: Int) {
    output += bytes[position..<(position + count)]
    position += count
  }

  private mutating func escape() {
    if let next = peek(1), next.isPunctuation || next == 10 {
      output.append(next)
      position += 2
    } else {
      keep(1)
    }
  }

  private mutating func code() {
    if !hasClosingRuns { findClosingRuns() }
    let count = bytes[position...].prefix { $0 == UInt8(ascii: "`") }.count
    guard let end = closingRuns[position] else { return keep(count) }
    output += bytes[(position + count)..<end]
    position = end + count
  }

  private mutating func findClosingRuns() {
    hasClosingRuns = true
    var last: [Int: Int] = [:]
    var index = bytes.endIndex
    while index > bytes.startIndex {
      index -= 1
      guard bytes[index] == UInt8(ascii: "`") else { continue }
      let end = index + 1
      while index > bytes.startIndex, bytes[index - 1] == UInt8(ascii: "`") { index -= 1 }
      if let next = last.updateValue(index, forKey: end - index) { closingRuns[index] = next }
    }
  }
}

// Emphasis (CommonMark 6.2).
extension MarkdownInlines {
  private mutating func emphasis(_ mark: UInt8) {
    let count = bytes[position...].prefix { $0 == mark }.count
    let before = scalar(before: position)
    let after = scalar(at: position + count)
    let isBeforeMark = before.isPunctuation
    let isAfterMark = after.isPunctuation
    let isBeforeSpace = before.isWhitespace
    let isAfterSpace = after.isWhitespace
    let isLeft = !isAfterSpace && (!isAfterMark || isBeforeSpace || isBeforeMark)
    let isRight = !isBeforeSpace && (!isBeforeMark || isAfterSpace || isAfterMark)
    var canOpen = isLeft
    var canClose = isRight
    let kind: Int
    switch mark {
    case UInt8(ascii: "*"): kind = 0
    case UInt8(ascii: "_"):
      kind = 1
      canOpen = isLeft && (!isRight || isBeforeMark)
      canClose = isRight && (!isLeft || isAfterMark)
    default:
      kind = 2
      // One tilde is more often "about" than a strike.
      if count != 2 { (canOpen, canClose) = (false, false) }
    }
    let start = output.count
    keep(count)
    var left = count
    if canClose {
      while left > 0, var opener = openers[kind].popLast() {
        let pairs = min(left, opener.count)
        for offset in 0..<pairs {
          output[opener.start + opener.count - 1 - offset] = MarkdownInlines.dropped
          output[start + count - left + offset] = MarkdownInlines.dropped
        }
        opener.count -= pairs
        left -= pairs
        if opener.count > 0 { openers[kind].append(opener) }
      }
    }
    if canOpen, left > 0 { openers[kind].append(Run(start: start + count - left, count: left)) }
  }
}

extension MarkdownInlines {
  /// The scalar that begins at an index; a space at the end.
  private func scalar(at index: Int) -> Unicode.Scalar {
    String(decoding: bytes[index...].prefix(4), as: UTF8.self).unicodeScalars.first ?? " "
  }

  /// The scalar that ends before an index; a space at the start.
  private func scalar(before index: Int) -> Unicode.Scalar {
    String(decoding: bytes[..<index].suffix(4), as: UTF8.self).unicodeScalars.last ?? " "
  }
}

// Links and images (CommonMark 6.3 and 6.4).
extension MarkdownInlines {
  private mutating func open(isImage: Bool) {
    let start = output.count
    keep(isImage ? 2 : 1)
    // Nobody nests so deeply; the rest of a hostile source may keep its brackets.
    if brackets.count >= 1000 { return }
    if !brackets.isEmpty { brackets[brackets.count - 1].hasInner = true }
    brackets.append((start, position, isImage, false))
  }

  private mutating func close() {
    guard let opener = brackets.popLast() else { return keep(1) }
    let label = bytes[opener.source..<position]
    let isNote = label.first == UInt8(ascii: "^") && !opener.hasInner && label.count > 1
    guard let end = isNote ? position + 1 : linkEnd(label, hasInner: opener.hasInner) else {
      return keep(1)
    }
    position = end
    if opener.isImage || isNote {
      output.removeSubrange(opener.start...)
      for kind in openers.indices {
        while let last = openers[kind].last, last.start >= output.count {
          openers[kind].removeLast()
        }
      }
    } else {
      output[opener.start] = MarkdownInlines.dropped
    }
  }

  /// The index behind the link whose text ends at `position`; nil when it is none.
  private func linkEnd(_ label: ArraySlice<UInt8>, hasInner: Bool) -> Int? {
    let next = position + 1
    if next < bytes.endIndex, bytes[next] == UInt8(ascii: "("), let end = targetEnd(next + 1) {
      return end
    }
    if labels.isEmpty { return nil }
    if next < bytes.endIndex, bytes[next] == UInt8(ascii: "[") {
      let rest = bytes[(next + 1)...].prefix(1000)
      if let close = rest.firstIndex(where: { $0 == 91 || $0 == 93 }),
        bytes[close] == UInt8(ascii: "]")
      {
        let reference = close == next + 1 ? label : bytes[(next + 1)..<close]
        if isDefined(reference, hasInner: hasInner && close == next + 1) { return close + 1 }
      }
    }
    return isDefined(label, hasInner: hasInner) ? next : nil
  }

  private func isDefined(_ label: ArraySlice<UInt8>, hasInner: Bool) -> Bool {
    // A label holds no brackets and at most 999 characters, so that no byte is looked at often.
    !hasInner && label.count < 4000 && labels.contains(MarkdownBlocks.Label(label))
  }

  /// The index behind `(target "title")`, of which the parenthesis is read.
  private func targetEnd(_ start: Int) -> Int? {
    var index = skipBlanks(start)
    if index < bytes.endIndex, bytes[index] == UInt8(ascii: "<") {
      index += 1
      while index < bytes.endIndex, bytes[index] != UInt8(ascii: ">") {
        if bytes[index] == 10 || bytes[index] == UInt8(ascii: "<") { return nil }
        index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      index += 1
    } else {
      var depth = 0
      target: while index < bytes.endIndex {
        switch bytes[index] {
        case 0...32: break target
        case UInt8(ascii: "\\"): index += 1
        case UInt8(ascii: "("):
          depth += 1
          // As deep as the reference implementation goes; deeper would be quadratic.
          if depth > 32 { return nil }
        case UInt8(ascii: ")"):
          if depth == 0 { break target }
          depth -= 1
        default: break
        }
        index += 1
      }
      if depth > 0 { return nil }
    }
    index = skipBlanks(index)
    guard index < bytes.endIndex else { return nil }
    if let close = MarkdownInlines.titleEnd(bytes[index]) {
      let opening = bytes[index]
      index += 1
      while index < bytes.endIndex, bytes[index] != close {
        if opening == UInt8(ascii: "("), bytes[index] == opening { return nil }
        index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      index = skipBlanks(index + 1)
    }
    guard index < bytes.endIndex, bytes[index] == UInt8(ascii: ")") else { return nil }
    return index + 1
  }

  /// What ends a link's title that begins with this byte.
  private static func titleEnd(_ opening: UInt8) -> UInt8? {
    switch opening {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): opening
    case UInt8(ascii: "("): UInt8(ascii: ")")
    default: nil
    }
  }

  private func skipBlanks(_ start: Int) -> Int {
    var index = start
    while index < bytes.endIndex, bytes[index] == 10 || bytes[index].isBlank {
      index += 1
    }
    return index
  }
}

// HTML, autolinks and entities (CommonMark 6.5, 6.6 and 2.5).
extension MarkdownInlines {
  private mutating func angle() {
    guard let next = peek(1) else { return keep(1) }
    switch next {
    case UInt8(ascii: "!"):
      let isComment = peek(2) == UInt8(ascii: "-") && peek(3) == UInt8(ascii: "-")
      if !isComment, !(peek(2)?.isLetter ?? false) { return keep(1) }
      skip(to: isComment ? "-->" : ">", from: isComment ? 4 : 2)
    case UInt8(ascii: "?"): skip(to: "?>", from: 2)
    case UInt8(ascii: "/"): tag(nameAt: 2)
    default: if !autolink() { tag(nameAt: 1) }
    }
  }

  /// Drops what stands from here to the end mark, or keeps `<` where there is no end.
  private mutating func skip(to end: String, from offset: Int) {
    let start = position + offset
    guard start <= bytes.endIndex, !absent.contains(end) else { return keep(1) }
    guard let found = bytes[start...].firstIndex(of: Array(end.utf8)) else {
      absent.insert(end)
      return keep(1)
    }
    position = found + end.utf8.count
  }

  /// Keeps the address of `<https://…>` and `<name@host>` without the brackets.
  private mutating func autolink() -> Bool {
    var index = position + 1
    var isAddress = false
    while index < bytes.endIndex, bytes[index] > 32, bytes[index] != UInt8(ascii: "<") {
      if bytes[index] == UInt8(ascii: ">") {
        guard isAddress else { return false }
        output += bytes[(position + 1)..<index]
        position = index + 1
        return true
      }
      if bytes[index] == UInt8(ascii: ":") || bytes[index] == UInt8(ascii: "@") {
        isAddress = true
      } else if bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "=") {
        if !isAddress { return false }
      }
      index += 1
    }
    return false
  }

  /// Drops a tag; one that separates text leaves a space. Quotes hide `>`, and an open `<` ends the
  /// attempt, so that at most three attempts look at one byte.
  private mutating func tag(nameAt offset: Int) {
    let start = position + offset
    guard start < bytes.endIndex, bytes[start].isLetter else { return keep(1) }
    var index = start
    while index < bytes.endIndex, MarkdownInlines.isNameByte(bytes[index]) { index += 1 }
    let name = bytes[start..<index]
    if index < bytes.endIndex, bytes[index] > 32, !"/>".utf8.contains(bytes[index]) {
      return keep(1)
    }
    var quote: UInt8 = 0
    while index < bytes.endIndex {
      let byte = bytes[index]
      if quote != 0 {
        if byte == quote { quote = 0 }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: "<") {
        break
      } else if byte == UInt8(ascii: ">") {
        if MarkdownInlines.separates(name) { output.append(32) }
        position = index + 1
        return
      }
      index += 1
    }
    keep(1)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte.isLetter || byte.isDigit || byte == UInt8(ascii: "-")
  }

  /// Whether a tag of this name stands between texts rather than within one.
  private static func separates(_ name: ArraySlice<UInt8>) -> Bool {
    guard name.count <= 10 else { return false }
    return separators.contains(String(decoding: name, as: UTF8.self).lowercased())
  }

  private static let separators: Set = [
    "br", "p", "div", "li", "ul", "ol", "td", "th", "tr", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "blockquote", "section", "figure", "figcaption", "summary", "details", "dt", "dd",
  ]

  private mutating func entity() {
    guard let end = bytes[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")),
      let text = CharacterReference.text(
        String(decoding: bytes[(position + 1)..<end], as: UTF8.self))
    else { return keep(1) }
    output += text.utf8
    position = end + 1
  }
}

// Punctuation as CommonMark has it (2.1): ASCII's, and Unicode's marks and symbols.
extension UInt8 {
  fileprivate var isPunctuation: Bool { self > 32 && self < 127 && !isLetter && !isDigit }
}

extension Unicode.Scalar {
  fileprivate var isPunctuation: Bool {
    if isASCII { return UInt8(ascii: self).isPunctuation }
    return switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol,
      .modifierSymbol, .otherSymbol:
      true
    default: false
    }
  }
}
