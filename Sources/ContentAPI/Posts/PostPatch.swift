import HTTP
import JSON
import Postgres

/// `PATCH /v1/posts/{slug}`: a merge patch (RFC 7396) of a post's writable members, which is also the
/// only way to rename a post.
///
/// The first round trip locks the post and fetches it, the second writes what the patch makes of it.
/// In between the result passes the rules of every post, so a patch can do nothing that a PUT could
/// not, and a fault names the member of the patch that made it.
extension Posts {
  func patch(_ call: RouteCall) async throws -> Response {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    let expected = try call.head.expectedVersions()
    guard case .object(let patch) = try await call.json() else {
      let detail = "A merge patch of a post is an object with the members to change."
      throw Problem(Faults([Fault(place: .pointer(""), detail: detail)]))
    }
    return try await writes.transaction(call) { write in
      let newSlug = patch.last { $0.name == "slug" }?.value.stringValue
      let look = newSlug.flatMap { Slug.isValid($0) ? Call(Self.holder, [.text($0)]) : nil }
      let rows = try await write.send(
        [Self.take(slug, expecting: expected)] + (look.map { [$0] } ?? []))
      let holder = look == nil ? nil : rows[1].text(0, 0)
      return try await apply(patch, to: slug, rows[0], heldBy: holder, write)
    }
  }

  /// Locks the post and fetches it, for `apply`.
  static func take(_ slug: String, expecting versions: String?) -> Call {
    Call(take, [.text(slug), Parameter(versions)])
  }

  /// Writes what a patch makes of the post of this slug, which is the row that `take` gave; asks
  /// for the patch when the post may be written.
  ///
  /// - Parameter holder: the id of the post that has the slug which the patch gives. The constraint
  ///   has the last word; this spares the round trip in which it would say so.
  func apply(
    _ patch: @autoclosure () throws -> [JSONMember], to slug: String, _ row: Rows,
    heldBy holder: String? = nil, _ write: Write
  ) async throws -> Response {
    guard row.count == 1 else { throw Self.notFound }
    let post = try Stored(row, firstColumn: 4)
    guard let id = row.text(0, 0), let isExpected = row.boolean(0, 1),
      let now = try row.text(0, 3).map({ try Instant(rfc3339: $0) })
    else { throw UnexpectedRows() }
    guard isExpected else { throw Self.stale(post) }

    let members = try Self.writable(of: post, excerpt: row.text(0, 2))
    let draft = try PostDraft.read(patch: try patch(), of: members).get().published(at: now)
    let stored = try PostDraft.read(patch: [], of: members).get().published(at: now)
    if draft == stored { return replaced(post) }
    if let holder, holder != id { throw Problem.slugTaken }

    let newSlug = draft.slug ?? slug
    let change = Call(Self.change, [.text(id), .text(newSlug)] + Self.parameters(of: draft))
    // RFC 9110 §8.7: the content is no longer that of the target, but of this address. Location
    // would say that something was created.
    let place: ResponseFields =
      newSlug == slug ? [:] : ["Content-Location": FieldValue(url(of: newSlug))]
    return try await write.commit(
      [change, Call(Self.settle, [.text(id)])],
      .rendered(status: 200, fields: place, otherwise: nil))
  }

  /// The members that a patch applies to, as the API shows them but for the excerpt: one that was
  /// derived is none of the author's.
  private static func writable(of post: Stored, excerpt: String?) throws -> JSONValue {
    let members = try JSONReader.read(post.json.span).objectValue ?? []
    return .object(
      members.filter { PostReading.isWritable($0.name) }.map {
        guard $0.name == "excerpt" else { return $0 }
        return JSONMember(name: "excerpt", value: excerpt.map { .string($0) } ?? .null)
      })
  }

  static let patchStatements = [take, holder, change]

  /// $1 a slug: which post has it.
  private static let holder = Statement(
    "posts.holder", "select p.id from colophon.posts p where p.slug = $1::text")

  /// $1 the slug; $2 If-Match: null, *, or versions joined by commas. No row: there is no such post.
  private static let take = Statement(
    "posts.take",
    """
    with old as (
      select p.* from colophon.posts p
      where p.slug = $1::text and p.trashed_at is null
      for no key update
    )
    select r.id, r.is_expected, r.excerpt, colophon.rfc3339(colophon.this_second()) as now,
      \(document)
    from (
      select p.id, \(isExpected) as is_expected, p.excerpt, \(rendering)
      from old p
      offset 0
    ) r
    """, roles: [.write])

  /// $1 the id of a post that this transaction has locked; $2 its slug from now on; $3 … $18 as in
  /// `put`. SQLSTATE 23505 by posts_slug_unique: another post has the slug.
  private static let change = Statement(
    "posts.change",
    """
    with left_behind as (
      insert into colophon.former_slugs as f (slug, post_id)
      select p.slug, p.id from colophon.posts p where p.id = $1::uuid and p.slug <> $2::text
      on conflict (slug) do update
      set post_id = excluded.post_id, renamed_at = excluded.renamed_at
    ), p as (
      update colophon.posts p set
        slug = $2::text, type = $3::text, title = $4::text, excerpt = $5::text,
        derived_excerpt = $6::text, body = $7::text, status = $8::text, featured = $9::boolean,
        featured_order = $10::integer, tags = string_to_array($11::text, ','),
        cover_image_url = $12::text, cover_image_alt = $13::text, canonical_url = $14::text,
        meta_title = $15::text, meta_description = $16::text, word_count = $17::integer,
        published_at = $18::timestamptz,
        counted = $8::text = 'published' and ($18::timestamptz <= colophon.clock()
          or p.counted and p.published_at = $18::timestamptz),
        updated_at = colophon.this_second(), version = p.version + 1
      where p.id = $1::uuid
      returning p.*
    )
    \(leave())
    """, roles: [.write])
}

extension PostDraft {
  /// The draft as it is stored: scheduled and published are one status there, told apart by the
  /// date, which is `now` where the writer gave none.
  fileprivate func published(at now: Instant) -> PostDraft {
    guard status != .draft else { return self }
    var post = self
    post.status = .published
    post.publishedAt = publishedAt ?? now
    return post
  }
}
