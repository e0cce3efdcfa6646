/// A piece of HTML. What is interpolated as text is escaped, so that a text cannot become markup;
/// what is HTML already is taken as it is.
///
///     "<p>\(title)</p>" as HTML
struct HTML: Sendable, ExpressibleByStringInterpolation {
  private(set) var source: String

  init(stringLiteral source: String) { self.source = source }

  init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }

  /// - Parameter markup: what the program wrote itself, such as the style of a page.
  init(markup: String) { source = markup }

  static func += (html: inout HTML, more: HTML) { html.source += more.source }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var source = ""

    init(literalCapacity: Int, interpolationCount: Int) {
      source.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    mutating func appendLiteral(_ literal: String) { source += literal }

    /// The text as it stands in an element or a quoted attribute.
    mutating func appendInterpolation(_ text: String) {
      guard text.utf8.contains(where: Self.isSpecial) else {
        source += text
        return
      }
      for scalar in text.unicodeScalars {
        switch scalar {
        case "&": source += "&amp;"
        case "<": source += "&lt;"
        case ">": source += "&gt;"
        case "\"": source += "&quot;"
        case "'": source += "&#39;"
        default: source.unicodeScalars.append(scalar)
        }
      }
    }

    mutating func appendInterpolation(_ number: Int) { source += String(number) }

    mutating func appendInterpolation(_ html: HTML) { source += html.source }

    private static func isSpecial(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""),
        UInt8(ascii: "'"):
        true
      default: false
      }
    }
  }
}

extension Sequence where Element == HTML {
  /// All of them, one behind the other.
  func joined(separator: HTML = "") -> HTML {
    HTML(markup: map(\.source).joined(separator: separator.source))
  }
}

extension DefaultStringInterpolation {
  /// A literal that was meant as HTML and is taken for a text would be escaped once more. That is a
  /// warning, and so an error; `"…" as HTML` mends it.
  @available(*, deprecated, message: "Interpolate HTML into HTML only.")
  mutating func appendInterpolation(_ html: HTML) { appendInterpolation(html.source) }
}
