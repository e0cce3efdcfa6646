/// The name of a field (RFC 9110 §5.1). Names are equal whatever the case of their letters; the
/// spelling is kept for the wire.
package struct FieldName: Sendable, ExpressibleByStringLiteral, Equatable {
  /// The name as it was spelled.
  package let text: String

  /// A name that the program spells. `ResponseWriter` makes sure that even a wrong one cannot
  /// break a message.
  package init(stringLiteral text: String) {
    self.text = text
  }

  /// A name from data, nil when it is not a token.
  package init?(token text: String) {
    let bytes = text.utf8Span.span
    guard !bytes.isEmpty else { return nil }
    for place in bytes.indices where !bytes[place].isToken { return nil }
    self.text = text
  }

  package static func == (left: FieldName, right: FieldName) -> Bool {
    let (left, right) = (left.text.utf8Span.span, right.text.utf8Span.span)
    guard left.count == right.count else { return false }
    for place in left.indices where left[place].lowercased != right[place].lowercased {
      return false
    }
    return true
  }
}

/// The value of a field that is sent. It holds visible ASCII and spaces within it, so that no
/// value can end its line, whatever it was made from.
///
/// Every other byte is percent-encoded: nothing is dropped silently, a URI with such bytes stays
/// the URI that was meant, and a fault shows as `%0A` instead of becoming a second field.
package struct FieldValue: Sendable, ExpressibleByStringInterpolation, Equatable {
  /// The value as it is sent.
  package let text: String

  package init(_ text: String) {
    self.text = Self.isSendable(text) ? text : Self.encoded(text)
  }

  package init(stringLiteral text: String) {
    self.init(text)
  }

  /// A decimal number.
  package init(_ number: Int) {
    text = String(number)
  }

  private static func isSendable(_ text: String) -> Bool {
    let bytes = text.utf8Span.span
    guard !bytes.isEmpty else { return true }
    for place in bytes.indices where bytes[place] < .space || bytes[place] >= 0x7F { return false }
    return bytes[0] != .space && bytes[bytes.count - 1] != .space
  }

  private static func encoded(_ text: String) -> String {
    let digits: [UInt8] = Array("0123456789ABCDEF".utf8)
    let bytes = Array(text.utf8)
    var value: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      let isEdge = index == 0 || index == bytes.count - 1
      if byte > .space && byte < 0x7F || byte == .space && !isEdge {
        value.append(byte)
      } else {
        value += [.percent, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: value, as: UTF8.self)
  }
}
