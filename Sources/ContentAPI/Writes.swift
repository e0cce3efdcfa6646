import EventLoop
import HTTP
import JSON
import Postgres

/// The one road to the database for a change. A handler that writes gets its `Transaction` here and
/// nowhere else, so that what belongs to every write (its deadline, running it again after a
/// serialization failure, telling an unknown outcome from a failed one) cannot be forgotten.
struct Writes: Sendable {
  let pool: Pool

  /// How long a write may take in all, retries included.
  private static let patience = Duration.seconds(8)
  private static let attempts = 3

  /// Runs `body`, which sends its first statements, decides, and commits with its last ones. When it
  /// throws, or returns without a commit, everything is undone.
  func transaction<Result>(
    _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    let deadline = MonotonicInstant.now() + Self.patience
    var attempt = 1
    while true {
      do {
        return try await pool.transaction(deadline: deadline, body)
      } catch let error as PostgresError where attempt < Self.attempts && error.passes {
        // PostgreSQL undid it in favour of another; a little apart, so that they do not meet again.
        attempt += 1
        await pool.loop.sleep(for: .milliseconds(Int.random(in: 1...20 * attempt)))
      }
    }
  }
}

extension PostgresError {
  /// Serialization failure or deadlock: nothing happened, and the same again may well succeed.
  fileprivate var passes: Bool {
    if case .server(let error) = self { return ["40001", "40P01"].contains(error.sqlState) }
    return false
  }
}

extension RouteCall {
  /// The content of a write, read as its media type says; `slug` is that of the post it replaces.
  func content(replacing slug: String?) async throws -> PostDraft {
    let bytes = try await request.content.read()
    if head.first(of: "content-type").flatMap(MediaType.init)?.essence == "text/markdown" {
      return try PostDraft.read(markdown: bytes.span, replacing: slug).get()
    }
    return try PostDraft.read(json: JSONReader.read(bytes.span), replacing: slug).get()
  }
}
