/// The descriptions of openapi.yaml as HTML. Of Markdown they use paragraphs, `code` and **strong**
/// openings, and that is all that is looked for.
enum Prose {
  /// The paragraphs of a text, each with its line breaks taken out.
  static func paragraphs(_ text: String) -> [String] {
    var paragraphs: [[Substring]] = [[]]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.utf8.allSatisfy(\.isBlank) {
        paragraphs.append([])
      } else {
        paragraphs[paragraphs.count - 1].append(line)
      }
    }
    return paragraphs.filter { !$0.isEmpty }.map { $0.joined(separator: " ") }
  }

  static func html(_ text: String) -> HTML {
    paragraphs(text).map { "<p>\(inline($0))</p>\n" }.joined()
  }

  /// One paragraph without its tags. A mark that is not closed stands for itself.
  static func inline(_ text: String) -> HTML {
    var html: HTML = ""
    var rest = text[...]
    while let mark = rest.firstIndex(where: { $0 == "`" || $0 == "*" }) {
      let delimiter = rest[mark] == "`" ? "`" : "**"
      html += "\(String(rest[..<mark]))"
      let marked = rest[mark...]
      guard marked.hasPrefix(delimiter),
        let end = marked.dropFirst(delimiter.count).firstRange(of: delimiter)
      else {
        html += "\(String(marked.prefix(1)))"
        rest = marked.dropFirst()
        continue
      }
      let inner = String(marked.dropFirst(delimiter.count)[..<end.lowerBound])
      html += delimiter == "`" ? "<code>\(inner)</code>" : "<strong>\(inline(inner))</strong>"
      rest = marked[end.upperBound...]
    }
    html += "\(String(rest))"
    return html
  }

  /// The opening of a paragraph that is set in strong, without its period, and what follows it.
  static func headed(_ paragraph: String) -> (heading: String, rest: String)? {
    guard paragraph.hasPrefix("**"),
      let end = paragraph.dropFirst(2).firstRange(of: "**")
    else { return nil }
    let heading = paragraph.dropFirst(2)[..<end.lowerBound]
    let rest = paragraph[end.upperBound...]
    guard heading.hasSuffix(".") else { return (String(heading), String(heading + rest)) }
    return (String(heading.dropLast()), String(rest.drop { $0 == " " }))
  }
}
