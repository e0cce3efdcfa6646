import ContentAPI
import EventLoop
import Testing

/// README, the help texts and the program say the same.
@Suite struct Documentation {
  @Test func `lists every variable in README, in order`() throws {
    let rows = try Repository.lines("README.md").compactMap { line in
      line.firstMatch(of: /^\| `((?:COLOPHON_|DATABASE_)[A-Z_]+)` \|/).map { String($0.output.1) }
    }
    #expect(rows == Configuration.variables)
  }

  @Test func `lists every variable in the help of serve, in order`() throws {
    let rows = try Repository.lines("Sources/colophon/Help.swift").compactMap { line in
      line.firstMatch(of: /^\s+((?:COLOPHON_|DATABASE_)[A-Z_]+) {2,}/).map { String($0.output.1) }
    }
    #expect(rows == Configuration.variables)
  }

  @Test func `names no variable that there is not`() throws {
    var texts = [try Repository.text("README.md"), try Repository.text("openapi.yaml")]
    texts += try Repository.sources("Sources/colophon") + Repository.sources("Sources/ContentAPI")
    for text in texts {
      for name in text.matches(of: /\b(?:COLOPHON_[A-Z_]+|DATABASE_URL)\b/) {
        let name = String(name.output)
        #expect(Configuration.variables.contains(name), "\(name)")
      }
    }
  }

  @Test func `gives the defaults that the program has`() throws {
    let configuration = try Configuration([:])
    let defaults = [
      "COLOPHON_LISTEN": "\(configuration.listen)",
      "COLOPHON_PRIVATE_LISTEN": "\(configuration.privateListen)",
      "COLOPHON_SENDMAIL": configuration.sendmail,
      "COLOPHON_RUNTIME_ROLE": configuration.runtimeRole,
      "COLOPHON_LOG_LEVEL": configuration.logLevel.name,
      "COLOPHON_DRAIN_SECONDS": "\(configuration.drain.components.seconds)",
      "COLOPHON_CONNECTIONS_PER_ADDRESS": "\(configuration.connectionsPerAddress)",
      "COLOPHON_CLIENT_HEADER": TrustedProxies.Header.xForwardedFor.rawValue,
    ]
    let readme = try Repository.lines("README.md")
    let help = try Repository.lines("Sources/colophon/Help.swift")
    for (name, value) in defaults {
      #expect(readme.contains { $0.hasPrefix("| `\(name)` | `\(value)` |") }, "\(name)")
      #expect(help.contains { $0.contains(" \(name) ") && $0.contains("(\(value))") }, "\(name)")
    }
    #expect(configuration.publicURL == nil)
    #expect(readme.contains { $0.hasPrefix("| `COLOPHON_PUBLIC_URL` | none") })
  }

  @Test func `gives the limits that the program has, in one table and as a line to change`() throws
  {
    let readme = try Repository.lines("README.md")
    #expect(readme.contains("COLOPHON_RATE_LIMITS='\(RateLimitSettings.example)'"))
    let rows = readme.compactMap { line in
      line.firstMatch(of: /\| `([a-z]+)` \| `([0-9a-z\/]+)` \| `([0-9a-z\/]+)` \|$/).map(\.output)
    }
    let classes = RateLimitSettings.Class.allCases.map(\.rawValue)
    #expect(rows.map { String($0.1) } == classes)
    let line = rows.map { "\($0.1):burst=\($0.2),sustained=\($0.3)" }.joined(separator: ";")
    #expect(try RateLimitSettings(line) == RateLimitSettings())
  }

  @Test func `names the scopes of keys`() throws {
    let all = Set(Scope.allCases.map(\.rawValue))
    #expect(Set(scopes(in: try Repository.text("README.md"))) == all)
    #expect(Set(scopes(in: try Repository.text("Sources/colophon/Help.swift"))) == all)
  }

  @Test func `links to files that are there`() throws {
    let links = try Repository.text("README.md").matches(of: /\]\(([^)#:]+)\)/)
    #expect(links.count > 10)
    for link in links {
      let path = String(link.output.1)
      #expect(Files.status(Repository.root + "/" + path) != nil, "\(path)")
    }
  }
}
