/// What an `Accept` field takes (RFC 9110 §12.5.1).
///
/// Of a range's parameters only `q` counts. A member that breaks the grammar takes nothing and
/// shows in `isWellFormed`; a field without any member that is sound takes everything, as a
/// missing one does.
package struct Accept: Sendable {
  private struct MediaRange {
    /// Nil for `*`.
    var type: String?
    /// Nil for `*`.
    var subtype: String?
    /// Thousandths, 0…1000.
    var quality: Int
  }

  private var ranges: [MediaRange] = []
  /// Whether every member of every line was sound.
  package private(set) var isWellFormed = true

  /// Reads the values of all lines of the field, which count as one list.
  package init(_ lines: [String]) {
    for line in lines {
      var reader = FieldReader(line)
      reader.skipEmptyMembers()
      while !reader.isAtEnd {
        let range = Self.range(&reader)
        if let range, reader.skipSeparator() {
          ranges.append(range)
        } else {
          isWellFormed = false
          reader.skipMember()
          reader.skipEmptyMembers()
        }
      }
    }
  }

  /// The quality of a type, in thousandths: that of the most specific range that covers it, 0
  /// when it is excluded or no range covers it.
  package func quality(of offer: MediaType) -> Int {
    guard !ranges.isEmpty else { return 1000 }
    var best = (specificity: -1, quality: 0)
    for range in ranges {
      guard range.type == nil || range.type == offer.type,
        range.subtype == nil || range.subtype == offer.subtype
      else { continue }
      let specificity = (range.type == nil ? 0 : 1) + (range.subtype == nil ? 0 : 1)
      if specificity > best.specificity
        || specificity == best.specificity && range.quality > best.quality
      {
        best = (specificity, range.quality)
      }
    }
    return best.quality
  }

  /// The place of the offer that is taken most gladly, the first of equals; nil when none is
  /// taken. `offers` stand in the server's order of preference.
  package func best(of offers: [MediaType]) -> Int? {
    var best: (place: Int, quality: Int)?
    for (place, offer) in offers.enumerated() {
      let quality = quality(of: offer)
      if quality > best?.quality ?? 0 { best = (place, quality) }
    }
    return best?.place
  }

  private static func range(_ reader: inout FieldReader) -> MediaRange? {
    guard let type = reader.lowercasedToken(), reader.take(.slash),
      let subtype = reader.lowercasedToken(), let parameters = reader.parameters(),
      type != "*" || subtype == "*"
    else { return nil }
    var range = MediaRange(
      type: type == "*" ? nil : type, subtype: subtype == "*" ? nil : subtype, quality: 1000)
    if let weight = parameters.first(where: { $0.name == "q" }) {
      guard let quality = Self.quality(weight.value) else { return nil }
      range.quality = quality
    }
    return range
  }

  /// qvalue (RFC 9110 §12.4.2) in thousandths.
  private static func quality(_ text: String) -> Int? {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, first == 0x30 || first == 0x31, bytes.count <= 5,
      bytes.count == 1 || bytes[1] == 0x2E
    else { return nil }
    var quality = Int(first - 0x30) * 1000
    var unit = 100
    for byte in bytes.dropFirst(2) {
      guard byte.isDigit else { return nil }
      quality += Int(byte - 0x30) * unit
      unit /= 10
    }
    return quality <= 1000 ? quality : nil
  }
}
