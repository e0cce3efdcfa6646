/// How long a server waits for a client. All are totals: a byte now and then prolongs none of them.
package struct Timeouts: Sendable {
  /// From a request's first byte to the end of its head; then 408.
  package var head: Duration = .seconds(10)
  /// From the moment the responder asks for the content to its end; then 408.
  package var content: Duration = .seconds(30)
  /// Between requests; then the connection is closed.
  package var idle: Duration = .seconds(60)
  /// For the client to take some of an answer that waits for it; then the connection is closed.
  /// Every 16,000 bytes that it takes give it a second, but never more than this is ahead of it.
  package var send: Duration = .seconds(20)
  /// For the client to close after the last answer.
  package var linger: Duration = .seconds(2)

  package init() {}
}
