/// `uri-host [ ":" port ]` (RFC 3986 §3.2.2 and §3.2.3), without user information.
enum Authority {
  /// Whether `range` holds a host, which is not empty, and perhaps a port. IPvFuture, which
  /// nobody has defined, and zone identifiers are not accepted.
  static func isValid(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard let first = range.first else { return false }
    var index = first
    if bytes[first] == 0x5B {
      while index < range.upperBound, bytes[index] != 0x5D { index += 1 }
      guard index < range.upperBound, isIPv6(bytes, (first + 1)..<index) else { return false }
      index += 1
    } else {
      while index < range.upperBound, bytes[index] != .colon {
        if bytes[index] == .percent {
          guard range.upperBound - index > 2, bytes[index + 1].hexadecimalValue != nil,
            bytes[index + 2].hexadecimalValue != nil
          else { return false }
          index += 3
        } else {
          guard ByteClass.registeredName.contains(bytes[index]) else { return false }
          index += 1
        }
      }
      guard index > first else { return false }
    }
    guard index < range.upperBound else { return true }
    return bytes[index] == .colon && isPort(bytes, (index + 1)..<range.upperBound)
  }

  /// `*DIGIT`, at most 65535.
  private static func isPort(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var port = 0
    for index in range {
      guard bytes[index].isDigit else { return false }
      port = port * 10 + Int(bytes[index] - 0x30)
      guard port <= 65_535 else { return false }
    }
    return true
  }

  /// IPv6address of RFC 3986 §3.2.2: eight groups, or fewer around one `::`; the last two may be
  /// an IPv4 address.
  private static func isIPv6(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var groups = 0
    var compressed = false
    var index = range.lowerBound
    func isColon(_ at: Int) -> Bool { at < range.upperBound && bytes[at] == .colon }
    while index < range.upperBound {
      if isColon(index) {
        guard isColon(index + 1), !compressed else { return false }
        compressed = true
        index += 2
        continue
      }
      let start = index
      while index < range.upperBound, bytes[index].hexadecimalValue != nil { index += 1 }
      if index < range.upperBound, bytes[index] == 0x2E {
        guard isIPv4(bytes, start..<range.upperBound) else { return false }
        groups += 2
        index = range.upperBound
        break
      }
      guard index > start, index - start <= 4 else { return false }
      groups += 1
      // A single colon separates two groups; `::` is left to the next turn.
      if isColon(index), !isColon(index + 1) {
        index += 1
        guard index < range.upperBound else { return false }
      } else if index < range.upperBound, !isColon(index) {
        return false
      }
    }
    return compressed ? groups < 8 : groups == 8
  }

  /// Four decimal octets without leading zeros.
  private static func isIPv4(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var octets = 0
    var index = range.lowerBound
    while true {
      let start = index
      var value = 0
      while index < range.upperBound, bytes[index].isDigit, index - start < 3 {
        value = value * 10 + Int(bytes[index] - 0x30)
        index += 1
      }
      guard index > start, value <= 255, index - start == 1 || bytes[start] != 0x30 else {
        return false
      }
      octets += 1
      if index == range.upperBound { return octets == 4 }
      guard octets < 4, bytes[index] == 0x2E else { return false }
      index += 1
    }
  }
}
