import ContentAPI
import EventLoop
import HTTP

/// Whatever a client writes of itself, a trusted proxy's word behind it is what counts; a stranger's
/// own address does where no proxy is. And the bytes, read as an address, are what the system takes
/// them for.
func checkForwarded(_ bytes: [UInt8]) throws(Flaw) {
  try checkAddress(bytes)
  guard let networks = try? [NetworkPrefix("10.0.0.0/8"), NetworkPrefix("2001:db8:ffff::/48")],
    let proxy = SocketAddress("10.0.0.1:1"), let stranger = SocketAddress("192.0.2.7:1"),
    let seen = NetworkAddress("192.0.2.99")
  else { throw Flaw(text: "addresses that are some are not read") }
  let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  for (name, word) in [("X-Forwarded-For", "192.0.2.99"), ("Forwarded", "for=192.0.2.99")] {
    let header = TrustedProxies.Header(rawValue: name) ?? .forwarded
    let proxies = TrustedProxies(networks, header: header)
    let said = lines.map { Array("\(name): ".utf8) + $0 + Array("\r\n".utf8) }.flatMap { $0 }
    let start = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
    guard let plain = head(start + said) else { continue }
    _ = proxies.client(of: plain, from: proxy)
    try hold(
      proxies.client(of: plain, from: stranger) == NetworkAddress(stranger),
      "\(name) of a stranger is believed")
    let line = start + said + Array("\(name): \(word)\r\n".utf8)
    let appended = start + said.dropLast(2) + Array(", \(word)\r\n".utf8)
    for bytes in [line, appended] {
      guard let head = head(bytes) else { continue }
      try hold(
        proxies.client(of: head, from: proxy) == seen, "\(name) is not what the proxy wrote")
    }
  }
}

private func head(_ lines: [UInt8]) -> RequestHead? {
  var parser = RequestParser()
  let bytes = lines + Array("\r\n".utf8)
  guard case .head(let head, _) = parser.next(bytes.span) else { return nil }
  return head
}

private func checkAddress(_ bytes: [UInt8]) throws(Flaw) {
  // The system's reader stops at NUL.
  guard !bytes.contains(0) else { return }
  let text = bytes.text
  let isIPv6 = bytes.contains(UInt8(ascii: ":"))
  let ours = NetworkAddress(bytes.span)
  let system = SocketAddress(isIPv6 ? "[\(text)]:1" : text + ":1").map { NetworkAddress($0) }
  try hold(
    ours == system, "\(text): \(String(describing: ours)), not \(String(describing: system))")
}
