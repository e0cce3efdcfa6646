import ContentAPI
import EventLoop
import Postgres

/// Signing up, and the mail that would come of it.
extension Site {
  static let signUpPath = "/v1/newsletter/subscriptions"

  func signUp(_ email: String, _ lines: [String] = []) async throws -> Answer {
    try await signUp(json: "{\"email\":\"\(email)\"}", lines)
  }

  func signUp(json: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "POST " + Self.signUpPath, ["Content-Type: application/json"] + lines,
      body: Array(json.utf8))
  }

  /// As a browser sends a form by itself.
  func signUp(form: String, accept: String = Site.browserAccept) async throws -> Answer {
    try await send(
      "POST " + Self.signUpPath,
      ["Content-Type: application/x-www-form-urlencoded", "Accept: " + accept],
      body: Array(form.utf8))
  }

  static let browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

  /// What a mail has brought: paths and queries.
  struct Links: Sendable {
    let confirm: LinkToken
    let unsubscribe: LinkToken
  }

  /// Hands the mail of an address over, as the worker does; nil where none is to be sent.
  func deliver(to address: String) async throws -> Links? {
    let links = Links(
      confirm: LinkToken(random: RandomBytes.make(32)),
      unsubscribe: LinkToken(random: RandomBytes.make(32)))
    let taken = try await sql(
      """
      update colophon.mails m set attempts = m.attempts + 1,
        next_attempt_at = colophon.clock() + interval '20 seconds'
      from colophon.subscriptions s
      where s.id = m.subscription_id and s.address = $1::text
        and m.next_attempt_at <= colophon.clock()
      returning m.id, m.attempts
      """, [.text(address)])
    guard let id = taken.text(0, 0), let attempts = taken.integer(0, 1) else { return nil }
    let minted = try await sql(
      LinkToken.mint.sql,
      [
        .text(id), .integer(attempts), .bytes(links.confirm.digest),
        .bytes(links.unsubscribe.digest),
      ])
    try await sql(
      """
      update colophon.mails set sent_at = colophon.clock(), next_attempt_at = null
      where id = $1::uuid and attempts = $2::integer
      """, [.text(id), .integer(attempts)])
    return minted.isEmpty ? nil : links
  }

  /// Signs up, gets the mail and gives its links.
  func invite(_ email: String) async throws -> Links {
    let answer = try await signUp(email)
    guard answer.status == 202, let links = try await deliver(to: email) else {
      throw UnexpectedAnswer(answer: answer)
    }
    return links
  }

  /// Presses the button of a page.
  func press(_ path: String) async throws -> Answer {
    try await send(
      "POST " + path,
      [
        "Content-Type: application/x-www-form-urlencoded", "Accept: " + Self.browserAccept,
        "Origin: null",
      ])
  }

  func status(of address: String) async throws -> String? {
    try await value(
      "select status from colophon.subscriptions where address = $1::text", [.text(address)])
  }

  func mailsWaiting() async throws -> Int {
    try await sql("select count(*) from colophon.mails where next_attempt_at is not null")
      .integer(0, 0) ?? -1
  }

  /// Every row of every table as text, a line each, but for the tests' own clock.
  func everything() async throws -> [String] {
    let tables = try await sql(
      """
      select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'colophon' and c.relkind in ('r', 'p') and c.relname <> 'test_clock'
      order by 1
      """)
    var lines: [String] = []
    for table in 0..<tables.count {
      guard let name = tables.text(table, 0) else { continue }
      let rows = try await sql("select t::text from \(name) t order by 1")
      for row in 0..<rows.count { lines.append("\(name) \(rows.text(row, 0) ?? "")") }
    }
    return lines
  }
}
