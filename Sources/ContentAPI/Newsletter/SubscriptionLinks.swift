import EventLoop
import HTTP
import Postgres

/// `/newsletter/confirm` and `/newsletter/unsubscribe`: the links in mails. Scanners of mail follow
/// links, so GET shows a page with a button and changes nothing; POST acts.
extension Subscriptions {
  static let thanks = NewsletterPage.thanks.response(status: 200)

  // GET /newsletter/confirm

  func showConfirmation(_ call: RouteCall) async throws -> Response {
    guard let link = try await show(call, "confirm") else {
      return NewsletterPage.expired.response(status: 404)
    }
    return switch link.state {
    case .works: NewsletterPage.invitation(link.newsletter).response(status: 200)
    case .used: Self.used(link).response(status: 200)
    case .expired: NewsletterPage.expired.response(status: 410)
    }
  }

  // POST /newsletter/confirm

  /// A spent link is answered and does nothing: who has unsubscribed since stays so.
  func confirm(_ call: RouteCall) async throws -> Response {
    let digest = try await token(of: call).digest
    let response = try await Writes(pool: pool).transaction(call) { write in
      let rows = try await write.send([
        Call(Self.spend, [.bytes(digest)]), Call(Self.confirm, [.bytes(digest)]),
      ])
      guard let last = rows.last, let link = Link(last) else {
        return NewsletterPage.expired.response(status: 404)
      }
      return switch link.state {
      case .works: NewsletterPage.confirmed(link.newsletter).response(status: 200)
      case .used: Self.used(link).response(status: 200)
      case .expired: NewsletterPage.expired.response(status: 410)
      }
    }
    return NewsletterPage.dressed(response)
  }

  private static func used(_ link: Link) -> NewsletterPage {
    link.isActive ? .confirmed(link.newsletter) : .spent(link.newsletter)
  }

  // GET /newsletter/unsubscribe

  func showUnsubscription(_ call: RouteCall) async throws -> Response {
    guard let link = try await show(call, "unsubscribe") else {
      return NewsletterPage.expiredFarewell.response(status: 404)
    }
    if link.state == .expired { return NewsletterPage.expiredFarewell.response(status: 410) }
    return NewsletterPage.farewell(link.newsletter).response(status: 200)
  }

  // POST /newsletter/unsubscribe

  /// The button of the page, and that of a mail program (RFC 8058). The link says all that has to
  /// be known, so whatever content comes with it does, or none. 200 for any token: a program that
  /// gets another answer can do nothing about it.
  func unsubscribe(_ call: RouteCall) async throws -> Response {
    let digest = try await token(of: call).digest
    let response = try await Writes(pool: pool).transaction(call) { write in
      let rows = try await write.send([Call(Self.unsubscribe, [.bytes(digest)])])
      guard let last = rows.last, let link = Link(last), link.state != .expired else {
        return NewsletterPage.expiredFarewell.response(status: 200)
      }
      return NewsletterPage.unsubscribed(link.newsletter).response(status: 200)
    }
    return NewsletterPage.dressed(response)
  }

  /// What a link is worth now.
  private struct Link {
    enum State: String { case works, used, expired }

    let state: State
    let isActive: Bool
    let newsletter: NewsletterName

    /// Reads the columns of `columns`; nil without a row.
    init?(_ rows: Rows) {
      guard let state = rows.text(0, 0).flatMap(State.init), let isActive = rows.boolean(0, 1)
      else { return nil }
      self.state = state
      self.isActive = isActive
      newsletter = NewsletterName(rows.text(0, 2), frequency: rows.text(0, 3))
    }
  }

  private func show(_ call: RouteCall, _ purpose: String) async throws -> Link? {
    let token = try await token(of: call)
    let rows = try await pool.read(
      Call(Self.invitation, [.bytes(token.digest), .text(purpose)]),
      deadline: .now() + Self.patience, for: call.trail)
    return rows.isEmpty ? nil : Link(rows)
  }

  /// The token in the query. Without one, there is none of that name either.
  private func token(of call: RouteCall) async throws -> LinkToken {
    let query = Query(call.head.target, allows: call.route.parameters)
    try query.finish()
    if call.route.method == .post { _ = try await call.bytes() }
    return LinkToken(query.text("token") ?? "")
  }

  /// The state of the link `t` of the subscriber `s`, and the newsletter `n`.
  private static let columns = """
    case when t.used_at is not null then 'used'
      when t.expires_at <= colophon.clock() then 'expired' else 'works' end as state,
    s.status = 'active' as is_active, n.name, n.frequency
    """

  private static let tables = """
    colophon.subscription_tokens t join colophon.subscriptions s on s.id = t.subscription_id
      cross join colophon.newsletter n
    """

  /// $1 the token's digest, $2 its purpose.
  static let invitation = Statement(
    "subscriptions.invitation",
    "select \(columns) from \(tables) where t.digest = $1::bytea and t.purpose = $2::text")

  /// Locks the subscriber, so that of several links pressed at once one comes after the other. $1
  /// the digest of a token that confirms.
  static let spend = Statement(
    "subscriptions.spend",
    """
    select s.id from colophon.subscriptions s
    where s.id = (
      select t.subscription_id from colophon.subscription_tokens t
      where t.digest = $1::bytea and t.purpose = 'confirm'
    )
    for no key update
    """)

  /// Confirms by a link that works, which spends all others that lead here: one press is one
  /// confirmation, and an older mail cannot bring back who has left since. Gives what the link was
  /// worth before. $1 the token's digest.
  static let confirm = Statement(
    "subscriptions.confirm",
    """
    with l as (
      select t.subscription_id from colophon.subscription_tokens t
      where t.digest = $1::bytea and t.purpose = 'confirm' and t.used_at is null
        and t.expires_at > colophon.clock()
    ), spent as (
      update colophon.subscription_tokens t set used_at = colophon.clock() from l
      where t.subscription_id = l.subscription_id and t.purpose = 'confirm' and t.used_at is null
    ), confirmed as (
      update colophon.subscriptions s
      set status = 'active', confirmed_at = colophon.this_second(), unsubscribed_at = null
      from l where s.id = l.subscription_id and s.status <> 'active'
    )
    select \(columns) from \(tables) where t.digest = $1::bytea and t.purpose = 'confirm'
    """)

  /// $1 the digest of a token that unsubscribes.
  static let unsubscribe = Statement(
    "subscriptions.unsubscribe",
    """
    with u as (
      update colophon.subscriptions s
      set status = 'unsubscribed', unsubscribed_at = colophon.this_second()
      from colophon.subscription_tokens t
      where t.digest = $1::bytea and t.purpose = 'unsubscribe'
        and t.expires_at > colophon.clock() and s.id = t.subscription_id
        and s.status <> 'unsubscribed'
    )
    select \(columns) from \(tables) where t.digest = $1::bytea and t.purpose = 'unsubscribe'
    """)
}
