import ContentAPI
import EventLoop
import HTTP
import Testing

@Suite struct ClientsBehindProxies {
  private static let proxies = ["10.0.0.0/8", "2001:db8:ffff::/48"]

  /// Who the client of a request with these field lines is.
  private func client(
    _ lines: [String], peer: String = "10.0.0.1:4711", as header: TrustedProxies.Header,
    proxies: [String] = proxies
  ) throws -> NetworkAddress {
    var parser = RequestParser()
    let text = (["GET / HTTP/1.1", "Host: a"] + lines).joined(separator: "\r\n") + "\r\n\r\n"
    guard case .head(let head, _) = parser.next(Array(text.utf8).span) else {
      throw BadRequestOfTest(requestLine: text)
    }
    return TrustedProxies(try proxies.map { try NetworkPrefix($0) }, header: header)
      .client(of: head, from: try #require(SocketAddress(peer)))
  }

  private func expect(
    _ lines: [String], _ client: String, peer: String = "10.0.0.1:4711",
    as header: TrustedProxies.Header, at location: SourceLocation = #_sourceLocation
  ) throws {
    #expect(
      try self.client(lines, peer: peer, as: header) == NetworkAddress(client), "\(lines)",
      sourceLocation: location)
  }

  @Test func `are the peers themselves where nobody is trusted`() throws {
    let lines = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"]
    for header in TrustedProxies.Header.allCases {
      for peer in ["127.0.0.1:1", "10.0.0.1:1", "[2001:db8::5]:1"] {
        let client = try client(lines, peer: peer, as: header, proxies: [])
        #expect(client == SocketAddress(peer).map { NetworkAddress($0) })
      }
      // Others that are trusted make no difference to a peer that is not.
      try expect(lines, "192.0.2.77", peer: "192.0.2.77:1", as: header)
      try expect(lines, "2001:db8::1", peer: "[2001:db8::1]:1", as: header)
    }
  }

  @Test(arguments: [
    (["192.0.2.1"], "192.0.2.1"), (["192.0.2.1:4711"], "192.0.2.1"),
    (["2001:db8::1"], "2001:db8::1"), (["[2001:db8::1]"], "2001:db8::1"),
    (["[2001:db8::1]:4711"], "2001:db8::1"), (["::ffff:192.0.2.1"], "192.0.2.1"),
    // From the right, over trusted ones, to the first that is not.
    (["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
    (["198.51.100.7, 192.0.2.1, 10.9.9.9"], "192.0.2.1"),
    (["198.51.100.7,192.0.2.1 ,\t10.9.9.9,2001:db8:ffff::3"], "192.0.2.1"),
    (["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
    // Lines are one list.
    (["198.51.100.7", "192.0.2.1", "10.0.0.2", "10.0.0.3, 10.0.0.4"], "192.0.2.1"),
    (["198.51.100.7", "192.0.2.1, 10.0.0.2", ""], "192.0.2.1"),
    // All of them trusted: the farthest.
    (["10.0.0.3, 10.0.0.2"], "10.0.0.3"), (["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
    // Empty elements are none.
    ([""], "10.0.0.1"), ([","], "10.0.0.1"), (["192.0.2.1, , ,"], "192.0.2.1"),
    // What is malformed ends the walk at who vouched for it.
    (["192.0.2.1, nonsense"], "10.0.0.1"), (["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
    (["192.0.2.1", "unknown", "10.0.0.2"], "10.0.0.2"), (["192.0.2.1;10.0.0.2"], "10.0.0.1"),
    (["192.0.2.1:"], "10.0.0.1"), (["192.0.2.1:65536"], "10.0.0.1"), (["[192.0.2.1]"], "10.0.0.1"),
    (["[2001:db8::1"], "10.0.0.1"), (["2001:db8::1]"], "10.0.0.1"), (["["], "10.0.0.1"),
    (["[]"], "10.0.0.1"), (["[2001:db8::1]x"], "10.0.0.1"), (["[2001:db8::1]:x"], "10.0.0.1"),
    (["\"192.0.2.1\""], "10.0.0.1"), (["192.0.2.1 10.0.0.2"], "10.0.0.1"),
    (["fe80::1%eth0"], "10.0.0.1"), (["for=192.0.2.1"], "10.0.0.1"), (["192.0.2.1é"], "10.0.0.1"),
    // To the left of the client nothing is looked at.
    (["nonsense, \"192.0.2.1, 192.0.2.1"], "192.0.2.1"),
  ])
  func `are named by X-Forwarded-For`(values: [String], client: String) throws {
    try expect(values.map { "x-forwarded-for: " + $0 }, client, as: .xForwardedFor)
  }

  @Test(arguments: [
    (["for=192.0.2.1"], "192.0.2.1"), (["For=\"192.0.2.1:4711\""], "192.0.2.1"),
    (["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17"),
    (["FOR=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
    (["for=\"192.0.2.1:_port-1\""], "192.0.2.1"), (["for=\"\\1\\92.0.2.1\""], "192.0.2.1"),
    (["for=192.0.2.1;proto=http;by=203.0.113.43"], "192.0.2.1"),
    (["by=203.0.113.43;;for=192.0.2.1; proto=https"], "192.0.2.1"),
    (["for=198.51.100.7, for=192.0.2.1"], "192.0.2.1"),
    (["for=198.51.100.7, for=192.0.2.1;by=10.0.0.9, for=10.0.0.2"], "192.0.2.1"),
    (
      ["for=198.51.100.7", "for=192.0.2.1, for=\"[2001:db8:ffff::1]:80\"", "for=10.0.0.3"],
      "192.0.2.1"
    ),
    (["for=192.0.2.1;host=\"a, for=198.51.100.7\""], "192.0.2.1"),
    (["for=192.0.2.1;x=\"\\\"\", for=10.0.0.2;x=\"\\\\\""], "192.0.2.1"),
    (["for=10.0.0.3, for=10.0.0.2"], "10.0.0.3"), (["", ",, "], "10.0.0.1"),
    // Who hides or says nothing is not told from others behind the same proxy.
    (["for=192.0.2.1, for=unknown"], "10.0.0.1"), (["for=_hidden, for=10.0.0.2"], "10.0.0.2"),
    (["for=192.0.2.1, proto=http"], "10.0.0.1"), (["for=\"_a:80\", for=10.0.0.2"], "10.0.0.2"),
    // Malformed.
    (["192.0.2.1"], "10.0.0.1"), (["for=192.0.2.1:80"], "10.0.0.1"), (["for="], "10.0.0.1"),
    (["for=[2001:db8::1]"], "10.0.0.1"), (["for=\"2001:db8::1\""], "10.0.0.1"),
    (["for=192.0.2.1;for=192.0.2.2"], "10.0.0.1"), (["for =192.0.2.1"], "10.0.0.1"),
    (["for= 192.0.2.1"], "10.0.0.1"), (["for=\"192.0.2.1"], "10.0.0.1"),
    (["=192.0.2.1"], "10.0.0.1"),
    (["for=\"192.0.2.1\"x"], "10.0.0.1"), (["for=\"192.0.2.1\\\""], "10.0.0.1"),
    (["for=192.0.2.1 proto=http"], "10.0.0.1"), (["for=\"192.0.2.1:_\""], "10.0.0.1"),
    (["for=\"192.0.2.1:_ü\""], "10.0.0.1"), (["for=192.0.2.1;@"], "10.0.0.1"),
    (["for=192.0.2.1;x=y z"], "10.0.0.1"),
    (["for=192.0.2.1, for=10.0.0.2;for=10.0.0.2"], "10.0.0.1"),
    // A quote that a client has left open swallows nothing behind it.
    (["for=198.51.100.7;x=\", for=192.0.2.1"], "192.0.2.1"),
    (["for=198.51.100.7;x=\", for=192.0.2.1;by=\"[2001:db8:ffff::1]\""], "192.0.2.1"),
    (["for=198.51.100.7;x=\"", "for=192.0.2.1;by=\"[2001:db8:ffff::1]\""], "192.0.2.1"),
    (["for=198.51.100.7;x=\"\\", "for=10.0.0.5"], "10.0.0.5"),
  ])
  func `are named by Forwarded`(values: [String], client: String) throws {
    try expect(values.map { "Forwarded: " + $0 }, client, as: .forwarded)
  }

  @Test func `are named by the configured field alone`() throws {
    let both = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2", "X-Real-IP: 192.0.2.3"]
    try expect(both, "192.0.2.1", as: .xForwardedFor)
    try expect(both, "192.0.2.2", as: .forwarded)
    try expect([both[1], both[2]], "10.0.0.1", as: .xForwardedFor)
    try expect([both[0], both[2]], "10.0.0.1", as: .forwarded)
  }

  @Test func `are looked for among thirty-two elements`() throws {
    for header in TrustedProxies.Header.allCases {
      let pair = header == .forwarded ? "for=" : ""
      for hops in [30, 31, 32, 33] {
        let elements = ["192.0.2.1"] + (1...hops).reversed().map { "10.0.1.\($0)" }
        let list = elements.map { pair + $0 }
        let expected = hops < 32 ? "192.0.2.1" : "10.0.1.32"
        try expect([header.rawValue + ": " + list.joined(separator: ", ")], expected, as: header)
        try expect(list.map { header.rawValue + ": " + $0 }, expected, as: header)
      }
      // Empty ones count, or a line of commas would be work without end.
      let commas = String(repeating: ",", count: 40)
      try expect([header.rawValue + ": " + pair + "192.0.2.1" + commas], "10.0.0.1", as: header)
    }
  }

  @Test func `are always somebody, whatever the field says`() throws {
    let values = [
      "[2001:db8::1]:1, 192.0.2.1, 10.0.0.2:80",
      "for=\"[2001:db8::1]:80\";by=\"_a\\\"b\", for=10.0.0.2",
    ].map { Array($0.utf8) }
    let tokens = [",", "\"", "\\", "[", "]", ":", ";", "=", "for=", "10.0.0.3", " ", "_", "é"]
      .map { Array($0.utf8) }
    let known = Set(
      ["10.0.0.1", "10.0.0.2", "192.0.2.1", "2001:db8::1"].map { NetworkAddress($0) })
    var random = SeededRandom(seed: 23)
    var seen: [NetworkAddress: Int] = [:]
    for _ in 0..<20_000 {
      for (header, value) in zip(TrustedProxies.Header.allCases, values) {
        let bytes = random.mutate(value, with: tokens).filter { $0 >= 32 && $0 != 127 }
        let line = header.rawValue + ": " + String(decoding: bytes, as: UTF8.self)
        seen[try client([line], as: header), default: 0] += 1
      }
    }
    for client in known { #expect(seen[try #require(client)] ?? 0 > 20) }
  }
}
