package import EventLoop
import Postgres

/// Looks a configuration over that is well-formed: whether its parts go together, and whether it is
/// one for strangers to reach.
package struct ConfigurationCheck: Sendable {
  private let configuration: Configuration
  private let sendmail: Files.Status?
  private let isExecutable: Bool
  private let databaseURLIsExposed: Bool

  /// - Parameters:
  ///   - sendmail: what stands where `COLOPHON_SENDMAIL` leads; nil for nothing.
  ///   - isExecutable: whether this user may execute it.
  ///   - databaseURLIsExposed: whether `DATABASE_URL` came by the environment.
  package init(
    _ configuration: Configuration, sendmail: Files.Status?, isExecutable: Bool,
    databaseURLIsExposed: Bool
  ) {
    self.configuration = configuration
    self.sendmail = sendmail
    self.isExecutable = isExecutable
    self.databaseURLIsExposed = databaseURLIsExposed
  }

  /// One finding for each part, in the order of README's table.
  package var findings: [Finding] {
    [database, listeners, privacy, publicURL, crossOrigin, mail, clients].compactMap { $0 }
  }

  private var database: Finding {
    let item = "DATABASE_URL"
    guard let url = configuration.databaseURL else {
      return Finding(
        .wrong, item,
        "is not set; say where PostgreSQL is, such as postgresql:///colophon for this machine")
    }
    guard let destination = try? Destination(url) else {
      return Finding(
        .wrong, item,
        "is malformed; write postgresql://role@host/database, with %40 for an @ in a password")
    }
    let remote = destination.hosts.filter { !Self.isThisMachine($0) }
    if let host = remote.first, !["require", "verify-ca", "verify-full"].contains(destination.tls) {
      return Finding(
        .wrong, item,
        "lets everything go to \(host) unencrypted if somebody on the way wants that; add "
          + "sslmode=verify-full and sslrootcert=…")
    }
    if let host = remote.first, destination.tls == "require" {
      return Finding(
        .doubtful, item,
        "encrypts, but does not ask \(host) who it is; sslmode=verify-full with sslrootcert=… does")
    }
    if destination.hasPassword, databaseURLIsExposed {
      return Finding(
        .doubtful, item,
        "has a password and stands in the environment; a file is safer: LoadCredential in "
          + "README, or a passfile")
    }
    let hosts = destination.hosts.map { $0.hasPrefix("/") ? "this machine" : $0 }
    return Finding(.good, item, "leads to " + hosts.joined(separator: " and "))
  }

  private static func isThisMachine(_ host: String) -> Bool {
    host.hasPrefix("/") || host.hasPrefix("@") || host == "localhost"
      || NetworkAddress(host).map(isLoopback) ?? false
  }

  private var listeners: Finding {
    let (listen, privateListen) = (configuration.listen, configuration.privateListen)
    if listen.port != 0, listen.port == privateListen.port,
      listen.host == privateListen.host || [listen, privateListen].contains(where: Self.isAny)
    {
      return Finding(
        .wrong, "COLOPHON_LISTEN",
        "has the port of COLOPHON_PRIVATE_LISTEN, \(listen.port); choose another for one of them")
    }
    if !Self.isLoopback(NetworkAddress(listen)), configuration.proxies == TrustedProxies() {
      return Finding(
        .doubtful, "COLOPHON_LISTEN",
        "\(listen) can be reached without TLS; listen on 127.0.0.1 behind a proxy that has it, or "
          + "name that proxy in COLOPHON_TRUSTED_PROXIES and let nobody else in")
    }
    return Finding(.good, "COLOPHON_LISTEN", "\(listen)")
  }

  private var privacy: Finding {
    let item = "private listener"
    let address = configuration.privateListen
    let name = "COLOPHON_PRIVATE_LISTEN=\(address)"
    if Self.isAny(address) {
      return Finding(
        .doubtful, item,
        "\(name) is on every network of this machine, and tells its metrics to all of them; listen "
          + "on 127.0.0.1 or a private address, or close the port to strangers")
    }
    guard Self.privateNetworks.contains(where: { $0.contains(NetworkAddress(address)) }) else {
      return Finding(
        .wrong, item,
        "\(name) is an address of the public Internet; its metrics are not for everybody, so "
          + "listen on 127.0.0.1 or a private address")
    }
    return Finding(.good, item, "\(address)")
  }

  private var publicURL: Finding {
    let item = "COLOPHON_PUBLIC_URL"
    guard let url = configuration.publicURL else {
      return Finding(
        .doubtful, item,
        "is not set; feeds take themselves to be at http://localhost. Set it to the address that "
          + "clients use")
    }
    let host = Self.host(of: url)
    if Self.isThisMachine(host) {
      return Finding(
        .doubtful, item, "\(url) leads every client to itself; set the address that they use")
    }
    if url.hasPrefix("http://") {
      return Finding(
        .doubtful, item, "\(url) is without TLS, which keys and mailed links need; use https://")
    }
    return Finding(.good, item, url)
  }

  private var crossOrigin: Finding {
    let item = "COLOPHON_CORS_ORIGINS"
    guard let origins = configuration.crossOrigin.named else {
      let isOpen = configuration.crossOrigin == .everyone
      return Finding(.good, item, (isOpen ? "every" : "no") + " page may read the public API")
    }
    let plain = origins.first { $0.hasPrefix("http://") && !Self.isThisMachine(Self.host(of: $0)) }
    if let plain {
      return Finding(
        .doubtful, item,
        "names \(plain); browsers compare it whole, so a page served by https:// is another origin")
    }
    return Finding(.good, item, origins.joined(separator: ", "))
  }

  private var mail: Finding {
    let path = configuration.sendmail
    guard configuration.mailFrom != nil else {
      return Finding(
        .doubtful, "mail",
        "none leaves, and who signs up waits; set COLOPHON_MAIL_FROM if you have a newsletter")
    }
    if configuration.publicURL == nil {
      return Finding(
        .wrong, "mail", "COLOPHON_MAIL_FROM needs COLOPHON_PUBLIC_URL for the links in mails")
    }
    guard let sendmail else {
      return Finding(
        .wrong, "mail",
        "there is no \(path); install a mail transport agent, such as msmtp-mta, or name its "
          + "program in COLOPHON_SENDMAIL")
    }
    guard sendmail.isFile, isExecutable else {
      return Finding(
        .wrong, "mail",
        "\(path) is no program that this user may run; name one in "
          + "COLOPHON_SENDMAIL")
    }
    if sendmail.mode & 0o6000 != 0 {
      return Finding(
        .doubtful, "mail",
        "\(path) runs with the rights of another user, which NoNewPrivileges in a unit forbids; "
          + "msmtp-mta needs none")
    }
    return Finding(.good, "mail", "leaves by \(path)")
  }

  private var clients: Finding {
    let item = "clients"
    if configuration.rateLimits == nil {
      return Finding(
        .doubtful, item, "there are no limits; leave COLOPHON_RATE_LIMITS out to have them")
    }
    if configuration.proxies.trustsEverybody {
      return Finding(
        .wrong, item,
        "COLOPHON_TRUSTED_PROXIES trusts every address, so that anybody may pass for anybody; name "
          + "your proxies alone")
    }
    if configuration.proxies == TrustedProxies(), let url = configuration.publicURL,
      url.hasPrefix("https://")
    {
      return Finding(
        .wrong, item,
        "behind a proxy all of them look like one, with the limits of one; name the proxy's address "
          + "in COLOPHON_TRUSTED_PROXIES, such as 127.0.0.1")
    }
    return Finding(.good, item, "each has its limits")
  }

  /// What stands between `//` and a port.
  private static func host(of url: String) -> String {
    let rest = url.drop { $0 != "/" }.drop { $0 == "/" }
    if rest.hasPrefix("[") { return String(rest.dropFirst().prefix { $0 != "]" }) }
    return String(rest.prefix { $0 != ":" && $0 != "/" })
  }

  private static func isAny(_ address: SocketAddress) -> Bool {
    address.high == 0 && address.low == 0
  }

  private static func isLoopback(_ address: NetworkAddress) -> Bool {
    networks(["127.0.0.0/8", "::1"]).contains { $0.contains(address) }
  }

  private static var privateNetworks: [NetworkPrefix] {
    networks([
      "127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
      "100.64.0.0/10", "fc00::/7", "fe80::/10",
    ])
  }

  private static func networks(_ texts: [String]) -> [NetworkPrefix] {
    texts.compactMap { try? NetworkPrefix($0) }
  }
}
