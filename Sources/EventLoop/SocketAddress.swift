import CLinux
import Glibc

/// A numeric IPv4 or IPv6 address with a port. Names are not resolved: a service listens on
/// addresses, and a peer has one.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
  /// Whether it is an IPv4 address; then its 32 bits are the last of `low`.
  package let isIPv4: Bool
  package let port: UInt16
  /// The address as a number of 128 bits. It is kept with each connection, which an array would make
  /// two pieces of memory of.
  package let high: UInt64
  package let low: UInt64

  /// - Parameter octets: four bytes or sixteen, in network order.
  package init(octets: [UInt8], port: UInt16) {
    precondition(octets.count == 4 || octets.count == 16)
    isIPv4 = octets.count == 4
    high = isIPv4 ? 0 : octets[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    low = octets.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    self.port = port
  }

  /// Four bytes or sixteen, in network order.
  package var octets: [UInt8] {
    let all = [high, low].flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }
    return isIPv4 ? Array(all.suffix(4)) : all
  }

  /// Reads `127.0.0.1:8080` or `[::1]:8080`; nil for anything else.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
      let port = UInt16(digits)
    else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      var address = in6_addr()
      guard unsafe inet_pton(AF_INET6, host, &address) == 1 else { return nil }
      self.init(octets: unsafe withUnsafeBytes(of: &address) { unsafe Array($0) }, port: port)
    } else {
      var address = in_addr()
      guard unsafe inet_pton(AF_INET, host, &address) == 1 else { return nil }
      self.init(octets: unsafe withUnsafeBytes(of: &address) { unsafe Array($0) }, port: port)
    }
  }

  /// The form that `init?` reads.
  package var description: String {
    isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
  }

  /// The address alone, as inet_ntop(3) writes it.
  package var host: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = isIPv4 ? AF_INET : AF_INET6
    guard unsafe inet_ntop(family, octets, &text, socklen_t(text.count)) != nil else { return "" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Calls `body` with the form the system calls want.
  func withSystemForm<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    if isIPv4 {
      var form = sockaddr_in()
      form.sin_family = sa_family_t(AF_INET)
      form.sin_port = port.bigEndian
      unsafe withUnsafeMutableBytes(of: &form.sin_addr) { unsafe $0.copyBytes(from: octets) }
      return unsafe withUnsafePointer(to: &form) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    var form = sockaddr_in6()
    form.sin6_family = sa_family_t(AF_INET6)
    form.sin6_port = port.bigEndian
    unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { unsafe $0.copyBytes(from: octets) }
    return unsafe withUnsafePointer(to: &form) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }

  /// Takes what accept(2) or getsockname(2) filled in; nil for another family.
  init?(_ storage: sockaddr_storage) {
    var storage = storage
    switch Int32(storage.ss_family) {
    case AF_INET:
      let form = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
      self.init(
        octets: unsafe withUnsafeBytes(of: form.sin_addr) { unsafe Array($0) },
        port: UInt16(bigEndian: form.sin_port))
    case AF_INET6:
      let form = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
      self.init(
        octets: unsafe withUnsafeBytes(of: form.sin6_addr) { unsafe Array($0) },
        port: UInt16(bigEndian: form.sin6_port))
    default: return nil
    }
  }
}
