/// An address that mail can be sent to, in the narrow form that every mail server takes: a
/// dot-atom, `@` and a domain name (RFC 5321 §4.1.2 without quoted strings and address literals).
///
/// It is ASCII throughout: only some servers take anything else (RFC 6531), and none has to. An
/// international domain is written in its ASCII form, `xn--…`, as browsers do by themselves in a
/// field of type `email`.
///
/// No such address holds white space, a control character, a comma, a bracket or a quote. So it can
/// stand in a header field as it is, and is one recipient wherever it is read.
package struct MailAddress: Sendable, Hashable, CustomStringConvertible {
  /// The most octets of an address (RFC 3696, erratum 1690).
  package static let limit = 254
  /// The most octets before the `@` (RFC 5321 §4.5.3.1.1).
  package static let localLimit = 64

  /// The address as it was given: what mail is sent to.
  package let text: String
  /// What tells this address from others: letters in lower case. The standard lets a server tell
  /// `Ada@` from `ada@`, and none does; here they are one reader.
  package let normalised: String
  /// The part behind the `@`, in lower case.
  package let domain: String

  package var description: String { text }

  /// Reads an address. Throws the first rule that it breaks.
  package init(_ text: String) throws(MailAddressError) {
    let bytes = Array(text.utf8)
    if bytes.isEmpty { throw .empty }
    if bytes.count > Self.limit { throw .tooLong }
    try Self.checkCharacters(bytes)
    guard let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { throw .noAtSign }
    try Self.checkLocalPart(bytes[..<at])
    try Self.checkDomain(bytes[(at + 1)...])
    self.text = text
    normalised = String(decoding: bytes.map(Self.lowercased), as: UTF8.self)
    domain = String(decoding: bytes[(at + 1)...].map(Self.lowercased), as: UTF8.self)
  }

  /// What stands nowhere in an address, and says most about what was meant.
  private static func checkCharacters(_ bytes: [UInt8]) throws(MailAddressError) {
    let at = bytes.lastIndex(of: UInt8(ascii: "@")) ?? bytes.count
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case ..<0x20, 0x7f: throw .control
      case 0x80...: throw index < at ? .foreignLocalPart : .foreignDomain
      case UInt8(ascii: " "): throw .blank
      case UInt8(ascii: ","), UInt8(ascii: ";"): throw .several
      case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "("), UInt8(ascii: ")"):
        throw .notAlone
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): throw .quoted
      default: break
      }
    }
  }

  private static func checkLocalPart(_ local: ArraySlice<UInt8>) throws(MailAddressError) {
    if local.isEmpty { throw .noLocalPart }
    if local.count > localLimit { throw .longLocalPart }
    if local.contains(UInt8(ascii: "@")) { throw .severalAtSigns }
    let dot = UInt8(ascii: ".")
    if local.first == dot || local.last == dot { throw .dotAtEdge }
    if zip(local, local.dropFirst()).contains(where: { $0 == dot && $1 == dot }) {
      throw .doubleDot
    }
    guard local.allSatisfy({ $0 == dot || isAtomText($0) }) else { throw .forbiddenCharacter }
  }

  private static func checkDomain(_ domain: ArraySlice<UInt8>) throws(MailAddressError) {
    if domain.isEmpty { throw .noDomain }
    if domain.first == UInt8(ascii: "[") || domain.contains(UInt8(ascii: ":")) {
      throw .literalDomain
    }
    let labels = domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard labels.allSatisfy({ !$0.isEmpty }) else { throw .emptyLabel }
    for label in labels {
      if label.count > 63 { throw .longLabel }
      guard label.allSatisfy({ $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") }) else {
        throw .forbiddenInDomain
      }
      if label.first == UInt8(ascii: "-") || label.last == UInt8(ascii: "-") {
        throw .hyphenAtEdge
      }
    }
    guard let top = labels.last, labels.count >= 2 else { throw .singleLabel }
    if labels.count == 4, labels.allSatisfy({ $0.allSatisfy(\.isDigit) }) { throw .literalDomain }
    // A name's last part has always been told from a number by a letter (RFC 3696 §2).
    guard top.count >= 2, top.contains(where: \.isLetter) else { throw .noTopLevelDomain }
  }

  /// `atext` (RFC 5322 §3.2.3).
  private static func isAtomText(_ byte: UInt8) -> Bool {
    byte.isLetter || byte.isDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}

/// Why a text is not an address that mail can be sent to.
package enum MailAddressError: Error, Sendable, CaseIterable, CustomStringConvertible {
  case empty, tooLong, control, blank, several, notAlone, quoted, noAtSign, severalAtSigns
  case foreignLocalPart, noLocalPart, longLocalPart, dotAtEdge, doubleDot, forbiddenCharacter
  case foreignDomain, noDomain, literalDomain, emptyLabel, longLabel, forbiddenInDomain
  case hyphenAtEdge, singleLabel, noTopLevelDomain

  /// A clause for people, which repeats nothing of the text.
  package var description: String {
    switch self {
    case .empty: "must be an e-mail address; it is empty"
    case .tooLong: "must be an e-mail address of at most \(MailAddress.limit) bytes"
    case .control:
      "must be an e-mail address; it has no line breaks, tabs or other control characters"
    case .blank: "must be an e-mail address; it has no blanks, not even around it"
    case .several: "must be one e-mail address; it has no commas or semicolons"
    case .notAlone:
      "must be the e-mail address alone, without a name, brackets or a comment around it"
    case .quoted: "must be an e-mail address without quotes and backslashes"
    case .noAtSign: "must be an e-mail address; it has an @, as in ada@example.com"
    case .severalAtSigns: "must be an e-mail address; it has a single @"
    case .foreignLocalPart:
      "must be an e-mail address in ASCII; few mail servers take other letters before the @"
    case .noLocalPart: "must be an e-mail address; something stands before its @"
    case .longLocalPart:
      "must be an e-mail address with at most \(MailAddress.localLimit) bytes before its @"
    case .dotAtEdge:
      "must be an e-mail address; the part before its @ does not begin or end with a dot"
    case .doubleDot: "must be an e-mail address; the part before its @ has no two dots in a row"
    case .forbiddenCharacter:
      "must be an e-mail address; before its @ are letters, digits, dots and !#$%&'*+-/=?^_`{|}~"
    case .foreignDomain:
      "must be an e-mail address whose domain is in its ASCII form, which begins with xn--"
    case .noDomain: "must be an e-mail address; a domain stands behind its @"
    case .literalDomain: "must be an e-mail address at a domain name, not at an IP address"
    case .emptyLabel:
      "must be an e-mail address; its domain has no dot at an edge and no two in a row"
    case .longLabel:
      "must be an e-mail address; between dots its domain has at most 63 characters"
    case .forbiddenInDomain:
      "must be an e-mail address; its domain has letters, digits, hyphens and dots only"
    case .hyphenAtEdge:
      "must be an e-mail address; no part of its domain begins or ends with a hyphen"
    case .singleLabel: "must be an e-mail address at a full domain name, such as example.com"
    case .noTopLevelDomain:
      "must be an e-mail address; its domain ends in two characters or more, one a letter"
    }
  }
}
