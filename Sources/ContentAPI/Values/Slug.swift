/// The part of an address that names a post, a tag or a type: lower-case ASCII letters and digits
/// in groups joined by single hyphens.
package enum Slug {
  /// The most characters of a post's slug.
  package static let maximumLength = 200
  /// The most characters of a tag's slug.
  package static let maximumTagLength = 100
  /// The most characters of a post's type.
  package static let maximumTypeLength = 50

  /// The rule in words, for faults and documentation.
  package static let rule = "lower-case letters a-z, digits and single hyphens between them"

  /// Whether the text is a slug of 1 to `limit` characters.
  package static func isValid(_ text: String, limit: Int = maximumLength) -> Bool {
    var length = 0
    var previousIsHyphen = true
    for byte in text.utf8 {
      length += 1
      guard length <= limit else { return false }
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        previousIsHyphen = false
      case UInt8(ascii: "-"):
        if previousIsHyphen { return false }
        previousIsHyphen = true
      default: return false
      }
    }
    return !previousIsHyphen
  }

  /// The slug of at most `limit` characters that a title stands for; nil where nothing of it can
  /// stand in one, as in 日本語.
  ///
  /// Letters become lower case, Latin letters lose their marks (ä is a, ß is ss, ø is o), inverted
  /// commas and invisible characters vanish (don't is dont), and each run of anything else is one
  /// hyphen. A longer result is cut at its last hyphen within the limit.
  package static func derive(from title: String, limit: Int = maximumLength) -> String? {
    var slug: [UInt8] = []
    var separated = false
    scalars: for scalar in title.unicodeScalars {
      let lowered = scalar.isASCII ? nil : scalar.properties.lowercaseMapping
      for letter in (lowered ?? String(scalar)).unicodeScalars {
        guard !vanishes(letter) else { continue }
        guard let bytes = fold(letter) else {
          separated = true
          continue
        }
        if separated, !slug.isEmpty { slug.append(UInt8(ascii: "-")) }
        separated = false
        slug += bytes
        if slug.count > limit { break scalars }
      }
    }
    if slug.count > limit {
      // The next character is known here: a hyphen at the limit itself ends a whole word.
      let cut = slug[...limit].lastIndex(of: UInt8(ascii: "-")) ?? limit
      slug.removeSubrange(cut...)
    }
    return slug.isEmpty ? nil : String(decoding: slug, as: UTF8.self)
  }

  private static func vanishes(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x27, 0x2018, 0x2019, 0x201B, 0x02BC, 0xFF07: true
    case 0x0300...0x036F, 0x00AD, 0x200B...0x200D, 0x2060, 0xFEFF: true
    default: false
    }
  }

  /// What a lower-case letter or a digit becomes; nil for every other character.
  private static func fold(_ scalar: Unicode.Scalar) -> [UInt8]? {
    switch scalar {
    case "a"..."z", "0"..."9": [UInt8(ascii: scalar)]
    case "A"..."Z": [UInt8(ascii: scalar) + 32]
    default: scalar.isASCII ? nil : foldings[scalar]
    }
  }

  private static let foldings: [Unicode.Scalar: [UInt8]] = {
    var table: [Unicode.Scalar: [UInt8]] = [:]
    for (plain, letters) in marked {
      for letter in letters.unicodeScalars { table[letter] = Array(plain.utf8) }
    }
    return table
  }()

  /// Lower-case Latin letters by what they become without their marks: Latin-1, Latin Extended-A
  /// and B and Latin Extended Additional.
  private static let marked: [(plain: String, letters: String)] = [
    ("a", "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ"),
    ("ae", "æǣǽ"),
    ("b", "ƀḃḅḇ"),
    ("c", "çćĉċčḉ"),
    ("d", "ðďđḋḍḏḑḓ"),
    ("e", "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệə"),
    ("f", "ƒḟ"),
    ("g", "ĝğġģǥǧǵḡ"),
    ("h", "ĥħȟḣḥḧḩḫẖ"),
    ("i", "ìíîïĩīĭįıǐȉȋḭḯỉịɨ"),
    ("ij", "ĳ"),
    ("j", "ĵǰȷ"),
    ("k", "ķĸǩḱḳḵ"),
    ("l", "ĺļľŀłḷḹḻḽ"),
    ("m", "ḿṁṃ"),
    ("n", "ñńņňŉŋǹṅṇṉṋ"),
    ("o", "òóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ"),
    ("oe", "œ"),
    ("p", "ṕṗ"),
    ("r", "ŕŗřȑȓṙṛṝṟ"),
    ("s", "śŝşšſșṡṣṥṧṩ"),
    ("ss", "ß"),
    ("t", "ţťŧțṫṭṯṱẗ"),
    ("th", "þ"),
    ("u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"),
    ("v", "ṽṿ"),
    ("w", "ŵẁẃẅẇẉẘ"),
    ("x", "ẋẍ"),
    ("y", "ýÿŷȳẏẙỳỵỷỹ"),
    ("z", "źżžƶẑẓẕ"),
  ]
}
