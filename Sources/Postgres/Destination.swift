/// Where a connection string leads, for somebody who looks it over: the environment's PGHOST and
/// PGSSLMODE included, the password left out.
package struct Destination: Sendable, Equatable {
  /// Names, addresses, or folders of Unix sockets; `/` alone for libpq's own.
  package let hosts: [String]
  /// `sslmode`, with libpq's default.
  package let tls: String
  /// The string itself has a password, whoever sees it.
  package let hasPassword: Bool

  /// Throws `.unavailable` for a string that libpq cannot read.
  package init(_ conninfo: String) throws(PostgresError) {
    let values = try ConnectionParameters.parse(conninfo)
    let environment = ConnectionParameters.environmentDefaults()
    func value(_ keyword: String) -> String? { values[keyword] ?? environment[keyword] }
    let hosts = (value("host") ?? value("hostaddr") ?? "")
      .split(separator: ",").map(String.init)
    self.hosts = hosts.isEmpty ? ["/"] : hosts
    tls = value("sslmode") ?? "prefer"
    hasPassword = values["password"] != nil
  }
}
