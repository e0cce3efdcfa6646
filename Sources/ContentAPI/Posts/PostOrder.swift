import Postgres

/// What a list of posts is sorted by, and the statements that walk it. Ties are broken by the id,
/// in the direction of the walk.
enum PostOrder: Int, CaseIterable {
  /// By date; a post without one is still to come, so it stands behind all dates.
  case publication
  case title
  case update
  /// By the place among the featured posts; a post without one stands behind all places.
  case featuredOrder

  /// The key of a post `p`, as the indexes of schema.sql have it. What the public sees has a date.
  private var key: String {
    switch self {
    case .publication:
      """
      case when $17::text is null then p.published_at
              else coalesce(p.published_at, colophon.instant(\(Self.beyondAllDates))) end
      """
    case .title: #"lower(p.title) collate "C""#
    case .update: "p.updated_at"
    case .featuredOrder: "coalesce(p.featured_order::bigint, \(Self.beyondAllPlaces))"
    }
  }

  /// The key that a page is cut at.
  private var cut: String {
    switch self {
    case .publication, .update: "colophon.instant($6::bigint)"
    case .title: #"$6::text collate "C""#
    case .featuredOrder: "$6::bigint"
    }
  }

  /// A key as a cursor holds it.
  private func text(_ key: String) -> String {
    switch self {
    case .publication, .update: "colophon.microseconds(\(key))"
    case .title, .featuredOrder: key
    }
  }

  /// Lower than every key, or as low and with an id that is lower than every id.
  var lowest: String {
    switch self {
    case .publication, .update: String(Instant.earliest.microseconds)
    case .title: ""
    case .featuredOrder: "0"
    }
  }

  /// Higher than every key of a list that begins with its highest.
  var highest: String {
    switch self {
    case .publication, .update: String(Self.beyondAllDates + 1)
    case .title, .featuredOrder: lowest
    }
  }

  /// Whether the database can read a text as a key: cursors come from outside.
  func isKey(_ text: String) -> Bool {
    switch self {
    case .title: return !text.utf8.contains(0)
    case .publication, .update:
      guard let number = Int64(text), String(number) == text else { return false }
      return (Instant.earliest.microseconds...Self.beyondAllDates).contains(number)
    case .featuredOrder:
      guard let number = Int64(text), String(number) == text else { return false }
      return (0...Self.beyondAllPlaces).contains(number)
    }
  }

  /// The year 10000 in microseconds.
  private static let beyondAllDates: Int64 = 253_402_300_800_000_000
  private static let beyondAllPlaces: Int64 = 2_147_483_648
  static let lowestID = "00000000-0000-0000-0000-000000000000"

  func statement(descends: Bool) -> Statement {
    Self.statements[rawValue * 2 + (descends ? 1 : 0)]
  }

  static let statements = allCases.flatMap { order in
    [order.generalStatement(descends: false), order.generalStatement(descends: true)]
  }
}

// The parameters of every statement: $1 the limit, $2 how many rows to walk over first, $3 1 to
// show the page in the direction of the walk and -1 against it, $4 whether the body is wanted, $5
// whether the total is; $6 and $7 the key and the id that the page is cut at; $8 the tag whose
// counter knows the total, if one does. Statements over `posts` have the filters of
// `PostFilters.values` besides, from $9 on, NULL where there is no condition.
extension PostOrder {
  /// The statement for a list of all posts or of one tag by date.
  static func commonStatement(_ name: String, descends: Bool) -> Statement {
    let direction = descends ? " desc" : ""
    let key = "(colophon.instant($6::bigint), $7::uuid)"
    // Of what has come due and is not counted yet the newest are wanted, but nothing that is still
    // to come. One bound says both, the lower of cursor and clock: given two, the index would start
    // at the cursor and walk through everything that is still to come.
    let due =
      descends
      ? """
      (l.published_at, l.post_id) < (
                  least(colophon.instant($6::bigint), colophon.clock() + interval '1 microsecond'),
                  case when colophon.instant($6::bigint) > colophon.clock()
                    then '\(lowestID)' else $7::uuid end)
      """
      : "l.published_at <= colophon.clock() and (l.published_at, l.post_id) > \(key)"
    return PostOrder.publication.page(
      name, descends: descends,
      source: """
        select u.key, u.id from (
                (
                  select l.published_at as key, l.post_id as id from colophon.listings l
                  where l.tag = $8::text and l.counted
                    and (l.published_at, l.post_id) \(descends ? "<" : ">") \(key)
                  order by l.published_at\(direction), l.post_id\(direction)
                  limit $1::integer + $2::integer + 1
                )
                union all
                (
                  select l.published_at, l.post_id from colophon.listings l
                  where l.tag = $8::text and not l.counted and \(due)
                  order by l.published_at\(direction), l.post_id\(direction)
                  limit $1::integer + $2::integer + 1
                )
              ) u
        """,
      total: "case when $5::boolean then \(countedTotal) end", tag: "$8::text")
  }

  /// The statement for a list under any filters.
  private func generalStatement(descends: Bool) -> Statement {
    page(
      "posts.by_\(self)\(descends ? ".descending" : "")", descends: descends,
      source: """
        select \(key) as key, p.id from colophon.posts p
              where \(Self.filters)
                and (\(key), p.id) \(descends ? "<" : ">") (\(cut), $7::uuid)
        """,
      total: """
        case when not $5::boolean then null
                when $8::text is not null then \(Self.countedTotal)
                else (select count(*) from colophon.posts p where \(Self.filters)) end
        """, tag: "''")
  }

  /// What all statements have in common. One row comes back, as `Page` reads it.
  ///
  /// - Parameter tag: of the list whose next scheduled post may change this one.
  private func page(
    _ name: String, descends: Bool, source: String, total: String, tag: String
  ) -> Statement {
    let direction = descends ? " desc" : ""
    return Statement(
      name,
      """
      with keys as (
        select k.key, k.id, row_number() over (order by k.key\(direction), k.id\(direction)) as place
        from (
              \(source)
              order by key\(direction), id\(direction)
              limit $1::integer + 1 offset $2::integer
        ) k
      ), shown as (
        -- The one row of a post is fetched by a subselect, which no estimate can turn into a join.
        select k.key, k.id, k.place * $3::integer as place, (
          select case when $4::boolean then \(Posts.whole) else \(Posts.summary) end::text
          from colophon.posts p where p.id = k.id
        ) as json
        from keys k
        where k.place <= $1::integer
      ), r as (
        select
          '[' || coalesce(string_agg(s.json, ',' order by s.place), '') || ']' as json,
          array_agg(s.key order by s.place) as keys,
          array_agg(s.id order by s.place) as ids,
          \(total) as total,
          (select l.published_at from colophon.listings l
            where l.tag = \(tag) and not l.counted and l.published_at > colophon.clock()
            order by l.published_at limit 1) as next_change
        from shown s
      )
      select r.json as data, r.total,
        exists (select from keys k where k.place > $1::integer) as has_more,
        \(text("r.keys[1]")) as first_key, r.ids[1] as first_id,
        \(text("r.keys[cardinality(r.keys)]")) as last_key, r.ids[cardinality(r.ids)] as last_id,
        floor(extract(epoch from r.next_change - colophon.clock()))::bigint as next_change_in,
        left(encode(sha256(convert_to(coalesce(r.total::text, '') || r.json, 'UTF8')), 'hex'), 32)
          as hash
      from r
      """)
  }

  /// The length of a list that has a counter.
  private static let countedTotal = """
    (select coalesce(sum(c.posts), 0)::bigint from colophon.counters c where c.tag = $8::text)
              + (select count(*) from colophon.listings l
                where l.tag = $8::text and not l.counted and l.published_at <= colophon.clock())
    """

  /// The conditions of `PostFilters.values`. Planned for its values, nothing remains of what is
  /// NULL, and of the status only the one line that applies.
  private static let filters = """
    case
              when $17::text is null or $17::text = 'published' then \(isOut)
              when $17::text = 'draft' then p.status = 'draft' and p.trashed_at is null
              when $17::text = 'scheduled' then
                p.status = 'published' and p.trashed_at is null
                  and not p.counted and p.published_at > colophon.clock()
              when $17::text = 'trashed' then p.trashed_at is not null
              when $17::text = 'all' then p.trashed_at is null
            end
            and ($9::text[] is null or p.tags && $9::text[])
            and ($10::text[] is null or p.tags @> $10::text[])
            and ($11::text[] is null or not p.tags && $11::text[])
            and ($12::boolean is null or p.featured = $12::boolean)
            and ($13::text is null or p.type = $13::text)
            and ($14::bigint is null or p.published_at > colophon.instant($14::bigint))
            and ($15::bigint is null or p.published_at < colophon.instant($15::bigint))
            and ($16::bigint is null or p.updated_at > colophon.instant($16::bigint))
    """

  /// What the public may see, in words that let the indexes of public posts be used.
  private static let isOut = """
    (p.status = 'published' and p.trashed_at is null
                and (p.counted or p.published_at <= colophon.clock()))
    """
}
