package import EventLoop
package import HTTP
import Postgres

/// What the environment says; the only place that reads it. README has the same table.
package struct Configuration: Sendable {
  /// Where PostgreSQL is, as libpq reads it; nil without `DATABASE_URL`.
  package var databaseURL: String?
  /// Where a standby of it is, for reads when it is away; nil without `COLOPHON_READ_DATABASE_URL`.
  package var readDatabaseURL: String?
  /// Where the API is served.
  package var listen = SocketAddress("127.0.0.1:8080")!
  /// Where `/livez` and `/readyz` are served.
  package var privateListen = SocketAddress("127.0.0.1:9090")!
  /// Whether `COLOPHON_PRIVATE_LISTEN` was given.
  package var choosesPrivateListen = false
  /// `https://api.example.com`, without a slash at its end; nil makes URLs in answers relative.
  package var publicURL: String?
  /// Whose pages may read the API in a browser.
  package var crossOrigin = CrossOrigin.everyone
  /// Where the web site shows a post; nil for what follows from its address in the profile.
  package var postPage: PostPage?
  /// Where a plain sign-up form leads its reader; nil for a page of the service itself.
  package var signUpPage: String?
  /// The sender of mails; nil without `COLOPHON_MAIL_FROM`, and then none are sent.
  package var mailFrom: MailAddress?
  /// The program that takes mails.
  package var sendmail = "/usr/sbin/sendmail"
  /// Whom a request comes from when it comes through proxies.
  package var proxies = TrustedProxies()
  /// How much may be asked; nil when there are no limits.
  package var rateLimits: RateLimitSettings? = RateLimitSettings()
  /// How many connections an address may have open; 0 for any number. Proxies are not counted.
  package var connectionsPerAddress = 20_000
  /// Bytes of answers kept in memory, by all loops together; 0 keeps none.
  package var cache = 32 << 20
  /// The database role that `migrate` grants to.
  package var runtimeRole = "colophon_runtime"
  /// What the log leaves out.
  package var logLevel = LogLevel.info
  /// How long requests under way may take to finish.
  package var drain = Duration.seconds(20)

  /// Every variable, in README's order.
  package static let variables: [String] = [
    "DATABASE_URL", "COLOPHON_READ_DATABASE_URL", "COLOPHON_LISTEN", "COLOPHON_PRIVATE_LISTEN",
    "COLOPHON_PUBLIC_URL", "COLOPHON_POST_PAGE", "COLOPHON_CORS_ORIGINS", "COLOPHON_SIGNUP_PAGE",
    "COLOPHON_MAIL_FROM", "COLOPHON_SENDMAIL", "COLOPHON_TRUSTED_PROXIES",
    "COLOPHON_CLIENT_HEADER", "COLOPHON_RATE_LIMITS", "COLOPHON_CONNECTIONS_PER_ADDRESS",
    "COLOPHON_CACHE_MB", "COLOPHON_RUNTIME_ROLE", "COLOPHON_LOG_LEVEL", "COLOPHON_DRAIN_SECONDS",
  ]

  /// Reads the variables. Throws every fault at once: unknown `COLOPHON_` names, and values that
  /// are not what they should be. An empty value counts as absent.
  package init(_ environment: [String: String]) throws(ConfigurationError) {
    var faults: [String] = []
    for name in environment.keys.sorted()
    where name.hasPrefix("COLOPHON_") && !Self.variables.contains(name) {
      faults.append("\(name) is not a variable of Colophon")
    }
    func value(_ name: String) -> String? {
      guard let value = environment[name], !value.isEmpty else { return nil }
      return value
    }
    func address(_ name: String) -> SocketAddress? {
      guard let text = value(name) else { return nil }
      guard let address = SocketAddress(text) else {
        faults.append(
          "\(name) must be an address with a port, such as 127.0.0.1:8080 or [::1]:8080")
        return nil
      }
      return address
    }
    databaseURL = value("DATABASE_URL")
    readDatabaseURL = value("COLOPHON_READ_DATABASE_URL")
    if let url = readDatabaseURL, !Pool.canRead(url) {
      // Without the text, which may hold a password.
      faults.append(
        "COLOPHON_READ_DATABASE_URL must be like postgresql://user@standby/colophon, or libpq's "
          + "keywords")
    }
    if let address = address("COLOPHON_LISTEN") { listen = address }
    if let address = address("COLOPHON_PRIVATE_LISTEN") {
      privateListen = address
      choosesPrivateListen = true
    }
    if let text = value("COLOPHON_PUBLIC_URL") {
      if Self.isOrigin(text) {
        publicURL = text.hasSuffix("/") ? String(text.dropLast()) : text
      } else {
        faults.append("COLOPHON_PUBLIC_URL must be like https://api.example.com, without a path")
      }
    }
    if let text = value("COLOPHON_POST_PAGE") {
      postPage = PostPage(text)
      if postPage == nil {
        faults.append(
          "COLOPHON_POST_PAGE must be an absolute URL with {slug} in one place behind the host, "
            + "such as https://example.com/blog/{slug}")
      }
    }
    if let text = value("COLOPHON_CORS_ORIGINS") {
      if let origins = CrossOrigin(text) {
        crossOrigin = origins
      } else {
        faults.append(
          "COLOPHON_CORS_ORIGINS must be *, off, or origins as browsers send them, with commas "
            + "between them: https://example.com,http://localhost:3000")
      }
    }
    if let text = value("COLOPHON_SIGNUP_PAGE") {
      // A header field holds ASCII alone.
      if WebAddress.complaint(text) == nil, text.utf8.allSatisfy({ $0 < 0x80 }) {
        signUpPage = text
      } else {
        faults.append(
          "COLOPHON_SIGNUP_PAGE must be an absolute URL such as https://example.com/thanks")
      }
    }
    if let text = value("COLOPHON_MAIL_FROM") {
      do throws(MailAddressError) {
        mailFrom = try MailAddress(text)
      } catch {
        faults.append("COLOPHON_MAIL_FROM \(error)")
      }
    }
    if let text = value("COLOPHON_SENDMAIL") {
      if text.hasPrefix("/"), text.utf8.count <= 4096, !text.utf8.contains(0) {
        sendmail = text
      } else {
        faults.append("COLOPHON_SENDMAIL must be the whole path of a program, without arguments")
      }
    }
    var header = TrustedProxies.Header.xForwardedFor
    if let text = value("COLOPHON_CLIENT_HEADER") {
      let named = TrustedProxies.Header.allCases.first {
        $0.rawValue.lowercased() == text.lowercased()
      }
      if let named {
        header = named
      } else {
        faults.append("COLOPHON_CLIENT_HEADER must be X-Forwarded-For or Forwarded")
      }
    }
    if let text = value("COLOPHON_TRUSTED_PROXIES") {
      do throws(TrustedProxies.Fault) {
        proxies = try TrustedProxies(text, header: header)
      } catch {
        faults.append("COLOPHON_TRUSTED_PROXIES \(error.text)")
      }
    }
    if let text = value("COLOPHON_RATE_LIMITS") {
      do throws(RateLimitSettings.Fault) {
        rateLimits = text == "off" ? nil : try RateLimitSettings(text)
      } catch {
        faults.append("COLOPHON_RATE_LIMITS \(error.text)")
      }
    }
    if let text = value("COLOPHON_CONNECTIONS_PER_ADDRESS") {
      if text.utf8.count <= 7, text.utf8.allSatisfy(\.isDigit), let count = Int(text) {
        connectionsPerAddress = count
      } else {
        faults.append("COLOPHON_CONNECTIONS_PER_ADDRESS must be a whole number from 0 to 9999999")
      }
    }
    if let text = value("COLOPHON_CACHE_MB") {
      if text.utf8.count <= 5, text.utf8.allSatisfy(\.isDigit), let size = Int(text) {
        cache = size << 20
      } else {
        faults.append("COLOPHON_CACHE_MB must be a whole number from 0 to 99999")
      }
    }
    if let text = value("COLOPHON_RUNTIME_ROLE") {
      if (1...63).contains(text.utf8.count), !text.utf8.contains(0) {
        runtimeRole = text
      } else {
        faults.append("COLOPHON_RUNTIME_ROLE must be the name of a PostgreSQL role")
      }
    }
    if let text = value("COLOPHON_LOG_LEVEL") {
      if let level = LogLevel(text) {
        logLevel = level
      } else {
        let names = LogLevel.allCases.map(\.name).joined(separator: ", ")
        faults.append("COLOPHON_LOG_LEVEL must be one of \(names)")
      }
    }
    if let text = value("COLOPHON_DRAIN_SECONDS") {
      if text.utf8.count <= 4, text.utf8.allSatisfy(\.isDigit),
        let seconds = Int(text), (1...3600).contains(seconds)
      {
        drain = .seconds(seconds)
      } else {
        faults.append("COLOPHON_DRAIN_SECONDS must be a whole number from 1 to 3600")
      }
    }
    if !faults.isEmpty { throw ConfigurationError(faults: faults) }
  }

  /// What keeps an address from having too many connections; nil where any number is in order.
  package var addressBound: AddressBound? {
    if connectionsPerAddress == 0 { return nil }
    return AddressBound(connectionsPerAddress) { [proxies] in
      proxies.isTrusted(NetworkAddress($0))
    }
  }

  /// Throws what keeps a server from its work that other commands do without.
  package func checkServing() throws(ConfigurationError) {
    guard mailFrom != nil, publicURL == nil else { return }
    throw ConfigurationError(faults: [
      "COLOPHON_MAIL_FROM needs COLOPHON_PUBLIC_URL, which the links in mails begin with"
    ])
  }

  /// Scheme, host and perhaps a port: what can stand before a path in a header field.
  private static func isOrigin(_ text: String) -> Bool {
    let scheme = ["http://", "https://"].first { text.hasPrefix($0) }
    guard let scheme else { return false }
    var rest = text.utf8.dropFirst(scheme.utf8.count)
    if rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
    return !rest.isEmpty
      && rest.allSatisfy { $0.isLetter || $0.isDigit || ".-:[]".utf8.contains($0) }
  }
}

/// What is wrong with the environment, a sentence for each fault.
package struct ConfigurationError: Error, Sendable, Equatable {
  /// In the order of the variables; never empty.
  package let faults: [String]
}
