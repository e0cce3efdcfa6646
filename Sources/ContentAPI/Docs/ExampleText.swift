import JSON

/// An example of openapi.yaml in the form in which it travels.
enum ExampleText {
  /// As JSON, in one line or in one for each member.
  static func json(_ value: YAML, isCompact: Bool = false) -> String {
    var text = ""
    write(value, isCompact: isCompact, margin: "", to: &text)
    return text
  }

  private static func write(_ value: YAML, isCompact: Bool, margin: String, to text: inout String) {
    let inner = margin + "  "
    let (opening, separator, closing) =
      isCompact ? ("", ", ", "") : ("\n" + inner, ",\n" + inner, "\n" + margin)
    switch value {
    case .scalar(let scalar, let isQuoted):
      text += isQuoted || !isLiteral(scalar) ? quoted(scalar) : scalar
    case .sequence(let elements):
      text += "["
      for (place, element) in elements.enumerated() {
        text += place == 0 ? opening : separator
        write(element, isCompact: isCompact, margin: inner, to: &text)
      }
      text += elements.isEmpty ? "]" : closing + "]"
    case .mapping(let members):
      text += "{"
      for (place, member) in members.enumerated() {
        text += (place == 0 ? opening : separator) + quoted(member.name) + ": "
        write(member.value, isCompact: isCompact, margin: inner, to: &text)
      }
      text += members.isEmpty ? "}" : closing + "}"
    }
  }

  /// What stands in a query string: the elements of an array have commas between them.
  static func query(_ value: YAML) -> String {
    value.text ?? value.elements.compactMap(\.text).joined(separator: ",")
  }

  /// `name=value&…`, as a browser sends a form.
  static func form(_ value: YAML) -> String {
    value.members.map { $0.name + "=" + Query.encoded($0.value.text ?? "") }.joined(separator: "&")
  }

  /// A word of a POSIX shell.
  static func shellWord(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
      + "'"
  }

  private static func isLiteral(_ scalar: String) -> Bool {
    if ["true", "false", "null"].contains(scalar) { return true }
    let digits = scalar.hasPrefix("-") ? scalar.dropFirst() : scalar[...]
    return !digits.isEmpty && digits.utf8.allSatisfy(\.isDigit)
  }

  private static func quoted(_ text: String) -> String {
    var writer = JSONWriter(capacity: text.utf8.count + 2)
    writer.string(text)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
