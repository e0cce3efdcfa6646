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
    #expect(configuration.proxies == TrustedProxies())
    #expect(configuration.rateLimits == RateLimitSettings())
    #expect(configuration.runtimeRole == "colophon_runtime")
    #expect(configuration.drain == .seconds(20))
    #expect(configuration.connectionsPerAddress == 20_000)
  }

  @Test func `takes what is set, and an empty value for none`() throws {
    let configuration = try Configuration([
      "DATABASE_URL": "postgresql:///x", "COLOPHON_READ_DATABASE_URL": "host=b dbname=x",
      "COLOPHON_LISTEN": "[::1]:0",
      "COLOPHON_PRIVATE_LISTEN": "0.0.0.0:65535", "COLOPHON_PUBLIC_URL": "https://a.example:8443/",
      "COLOPHON_MAIL_FROM": "News@example.com", "COLOPHON_SENDMAIL": "/opt/mail/sendmail",
      "COLOPHON_RUNTIME_ROLE": "a role", "COLOPHON_DRAIN_SECONDS": "3600", "PATH": "/bin",
      "COLOPHON_CONNECTIONS_PER_ADDRESS": "0",
      "COLOPHON_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32",
      "COLOPHON_CLIENT_HEADER": "forwarded",
      "COLOPHON_RATE_LIMITS":
        "key:sustained=7/2d; address : burst = 5/1s , sustained=1000000000/1m",
    ])
    let proxies = try ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"].map { try NetworkPrefix($0) }
    #expect(configuration.proxies == TrustedProxies(proxies, header: .forwarded))
    var limits = RateLimitSettings()
    limits[.key].sustained = .init(7, per: 172_800)
    limits[.address] = .init(burst: .init(5, per: 1), sustained: .init(1_000_000_000, per: 60))
    #expect(configuration.rateLimits == limits)
    #expect(configuration.databaseURL == "postgresql:///x")
    #expect(configuration.readDatabaseURL == "host=b dbname=x")
    #expect(configuration.listen == SocketAddress("[::1]:0"))
    #expect(configuration.privateListen == SocketAddress("0.0.0.0:65535"))
    #expect(configuration.choosesPrivateListen)
    #expect(configuration.publicURL == "https://a.example:8443")
    #expect(configuration.mailFrom?.text == "News@example.com")
    #expect(configuration.sendmail == "/opt/mail/sendmail")
    #expect(configuration.runtimeRole == "a role")
    #expect(configuration.drain == .seconds(3600))
    #expect(configuration.addressBound == nil)
    let empty = Dictionary(uniqueKeysWithValues: Configuration.variables.map { ($0, "") })
    #expect(try Configuration(empty).databaseURL == nil)
    #expect(try Configuration(["COLOPHON_RATE_LIMITS": "off"]).rateLimits == nil)
    #expect(try RateLimitSettings(RateLimitSettings.example) == RateLimitSettings())
  }

  @Test func `names every fault at once`() {
    let faults = faults([
      "COLOPHON_LISTEN": "here", "COLOPHON_PRIVATE_LISTEN": "127.0.0.1",
      "COLOPHON_PUBLIC_URL": "https://a/b", "COLOPHON_DRAIN_SECONDS": "0",
      "COLOPHON_RUNTIME_ROLE": String(repeating: "r", count: 64), "COLOPHON_LISTNE": "",
      "COLOPHON_": "x", "COLOPHON_TRUSTED_PROXIES": "proxy", "COLOPHON_CLIENT_HEADER": "X-Real-IP",
      "COLOPHON_RATE_LIMITS": "on",
    ])
    #expect(faults.count == 10)
    for name in [
      "COLOPHON_LISTEN ", "COLOPHON_PRIVATE_LISTEN ", "COLOPHON_PUBLIC_URL ",
      "COLOPHON_DRAIN_SECONDS ", "COLOPHON_RUNTIME_ROLE ", "COLOPHON_LISTNE ", "COLOPHON_ ",
      "COLOPHON_TRUSTED_PROXIES ", "COLOPHON_CLIENT_HEADER ", "COLOPHON_RATE_LIMITS ",
    ] {
      #expect(faults.contains { $0.hasPrefix(name) }, "\(name)")
    }
  }

  @Test(arguments: [
    ("COLOPHON_PUBLIC_URL", "ftp://a"), ("COLOPHON_PUBLIC_URL", "https://"),
    ("COLOPHON_PUBLIC_URL", "a.example"), ("COLOPHON_PUBLIC_URL", "https://a/?x"),
    ("COLOPHON_PUBLIC_URL", "https://a\r\nX: y"), ("COLOPHON_PUBLIC_URL", "https://u@a"),
    ("COLOPHON_PUBLIC_URL", "https:///"),
    ("COLOPHON_CONNECTIONS_PER_ADDRESS", "-1"), ("COLOPHON_CONNECTIONS_PER_ADDRESS", "10000000"),
    ("COLOPHON_DRAIN_SECONDS", "3601"), ("COLOPHON_DRAIN_SECONDS", "-1"),
    ("COLOPHON_DRAIN_SECONDS", "1.5"), ("COLOPHON_DRAIN_SECONDS", "99999999999999999999"),
    ("COLOPHON_MAIL_FROM", "newsletter"), ("COLOPHON_MAIL_FROM", "News <n@example.com>"),
    ("COLOPHON_MAIL_FROM", "n@example.com\r\nBcc: m@example.com"),
    ("COLOPHON_SENDMAIL", "sendmail"), ("COLOPHON_SENDMAIL", "sendmail -t"),
    ("COLOPHON_LOG_LEVEL", "all"), ("COLOPHON_LOG_LEVEL", "Info"),
    ("COLOPHON_LISTEN", "127.0.0.1:65536"), ("COLOPHON_LISTEN", "127.0.0.1:"),
    ("COLOPHON_LISTEN", ":8080"), ("COLOPHON_LISTEN", "localhost:8080"),
    ("COLOPHON_CLIENT_HEADER", "X-Forwarded-For,Forwarded"),
    ("COLOPHON_READ_DATABASE_URL", "standby"), ("COLOPHON_READ_DATABASE_URL", "hots=standby"),
    ("COLOPHON_READ_DATABASE_URL", "postgresql://u:secret@[::1"),
  ])
  func `refuses`(name: String, value: String) {
    let faults = faults([name: value])
    #expect(faults.count == 1)
    #expect(!faults.joined().contains("secret"))
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

  @Test(arguments: [
    ("address", "“address”"), ("addresses:burst=5/1s", "“addresses:burst=5/1s”"),
    ("address:burst=10/1s;", "“”"), ("key:burst=10/1s; OFF", "“OFF”"),
    ("address:", "“” of address"),
    ("address:burst=10/1s,", "“” of address"), ("key:burst=10", "“burst=10” of key"),
    ("key:burst=10/1", "“burst=10/1” of key"), ("key:burst=10/s", "“burst=10/s” of key"),
    ("key:burst=10/0s", "“burst=10/0s” of key"), ("key:burst=10/1w", "“burst=10/1w” of key"),
    ("key:burst=10/367d", "“burst=10/367d” of key"), ("key:Burst=10/1s", "“Burst=10/1s” of key"),
    ("key:burst=1.5/1s", "“burst=1.5/1s” of key"), ("key:burst=-5/1s", "“burst=-5/1s” of key"),
    ("key:burst=1000000001/1s", "“burst=1000000001/1s” of key"),
    ("key:burst=99999999999999999999/1s", "“burst=99999999999999999999/1s” of key"),
    ("key:burst=10/1s/2", "“burst=10/1s/2” of key"), ("key:rate=10/1s", "“rate=10/1s” of key"),
    ("credential:burst=4/1s", "burst=5/1s"), ("key:burst=0/1s", "burst=5/1s"),
    ("key:burst=5/1s,burst=6/1s", "burst of key twice"),
    ("key:burst=5/1s;key:sustained=6/1s", "class key twice"),
  ])
  func `says where a limit is wrong, and what is right`(value: String, place: String) throws {
    let fault = try #require(faults(["COLOPHON_RATE_LIMITS": value]).first)
    #expect(fault.hasPrefix("COLOPHON_RATE_LIMITS has "))
    #expect(fault.contains(place), "\(fault)")
  }

  @Test(arguments: [
    ("10.0.0.1/8", "“10.0.0.1/8”"), ("10.0.0.0/8,,", "“”"), ("127.0.0.1 10.0.0.1", "“127.0.0.1 10"),
    ("10.0.0.0/8,proxy.example", "“proxy.example”"), ("10.0.0.0/8;::1", "“10.0.0.0/8;::1”"),
  ])
  func `says where a proxy is wrong, and what is right`(value: String, place: String) throws {
    let fault = try #require(faults(["COLOPHON_TRUSTED_PROXIES": value]).first)
    #expect(fault.hasPrefix("COLOPHON_TRUSTED_PROXIES has \(place)"), "\(fault)")
    #expect(fault.contains("10.0.0.0/8"))
  }

  @Test func `never traps`() {
    let values = [
      "127.0.0.1:80", "https://a.example/", "20", "[::1]:1", "10.0.0.0/8,::1",
      "address:burst=10/1s,sustained=10/1d;key:burst=10/1h",
    ].map { Array($0.utf8) }
    let tokens = [":", "[", "]", "/", ".", "9", "\u{0}", "é", "-", ";", ",", "="].map {
      Array($0.utf8)
    }
    var random = SeededRandom(seed: 13)
    for _ in 0..<5_000 {
      let name = Configuration.variables[random.next(below: Configuration.variables.count)]
      let bytes = random.mutate(values[random.next(below: values.count)], with: tokens)
      #expect(faults([name: String(decoding: bytes, as: UTF8.self)]).count <= 1)
    }
  }
}
