package import EventLoop

/// An IPv4 or IPv6 address in 128 bits: an IPv4 address is its IPv6-mapped form (RFC 4291 §2.5.5.2).
///
/// The same IPv4 host may appear in several notations. What counts are the bits: `192.0.2.1`,
/// `::ffff:192.0.2.1`, `::ffff:c000:201` and, behind a translator (RFC 6052 §2.1),
/// `64:ff9b::c000:201` are one address here.
package struct NetworkAddress: Sendable, Hashable {
  /// The first 64 bits: of IPv6 the network, of IPv4 zero.
  package let high: UInt64
  /// The last 64 bits.
  package let low: UInt64

  /// Takes 128 bits, and the IPv4 address out of them where there is one.
  package init(high: UInt64, low: UInt64) {
    let isTranslated = high == Self.translation && low >> 32 == 0
    self.high = isTranslated ? 0 : high
    self.low = isTranslated ? Self.mapped | low : low
  }

  /// Takes an IPv4 address as a number.
  package init(ipv4 number: UInt32) {
    high = 0
    low = Self.mapped | UInt64(number)
  }

  /// The other end of a connection.
  package init(_ address: SocketAddress) {
    if address.isIPv4 {
      self.init(ipv4: UInt32(truncatingIfNeeded: address.low))
    } else {
      self.init(high: address.high, low: address.low)
    }
  }

  /// Whether it is an IPv4 address, in whatever notation it came.
  package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

  private static var mapped: UInt64 { 0xffff_0000_0000 }
  private static var translation: UInt64 { 0x0064_ff9b_0000_0000 }
}

extension NetworkAddress {
  /// Reads `192.0.2.1` or `2001:db8::1` (RFC 4291 §2.2), without brackets, port or zone; nil for
  /// anything else. A number of IPv4 has no leading zero: some would read it as octal.
  package init?(_ text: Span<UInt8>) {
    guard text.count <= 45 else { return nil }
    var isIPv6 = false
    for index in text.indices where text[index] == UInt8(ascii: ":") { isIPv6 = true }
    if isIPv6 {
      guard let (high, low) = Self.ipv6(text) else { return nil }
      self.init(high: high, low: low)
    } else {
      guard let number = Self.ipv4(text, 0..<text.count) else { return nil }
      self.init(ipv4: number)
    }
  }

  /// The same of a string.
  package init?(_ text: String) {
    self.init(Array(text.utf8).span)
  }

  private static func ipv4(_ text: Span<UInt8>, _ range: Range<Int>) -> UInt32? {
    var address: UInt32 = 0
    var parts = 0
    var position = range.lowerBound
    while true {
      let start = position
      var part: UInt32 = 0
      while position < range.upperBound, text[position].isDigit, position - start < 3 {
        part = part * 10 + UInt32(text[position] - UInt8(ascii: "0"))
        position += 1
      }
      guard position > start, part <= 255,
        position - start == 1 || text[start] != UInt8(ascii: "0")
      else { return nil }
      address = address << 8 | part
      parts += 1
      if parts == 4 { return position == range.upperBound ? address : nil }
      guard position < range.upperBound, text[position] == UInt8(ascii: ".") else { return nil }
      position += 1
    }
  }

  /// The groups before a `::` are gathered from the left, those behind it from the right.
  private static func ipv6(_ text: Span<UInt8>) -> (high: UInt64, low: UInt64)? {
    var front = Groups()
    var back = Groups()
    var isCompressed = false
    var position = 0
    // A colon at the beginning is the first of two.
    if text[0] == UInt8(ascii: ":") {
      guard text.count > 1, text[1] == UInt8(ascii: ":") else { return nil }
      isCompressed = true
      position = 2
    }
    while position < text.count {
      let start = position
      var group: UInt64 = 0
      while position < text.count, let digit = text[position].hexadecimalValue {
        guard position - start < 4 else { return nil }
        group = group << 4 | UInt64(digit)
        position += 1
      }
      guard position > start else { return nil }
      if position < text.count, text[position] == UInt8(ascii: ".") {
        guard let number = ipv4(text, start..<text.count) else { return nil }
        for half in [number >> 16, number & 0xffff] {
          if isCompressed { back.append(UInt64(half)) } else { front.append(UInt64(half)) }
        }
        position = text.count
        break
      }
      if isCompressed { back.append(group) } else { front.append(group) }
      if position == text.count { break }
      guard text[position] == UInt8(ascii: ":") else { return nil }
      position += 1
      if position < text.count, text[position] == UInt8(ascii: ":") {
        guard !isCompressed else { return nil }
        isCompressed = true
        position += 1
      } else if position == text.count {
        return nil
      }
    }
    let count = front.count + back.count
    guard isCompressed ? count < 8 : count == 8 else { return nil }
    front.shift(by: 8 - front.count)
    return (front.high | back.high, front.low | back.low)
  }

  /// Groups of sixteen bits, the last one in the lowest bits.
  private struct Groups {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var count = 0

    mutating func append(_ group: UInt64) {
      shift(by: 1)
      low |= group
      count += 1
    }

    mutating func shift(by groups: Int) {
      for _ in 0..<groups {
        high = high << 16 | low >> 48
        low <<= 16
      }
    }
  }
}

/// The addresses that begin with the same bits (RFC 4632, RFC 4291 §2.3): `10.0.0.0/8`,
/// `2001:db8::/32`.
package struct NetworkPrefix: Sendable, Hashable {
  private let first: NetworkAddress
  /// Of the 128 bits.
  private let length: Int

  /// Why a text is no prefix.
  package enum Fault: Error, Sendable, Equatable {
    /// It is no address, or no length behind the slash.
    case malformed
    /// There are bits set behind the length. What was meant, cannot be known.
    case bitsBeyondLength
  }

  /// Reads an address, with `/` and the number of its leading bits that count behind it, or alone
  /// for a single address.
  package init(_ text: String) throws(Fault) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = NetworkAddress(String(parts[0])) else { throw .malformed }
    // What was written as IPv4 has 32 bits, whatever its form is.
    let isDotted = !parts[0].utf8.contains(UInt8(ascii: ":"))
    let bits = isDotted ? 32 : 128
    var length = bits
    if parts.count == 2 {
      guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(\.isDigit),
        parts[1] == "0" || parts[1].utf8.first != UInt8(ascii: "0"), let number = Int(parts[1]),
        number <= bits
      else { throw .malformed }
      length = number
    }
    if isDotted { length += 96 }
    // A prefix of the wrapped form says something about IPv4 only when it takes in all of the
    // wrapping.
    guard !address.isIPv4 || length >= 96 else { throw .malformed }
    first = address
    self.length = length
    guard Self.masked(address, length) == (address.high, address.low) else {
      throw .bitsBeyondLength
    }
  }

  /// Whether the address is one of these. `::/0` is every IPv6 address and no IPv4 address.
  package func contains(_ address: NetworkAddress) -> Bool {
    address.isIPv4 == first.isIPv4 && Self.masked(address, length) == (first.high, first.low)
  }

  private static func masked(_ address: NetworkAddress, _ length: Int) -> (UInt64, UInt64) {
    // A shift by the whole width gives nothing left.
    let high: UInt64 = length >= 64 ? .max : ~(.max >> UInt64(length))
    let low: UInt64 = length <= 64 ? 0 : ~(.max >> UInt64(length - 64))
    return (address.high & high, address.low & low)
  }
}
