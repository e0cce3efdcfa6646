/// How long a server waits for a client. All are totals: a byte now and then prolongs none of them.
package struct Timeouts: Sendable {
  /// From a request's first byte to the end of its head; then 408.
  package var head: Duration = .seconds(10)
  /// From the head to the end of the content; then 408.
  package var content: Duration = .seconds(30)
  /// Between requests; then the connection is closed.
  package var idle: Duration = .seconds(60)
  /// For the client to close after the last answer.
  package var linger: Duration = .seconds(2)

  package init() {}
}
