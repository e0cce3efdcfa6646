import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/profile`: who writes here, and what the site is called. There is one, from the start.
struct Profile: Sendable {
  let pool: Pool

  // GET /v1/profile

  func show(_ call: RouteCall) async throws -> Reply {
    let rows = try await pool.read(Call(Self.show), deadline: .now() + .seconds(5), for: call.trail)
    guard let profile = try Document(rows) else { throw UnexpectedRows() }
    return profile.shown(to: call)
  }

  // PUT and PATCH /v1/profile

  func edit(_ call: RouteCall) async throws -> Response {
    let edit = Edit<[Parameter]>(
      noun: "profile", readOnly: Self.readOnly,
      lock: { _ in [Call(Self.lock)] }, read: Self.read,
      store: { parameters, _, _ in [Call(Self.update, parameters)] })
    return try await edit.run(call, Writes(pool: pool))
  }

  private static let readOnly = ["counts", "updated_at", "version"]

  /// $1 … $12 of `update`.
  private static func read(_ content: JSONValue, patch: JSONValue?) throws(Faults) -> [Parameter] {
    var reading = MemberReading(
      content, patch: patch,
      writable: [
        "name", "role", "location", "headline", "intro", "availability", "about", "skills",
        "stats", "links", "contact", "site",
      ], readOnly: readOnly)
    let parameters: [Parameter] = [
      .text(reading.line("name", limit: 300) ?? ""),
      Parameter(reading.line("role", limit: 300)),
      Parameter(reading.line("location", limit: 300)),
      Parameter(reading.line("headline", limit: 300)),
      Parameter(reading.text("intro", limit: 1000)),
      Parameter(reading.text("availability", limit: 300)),
      Parameter(reading.markdown("about")),
      .textArray(reading.lines("skills", limit: 100, each: 100)),
      .json(.array(stats(&reading))),
      .json(.array(links(&reading))),
      .json(contact(&reading)),
      .json(site(&reading)),
    ]
    try reading.finish()
    return parameters
  }

  private static func stats(_ reading: inout MemberReading) -> [JSONValue] {
    reading.objects("stats", limit: 100, ["value", "label"]) { stat in
      let value = stat.required("value", "what is shown, such as \"9+\"") {
        $0.line("value", limit: 100)
      }
      let label = stat.required("label", "what it counts") { $0.line("label", limit: 300) }
      return .members(("value", value), ("label", label))
    }
  }

  private static func links(_ reading: inout MemberReading) -> [JSONValue] {
    reading.objects("links", limit: 100, ["rel", "label", "url"]) { link in
      let rel = link.line("rel", limit: 100)
      let label = link.required("label", "what is shown") { $0.line("label", limit: 300) }
      let url = link.required("url", "where it leads") { $0.address("url") }
      return .members(("rel", rel), ("label", label), ("url", url))
    }
  }

  private static func contact(_ reading: inout MemberReading) -> JSONValue {
    reading.object("contact", ["heading", "description", "email"]) { contact in
      .members(
        ("heading", contact.line("heading", limit: 300)),
        ("description", contact.text("description", limit: 1000)),
        ("email", contact.mailbox("email")))
    }
  }

  private static func site(_ reading: inout MemberReading) -> JSONValue {
    reading.object("site", ["title", "tagline", "description", "url", "language"]) { site in
      .members(
        ("title", site.line("title", limit: 300)), ("tagline", site.line("tagline", limit: 300)),
        ("description", site.text("description", limit: 1000)), ("url", site.address("url")),
        ("language", site.languageTag("language")))
    }
  }

  static let statements = [show, lock, update]

  // What the profile is in SQL; `p` is the row.

  /// Its JSON, from the row `p`.
  static let json = """
    json_build_object('name', p.name, 'role', p.role, 'location', p.location,
        'headline', p.headline, 'intro', p.intro, 'availability', p.availability,
        'about', p.about, 'skills', p.skills, 'stats', p.stats, 'links', p.links,
        'contact', p.contact, 'site', p.site,
        'counts', json_build_object(
          'posts', (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c
              where c.tag = '')
            + (select count(*) from colophon.listings l
              where l.tag = '' and not l.counted and l.published_at <= colophon.clock()),
          'projects', (select count(*) from colophon.projects)),
        'updated_at', colophon.rfc3339(p.updated_at), 'version', p.version)
    """

  private static func document(of profile: String) -> String {
    Document.select(
      json, version: "p.version",
      nextChange: """
        (select l.published_at from colophon.listings l
          where l.tag = '' and not l.counted and l.published_at > colophon.clock()
          order by l.published_at limit 1)
        """, from: profile)
  }

  private static let show = Statement("profile.show", document(of: "colophon.profile p"))

  private static let lock = Statement(
    "profile.lock",
    """
    with p as (
      select * from colophon.profile for no key update
    )
    \(document(of: "p"))
    """)

  /// $1 … $12 the members. No row: it is all that already.
  private static let update = Statement(
    "profile.update",
    """
    with p as (
      update colophon.profile p
      set name = $1::text, role = $2::text, location = $3::text, headline = $4::text,
        intro = $5::text, availability = $6::text, about = $7::text, skills = $8::text[],
        stats = $9::text::json, links = $10::text::json, contact = $11::text::json,
        site = $12::text::json, updated_at = colophon.this_second(), version = p.version + 1
      where (p.name, p.role, p.location, p.headline, p.intro, p.availability, p.about, p.skills,
          p.stats::text, p.links::text, p.contact::text, p.site::text)
        is distinct from ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text,
          $8::text[], $9::text, $10::text, $11::text, $12::text)
      returning p.*
    )
    \(Document.render(json, version: "p.version", from: "p"))
    """)
}

extension JSONValue {
  /// An object whose members are texts, null where there is none.
  fileprivate static func members(_ members: (String, String?)...) -> JSONValue {
    .object(members.map { JSONMember(name: $0, value: $1.map(JSONValue.string) ?? .null) })
  }
}
