import EventLoop
import HTTP
package import Postgres

/// Posts that come from files and not by HTTP, written as PUT writes them. Revisions name their
/// author `import`.
package struct PostImport: Sendable {
  /// What became of a post.
  package enum Outcome: Sendable, Equatable {
    case created, changed, unchanged
    /// It breaks a rule that only the database knows; a sentence says which.
    case refused(String)
  }

  private let posts: Posts
  private let call: RouteCall

  /// Every statement that the pool must prepare.
  package static let statements = Posts.writeStatements + Claim.statements

  /// - Parameter isRehearsal: everything is tried and nothing done.
  package init(pool: Pool, isRehearsal: Bool) {
    posts = Posts(pool: pool, publicURL: "")
    let inFlight = KeysInFlight()
    call = RouteCall(
      request: Self.request, route: Self.route, variables: [],
      caller: .principal(
        Principal(
          account: "00000000-0000-0000-0000-000000000000", name: "import",
          scopes: [.postsWrite])),
      trail: RequestTrail(Meters()), instance: "import", key: nil, isRehearsal: isRehearsal,
      inFlight: inFlight,
      waitingRoom: WaitingRoom(inFlight, loop: pool.loop), fingerprints: .standard)
  }

  /// Puts a post there, which has a slug, in a transaction of its own. Throws `PostgresError` when
  /// the database cannot be asked, `outcomeUnknown` when nobody knows what became of it; the same
  /// again does what is left to be done.
  package func put(_ draft: PostDraft) async throws -> Outcome {
    do {
      return switch try await posts.put(draft, to: draft.slug ?? "", call).replacement {
      case .created: .created
      case .replaced: .changed
      case .unchanged: .unchanged
      }
    } catch let problem as Problem {
      switch problem.kind {
      case .outcomeUnknown: throw PostgresError.outcomeUnknown
      case .unavailable: throw PostgresError.timedOut
      default: return .refused(problem.detail)
      }
    }
  }

  private static let route = Route(
    .put, "/v1/posts/{slug}", access: .scope(.postsWrite),
    reading: { _, _ in throw UnexpectedRows() })

  /// A write without a key, a precondition or content.
  private static let request: Request = {
    var parser = RequestParser()
    let head = Array("PUT /v1/posts/a HTTP/1.1\r\nHost: import\r\n\r\n".utf8)
    guard case .head(let parsed, _) = parser.next(head.span) else {
      preconditionFailure("the request of an import is malformed")
    }
    return Request(head: parsed, peer: SocketAddress("127.0.0.1:0")!, content: .ready([]))
  }()
}
