import ContentAPI
import Testing

private func letters(_ count: Int) -> String { String(repeating: "a", count: count) }

@Suite struct MailAddresses {
  @Test(arguments: [
    "ada@example.com", "a@b.co", "Ada.Lovelace@Example.COM", "ada+news@example.com",
    "ada_l@example.com", "ada-l@example.com", "ada.l.b@example.com", "1@example.com",
    "123@123.com", "a@1.co", "ada@sub.example.com", "ada@a.b.c.d.e.f.example.org",
    "ada@example.co.uk", "ada@example.museum", "ada@ex-ample.com", "ada@xn--mnchen-3ya.de",
    "ada@xn--fiqs8s.xn--fiqs8s", "ada@example.xn--p1ai", "o'brien@example.com",
    "!#$%&'*+-/=?^_`{|}~@example.com", "-@example.com", "-oQ@example.com", "--help@example.com",
    "user%example.com@example.org", "host!user@example.org", "|cat@example.com",
    "/dev/null@example.com", "a=b@example.com", "$(id)@example.com".replacing("(id)", with: "id"),
    "ada@1and1.com", "ada@a--b.com", "ada@123.45.67.co", "ada@example.c0m",
    letters(64) + "@example.com", "ada@" + letters(63) + ".com",
    "a@" + [letters(63), letters(63), letters(63), letters(60)].joined(separator: "."),
  ])
  func `may be`(_ text: String) throws {
    let address = try MailAddress(text)
    #expect(address.text == text)
    #expect(address.normalised == text.lowercased())
    #expect(text.lowercased().hasSuffix("@" + address.domain))
  }

  @Test(
    arguments: [
      ("", .empty),
      // Line breaks and other control characters, with what somebody hopes to do by them.
      ("ada@example.com\r\nBcc: eve@example.com", .control), ("ada@example.com\n", .control),
      ("ada\r@example.com", .control), ("\nada@example.com", .control),
      ("ada@example.com\0", .control), ("ada\0@example.com", .control),
      ("ada\t@example.com", .control), ("ada\u{7f}@example.com", .control),
      ("ada\u{1b}[2J@example.com", .control),
      // Blanks.
      (" ada@example.com", .blank), ("ada@example.com ", .blank), ("ada @example.com", .blank),
      ("ada@ example.com", .blank), (" ", .blank), ("ada lovelace@example.com", .blank),
      // Several at once.
      ("ada@example.com,eve@example.com", .several), ("ada,eve@example.com", .several),
      ("ada@example.com;eve@example.com", .several), (",ada@example.com", .several),
      // Names, brackets, comments.
      ("Ada<ada@example.com>", .notAlone), ("<ada@example.com>", .notAlone),
      ("Ada <ada@example.com>", .blank), ("ada(home)@example.com", .notAlone),
      ("ada@example.com(work)", .notAlone), ("@relay.example:<ada@example.com>", .notAlone),
      // Quoted local parts.
      ("\"ada\"@example.com", .quoted), ("\"ada@home\"@example.com", .quoted),
      ("ada\\@home@example.com", .quoted), ("\"\"@example.com", .quoted),
      // Not one @.
      ("ada", .noAtSign), ("example.com", .noAtSign), ("ada.example.com", .noAtSign),
      ("ada@home@example.com", .severalAtSigns), ("ada@@example.com", .severalAtSigns),
      // The part before it.
      ("@example.com", .noLocalPart), ("@", .noLocalPart), (".ada@example.com", .dotAtEdge),
      ("ada.@example.com", .dotAtEdge), (".@example.com", .dotAtEdge),
      ("ada..l@example.com", .doubleDot), ("ada:l@example.com", .forbiddenCharacter),
      ("mailto:ada@example.com", .forbiddenCharacter), ("[ada]@example.com", .forbiddenCharacter),
      (letters(65) + "@example.com", .longLocalPart),
      // Letters beyond ASCII; a browser turns the domain into xn-- by itself.
      ("jürgen@example.com", .foreignLocalPart), ("用户@example.com", .foreignLocalPart),
      ("аda@example.com", .foreignLocalPart), ("ada\u{200b}@example.com", .foreignLocalPart),
      ("ada\u{a0}@example.com", .foreignLocalPart), ("ada＠example.com", .foreignLocalPart),
      ("ada@münchen.de", .foreignDomain), ("ada@例え.jp", .foreignDomain),
      ("ada@example。com", .foreignDomain), ("ada@example.com\u{2028}", .foreignDomain),
      // Domains.
      ("ada@", .noDomain), ("ada@localhost", .singleLabel), ("ada@com", .singleLabel),
      ("ada@.example.com", .emptyLabel), ("ada@example.com.", .emptyLabel),
      ("ada@example..com", .emptyLabel), ("ada@.", .emptyLabel),
      ("ada@-example.com", .hyphenAtEdge),
      ("ada@example-.com", .hyphenAtEdge), ("ada@example.-com", .hyphenAtEdge),
      ("ada@exam_ple.com", .forbiddenInDomain), ("ada@example.com/path", .forbiddenInDomain),
      ("ada@example.com?subject=x", .forbiddenInDomain), ("ada@exam!ple.com", .forbiddenInDomain),
      ("ada@example.com#x", .forbiddenInDomain), ("ada@%65xample.com", .forbiddenInDomain),
      ("ada@[127.0.0.1]", .literalDomain), ("ada@[IPv6:::1]", .literalDomain),
      ("ada@127.0.0.1", .literalDomain), ("ada@example.com:25", .literalDomain),
      ("ada@2130706433", .singleLabel), ("ada@1.2.3", .noTopLevelDomain),
      ("ada@example.c", .noTopLevelDomain), ("ada@example.42", .noTopLevelDomain),
      ("ada@" + letters(64) + ".com", .longLabel),
      ("ada@" + String(repeating: "a.", count: 125) + "co", .tooLong),
      (letters(255), .tooLong), (String(repeating: "é", count: 128), .tooLong),
    ] as [(String, MailAddressError)])
  func `may not be`(_ text: String, because reason: MailAddressError) {
    #expect(throws: reason) { try MailAddress(text) }
  }

  @Test func `have 254 octets at most`() throws {
    let domain = [letters(63), letters(63), letters(63)].joined(separator: ".")
    let longest = letters(62) + "@" + domain
    #expect(longest.utf8.count == 254)
    _ = try MailAddress(longest)
    #expect(throws: MailAddressError.tooLong) { try MailAddress("a" + longest) }
  }

  @Test func `are one whatever the case of their letters, and go out as they were typed`() throws {
    let all = try ["Ada.L@Example.COM", "ada.l@example.com", "ADA.L@EXAMPLE.com"].map {
      try MailAddress($0)
    }
    #expect(Set(all.map(\.normalised)) == ["ada.l@example.com"])
    #expect(all.map(\.text)[0] == "Ada.L@Example.COM")
    // A dot or a tag may lead to another mailbox.
    #expect(try MailAddress("adal@example.com").normalised != all[0].normalised)
    #expect(try MailAddress("ada.l+x@example.com").normalised != all[0].normalised)
  }

  @Test func `are refused in a sentence each that repeats nothing of them`() {
    #expect(
      Set(MailAddressError.allCases.map(\.description)).count == MailAddressError.allCases.count)
    for error in MailAddressError.allCases {
      #expect(error.description.hasPrefix("must be "), "\(error)")
    }
    #expect(MailAddressError.foreignDomain.description.contains("xn--"))
  }

  @Test func `never let a byte through that could end a field or a word`() {
    let seeds = ["ada@example.com", "a.b-c+d@xn--mnchen-3ya.de"].map { Array($0.utf8) }
    let tokens = ["@", ".", "..", "\r\n", "\0", ",", "<", ">", "\"", " ", "é", "-", "[1.2.3.4]"]
      .map { Array($0.utf8) }
    var random = SeededRandom(seed: 6)
    var taken = 0
    for _ in 0..<20_000 {
      let bytes = random.mutate(seeds[random.next(below: seeds.count)], with: tokens)
      let text = String(decoding: bytes, as: UTF8.self)
      guard let address = try? MailAddress(text) else { continue }
      taken += 1
      #expect(address.text.utf8.allSatisfy { (0x21...0x7e).contains($0) })
      #expect(!address.text.contains { ",;<>()[]\"\\:".contains($0) }, "\(address)")
      #expect(address.text.utf8.count <= 254)
      #expect(address.text.split(separator: "@").count == 2)
    }
    #expect(taken > 1000)
  }
}
