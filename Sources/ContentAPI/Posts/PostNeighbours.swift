import EventLoop
import HTTP
import JSON
import Postgres

/// What leads from one post to others: `GET /v1/posts/{slug}/related` and `/adjacent`. Both show
/// posts as a list does, and whatever post they start from, nothing but what is public.
extension Posts {
  // GET /v1/posts/{slug}/related

  func related(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let limit = query.integer("limit", in: 1...100, standard: 20)
    try query.finish()
    // All posts of all its tags are looked at, and a tag may be on any number of them.
    let related = Call(Self.related, try start(call) + [.integer(limit)])
    let (rows, elsewhere) = try await find(call, query) {
      try await pool.query(related, deadline: .now() + Self.patience, for: call.trail)
    }
    if let elsewhere { return .response(elsewhere) }
    return try neighbours(rows, call) { data in
      guard let total = rows.integer(0, 4) else { throw UnexpectedRows() }
      var json = JSONWriter(capacity: data.count + 128)
      json.beginObject()
      json.name("data")
      json.raw(data)
      json.name("meta")
      json.beginObject()
      json.name("total")
      json.number(total)
      json.name("limit")
      json.number(limit)
      json.name("next_cursor")
      json.null()
      json.name("previous_cursor")
      json.null()
      json.endObject()
      json.endObject()
      return json.bytes
    }
  }

  // GET /v1/posts/{slug}/adjacent

  func adjacent(_ call: RouteCall) async throws -> Reply {
    let query = Query(call.head.target, allows: call.route.parameters)
    let adjacent = Call(Self.adjacent, try start(call))
    let (rows, elsewhere) = try await find(call, query) {
      try await pool.read(adjacent, deadline: .now() + Self.patience, for: call.trail)
    }
    if let elsewhere { return .response(elsewhere) }
    return try neighbours(rows, call) { $0 }
  }

  /// The one row of a post's neighbours, or the answer that leads to where the post is now.
  private func find(
    _ call: RouteCall, _ query: Query, _ read: () async throws -> Rows
  ) async throws -> (Rows, Response?) {
    for _ in 0..<Self.looks {
      let rows = try await read()
      if rows.count == 1 { return (rows, nil) }
      if let elsewhere = try await moved(call, query) { return (rows, elsewhere) }
    }
    throw Self.notFound
  }

  /// $1 and $2 of both statements: the slug, and whether the post may be one that is not public.
  private func start(_ call: RouteCall) throws(Problem) -> [Parameter] {
    guard Slug.isValid(call.variables[0]) else { throw Self.notFound }
    return [.text(call.variables[0]), .boolean(call.caller.has(.postsReadDrafts))]
  }

  /// The answer made of the one row: its JSON, a hash of that and of what else there is to show,
  /// whether the post is public, and the seconds until a scheduled one may change the answer.
  private func neighbours(
    _ rows: Rows, _ call: RouteCall, _ body: ([UInt8]) throws -> [UInt8]
  ) throws -> Reply {
    guard let json = rows.bytes(0, 0), let tag = rows.text(0, 1).flatMap({ EntityTag(opaque: $0) }),
      let isPublic = rows.boolean(0, 2)
    else { throw UnexpectedRows() }
    return .representation(
      Representation(
        body: try body(json), mediaType: .json, tag: tag, changesIn: rows.integer(0, 3),
        isPublic: isPublic && call.caller.isAnonymous
      ))
  }

  static let neighbourStatements = [related, adjacent]

  /// The post that a reader starts from, if he may see it.
  private static let start = """
    select p.id, p.tags, coalesce(p.published_at, 'infinity') as published_at,
        \(visible) as public
      from colophon.posts p
      where p.slug = $1::text and p.trashed_at is null and ($2::boolean or \(visible))
    """

  private static let nextChange = """
    (select floor(extract(epoch from l.published_at - colophon.clock()))::bigint
        from colophon.listings l
        where l.tag = '' and not l.counted and l.published_at > colophon.clock()
        order by l.published_at limit 1)
    """

  /// $3 the limit. A tag that both posts have weighs one through the square root of the number of
  /// posts that have it; as a whole number, so that a sum is the same in whichever order it is made.
  private static let related = Statement(
    "posts.related",
    """
    with post as materialized (
      \(start)
    ), shared as materialized (
      select u.tag, floor(1e9 / sqrt(u.posts::double precision))::bigint as weight
      from (
        select t.tag,
          (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c where c.tag = t.tag)
            + (select count(*) from colophon.listings l
              where l.tag = t.tag and not l.counted and l.published_at <= colophon.clock())
            as posts
        from (select distinct u.tag from post, unnest(post.tags) u(tag)) t
        offset 0
      ) u
      where u.posts > 0
    ), scored as materialized (
      select l.post_id as id, sum(s.weight)::bigint as score, max(l.published_at) as published_at
      from shared s join colophon.listings l on l.tag = s.tag
      where l.post_id <> (select post.id from post)
        and (l.counted or l.published_at <= colophon.clock())
      group by l.post_id
    ), shown as (
      select k.place, (
        select \(summary) from colophon.posts p where p.id = k.id
      ) as json
      from (
        select s.id, row_number() over (order by s.score desc, s.published_at desc, s.id desc)
          as place
        from (
          select * from scored
          order by scored.score desc, scored.published_at desc, scored.id desc
          limit $3::integer
        ) s
      ) k
    ), r as (
      select '[' || coalesce(string_agg(s.json, ',' order by s.place), '') || ']' as json,
        (select count(*) from scored) as total
      from shown s
    )
    select r.json,
      left(encode(sha256(convert_to(
        $3::integer || ' ' || r.total || r.json, 'UTF8')), 'hex'), 32) as hash,
      post.public, \(nextChange) as next_change_in, r.total
    from post, r
    """, roles: [.query])

  /// The two neighbours in the list of all posts, each found by at most two steps into `listings`:
  /// among the counted, and among those that have come due since.
  private static let adjacent = Statement(
    "posts.adjacent",
    """
    with post as materialized (
      \(start)
    ), ids as (
      select post.public,
        (
          select u.post_id from (
            (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = '' and l.counted
                and (l.published_at, l.post_id) < (post.published_at, post.id)
              order by l.published_at desc, l.post_id desc limit 1
            )
            union all
            (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = '' and not l.counted
                and (l.published_at, l.post_id) < (
                  least(post.published_at, colophon.clock() + interval '1 microsecond'),
                  case when post.published_at > colophon.clock()
                    then '\(PostOrder.lowestID)' else post.id end)
              order by l.published_at desc, l.post_id desc limit 1
            )
          ) u
          order by u.published_at desc, u.post_id desc limit 1
        ) as previous,
        (
          select u.post_id from (
            (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = '' and l.counted
                and (l.published_at, l.post_id) > (post.published_at, post.id)
              order by l.published_at, l.post_id limit 1
            )
            union all
            (
              select l.published_at, l.post_id from colophon.listings l
              where l.tag = '' and not l.counted and l.published_at <= colophon.clock()
                and (l.published_at, l.post_id) > (post.published_at, post.id)
              order by l.published_at, l.post_id limit 1
            )
          ) u
          order by u.published_at, u.post_id limit 1
        ) as next
      from post
    ), r as (
      select ids.public, '{"previous":' || coalesce((
          select \(summary) from colophon.posts p where p.id = ids.previous
        ), 'null') || ',"next":' || coalesce((
          select \(summary) from colophon.posts p where p.id = ids.next
        ), 'null') || '}' as json
      from ids
      offset 0
    )
    select r.json, \(hash) as hash, r.public, \(nextChange) as next_change_in
    from r
    """, roles: [.read])
}
