/// The absolute http and https URLs that a post may name (RFC 3986, section 3, and letters beyond
/// ASCII as browsers take them).
enum WebAddress {
  /// What is wrong with the text as an address; nil when nothing is.
  static func complaint(_ text: String) -> String? {
    if text.unicodeScalars.count > 2048 { return "it is longer" }
    for scalar in text.unicodeScalars {
      let isForbidden = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
      if isForbidden || scalar.isWhitespace {
        return "spaces and control characters have to be percent-encoded"
      }
      if "\"<>\\`".unicodeScalars.contains(scalar) {
        return "the character \(scalar) has to be percent-encoded"
      }
    }
    let bytes = Array(text.utf8)
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
      ["http", "https"].contains(String(decoding: bytes[..<colon], as: UTF8.self).lowercased()),
      bytes[(colon + 1)...].starts(with: "//".utf8)
    else { return "it does not begin with http:// or https://" }
    let authority = bytes[(colon + 3)...].prefix { !"/?#".utf8.contains($0) }
    if authority.contains(UInt8(ascii: "@")) { return "it must not carry a user or a password" }
    return complaint(authority: authority)
  }

  private static func complaint(authority: ArraySlice<UInt8>) -> String? {
    if authority.first == UInt8(ascii: "[") {
      guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else {
        return "the host's bracket is not closed"
      }
      let host = authority[(authority.startIndex + 1)..<close]
      guard host.contains(UInt8(ascii: ":")), host.allSatisfy(isAddressByte) else {
        return "the host is not an IPv6 address"
      }
      return complaint(port: authority[(close + 1)...])
    }
    let host = authority.prefix { $0 != UInt8(ascii: ":") }
    if host.isEmpty { return "it has no host" }
    guard host.allSatisfy(isNameByte), host.first != UInt8(ascii: ".") else {
      return "its host is not a name"
    }
    return complaint(port: authority[host.endIndex...])
  }

  private static func complaint(port: ArraySlice<UInt8>) -> String? {
    guard let first = port.first else { return nil }
    let digits = port.dropFirst()
    guard first == UInt8(ascii: ":"), digits.allSatisfy(\.isDigit),
      UInt16(String(decoding: digits, as: UTF8.self)) != nil
    else { return "its port is not a number from 0 to 65535" }
    return nil
  }

  private static func isAddressByte(_ byte: UInt8) -> Bool {
    byte.isDigit || "abcdefABCDEF:.".utf8.contains(byte)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte >= 0x80 || byte.isDigit || byte.isLetter || "-._".utf8.contains(byte)
  }
}
