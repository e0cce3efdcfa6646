import ContentAPI
import EventLoop
import Testing

@Suite struct NetworkAddresses {
  @Test(arguments: [
    ("192.0.2.1", 0xc000_0201), ("0.0.0.0", 0), ("255.255.255.255", 0xffff_ffff),
    ("::ffff:192.0.2.1", 0xc000_0201), ("::ffff:c000:201", 0xc000_0201),
    ("0:0:0:0:0:FFFF:192.0.2.1", 0xc000_0201), ("0000:0::ffff:c000:0201", 0xc000_0201),
    ("64:ff9b::192.0.2.1", 0xc000_0201), ("64:ff9b::c000:201", 0xc000_0201),
    ("0064:ff9b:0:0:0:0:c000:0201", 0xc000_0201),
  ])
  func `of IPv4 are what their bits say, in whatever notation`(text: String, number: Int) throws {
    let address = try #require(NetworkAddress(text))
    #expect(address == NetworkAddress(ipv4: UInt32(number)))
    #expect(address.isIPv4)
  }

  @Test(arguments: [
    ("::", 0, 0), ("::1", 0, 1), ("1::", 0x0001_0000_0000_0000, 0),
    ("2001:db8::1", 0x2001_0db8_0000_0000, 1),
    ("2001:DB8:a:b:c:d:e:f", 0x2001_0db8_000a_000b, 0x000c_000d_000e_000f),
    ("1:2:3:4:5:6:7::", 0x0001_0002_0003_0004, 0x0005_0006_0007_0000),
    ("::2:3:4:5:6:7:8", 0x0000_0002_0003_0004, 0x0005_0006_0007_0008),
    ("1:2:3:4:5:6:1.2.3.4", 0x0001_0002_0003_0004, 0x0005_0006_0102_0304),
    // An address inside another that is no notation of IPv4.
    ("::192.0.2.1", 0, 0xc000_0201), ("::fffe:c000:201", 0, 0xfffe_c000_0201),
    ("64:ff9b:1::c000:201", 0x0064_ff9b_0001_0000, 0xc000_0201),
    ("64:ff9b::1:c000:201", 0x0064_ff9b_0000_0000, 0x0001_c000_0201),
  ])
  func `of IPv6 are read`(text: String, high: Int, low: Int) throws {
    let address = try #require(NetworkAddress(text))
    #expect(address.high == UInt64(high) && address.low == UInt64(low))
    #expect(!address.isIPv4)
  }

  @Test(arguments: [
    "", " ", ".", ":", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "01.2.3.4", "1.2.3.",
    ".1.2.3", "1..2.3", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4:80", "-1.2.3.4", "1.2.3.1000",
    "16909060", "localhost", "unknown", ":::", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:",
    "12345::", "g::", "::1.2.3", "::1.2.3.4.5", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4",
    "[::1]", "::1%eth0", "fe80::1%1", "::1/128", "1.2.3.4/32", "١.2.3.4",
    "0000000000000000000000000000000000000000000000",
  ])
  func `that are none are refused`(text: String) {
    #expect(NetworkAddress(text) == nil)
  }

  @Test func `are read as the system reads them`() {
    let texts = ["192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "::"]
      .map { Array($0.utf8) }
    let tokens = [":", "::", ".", "0", "f", "1.2.3.4", "255", "10000", "G", ":0:", "%"]
      .map { Array($0.utf8) }
    var random = SeededRandom(seed: 5)
    var counts = (read: 0, refused: 0)
    for _ in 0..<20_000 {
      // The system's reader stops at a zero byte.
      let bytes = random.mutate(texts[random.next(below: texts.count)], with: tokens)
        .map { $0 % 128 }.filter { $0 != 0 && $0 != 91 && $0 != 93 }
      let text = String(decoding: bytes, as: UTF8.self)
      let expected = SocketAddress(text.contains(":") ? "[\(text)]:0" : text + ":0")
      let address = NetworkAddress(text)
      #expect(address == expected.map { NetworkAddress($0) }, "\(text)")
      if address == nil { counts.refused += 1 } else { counts.read += 1 }
    }
    #expect(counts.read > 500 && counts.refused > 500, "\(counts)")
  }

  @Test func `begin with the bits of a prefix or do not`() throws {
    let cases: [(String, inside: [String], outside: [String])] = [
      (
        "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.0.0.1"]
      ),
      ("192.0.2.1", ["192.0.2.1", "64:ff9b::192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
      ("192.0.2.2/31", ["192.0.2.2", "192.0.2.3"], ["192.0.2.1", "192.0.2.4"]),
      ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.1.1.1"], ["::", "2001:db8::"]),
      ("::/0", ["::", "2001:db8::", "ffff::"], ["0.0.0.0", "::ffff:1.1.1.1"]),
      ("::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.0.0.0", "::1"]),
      ("::ffff:0:0/96", ["10.1.2.3"], ["::1"]),
      ("2001:db8::/32", ["2001:db8:ffff::1"], ["2001:db9::", "32.1.13.184"]),
      ("2001:db8::/64", ["2001:db8::ffff:0:0:0"], ["2001:db8:0:1::"]),
      ("2001:db8::8000:0:0:0/65", ["2001:db8::ffff:0:0:0"], ["2001:db8::7fff:0:0:0"]),
      ("::1/128", ["::1"], ["::", "::2", "127.0.0.1"]),
    ]
    for (text, inside, outside) in cases {
      let prefix = try NetworkPrefix(text)
      for address in inside { #expect(prefix.contains(try #require(NetworkAddress(address)))) }
      for address in outside { #expect(!prefix.contains(try #require(NetworkAddress(address)))) }
    }
  }

  @Test(arguments: [
    ("", NetworkPrefix.Fault.malformed), ("/8", .malformed), ("10.0.0.0/", .malformed),
    ("10.0.0.0/33", .malformed), ("::/129", .malformed), ("10.0.0.0/08", .malformed),
    ("10.0.0.0/+8", .malformed), ("10.0.0.0/8/8", .malformed), ("10/8", .malformed),
    ("10.0.0.0/255.0.0.0", .malformed), ("localhost", .malformed), ("[::1]/128", .malformed),
    ("::ffff:0:0/95", .malformed), ("64:ff9b::/64", .malformed), ("10.0.0.0 /8", .malformed),
    ("10.0.0.1/8", .bitsBeyondLength), ("10.0.0.1/31", .bitsBeyondLength),
    ("2001:db8::1/64", .bitsBeyondLength), ("2001:db8:1::/32", .bitsBeyondLength),
    ("::1/0", .bitsBeyondLength),
  ])
  func `make no prefix of`(text: String, fault: NetworkPrefix.Fault) {
    #expect(throws: fault) { try NetworkPrefix(text) }
  }
}
