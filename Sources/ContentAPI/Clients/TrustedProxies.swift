package import EventLoop
package import HTTP

/// Whom a request comes from when proxies stand in front, which is asked of one header field only.
///
/// Anybody may send that field, so it is read from its end, where the nearest proxy has written whom
/// it saw. As long as that is one more proxy that the operator trusts, what it has written is next.
/// The first address that is not trusted is the client, and what stands before it is hearsay.
package struct TrustedProxies: Sendable, Equatable {
  /// The field that is read; the other one is not looked at.
  package enum Header: String, Sendable, CaseIterable {
    case xForwardedFor = "X-Forwarded-For"
    /// RFC 7239.
    case forwarded = "Forwarded"

    fileprivate var name: FieldName {
      switch self {
      case .xForwardedFor: "X-Forwarded-For"
      case .forwarded: "Forwarded"
      }
    }
  }

  private let networks: [NetworkPrefix]
  private let header: Header

  /// - Parameter networks: where the proxies are; without any, every peer is a client.
  package init(_ networks: [NetworkPrefix] = [], header: Header = .xForwardedFor) {
    self.networks = networks
    self.header = header
  }

  /// Whether a network in it is a whole address family.
  package var trustsEverybody: Bool {
    networks.contains { network in
      ["0.0.0.0/0", "::/0"].contains { (try? NetworkPrefix($0)) == network }
    }
  }

  /// What is wrong with a list of networks, as a clause that follows the variable's name.
  package struct Fault: Error, Sendable, Equatable {
    package let text: String
  }

  /// Reads addresses and prefixes with commas between them: `10.0.0.0/8, 2001:db8::/32`.
  package init(_ text: String, header: Header) throws(Fault) {
    var networks: [NetworkPrefix] = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let item = item.split(separator: " ").joined(separator: " ")
      do throws(NetworkPrefix.Fault) {
        networks.append(try NetworkPrefix(item))
      } catch {
        switch error {
        case .malformed:
          throw Fault(
            text: "has “\(item)” where an address or a network is expected, with commas between "
              + "them: 127.0.0.1,10.0.0.0/8,2001:db8::/32")
        case .bitsBeyondLength:
          throw Fault(
            text: "has “\(item)”, which has bits set behind the length; write a network, such as "
              + "10.0.0.0/8, or leave the length out for a single address")
        }
      }
    }
    self.init(networks, header: header)
  }

  /// How many elements are looked at.
  private static var maximumHops: Int { 32 }

  /// The client's address. An element that names no address (it is malformed, `unknown` or
  /// obfuscated) ends the walk: the client is then the last proxy that is known, and so are all
  /// others that it hides.
  package func client(of head: RequestHead, from peer: SocketAddress) -> NetworkAddress {
    var client = NetworkAddress(peer)
    guard isTrusted(client) else { return client }
    var left = Self.maximumHops
    head.forEachLine(fromLastOf: header.name) { line in
      var end = line.count
      while end >= 0 {
        let start = start(ofElementEndingAt: end, in: line)
        let element = Self.trimmed(line, start..<end)
        guard left > 0 else { return false }
        left -= 1
        end = start - 1
        // A list may have empty elements (RFC 9110 §5.6.1.2).
        if element.isEmpty { continue }
        guard let address = address(in: line.extracting(element)) else { return false }
        client = address
        guard isTrusted(address) else { return false }
      }
      return true
    }
    return client
  }

  /// Whether the address is one of the operator's own proxies.
  package func isTrusted(_ address: NetworkAddress) -> Bool {
    for network in networks where network.contains(address) { return true }
    return false
  }

  /// Behind the comma that parts the element from the one before. Read from the end, too: a quote
  /// that a client has left open must not swallow what a proxy has written behind it.
  private func start(ofElementEndingAt end: Int, in line: Span<UInt8>) -> Int {
    var position = end
    while position > 0 {
      position -= 1
      switch line[position] {
      case UInt8(ascii: ","): return position + 1
      case UInt8(ascii: "\"") where header == .forwarded:
        repeat { position -= 1 } while position >= 0 && !Self.isQuote(line, position)
        // The quote is open, and the rest of the line is one malformed element.
        if position < 0 { return 0 }
      default: break
      }
    }
    return 0
  }

  /// Whether a quote stands there that is not escaped.
  private static func isQuote(_ line: Span<UInt8>, _ position: Int) -> Bool {
    guard line[position] == UInt8(ascii: "\"") else { return false }
    var start = position
    while start > 0, line[start - 1] == UInt8(ascii: "\\") { start -= 1 }
    return (position - start).isMultiple(of: 2)
  }

  private static func trimmed(_ line: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, line[start].isBlank { start += 1 }
    while end > start, line[end - 1].isBlank { end -= 1 }
    return start..<end
  }

  private func address(in element: Span<UInt8>) -> NetworkAddress? {
    switch header {
    case .xForwardedFor: Self.address(ofNode: element, as: header)
    case .forwarded: ForwardedElement.address(in: element)
    }
  }

  /// An address, perhaps with a port behind it. `Forwarded` has IPv6 in brackets always (RFC 7239
  /// §6.1), `X-Forwarded-For` where a port follows or somebody likes them.
  fileprivate static func address(ofNode node: Span<UInt8>, as header: Header) -> NetworkAddress? {
    if node.isEmpty { return nil }
    var colons = 0
    var lastColon = node.count
    var bracket = 0
    for index in node.indices {
      if node[index] == UInt8(ascii: ":") {
        colons += 1
        lastColon = index
      } else if node[index] == UInt8(ascii: "]") {
        bracket = index
      }
    }
    if node[0] == UInt8(ascii: "[") {
      let address = node.extracting(1..<max(1, bracket))
      let rest = node.extracting(min(node.count, bracket + 1)..<node.count)
      guard bracket > 0, holdsColon(address), rest.isEmpty || isPort(rest, as: header) else {
        return nil
      }
      return NetworkAddress(address)
    }
    if colons > 1 { return header == .xForwardedFor ? NetworkAddress(node) : nil }
    guard colons == 0 || isPort(node.extracting(lastColon..<node.count), as: header) else {
      return nil
    }
    return NetworkAddress(node.extracting(0..<lastColon))
  }

  private static func holdsColon(_ text: Span<UInt8>) -> Bool {
    for index in text.indices where text[index] == UInt8(ascii: ":") { return true }
    return false
  }

  /// A colon and a port, in `Forwarded` perhaps an obfuscated one.
  private static func isPort(_ text: Span<UInt8>, as header: Header) -> Bool {
    guard text.count >= 2, text[0] == UInt8(ascii: ":") else { return false }
    if header == .forwarded, text[1] == UInt8(ascii: "_") {
      for index in 2..<text.count {
        let byte = text[index]
        guard byte.isLetter || byte.isDigit || "._-".utf8.contains(byte) else { return false }
      }
      return text.count > 2
    }
    guard text.count <= 6 else { return false }
    var port = 0
    for index in 1..<text.count {
      guard text[index].isDigit else { return false }
      port = port * 10 + Int(text[index] - UInt8(ascii: "0"))
    }
    return port <= 65_535
  }
}

/// One element of `Forwarded`: pairs of names and values with semicolons between them (RFC 7239 §4).
private enum ForwardedElement {
  /// What `for` says; nil when there is none, it is no address, or the element is malformed.
  static func address(in element: Span<UInt8>) -> NetworkAddress? {
    var address: NetworkAddress?
    var hasFor = false
    var position = 0
    while true {
      skipBlanks(element, &position)
      let name = token(element, &position)
      if !name.isEmpty {
        guard position < element.count, element[position] == UInt8(ascii: "=") else { return nil }
        position += 1
        guard let value = value(element, &position) else { return nil }
        if isFor(element.extracting(name)) {
          // Each name stands there once at most.
          if hasFor { return nil }
          hasFor = true
          address = self.address(element, value)
        }
        skipBlanks(element, &position)
      }
      if position == element.count { return address }
      guard element[position] == UInt8(ascii: ";") else { return nil }
      position += 1
    }
  }

  private static func address(_ element: Span<UInt8>, _ value: Range<Int>) -> NetworkAddress? {
    let text = element.extracting(value)
    var isEscaped = false
    for index in text.indices where text[index] == UInt8(ascii: "\\") { isEscaped = true }
    guard isEscaped else { return TrustedProxies.address(ofNode: text, as: .forwarded) }
    // Nobody writes an address so, but it may be written so.
    var bytes: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: "\\") { index += 1 }
      bytes.append(text[index])
      index += 1
    }
    return TrustedProxies.address(ofNode: bytes.span, as: .forwarded)
  }

  private static func isFor(_ name: Span<UInt8>) -> Bool {
    name.count == 3 && name[0] | 0x20 == UInt8(ascii: "f") && name[1] | 0x20 == UInt8(ascii: "o")
      && name[2] | 0x20 == UInt8(ascii: "r")
  }

  private static func skipBlanks(_ text: Span<UInt8>, _ position: inout Int) {
    while position < text.count, text[position].isBlank { position += 1 }
  }

  private static func token(_ text: Span<UInt8>, _ position: inout Int) -> Range<Int> {
    let start = position
    while position < text.count, isToken(text[position]) { position += 1 }
    return start..<position
  }

  /// tchar (RFC 9110 §5.6.2).
  private static func isToken(_ byte: UInt8) -> Bool {
    byte.isLetter || byte.isDigit || "!#$%&'*+-.^_`|~".utf8.contains(byte)
  }

  /// A token, or what stands between quotes, still with its backslashes, each of which has a byte
  /// behind it.
  private static func value(_ text: Span<UInt8>, _ position: inout Int) -> Range<Int>? {
    guard position < text.count, text[position] == UInt8(ascii: "\"") else {
      let token = token(text, &position)
      return token.isEmpty ? nil : token
    }
    position += 1
    let start = position
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "\""):
        position += 1
        return start..<position - 1
      case UInt8(ascii: "\\"): position += 2
      default: position += 1
      }
    }
    return nil
  }
}
