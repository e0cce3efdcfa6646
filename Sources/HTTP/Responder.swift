package import EventLoop

/// What a server asks for answers: the content API, the private health endpoints, a test.
package protocol Responder: Sendable {
  /// Answers a request. Called on the loop as soon as the head is complete; the content has not been
  /// read yet, so that a request that is refused anyway costs neither side its upload.
  func respond(to request: Request) async -> Response

  /// The answer to a request without content, if it is at hand: nil leads to `respond(to:)`. Called
  /// on the loop for each such request, in its turn and without a task, so it must not take long.
  func promptAnswer(to head: RequestHead, from peer: SocketAddress) -> PromptAnswer?

  /// Renders one of the server's own refusals, for a request that never became one.
  func response(to refusal: Refusal) -> Response
}

extension Responder {
  /// For responders that have nothing at hand.
  package func promptAnswer(to head: RequestHead, from peer: SocketAddress) -> PromptAnswer? { nil }
}

/// One request, as a responder sees it.
package struct Request: Sendable {
  package let head: RequestHead
  /// The other end of the connection, whoever that is: a client or a proxy.
  package let peer: SocketAddress
  package let content: Content

  package init(head: RequestHead, peer: SocketAddress, content: Content) {
    self.head = head
    self.peer = peer
    self.content = content
  }
}

/// The content of a request, read when somebody wants it.
package enum Content: Sendable {
  case ready([UInt8])
  case unread(@Sendable () async -> Result<[UInt8], Refusal>)

  /// All of it, already within the parser's limit. The first call lets a client that waits for
  /// `100 Continue` send; throws what is wrong with what came instead.
  package func read() async throws(Refusal) -> [UInt8] {
    switch self {
    case .ready(let bytes): bytes
    case .unread(let read): try await read().get()
    }
  }
}
