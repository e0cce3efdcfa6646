import EventLoop
import HTTP
import Postgres

/// The writes of `/v1/posts` that take a whole post, and what all writes have in common. POST is one
/// round trip; PUT is a transaction of two: the statement that decides, then `settle` with the commit.
/// PATCH is in PostPatch.swift, what concerns the trash in PostTrash.swift.
extension Posts {
  // POST /v1/posts

  func create(_ call: RouteCall) async throws -> Response {
    let draft = try await call.content(replacing: nil)
    let parameters = Self.parameters(of: draft)
    let settle = Call(Self.settle, [.null])
    return try await writes.transaction(call) { write in
      guard let slug = draft.slug else {
        let derived = Slug.derive(from: draft.title) ?? "post"
        return try await write.commit(
          [
            Call(Self.reserve, [.text(derived)]),
            Call(Self.derive, [.text(derived)] + parameters + [.text(url(of: ""))]), settle,
          ], .rendered(status: 201, fields: [:], otherwise: nil))
      }
      let detail = "Another post has the slug \(slug)."
      let taken = Problem(
        .slugTaken, detail, faults: [Fault(place: .pointer("/slug"), detail: detail)])
      return try await write.commit(
        [Call(Self.create, [.text(slug)] + parameters), settle],
        .rendered(
          status: 201, fields: ["Location": FieldValue(url(of: slug))],
          otherwise: taken.response(instance: call.instance)))
    }
  }

  // PUT /v1/posts/{slug}

  func replace(_ call: RouteCall) async throws -> Response {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else {
      throw Problem(
        Faults([Fault(place: .parameter("slug"), detail: "A slug has only \(Slug.rule).")]))
    }
    let expected = try call.head.expectedVersions()
    let createOnly: Bool
    switch try call.head.condition("if-none-match") {
    case .any: createOnly = true
    case .absent, .invalid: createOnly = false
    case .oneOf:
      throw Problem(.malformedRequest, "If-None-Match of a write can only be *.")
    }
    let draft = try await call.content(replacing: slug)
    return try await put(
      draft, to: slug, expecting: expected, createOnly: createOnly, call
    ).response
  }

  /// What a PUT came to.
  enum Replacement: Sendable { case created, replaced, unchanged }

  /// Puts a post there, for PUT and for imports alike.
  ///
  /// - Parameter expected: as `expectedVersions` gives it.
  func put(
    _ draft: PostDraft, to slug: String, expecting expected: String? = nil,
    createOnly: Bool = false, _ call: RouteCall
  ) async throws -> (replacement: Replacement, response: Response) {
    let put = Call(
      Self.put,
      [.text(slug), expected.map { .text($0) } ?? .null] + Self.parameters(of: draft)
        + [.boolean(createOnly)])
    var replacement = Replacement.unchanged
    let response = try await writes.transaction(call) { write in
      for _ in 0..<3 {
        guard let row = try await write.send([put]).first, let outcome = row.text(0, 0)
        else { throw UnexpectedRows() }
        switch outcome {
        case "raced": continue
        case "undated": throw Self.undated
        case "missing":
          throw Problem(.preconditionFailed, "If-Match names a post that is not there.")
        case "stale": throw Self.stale(try Stored(row, firstColumn: 2))
        case "exists":
          throw Problem(
            .preconditionFailed, "There is a post of this slug already.",
            fields: ["ETag": FieldValue(try Stored(row, firstColumn: 2).tag.text)])
        case "unchanged":
          replacement = .unchanged
          return replaced(try Stored(row, firstColumn: 2))
        default: break
        }
        replacement = outcome == "replaced" ? .replaced : .created
        let post = try Stored(row, firstColumn: 2)
        return try await write.commit(
          [Call(Self.settle, [.text(row.text(0, 1) ?? "")])],
          .response(outcome == "replaced" ? replaced(post) : created(post, slug: slug)))
      }
      throw Problem.unavailable
    }
    return (replacement, response)
  }

  // What they have in common.

  var writes: Writes { Writes(pool: pool) }

  private static let undated = Problem(
    Faults([
      Fault(place: .pointer("/published_at"), detail: "A scheduled post needs a date to come out.")
    ]))

  /// `If-Match` names another version than the one that is there.
  static func stale(_ post: Stored) -> Problem {
    Problem(
      .preconditionFailed, "The post has changed since; see ETag.",
      fields: ["ETag": FieldValue(post.tag.text)])
  }

  private func created(_ post: Stored, slug: String) -> Response {
    var response = replaced(post)
    response.status = 201
    response.fields.append("Location", FieldValue(url(of: slug)))
    return response
  }

  func url(of slug: String) -> String { publicURL + "/v1/posts/" + slug }

  func replaced(_ post: Stored) -> Response {
    Response(
      status: 200,
      fields: [
        "Content-Type": "application/json", "Cache-Control": "private, no-store",
        "ETag": FieldValue(post.tag.text), "Last-Modified": FieldValue(post.modified.text),
      ], body: post.json)
  }

  /// $2 … $17 of `create`, $3 … $18 of `put` and `change`.
  static func parameters(of draft: PostDraft) -> [Parameter] {
    let text = MarkdownText(draft.body)
    func optional(_ text: String?) -> Parameter { text.map { .text($0) } ?? .null }
    return [
      .text(draft.type), .text(draft.title), optional(draft.excerpt),
      .text(text.excerpt), .text(draft.body),
      .text((draft.status ?? .draft).rawValue), .boolean(draft.featured),
      draft.featuredOrder.map { .integer(Int($0)) } ?? .null,
      .text(draft.tags.joined(separator: ",")), optional(draft.coverImage?.url),
      optional(draft.coverImage?.alt), optional(draft.canonicalURL), optional(draft.metaTitle),
      optional(draft.metaDescription), .integer(text.wordCount),
      optional(draft.publishedAt?.description),
    ]
  }

  static let writeStatements =
    [reserve, create, derive, put, settle] + patchStatements + trashStatements

  /// Creators of posts of one title queue here, so that each sees the slug that the one before it took.
  /// $1 the derived slug.
  private static let reserve = Statement(
    "posts.reserve",
    """
    select pg_advisory_xact_lock(hashtextextended('colophon.posts.slug:' || $1::text, 0))
    """, roles: [.write])

  /// $1 the slug, $2 … $17 the post. Renders it and leaves its id for `settle`; nothing when the slug
  /// is taken.
  private static let create = Statement(
    "posts.create", creation(slug: "$1::text"), roles: [.write])

  /// As `create`, with -2, -3 … behind a slug that is taken; $18 stands before it in Location.
  private static let derive = Statement(
    "posts.derive",
    creation(
      slug: Slug.firstFree(of: "$1::text", in: "colophon.posts"), location: "$18::text || p.slug"),
    roles: [.write])

  private static func creation(slug: String, location: String = "null::text") -> String {
    """
    with p as (
      insert into colophon.posts (
        slug, type, title, excerpt, derived_excerpt, body, status, featured, featured_order, tags,
        cover_image_url, cover_image_alt, canonical_url, meta_title, meta_description, word_count,
        published_at, counted)
      select \(slug), $2::text, $3::text, $4::text, $5::text, $6::text,
        case when $7::text = 'draft' then 'draft' else 'published' end,
        $8::boolean, $9::integer, string_to_array($10::text, ','),
        $11::text, $12::text, $13::text, $14::text, $15::text, $16::integer, d.published_at,
        $7::text <> 'draft' and d.published_at <= colophon.clock()
      from (
        select coalesce($17::timestamptz,
          case when $7::text <> 'draft' then colophon.this_second() end) as published_at
      ) d
      on conflict on constraint posts_slug_unique do nothing
      returning *
    )
    \(leave(location: location, more: ", set_config('colophon.post', r.id::text, true)"))
    """
  }

  /// $1 the slug; $2 If-Match: null, *, or versions joined by commas; $3 … $18 the post; $19
  /// If-None-Match: *. One row with the outcome: created, revived, replaced (all to be settled),
  /// unchanged, stale (If-Match), exists (If-None-Match), missing (If-Match and no such post), undated
  /// (scheduled without a date), raced (send it again: it then sees the post it met).
  private static let put = Statement(
    "posts.put",
    """
    with old as (
      select p.* from colophon.posts p where p.slug = $1::text for no key update
    ), given as (
      select old.id,
        case when $8::text = 'draft' then 'draft' else 'published' end as status,
        string_to_array($11::text, ',') as tags,
        coalesce($18::timestamptz, old.published_at,
          case when $8::text = 'published' then colophon.this_second() end) as published_at
      from (select) one left join old on true
    ), verdict as (
      select g.*, g.status = 'published' and (g.published_at <= colophon.clock()
          or coalesce(old.counted and g.published_at = old.published_at, false)) as counted,
        case
          when $2::text is not null and (old.id is null or old.trashed_at is not null) then 'missing'
          when $19::boolean and old.trashed_at is null and old.id is not null then 'exists'
          when $2::text <> '*' and not old.version::text = any (string_to_array($2::text, ','))
            then 'stale'
          when g.status = 'published' and g.published_at is null then 'undated'
          when old.id is null then 'created'
          when old.trashed_at is not null then 'revived'
          when (old.type, old.title, old.excerpt, old.derived_excerpt, old.body, old.status,
              old.featured, old.featured_order, old.tags, old.cover_image_url, old.cover_image_alt,
              old.canonical_url, old.meta_title, old.meta_description, old.word_count,
              old.published_at)
            is not distinct from ($3::text, $4::text, $5::text, $6::text, $7::text, g.status,
              $9::boolean, $10::integer, g.tags, $12::text, $13::text,
              $14::text, $15::text, $16::text, $17::integer,
              g.published_at)
            then 'unchanged'
          else 'replaced'
        end as outcome
      from given g left join old on true
    ), updated as (
      update colophon.posts p set
        type = $3::text, title = $4::text, excerpt = $5::text, derived_excerpt = $6::text,
        body = $7::text, status = v.status, featured = $9::boolean, featured_order = $10::integer,
        tags = v.tags, cover_image_url = $12::text, cover_image_alt = $13::text,
        canonical_url = $14::text, meta_title = $15::text, meta_description = $16::text,
        word_count = $17::integer, published_at = v.published_at, counted = v.counted,
        updated_at = colophon.this_second(), trashed_at = null, version = p.version + 1
      from verdict v
      where p.id = v.id and v.outcome in ('revived', 'replaced')
      returning p.*
    ), inserted as (
      insert into colophon.posts (
        slug, type, title, excerpt, derived_excerpt, body, status, featured, featured_order, tags,
        cover_image_url, cover_image_alt, canonical_url, meta_title, meta_description, word_count,
        published_at, counted)
      select $1::text, $3::text, $4::text, $5::text, $6::text, $7::text, v.status,
        $9::boolean, $10::integer, v.tags, $12::text, $13::text, $14::text, $15::text, $16::text,
        $17::integer, v.published_at, v.counted
      from verdict v
      where v.outcome = 'created'
      on conflict on constraint posts_slug_unique do nothing
      returning *
    ), p as (
      select * from updated
      union all
      select * from inserted
      union all
      select old.* from old, verdict v where v.outcome in ('unchanged', 'stale', 'exists')
    )
    select
      case when v.outcome = 'created' and r.id is null then 'raced' else v.outcome end as outcome,
      r.id, \(document)
    from verdict v left join (
      select p.id, \(rendering)
      from p
      offset 0
    ) r on true
    """, roles: [.write])

  /// The last statement of every write that changed a post, $1 its id, or null for the one that
  /// `create` has left: brings tags, listings and counters in step with it, ends what its slug once led
  /// to, and takes up to fifty posts that have come due into the counters on the way. Counters are
  /// touched last and in the order of their tags, so that no two writes can wait for each other in a
  /// circle.
  static let settle = Statement(
    "posts.settle",
    """
    with post as (
      select p.id, p.slug, p.tags, p.published_at, p.counted,
        p.status = 'published' and p.trashed_at is null as listed
      from colophon.posts p where p.id = \(settled)
    ), born as (
      insert into colophon.tags (slug, name)
      select distinct t.tag, t.tag from post, unnest(post.tags) t(tag) order by 1
      on conflict do nothing
      returning slug
    ), ended as (
      delete from colophon.former_slugs f using post where f.slug = post.slug
      returning f.slug
    ), stood as (
      select l.tag, l.published_at, l.counted from colophon.listings l where l.post_id = \(settled)
    ), wanted as (
      select distinct t.tag, post.published_at, post.counted
      from post, unnest(post.tags || ''::text) t(tag)
      where post.listed
    ), left_out as (
      delete from colophon.listings l
      where l.post_id = \(settled) and l.tag not in (select w.tag from wanted w)
    ), placed as (
      insert into colophon.listings as l (post_id, tag, published_at, counted)
      select \(settled), w.tag, w.published_at, w.counted from wanted w
      on conflict (post_id, tag) do update
      set published_at = excluded.published_at, counted = excluded.counted
      where (l.published_at, l.counted) is distinct from (excluded.published_at, excluded.counted)
    ), due as (
      -- A post that somebody is writing is left to him; one that he has written since this statement
      -- began carries another xmin, its listings are not those we see, and the next write takes it.
      select p.id, p.tags
      from colophon.listings l
        join colophon.posts seen on seen.id = l.post_id
        join colophon.posts p on p.id = seen.id and p.xmin = seen.xmin
      where l.tag = '' and not l.counted and l.published_at <= colophon.clock()
        and l.post_id <> \(settled) and not p.counted
      order by l.published_at, l.post_id
      limit 50
      for no key update of p skip locked
    ), counted_posts as (
      update colophon.posts p set counted = true from due where p.id = due.id
    ), counted_listings as (
      update colophon.listings l set counted = true from due where l.post_id = due.id
    ), moved as (
      select w.tag, 1 as by from wanted w where w.counted
      union all
      select s.tag, -1 from stood s where s.counted
      union all
      select t.tag, 1 from (select distinct due.id, u.tag from due, unnest(due.tags || ''::text) u(tag)) t
    )
    insert into colophon.counters as c (tag, shard, posts)
    select m.tag, pg_backend_pid() % 16, sum(m.by)
    from moved m
    -- All new tags are in and former slugs gone before the first counter is touched: that is the
    -- order of locks.
    where (select count(*) from born) >= 0 and (select count(*) from ended) >= 0
    group by m.tag
    having sum(m.by) <> 0
    order by m.tag
    on conflict (tag, shard) do update set posts = c.posts + excluded.posts
    """, roles: [.write])

  private static let settled = """
    coalesce($1::uuid, nullif(current_setting('colophon.post', true), '')::uuid)
    """
}
