/// An entity tag (RFC 9110 §8.8.3).
package struct EntityTag: Sendable, Equatable {
  /// Whether it stands for equivalent, not for equal bytes.
  package let isWeak: Bool
  /// What stands between the quotes.
  package let opaque: String

  /// A tag of one's own; nil when `opaque` has a byte that may not stand in a tag.
  package init?(opaque: String, isWeak: Bool = false) {
    guard opaque.utf8.allSatisfy(Self.isAllowed) else { return nil }
    self.init(isWeak: isWeak, checked: opaque)
  }

  private init(isWeak: Bool, checked: String) {
    self.isWeak = isWeak
    opaque = checked
  }

  /// As it is sent.
  package var text: String {
    var text = isWeak ? "W/\"" : "\""
    text.reserveCapacity(opaque.utf8.count + 4)
    text += opaque
    text += "\""
    return text
  }

  /// Strong comparison (RFC 9110 §8.8.3.2): both are strong and the same.
  package func stronglyMatches(_ other: EntityTag) -> Bool {
    !isWeak && !other.isWeak && weaklyMatches(other)
  }

  /// Weak comparison: the same, weak or not.
  package func weaklyMatches(_ other: EntityTag) -> Bool {
    // Byte by byte: to `==`, a kelvin sign equals a K.
    opaque.utf8.elementsEqual(other.opaque.utf8)
  }

  /// etagc: VCHAR without the quote, and obs-text.
  private static func isAllowed(_ byte: UInt8) -> Bool {
    byte > .space && byte != .quote && byte != 0x7F
  }

  /// The tag that stands at `reader`. `W/` is case-sensitive, and a backslash escapes nothing.
  fileprivate init?(_ reader: inout FieldReader) {
    var isWeak = false
    if reader.take(0x57) {
      guard reader.take(.slash) else { return nil }
      isWeak = true
    }
    guard reader.take(.quote) else { return nil }
    let opaque = reader.run(Self.isAllowed) ?? ""
    guard reader.take(.quote) else { return nil }
    self.init(isWeak: isWeak, checked: opaque)
  }
}

/// What `If-Match` or `If-None-Match` asks for (RFC 9110 §13.1.1 and §13.1.2).
package enum EntityTagCondition: Sendable, Equatable {
  /// The field is not there.
  case absent
  /// `*`
  case any
  /// One of these, at least one.
  case oneOf([EntityTag])
  /// The value breaks the grammar.
  case invalid

  /// Reads the values of all lines of the field, which count as one list.
  package init(_ lines: [String]) {
    guard !lines.isEmpty else {
      self = .absent
      return
    }
    var tags: [EntityTag] = []
    for line in lines {
      if line == "*" {
        self = lines.count == 1 ? .any : .invalid
        return
      }
      var reader = FieldReader(line)
      reader.skipEmptyMembers()
      while !reader.isAtEnd {
        guard let tag = EntityTag(&reader), reader.skipSeparator() else {
          self = .invalid
          return
        }
        tags.append(tag)
      }
    }
    self = tags.isEmpty ? .invalid : .oneOf(tags)
  }
}
