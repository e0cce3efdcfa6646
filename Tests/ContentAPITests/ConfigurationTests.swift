import ContentAPI
import EventLoop
import Testing

@Suite struct ConfigurationFromEnvironment {
  private func faults(_ environment: [String: String]) -> [String] {
    do throws(ConfigurationError) {
      _ = try Configuration(environment)
      return []
    } catch {
      return error.faults
    }
  }

  @Test func `has defaults for everything but the database`() throws {
    let configuration = try Configuration([:])
    #expect(configuration.databaseURL == nil)
    #expect(configuration.listen == SocketAddress("127.0.0.1:8080"))
    #expect(configuration.privateListen == SocketAddress("127.0.0.1:9090"))
    #expect(configuration.choosesPrivateListen == false)
    #expect(configuration.publicURL == nil)
    #expect(configuration.mailFrom == nil)
    #expect(configuration.sendmail == "/usr/sbin/sendmail")
    #expect(configuration.runtimeRole == "colophon_runtime")
    #expect(configuration.drain == .seconds(20))
  }

  @Test func `takes what is set, and an empty value for none`() throws {
    let configuration = try Configuration([
      "DATABASE_URL": "postgresql:///x", "COLOPHON_LISTEN": "[::1]:0",
      "COLOPHON_PRIVATE_LISTEN": "0.0.0.0:65535", "COLOPHON_PUBLIC_URL": "https://a.example:8443/",
      "COLOPHON_MAIL_FROM": "News@example.com", "COLOPHON_SENDMAIL": "/opt/mail/sendmail",
      "COLOPHON_RUNTIME_ROLE": "a role", "COLOPHON_DRAIN_SECONDS": "3600", "PATH": "/bin",
    ])
    #expect(configuration.databaseURL == "postgresql:///x")
    #expect(configuration.listen == SocketAddress("[::1]:0"))
    #expect(configuration.privateListen == SocketAddress("0.0.0.0:65535"))
    #expect(configuration.choosesPrivateListen)
    #expect(configuration.publicURL == "https://a.example:8443")
    #expect(configuration.mailFrom?.text == "News@example.com")
    #expect(configuration.sendmail == "/opt/mail/sendmail")
    #expect(configuration.runtimeRole == "a role")
    #expect(configuration.drain == .seconds(3600))
    let empty = Dictionary(uniqueKeysWithValues: Configuration.variables.map { ($0, "") })
    #expect(try Configuration(empty).databaseURL == nil)
  }

  @Test func `names every fault at once`() {
    let faults = faults([
      "COLOPHON_LISTEN": "here", "COLOPHON_PRIVATE_LISTEN": "127.0.0.1",
      "COLOPHON_PUBLIC_URL": "https://a/b", "COLOPHON_DRAIN_SECONDS": "0",
      "COLOPHON_RUNTIME_ROLE": String(repeating: "r", count: 64), "COLOPHON_LISTNE": "",
      "COLOPHON_": "x",
    ])
    #expect(faults.count == 7)
    for name in [
      "COLOPHON_LISTEN ", "COLOPHON_PRIVATE_LISTEN ", "COLOPHON_PUBLIC_URL ",
      "COLOPHON_DRAIN_SECONDS ", "COLOPHON_RUNTIME_ROLE ", "COLOPHON_LISTNE ", "COLOPHON_ ",
    ] {
      #expect(faults.contains { $0.hasPrefix(name) }, "\(name)")
    }
  }

  @Test(arguments: [
    ("COLOPHON_PUBLIC_URL", "ftp://a"), ("COLOPHON_PUBLIC_URL", "https://"),
    ("COLOPHON_PUBLIC_URL", "a.example"), ("COLOPHON_PUBLIC_URL", "https://a/?x"),
    ("COLOPHON_PUBLIC_URL", "https://a\r\nX: y"), ("COLOPHON_PUBLIC_URL", "https://u@a"),
    ("COLOPHON_PUBLIC_URL", "https:///"),
    ("COLOPHON_DRAIN_SECONDS", "3601"), ("COLOPHON_DRAIN_SECONDS", "-1"),
    ("COLOPHON_DRAIN_SECONDS", "1.5"), ("COLOPHON_DRAIN_SECONDS", "99999999999999999999"),
    ("COLOPHON_MAIL_FROM", "newsletter"), ("COLOPHON_MAIL_FROM", "News <n@example.com>"),
    ("COLOPHON_MAIL_FROM", "n@example.com\r\nBcc: m@example.com"),
    ("COLOPHON_SENDMAIL", "sendmail"), ("COLOPHON_SENDMAIL", "sendmail -t"),
    ("COLOPHON_LISTEN", "127.0.0.1:65536"), ("COLOPHON_LISTEN", "127.0.0.1:"),
    ("COLOPHON_LISTEN", ":8080"), ("COLOPHON_LISTEN", "localhost:8080"),
  ])
  func `refuses`(name: String, value: String) {
    #expect(faults([name: value]).count == 1)
  }

  @Test func `wants an address for links where mail is sent`() throws {
    var environment = ["COLOPHON_MAIL_FROM": "n@example.com"]
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration(environment).checkServing()
    }
    #expect(error?.faults.count == 1)
    #expect(error?.faults.first?.contains("COLOPHON_PUBLIC_URL") == true)
    environment["COLOPHON_PUBLIC_URL"] = "https://api.example.com"
    try Configuration(environment).checkServing()
    try Configuration([:]).checkServing()
  }

  @Test func `never traps`() {
    let values = ["127.0.0.1:80", "https://a.example/", "20", "[::1]:1"].map { Array($0.utf8) }
    let tokens = [":", "[", "]", "/", ".", "9", "\u{0}", "é", "-"].map { Array($0.utf8) }
    var random = SeededRandom(seed: 13)
    for _ in 0..<5_000 {
      let name = Configuration.variables[random.next(below: Configuration.variables.count)]
      let bytes = random.mutate(values[random.next(below: values.count)], with: tokens)
      #expect(faults([name: String(decoding: bytes, as: UTF8.self)]).count <= 1)
    }
  }
}
