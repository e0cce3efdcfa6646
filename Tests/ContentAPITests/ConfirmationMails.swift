import ContentAPI
import Testing

/// A mail taken apart as a reader of RFC 5322 does.
struct ReadMail {
  /// Unfolded, in order.
  private(set) var fields: [(name: String, value: String)] = []
  let body: String
  let head: String

  init(_ text: String) throws {
    let parts = try #require(text.firstRange(of: "\n\n"))
    head = String(text[..<parts.lowerBound])
    body = String(text[parts.upperBound...])
    for line in head.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix(" ") {
        let last = try #require(fields.indices.last, "the head begins with a folded line")
        fields[last].value += line
        continue
      }
      let colon = try #require(line.firstIndex(of: ":"), "no field: \(line)")
      fields.append((String(line[..<colon]), String(line[colon...].dropFirst(2))))
    }
  }

  subscript(_ name: String) -> String? {
    let values = fields.filter { $0.name == name }
    return values.count == 1 ? values[0].value : nil
  }

  /// Every link in the body, in order.
  var links: [String] {
    body.split { $0 == " " || $0 == "\n" }.filter { $0.hasPrefix("http") }.map(String.init)
  }

  /// The tokens of all links.
  var tokens: [String] {
    let all = links + [self["List-Unsubscribe"] ?? ""].map { $0.filter { !"<>".contains($0) } }
    return all.compactMap { link in
      link.firstMatch(of: /token=([A-Za-z0-9_-]+)$/).map { String($0.output.1) }
    }
  }

  /// Encoded words made text again (RFC 2047).
  static func decoded(_ value: String) -> String {
    var bytes: [UInt8] = []
    for word in value.split(separator: " ") {
      guard word.hasPrefix("=?UTF-8?Q?"), word.hasSuffix("?=") else { return value }
      var rest = word.dropFirst(10).dropLast(2).utf8[...]
      while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "_"): bytes.append(0x20)
        case UInt8(ascii: "="):
          bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
          rest = rest.dropFirst(2)
        default: bytes.append(byte)
        }
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

@Suite struct ConfirmationMails {
  private static let names = [
    "Date", "From", "To", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
  ]

  private func mail(
    called newsletter: String = "Plain Notes", to recipient: String = "Ada.L@example.org",
    confirmation: String = "https://api.example.com/newsletter/confirm?token=c-_9",
    unsubscription: String = "https://api.example.com/newsletter/unsubscribe?token=u-_9"
  ) throws -> ConfirmationMail {
    ConfirmationMail(
      id: "01932a2b-0000-7000-8000-000000000001", sender: try MailAddress("news@example.com"),
      recipient: try MailAddress(recipient), newsletter: newsletter, confirmation: confirmation,
      unsubscription: unsubscription, date: 1_773_306_000, expiry: 1_773_910_800)
  }

  @Test func `have the fields that mail programs look for`() throws {
    let read = try ReadMail(try #require(try mail().text))
    #expect(read.fields.map(\.name) == Self.names)
    #expect(read["Date"] == "Thu, 12 Mar 2026 09:00:00 +0000")
    #expect(read["From"] == "\"Plain Notes\" <news@example.com>")
    #expect(read["To"] == "Ada.L@example.org")
    #expect(read["Subject"] == "Confirm your subscription to Plain Notes")
    #expect(read["Message-ID"] == "<01932a2b-0000-7000-8000-000000000001@example.com>")
    #expect(
      read["List-Unsubscribe"] == "<https://api.example.com/newsletter/unsubscribe?token=u-_9>")
    #expect(read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click")
    #expect(read["Auto-Submitted"] == "auto-generated")
    #expect(read["MIME-Version"] == "1.0")
    #expect(read["Content-Type"] == "text/plain; charset=utf-8")
    #expect(read["Content-Transfer-Encoding"] == "7bit")
  }

  @Test func `say who asked, what the links do, until when, and that nothing has to be done`()
    throws
  {
    let read = try ReadMail(try #require(try mail().text))
    #expect(read.body.contains("Somebody, probably you, asked for the newsletter \"Plain Notes\""))
    #expect(read.body.contains("\n  Ada.L@example.org\n"))
    #expect(
      read.links == [
        "https://api.example.com/newsletter/confirm?token=c-_9",
        "https://api.example.com/newsletter/unsubscribe?token=u-_9",
      ])
    #expect(read.tokens == ["c-_9", "u-_9", "u-_9"])
    #expect(read.body.contains("open this page and press its button"))
    #expect(read.body.contains("works until Thu, 19 Mar 2026 09:00:00 GMT"))
    #expect(read.body.contains("ignore this mail: nothing happens"))
    for line in read.body.split(separator: "\n") where !line.hasPrefix("http") {
      #expect(line.utf8.count <= 100, "\(line)")
    }
    #expect(read.body.hasSuffix("\n"))
    #expect(!read.body.contains("\r"))
  }

  @Test func `do without a name`() throws {
    for name in ["", " ", "\r\n", "\u{0}\u{85}\u{2028}"] {
      let read = try ReadMail(try #require(try mail(called: name).text))
      #expect(read["From"] == "news@example.com")
      #expect(read["Subject"] == "Confirm your subscription")
      #expect(read.body.contains("asked for the newsletter at this address:"))
    }
  }

  @Test(arguments: [
    ("Plain \"Notes\" \\ more", "\"Plain \\\"Notes\\\" \\\\ more\" <news@example.com>"),
    ("a@b.com, eve@example.com", "\"a@b.com, eve@example.com\" <news@example.com>"),
    ("<eve@example.com>", "\"<eve@example.com>\" <news@example.com>"),
    ("Notes\r\nBcc: eve@example.com", "\"Notes Bcc: eve@example.com\" <news@example.com>"),
    ("Notes\n\nHello", "\"Notes Hello\" <news@example.com>"),
    ("a\rb\u{b}c\u{c}d\u{85}e\u{2028}f\u{2029}g\u{0}h", "\"a b c d e f g h\" <news@example.com>"),
    ("=?UTF-8?Q?x?=", "=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?= <news@example.com>"),
    ("Größe", "=?UTF-8?Q?Gr=C3=B6=C3=9Fe?= <news@example.com>"),
  ])
  func `show a name in From as it is`(name: String, from: String) throws {
    let read = try ReadMail(try #require(try mail(called: name).text))
    #expect(read["From"] == from)
    #expect(read.fields.map(\.name) == Self.names)
  }

  @Test(arguments: [
    "Größe und Ärger", "日本語のニュースレター", "🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉", "Notes =?UTF-8?B?eA==?= more",
    String(repeating: "é", count: 100), String(repeating: "👩‍👩‍👧", count: 60), "a\u{202e}b",
    String(repeating: "word ", count: 60), String(repeating: "w", count: 300),
    "e" + String(repeating: "\u{301}", count: 299),
  ])
  func `carry any name in short ASCII lines`(name: String) throws {
    let read = try ReadMail(try #require(try mail(called: name).text))
    #expect(read.fields.map(\.name) == Self.names)
    #expect(read.head.utf8.allSatisfy { $0 == 0x0a || (0x20...0x7e).contains($0) })
    for line in read.head.split(separator: "\n") where !line.hasPrefix("List-") {
      #expect(line.utf8.count <= (name.utf8.contains(0x77) ? 150 : 76), "\(line)")
    }
    for word in read.head.matches(of: /=\?UTF-8\?Q\?\S*?\?=/) {
      #expect(word.output.utf8.count <= 75)
      // No word parts a character, so each is valid by itself.
      #expect(!ReadMail.decoded(String(word.output)).contains("\u{fffd}"))
    }
    let subject = ReadMail.decoded(try #require(read["Subject"]))
    let shown = subject.dropFirst("Confirm your subscription to ".count)
    let plain = name.hasSuffix(" ") ? String(name.dropLast()) : name
    #expect(
      shown == plain || (shown.hasSuffix("…") && plain.hasPrefix(shown.dropLast()))
        || plain.unicodeScalars.starts(with: shown.unicodeScalars))
    for line in read.body.split(separator: "\n") { #expect(line.utf8.count <= 998) }
    let isASCII = read.body.utf8.allSatisfy { $0 < 0x80 }
    #expect(read["Content-Transfer-Encoding"] == (isASCII ? "7bit" : "8bit"))
  }

  @Test func `let nothing in a name become a field or a second body`() throws {
    let seeds = ["Plain Notes", "Größe", "=?UTF-8?Q?x?="].map { Array($0.utf8) }
    let tokens = [
      "\r\n", "\n", "\r", "\n\n", "\r\n\r\n", "Bcc: eve@example.com", "\0", "\u{85}", "\u{2028}",
      "\"", "\\", "<", ">", "=?", "?=", "é", "日", "\u{1F389}", " ", "\t", ":", ",",
    ].map { Array($0.utf8) }
    var random = SeededRandom(seed: 66)
    for _ in 0..<3_000 {
      let bytes = random.mutate(seeds[random.next(below: seeds.count)], with: tokens)
      let name = String(decoding: bytes, as: UTF8.self)
      let text = try #require(try mail(called: name).text)
      let read = try ReadMail(text)
      #expect(read.fields.map(\.name) == Self.names, "\(name.debugDescription)")
      #expect(read["To"] == "Ada.L@example.org")
      #expect(
        read["From"]?.hasSuffix("<news@example.com>") == true || read["From"] == "news@example.com")
      #expect(!text.utf8.contains(0x0d) && !text.utf8.contains(0))
      #expect(read.links.count == 2)
    }
  }

  @Test(arguments: [
    "https://api.example.com/x\r\nBcc: eve@example.com", "https://api.example.com/x>",
    "https://api.example.com/x y", "https://api.example.com/ö",
    "https://api.example.com/" + String(repeating: "a", count: 900), "\n",
  ])
  func `are not made of links that are none`(link: String) throws {
    #expect(try mail(unsubscription: link).text == nil)
    if !link.hasSuffix(">") { #expect(try mail(confirmation: link).text == nil) }
  }
}

@Suite struct WaitsBetweenAttempts {
  @Test func `grow threefold to six hours, and chance takes off up to a half`() {
    let whole = (1...12).map { MailBackoff.wait(after: $0, chance: 0).components.seconds }
    #expect(whole == [4, 12, 36, 108, 324, 972, 2916, 8748, 21600, 21600, 21600, 21600])
    #expect(MailBackoff.wait(after: 1, chance: 0.5) == .seconds(3))
    for attempt in [-1, 0, 1, 5, 12, .max] {
      for chance in [-1.0, 0, 0.25, 0.999, 1, 2, .infinity] {
        let wait = MailBackoff.wait(after: attempt, chance: chance)
        let most = MailBackoff.wait(after: attempt, chance: 0)
        #expect(wait <= most && wait >= most / 2)
      }
    }
    // An attempt takes up to 15 seconds, and the second one comes within 20 of the first.
    #expect(MailTransport.limit + MailBackoff.wait(after: 1, chance: 0) < .seconds(20))
    #expect(MailTransport.limit < Outbox.lease)
    let all = (1..<MailBackoff.attempts).reduce(Duration.zero) {
      $0 + MailBackoff.wait(after: $1, chance: 0)
    }
    #expect(all < .seconds(24 * 3600))
  }
}

@Suite struct WhatSendmailSays {
  private func redacted(_ text: String) -> String { MailTransport.redacted(Array(text.utf8)) }

  @Test func `is kept short and on one line`() {
    #expect(
      redacted("sendmail: cannot connect to smtp.example.com, port 25:\nConnection refused\n")
        == "sendmail: cannot connect to smtp.example.com, port 25: Connection refused")
    #expect(redacted("") == "")
    #expect(redacted(String(repeating: "ab ", count: 10_000)).count == 300)
    #expect(redacted("a\u{1b}[31mb\r\0c\u{85}d") == "a [31mb c d")
    #expect(redacted("\u{ff}") == "ÿ")
    #expect(MailTransport.redacted([0xff, 0x41]) == "\u{fffd}A")
  }

  @Test func `holds no address and nothing like a token`() {
    let token = LinkToken(random: Array(0..<32)).text
    for text in [
      "<ada@example.com>: no such user", "to=ada@example.com,", "\"ada\"@example.com", token,
      "https://a.example/newsletter/confirm?token=\(token)", "x\(token)y", "token=\(token)&a=b",
    ] {
      let said = redacted(text + " refused")
      #expect(!said.contains("ada") && !said.contains(token.prefix(20)), "\(said)")
      #expect(said.hasSuffix("refused"))
    }
  }
}
