import ContentAPI
import EventLoop
import Testing

@Suite struct CheckedConfiguration {
  private static let sound = [
    "DATABASE_URL": "postgresql:///colophon", "COLOPHON_PUBLIC_URL": "https://api.example.com",
    "COLOPHON_TRUSTED_PROXIES": "127.0.0.1", "COLOPHON_MAIL_FROM": "news@example.com",
    "COLOPHON_SENDMAIL": "/bin/sh",
  ]

  private func findings(_ changes: [String: String], isExposed: Bool = true) throws -> [Finding] {
    let configuration = try Configuration(Self.sound.merging(changes) { $1 })
    let path = configuration.sendmail
    return ConfigurationCheck(
      configuration, sendmail: try? Files.target(path), isExecutable: Files.isExecutable(path),
      databaseURLIsExposed: isExposed
    ).findings
  }

  @Test func `finds nothing where nothing is wrong`() throws {
    let findings = try findings([:])
    #expect(findings.count == 7)
    #expect(findings.filter { $0.verdict != .good } == [])
  }

  @Test(arguments: [
    ("DATABASE_URL", "", "is not set"),
    ("DATABASE_URL", "postgresql://[:1", "is malformed"),
    ("DATABASE_URL", "postgresql://db.example.com/x", "unencrypted"),
    ("DATABASE_URL", "postgresql://db.example.com/x?sslmode=disable", "unencrypted"),
    ("DATABASE_URL", "host=/run,192.0.2.1 dbname=x sslmode=allow", "to 192.0.2.1 unencrypted"),
    ("COLOPHON_LISTEN", "127.0.0.1:9090", "has the port of COLOPHON_PRIVATE_LISTEN"),
    ("COLOPHON_LISTEN", "0.0.0.0:9090", "has the port of COLOPHON_PRIVATE_LISTEN"),
    ("COLOPHON_PRIVATE_LISTEN", "203.0.113.7:9090", "public Internet"),
    ("COLOPHON_PRIVATE_LISTEN", "[2001:db8::1]:9090", "public Internet"),
    ("COLOPHON_PUBLIC_URL", "", "needs COLOPHON_PUBLIC_URL"),
    ("COLOPHON_SENDMAIL", "/nowhere/sendmail", "there is no /nowhere/sendmail"),
    ("COLOPHON_SENDMAIL", "/etc/passwd", "no program"),
    ("COLOPHON_SENDMAIL", "/usr", "no program"),
    ("COLOPHON_TRUSTED_PROXIES", "", "behind a proxy all of them look like one"),
    ("COLOPHON_TRUSTED_PROXIES", "127.0.0.1,0.0.0.0/0", "trusts every address"),
    ("COLOPHON_TRUSTED_PROXIES", "::/0", "trusts every address"),
  ])
  func `says what is wrong`(_ name: String, _ value: String, _ words: String) throws {
    let wrong = try findings([name: value]).filter { $0.verdict == .wrong }
    #expect(wrong.count == 1)
    #expect(wrong.first?.text.contains(words) == true, "\(wrong)")
  }

  @Test(arguments: [
    ("DATABASE_URL", "postgresql://db.example.com/x?sslmode=require", "does not ask"),
    ("DATABASE_URL", "postgresql://me:secret@localhost/x", "has a password"),
    ("COLOPHON_LISTEN", "0.0.0.0:8080", ""),
    ("COLOPHON_PRIVATE_LISTEN", "0.0.0.0:9090", "every network"),
    ("COLOPHON_PRIVATE_LISTEN", "[::]:9090", "every network"),
    ("COLOPHON_PUBLIC_URL", "http://api.example.com", "without TLS"),
    ("COLOPHON_PUBLIC_URL", "https://localhost:8443", "leads every client to itself"),
    ("COLOPHON_PUBLIC_URL", "https://[::1]", "leads every client to itself"),
    ("COLOPHON_CORS_ORIGINS", "https://a.example,http://b.example", "names http://b.example"),
    ("COLOPHON_MAIL_FROM", "", "none leaves"),
    ("COLOPHON_RATE_LIMITS", "off", "there are no limits"),
  ])
  func `mentions what may not be meant`(_ name: String, _ value: String, _ words: String) throws {
    let findings = try findings([name: value])
    #expect(!findings.contains { $0.verdict == .wrong }, "\(findings)")
    let notes = findings.filter { $0.verdict == .doubtful }
    // Proxies are named, so that it may well stand on a network of its own.
    if words.isEmpty {
      #expect(notes == [])
    } else {
      #expect(notes.count == 1)
      #expect(notes.first?.text.contains(words) == true, "\(notes)")
    }
    #expect(!findings.contains { $0.text.contains("secret") })
  }

  @Test func `finds nothing in a password that stands in a file, or in pages of one's own machine`()
    throws
  {
    let password = ["DATABASE_URL": "postgresql://me:secret@localhost/x"]
    #expect(!(try findings(password, isExposed: false)).contains { $0.verdict != .good })
    for origins in ["off", "*", "http://localhost:3000", "https://a.example"] {
      #expect(
        !(try findings(["COLOPHON_CORS_ORIGINS": origins])).contains { $0.verdict != .good })
    }
  }

  @Test func `mentions a server that can be reached without a proxy`() throws {
    let findings = try findings([
      "COLOPHON_LISTEN": "[::]:8080", "COLOPHON_TRUSTED_PROXIES": "",
      "COLOPHON_PUBLIC_URL": "http://api.example.com",
    ])
    #expect(
      findings.contains { $0.item == "COLOPHON_LISTEN" && $0.text.contains("without TLS") })
  }

  @Test(arguments: [(2_500, 0, true), (-2_500, 0, true), (1_900, 0, false), (1_500, 2_000, false)])
  func `compares clocks as far as the round trip lets it`(
    _ ahead: Int, _ roundTrip: Int, _ isWrong: Bool
  ) {
    let finding = DatabaseCheck.clocks(
      of: 1_000_000 + ahead, 1_000_000, .milliseconds(roundTrip))
    #expect((finding.verdict == .wrong) == isWrong)
    if isWrong { #expect(finding.text.contains(ahead < 0 ? "2 s behind" : "2 s ahead of")) }
  }
}
