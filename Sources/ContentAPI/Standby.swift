package import EventLoop
import HTTP
package import Postgres

/// Public reads while the primary cannot be reached: from a standby, with the `Age` of what it has.
///
/// It answers for nobody in particular and what may be a little old. Keys, limits and writes stay
/// with the primary; so does the feed of changes, whose cursors have to hold there, and so do the
/// links in mails, which may be newer than the standby.
package struct Standby: Sendable {
  private let pool: Pool
  private let primary: Pool
  private let position: ContentPosition
  private let contentAPI: ContentAPI

  private static let patience = Duration.seconds(5)

  /// - Parameters:
  ///   - contentAPI: whose handlers read on `pool`.
  ///   - pool, primary: of the same loop.
  ///   - position: tells when the primary was last heard.
  package init(
    _ contentAPI: ContentAPI, pool: Pool, primary: Pool, position: ContentPosition
  ) {
    self.contentAPI = contentAPI
    self.pool = pool
    self.primary = primary
    self.position = position
  }

  /// A pool of connections to a server that may be one.
  package static func pool(
    _ conninfo: String, loop: EventLoop,
    observer: @escaping @Sendable (PoolEvent) -> Void = { _ in }
  ) -> Pool {
    var settings = PoolSettings()
    settings.writeConnections = 0
    // Once it is promoted it serves as well as before.
    settings.session.targetSessionAttributes = "any"
    return Pool(
      conninfo: conninfo, statements: ContentAPI.statements, settings: settings, loop: loop,
      observer: observer)
  }

  /// What the primary has for a read, or else the standby.
  func reply(
    to call: RouteCall, primary read: () async throws -> Reply
  ) async throws -> Reply {
    if await !primary.isAway {
      do {
        return try await read()
      } catch {
        guard Problem(any: error).kind == .unavailable, await primary.isAway else { throw error }
      }
    }
    do {
      return try await oldReply(to: call)
    } catch PostgresError.server(let error) where error.sqlState == "40001" {
      // What is replayed on a standby may undo a read that is in its way.
      return try await oldReply(to: call)
    }
  }

  private func oldReply(to call: RouteCall) async throws -> Reply {
    let asked = MonotonicInstant.now()
    let rows = try await pool.read(Call(Self.lag), deadline: asked + Self.patience)
    guard let lag = rows.integer(0, 0) else { throw UnexpectedRows() }
    let known = asked + .microseconds(-lag)
    do {
      switch try await call.route.handler(contentAPI, call) {
      case .representation(var shown):
        shown.age = age(since: known)
        return .representation(shown)
      case .response(var response):
        response.fields.append("Age", FieldValue(age(since: known)))
        return .response(response)
      }
    } catch var problem as Problem where problem.kind == .notFound {
      problem.fields.append("Age", FieldValue(age(since: known)))
      throw problem
    }
  }

  /// Seconds, rounded up, since the primary had what the standby has, or since it was last heard,
  /// whichever is more.
  private func age(since known: MonotonicInstant) -> Int {
    let oldest = position.lastConfirmed.map { min($0, known) } ?? known
    return Int(max(0, (.now() - oldest).wholeNanoseconds) / 1_000_000_000) + 1
  }

  static let statements = [lag]

  /// Microseconds since the last transaction that has got here was committed on the primary; since
  /// the last checkpoint that has, where none has yet. That is the most that it may be behind, and
  /// much too much where the primary had nothing to do; with replicas that tell each other of their
  /// limits it is a fraction of a second. Whoever is a standby no more is behind nobody.
  private static let lag = Statement(
    "standby.lag",
    """
    select case when pg_is_in_recovery() then least(1e15, greatest(0, floor(1e6 * extract(
        epoch from colophon.clock() - coalesce(pg_last_xact_replay_timestamp(),
          (select c.checkpoint_time from pg_control_checkpoint() c))))))::bigint
      else 0 end
    """, roles: [.read])
}

extension Route {
  /// Whether a call may be answered with what was so a little while ago.
  func mayBeOld(_ call: RouteCall) -> Bool {
    toleratesAge && method == .get && access == .everyone && call.caller.isAnonymous
      && !call.head.target.query.contains { $0.name == "preview" }
  }
}
