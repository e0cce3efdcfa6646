/// What went wrong between this program and the database. Texts are for logs only.
package enum PostgresError: Error, Sendable, Equatable {
  /// There is no usable connection: refused, starting up (57P03), full (53300), read-only (25006)
  /// or closing. Nothing was done.
  case unavailable(String)
  /// Too many calls wait already, or this one would wait past its deadline. Nothing was done.
  case overloaded
  /// The deadline passed, or the server's `statement_timeout` (57014). A read may be repeated; of a
  /// transaction nothing was committed.
  case timedOut
  /// The connection ended while the call was under way. The statement may or may not have run;
  /// outside `Connection` nothing was committed.
  case connectionLost
  /// COMMIT was sent and its answer never came, or came with a warning. Only the database knows.
  case outcomeUnknown
  /// The server refused the statement.
  case server(ServerError)
  /// A text with U+0000, or more parameters than the protocol can count (65,535).
  case invalidParameter

  /// The error of the server, when it is one.
  package var serverError: ServerError? {
    if case .server(let error) = self { error } else { nil }
  }
}

/// An error as the server reported it. Its texts are in the server's language and may quote
/// content: they go to logs and to nobody else.
package struct ServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Five characters, PostgreSQL's appendix A.
  package let sqlState: String
  package let message: String
  package var detail: String?
  package var hint: String?
  package var schema: String?
  package var table: String?
  package var column: String?
  package var constraint: String?
  /// FATAL or PANIC: the session has ended with it.
  package var endsSession = false

  package init(sqlState: String, message: String) {
    self.sqlState = sqlState
    self.message = message
  }

  /// For logs. Without `detail`, which quotes whole rows: what somebody wrote is not the log's.
  package var description: String { "\(sqlState) \(message)" }
}
