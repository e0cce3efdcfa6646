/// Reads the grammar that field values share (RFC 9110 §5.6): tokens, quoted strings, optional
/// white space. It steps over bytes and never past the end.
struct FieldReader {
  private let bytes: [UInt8]
  private var index = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  var isAtEnd: Bool { index == bytes.count }

  /// The byte that stands here, nil at the end.
  var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  /// Steps over `byte` if it stands here.
  mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    index += 1
    return true
  }

  mutating func skipWhitespace() {
    while let byte = next, byte.isWhitespace { index += 1 }
  }

  /// Steps over what separates the members of a list: commas, empty members and white space
  /// (RFC 9110 §5.6.1.2). False when there is no comma and the text has not ended.
  mutating func skipSeparator() -> Bool {
    skipWhitespace()
    if isAtEnd { return true }
    guard next == .comma else { return false }
    skipEmptyMembers()
    return true
  }

  /// Steps over commas and white space.
  mutating func skipEmptyMembers() {
    while let byte = next, byte == .comma || byte.isWhitespace { index += 1 }
  }

  /// Steps over what is left of a list's member, quoted strings as wholes.
  mutating func skipMember() {
    while let byte = next, byte != .comma {
      if byte == .quote {
        if quotedString() == nil { index = bytes.count }
      } else {
        index += 1
      }
    }
  }

  /// The longest run of bytes that `belongs` accepts, nil when it is empty.
  mutating func run(_ belongs: (UInt8) -> Bool) -> String? {
    let start = index
    while let byte = next, belongs(byte) { index += 1 }
    return index > start ? String(decoding: bytes[start..<index], as: UTF8.self) : nil
  }

  /// A token in lower case (RFC 9110 §5.6.2).
  mutating func lowercasedToken() -> String? {
    let start = index
    while let byte = next, byte.isToken { index += 1 }
    guard index > start else { return nil }
    return String(decoding: bytes[start..<index].map(\.lowercased), as: UTF8.self)
  }

  /// A quoted string without its quotes and escapes (RFC 9110 §5.6.4).
  mutating func quotedString() -> String? {
    guard take(.quote) else { return nil }
    var text: [UInt8] = []
    while let byte = next {
      index += 1
      if byte == .quote { return String(decoding: text, as: UTF8.self) }
      if byte == .backslash {
        guard let escaped = next, escaped.isFieldValue else { return nil }
        index += 1
        text.append(escaped)
      } else {
        guard byte.isFieldValue else { return nil }
        text.append(byte)
      }
    }
    return nil
  }

  /// `*( OWS ";" OWS [ name "=" value ] )` (RFC 9110 §5.6.6), names in lower case; nil when it is
  /// malformed. It stops before whatever is no parameter.
  mutating func parameters() -> [MediaType.Parameter]? {
    var parameters: [MediaType.Parameter] = []
    while true {
      skipWhitespace()
      guard take(.semicolon) else { return parameters }
      skipWhitespace()
      if next == nil || next == .semicolon || next == .comma { continue }
      guard let name = lowercasedToken(), take(.equals) else { return nil }
      guard let value = next == .quote ? quotedString() : run(\.isToken) else { return nil }
      parameters.append(.init(name: name, value: value))
    }
  }
}
