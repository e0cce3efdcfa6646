import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/tags`. A tag is there for the public while a published post names it; what its writer says
/// of it (name, description) stands in a row of its own, which the first post that names the tag
/// makes.
///
/// Renaming and deleting move every post that has the tag, in one transaction, and leave the posts'
/// versions alone. A post that somebody gives the old tag at the same moment is as if it were
/// written a moment later: the tag is then there again, and as long as it has no row its slug is
/// its name.
package struct Tags: Sendable {
  let pool: Pool
  let publicURL: String

  private static let patience = Duration.seconds(5)

  // GET /v1/tags

  func list(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let sort = query.choice("sort", of: ["-posts_count", "name"]) ?? "-posts_count"
    let list = sort == "name" ? Self.listByName : Self.listByCount
    return try await list.page(
      of: call, query, filters: ["sort"], identity: "tags?sort=" + sort,
      address: publicURL + "/v1/tags", pool: pool)
  }

  // GET /v1/tags/{slug}

  func show(_ call: RouteCall) async throws -> Reply {
    let slug = call.variables[0]
    guard Slug.isValid(slug, limit: Slug.maximumTagLength),
      let tag = try Document(
        try await pool.read(
          Call(Self.show, [.text(slug)]), deadline: .now() + Self.patience, for: call.trail))
    else { throw Problem(.notFound, "There is no tag of this slug that a published post names.") }
    return tag.shown(to: call)
  }

  // PUT and PATCH /v1/tags/{slug}

  func edit(_ call: RouteCall) async throws -> Response {
    let slug = try call.slug(of: "tag", limit: Slug.maximumTagLength)
    let isPatch = call.route.method == .patch
    let edit = Edit<Draft>(
      noun: "tag", readOnly: Self.readOnly,
      lock: { content in
        guard isPatch, let other = content["slug"]?.stringValue, other != slug,
          Slug.isValid(other, limit: Slug.maximumTagLength)
        else { return Self.lock(slug) }
        return Self.lockHolders(of: slug) + Self.lock(slug, other)
      },
      read: { (content, patch) throws(Faults) in
        try Draft(content, patch: patch, slug: slug, mayRename: isPatch)
      },
      store: { draft, current, rows in
        let values: [Parameter] = [
          .text(slug), .text(draft.slug), .text(draft.name),
          draft.description.map { .text($0) } ?? .null,
        ]
        if current == nil { return [Call(Self.create, values)] }
        if draft.slug == slug { return [Call(Self.update, values)] }
        return [Call(Self.update, values)] + Self.move(slug, to: .text(draft.slug), rows)
          + [Call(Self.render, [.text(draft.slug)])]
      }, place: { url(of: $0.slug) })
    return try await edit.run(call, Writes(pool: pool))
  }

  private func url(of slug: String) -> String { publicURL + "/v1/tags/" + slug }

  // DELETE /v1/tags/{slug}

  func delete(_ call: RouteCall) async throws -> Response {
    let slug = try call.slug(of: "tag", limit: Slug.maximumTagLength)
    let removal = Removal(
      noun: "tag", lock: Self.lockHolders(of: slug) + Self.lock(slug),
      remove: { rows in [Call(Self.delete, [.text(slug)])] + Self.move(slug, to: .null, rows) })
    return try await removal.run(call, Writes(pool: pool))
  }

  /// What a writer says of a tag.
  private struct Draft: Sendable {
    let slug: String
    let name: String
    let description: String?

    init(
      _ content: JSONValue, patch: JSONValue?, slug: String, mayRename: Bool
    ) throws(Faults) {
      var reading = MemberReading(
        content, patch: patch, writable: ["slug", "name", "description"],
        readOnly: Tags.readOnly)
      self.slug =
        reading.slug(of: slug, mayRename: mayRename, limit: Slug.maximumTagLength) ?? slug
      name = reading.line("name", limit: 300) ?? self.slug
      description = reading.text("description", limit: 1000)
      try reading.finish()
    }
  }

  private static let readOnly = ["posts_count"]

  // The locks, in the order of schema.sql: posts, projects, tags; counters come with `move`.

  /// The first row of the first of them holds the ids of the posts, for `move`.
  private static func lockHolders(of slug: String) -> [Call] {
    [Call(lockPosts, [.text(slug)]), Call(lockProjects, [.text(slug)])]
  }

  private static func lock(_ slug: String, _ other: String? = nil) -> [Call] {
    [Call(complete, [.text(slug)]), Call(lock, [.text(slug), .text(other ?? slug)])]
  }

  /// Everything that names a tag names another, or none.
  private static func move(_ slug: String, to other: Parameter, _ locked: [Rows]) -> [Call] {
    [
      Call(moveProjects, [.text(slug), other]),
      Call(movePosts, [.text(slug), other, .text(locked[0].text(0, 0) ?? "{}")]),
    ]
  }

  static let statements =
    listByCount.statements + listByName.statements + [
      show, render, lockPosts, lockProjects, complete, lock, create, update, delete,
      moveProjects, movePosts,
    ]

  // What a tag is in SQL; `t` is the row.

  /// How many published posts name it: those in the counters, and those that have come due since.
  private static let count = """
    (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c where c.tag = t.slug)
      + (select count(*) from colophon.listings l
        where l.tag = t.slug and not l.counted and l.published_at <= colophon.clock())
    """

  private static func json(_ row: String) -> String {
    """
    json_build_object('slug', \(row).slug, 'name', \(row).name,
      'description', \(row).description, 'posts_count', \(row).posts_count)
    """
  }

  private static func rendering(of tags: String) -> String {
    Document.render(
      json("t"), version: "t.version",
      from: "(select t.*, \(count) as posts_count from \(tags) t) t")
  }

  private static func document(of tags: String, where condition: String = "true") -> String {
    Document.select(
      json("t"), version: "t.version",
      nextChange: """
        (select l.published_at from colophon.listings l
          where l.tag = t.slug and not l.counted and l.published_at > colophon.clock()
          order by l.published_at limit 1)
        """,
      from: "(select t.*, \(count) as posts_count from \(tags) t) t where \(condition)")
  }

  private static let show = Statement(
    "tags.show",
    document(of: named("$1::text"), where: "t.posts_count > 0"))

  /// A tag with its row or without.
  private static func named(_ slug: String) -> String {
    """
    (select k.slug, coalesce(t.name, k.slug) as name, t.description,
      coalesce(t.version, 1) as version
    from (select \(slug) as slug) k left join colophon.tags t on t.slug = k.slug)
    """
  }

  /// A query of the JSON of a tag, without a row while no published post names it.
  static func jsonIfPublic(_ slug: String) -> String {
    """
    select \(json("t")) from (select t.*, \(count) as posts_count from \(named(slug)) t) t
    where t.posts_count > 0
    """
  }

  private static let render = Statement(
    "tags.render", rendering(of: "(select * from colophon.tags where slug = $1::text)"))

  private static func list(_ name: String, key: String) -> ShortList {
    ShortList(
      name,
      items: """
        select t.*, (\(key)) collate "C" as key
          from (
            select n.tag as slug, coalesce(t.name, n.tag) as name, t.description, n.posts_count
            from (
              select e.tag, sum(e.posts)::bigint as posts_count
              from (
                select c.tag, c.posts from colophon.counters c where c.tag <> ''
                union all
                select l.tag, 1
                from colophon.listings due join colophon.listings l on l.post_id = due.post_id
                where due.tag = '' and not due.counted and due.published_at <= colophon.clock()
                  and l.tag <> ''
              ) e
              group by e.tag
              having sum(e.posts) > 0
            ) n left join colophon.tags t on t.slug = n.tag
          ) t
        """,
      json: json("i"),
      nextChange: """
        (select l.published_at from colophon.listings l
          where l.tag = '' and not l.counted and l.published_at > colophon.clock()
          order by l.published_at limit 1)
        """)
  }

  /// The most posts first, then by slug.
  private static let listByCount = list(
    "tags.list", key: "lpad((1000000000000 - t.posts_count)::text, 13, '0') || t.slug")

  /// A control character, which no name contains, ends the name.
  private static let listByName = list(
    "tags.list_by_name", key: "lower(t.name) || chr(1) || t.slug")

  // The writes.

  /// $1 the tag. The posts that name it, published or not, by id, so that two of these statements
  /// cannot wait for each other; their ids.
  private static let lockPosts = Statement(
    "tags.lock_posts",
    """
    select coalesce(array_agg(p.id), '{}')::text
    from (
      select p.id from colophon.posts p
      where p.tags @> array[$1::text] and p.id in (
          select l.post_id from colophon.listings l where l.tag = $1::text
          union all
          select d.id from colophon.posts d where d.status = 'draft' and d.trashed_at is null
          union all
          select t.id from colophon.posts t where t.trashed_at is not null)
      order by p.id
      for no key update of p
    ) p
    """)

  /// $1 the tag.
  private static let lockProjects = Statement(
    "tags.lock_projects",
    """
    select p.id from colophon.projects p
    where p.tags @> array[$1::text]
    order by p.id
    for no key update
    """)

  /// $1 the tag. Gives a tag its row that lost it while a post was being given the tag.
  private static let complete = Statement(
    "tags.complete",
    """
    insert into colophon.tags (slug, name)
    select $1::text, $1::text
    where exists (select from colophon.listings l where l.tag = $1::text)
    on conflict do nothing
    """)

  /// $1 the tag; $2 what it is to be called, by slug too: then two that change places meet in
  /// order.
  private static let lock = Statement(
    "tags.lock",
    """
    with held as (
      select t.* from colophon.tags t
      where t.slug in ($1::text, $2::text)
      order by t.slug
      for update
    )
    \(document(of: "(select * from held where held.slug = $1::text)"))
    """)

  /// $1 the tag, $2 the tag, $3 its name, $4 its description. No row: somebody was faster.
  private static let create = Statement(
    "tags.create",
    """
    with made as (
      insert into colophon.tags (slug, name, description)
      select $1::text, $3::text, $4::text where $2::text = $1::text
      on conflict do nothing
      returning *
    )
    \(rendering(of: "made"))
    """)

  /// $1 the tag; $2 its new slug, or the same; $3 its name, $4 its description. No row: it is all
  /// that already.
  private static let update = Statement(
    "tags.update",
    """
    with changed as (
      update colophon.tags t
      set slug = $2::text, name = $3::text, description = $4::text, version = t.version + 1
      where t.slug = $1::text
        and (t.slug, t.name, t.description) is distinct from ($2::text, $3::text, $4::text)
      returning t.*
    )
    \(rendering(of: "changed"))
    """)

  /// $1 the tag.
  private static let delete = Statement(
    "tags.delete", "delete from colophon.tags t where t.slug = $1::text")

  /// $1 the tag, $2 another or null: what `tags` becomes, without naming anything twice.
  private static let moved = """
    case when $2::text is null or $2::text = any (p.tags) then array_remove(p.tags, $1::text)
      else array_replace(p.tags, $1::text, $2::text) end
    """

  /// $1 and $2 as in `moved`.
  private static let moveProjects = Statement(
    "tags.move_projects",
    """
    update colophon.projects p set tags = \(moved) where p.tags @> array[$1::text]
    """)

  /// $1 and $2 as in `moved`, $3 the posts that are locked. Listings and counters follow; the
  /// counters last and in the order of their tags, as in posts.settle.
  private static let movePosts = Statement(
    "tags.move_posts",
    """
    with moved as (
      update colophon.posts p set tags = \(moved) where p.id = any ($3::uuid[])
    ), left_out as (
      delete from colophon.listings l
      where l.post_id = any ($3::uuid[]) and l.tag = $1::text
      returning l.post_id, l.published_at, l.counted
    ), placed as (
      insert into colophon.listings as l (post_id, tag, published_at, counted)
      select o.post_id, $2::text, o.published_at, o.counted from left_out o
      where $2::text is not null
      on conflict (post_id, tag) do nothing
      returning l.counted
    ), change as (
      select $1::text as tag, -1 as by from left_out o where o.counted
      union all
      select $2::text, 1 from placed where placed.counted
    )
    insert into colophon.counters as c (tag, shard, posts)
    select ch.tag, pg_backend_pid() % 16, sum(ch.by)
    from change ch
    group by ch.tag
    order by ch.tag
    on conflict (tag, shard) do update set posts = c.posts + excluded.posts
    """)
}
