import EventLoop
import HTTP
import JSON
import Postgres

/// `POST /v1/posts/{slug}/previews`: a link that shows a post to whoever has it,
/// published or not, for seven days.
///
/// A token that is unknown, expired or of another post changes nothing: the reader sees what
/// everybody sees. So nobody can ask which tokens there are, and a link that was sent around goes
/// on working once the post is out.
///
/// The answer is a credential, so it is kept under no idempotency key (`Route.keepsAnswers`).
extension Posts {
  /// How many previews of one post work at once; one more ends the oldest.
  private static let limit = 10

  func makePreview(_ call: RouteCall) async throws -> Response {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    let token = LinkToken(random: RandomBytes.make(32))
    return try await writes.transaction(call) { write in
      let rows = try await write.send([
        Call(Self.holdForPreview, [.text(slug)]),
        Call(Self.sweepPreviews, []),
        Call(Self.makePreview, [.text(slug), .bytes(token.digest)]),
      ])
      guard rows[0].count == 1, let expiry = rows[2].text(0, 0) else { throw Self.notFound }
      var json = JSONWriter()
      json.beginObject()
      json.name("token")
      json.string(token.text)
      json.name("url")
      json.string(url(of: slug) + "?preview=" + token.text)
      json.name("expires_at")
      json.string(expiry)
      json.endObject()
      // No Location: those who log header fields need not have the token.
      return Response(
        status: 201,
        fields: ["Content-Type": "application/json", "Cache-Control": "private, no-store"],
        body: json.bytes)
    }
  }

  /// Whether the token of this digest shows the post `p`.
  static func isPreviewed(_ digest: String) -> String {
    """
    exists (select from colophon.previews v
        where v.digest = \(digest) and v.post_id = p.id and v.expires_at > colophon.clock())
    """
  }

  static let previewStatements = [holdForPreview, sweepPreviews, makePreview]

  /// $1 the slug. Whoever makes previews of one post does so one after the other.
  private static let holdForPreview = Statement(
    "previews.hold",
    """
    select p.id from colophon.posts p
    where p.slug = $1::text and p.trashed_at is null
    for no key update
    """)

  /// Takes away up to fifty that have expired.
  private static let sweepPreviews = Statement(
    "previews.sweep",
    """
    delete from colophon.previews v
    where v.digest in (
      select o.digest from colophon.previews o
      where o.expires_at <= colophon.clock()
      order by o.expires_at
      limit 50
      for update skip locked)
    """)

  /// $1 the slug of a post that is held, $2 the digest. A statement of its own, so that it sees the
  /// previews that others made while the post was waited for.
  private static let makePreview = Statement(
    "previews.make",
    """
    with post as (
      select p.id from colophon.posts p where p.slug = $1::text and p.trashed_at is null
    ), ended as (
      delete from colophon.previews v
      where v.digest in (
        select o.digest from colophon.previews o
        where o.post_id = (select post.id from post) and o.expires_at > colophon.clock()
        order by o.expires_at desc
        offset \(limit - 1)
        for update skip locked)
    )
    insert into colophon.previews (digest, post_id, expires_at)
    select $2::bytea, post.id, colophon.this_second() + interval '7 days' from post
    returning colophon.rfc3339(expires_at)
    """)
}
