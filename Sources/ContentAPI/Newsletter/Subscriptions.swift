import EventLoop
import HTTP
import Postgres

/// `/v1/newsletter/subscriptions`, and the pages that the links in mails lead to.
///
/// The tables are where the rules live: one row for each address, at most one mail for each row and
/// hour, links that are known by their digests alone. Rows are locked in the order subscriptions,
/// mails, subscription_tokens, behind all that writes of content lock.
struct Subscriptions: Sendable {
  let pool: Pool
  /// Put before paths in links.
  let publicURL: String
  /// Where a plain form leads its reader to.
  let signUpPage: String
  let limits: ClientLimits
  let clock: ClientLimits.Clock

  /// - Parameter signUpPage: nil for the page that stands here.
  init(
    pool: Pool, publicURL: String, signUpPage: String?, limits: ClientLimits,
    clock: @escaping ClientLimits.Clock
  ) {
    self.pool = pool
    self.limits = limits
    self.clock = clock
    self.publicURL = publicURL
    self.signUpPage = signUpPage ?? publicURL + NewsletterPage.thanksPath
  }

  static let patience = Duration.seconds(5)

  static let statements =
    [signUp, LinkToken.mint, invitation, spend, confirm, unsubscribe, erase]
    + list.statements

  // DELETE /v1/newsletter/subscriptions/{id}

  /// Erasure: what refers to the row goes with it, and nothing else knows the address.
  func erase(_ call: RouteCall) async throws -> Response {
    let none = Problem(.notFound, "There is no subscription of this id.")
    guard UUIDText.isValid(call.variables[0]) else { throw none }
    return try await Writes(pool: pool).transaction(call) { write in
      let rows = try await write.send([Call(Self.erase, [.text(call.variables[0])])])
      guard rows.last?.isEmpty == false else { throw none }
      return try await write.commit([], .response(Response(status: 204)))
    }
  }

  /// $1 the id.
  static let erase = Statement(
    "subscriptions.erase",
    "delete from colophon.subscriptions s where s.id = $1::uuid returning s.id")
}

/// The one spelling in which ids leave this program (RFC 9562 §4), in either case.
enum UUIDText {
  static func isValid(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    return parts.map(\.count) == [8, 4, 4, 4, 12]
      && parts.joined().allSatisfy { $0.isDigit || "abcdefABCDEF".utf8.contains($0) }
  }
}
