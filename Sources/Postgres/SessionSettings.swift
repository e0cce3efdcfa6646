import EventLoop

/// What every session is set to when it connects, by startup parameters, so that it costs no round
/// trip and holds from the first statement on.
///
/// What the operator's own `options` say comes later and so wins, except for what correctness
/// stands on: time zone, isolation, a `synchronous_commit` of at least `on`, and `search_path`.
package struct SessionSettings: Sendable {
  /// The value of `search_path`; nil leaves the role's or the database's.
  package var searchPath: String?
  package var applicationName = "colophon"
  package var statementTimeout: Duration = .seconds(5)
  package var lockTimeout: Duration = .seconds(3)
  package var idleInTransactionTimeout: Duration = .seconds(10)
  /// How soon a server notices in the middle of a statement that its client is gone.
  package var connectionCheckInterval: Duration = .seconds(2)
  /// Whether a statement is planned for the values of each execution instead of once for all. That
  /// costs it a millisecond or two, and pays where different values want different indexes.
  package var plansForValues = false
  /// `target_session_attrs` unless the operator named one.
  package var targetSessionAttributes = "any"

  package init(searchPath: String? = nil) { self.searchPath = searchPath }

  /// The value of the connection option `options`, around the operator's own.
  func options(around own: String) -> String {
    let ours = [
      ("plan_cache_mode", plansForValues ? "force_custom_plan" : "force_generic_plan"),
      ("jit", "off"),
      // A plan made while a table was small is kept while it grows; every statement has its index.
      ("enable_seqscan", "off"),
      ("lock_timeout", Self.milliseconds(lockTimeout)),
      ("statement_timeout", Self.milliseconds(statementTimeout)),
      ("idle_in_transaction_session_timeout", Self.milliseconds(idleInTransactionTimeout)),
      ("client_connection_check_interval", Self.milliseconds(connectionCheckInterval)),
      ("tcp_keepalives_idle", "10"),
      ("tcp_keepalives_interval", "5"),
      ("tcp_keepalives_count", "3"),
      ("tcp_user_timeout", "10000"),
    ]
    var last = [
      ("TimeZone", "UTC"), ("default_transaction_isolation", "read committed"),
      ("standard_conforming_strings", "on"), ("bytea_output", "hex"),
    ]
    // Waiting for a standby as well is more than `on`, and the operator's to decide.
    if !own.contains("synchronous_commit=remote_apply") {
      last.append(("synchronous_commit", "on"))
    }
    if let searchPath { last.append(("search_path", searchPath)) }
    return (ours.map(Self.option) + (own.isEmpty ? [] : [own]) + last.map(Self.option))
      .joined(separator: " ")
  }

  private static func option(_ name: String, _ value: String) -> String {
    var text = "-c \(name)="
    for character in value {
      // The server splits `options` at white space and unquotes backslashes.
      if character == " " || character == "\\" { text.append("\\") }
      text.append(character)
    }
    return text
  }

  private static func milliseconds(_ duration: Duration) -> String {
    String(max(1, duration.wholeNanoseconds / 1_000_000))
  }
}
