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
  /// By how well a post answers to the words that are to be found in it.
  case relevance

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
    case .relevance: Self.rank
    }
  }

  /// The key that a page is cut at.
  private var cut: String {
    switch self {
    case .publication, .update: "colophon.instant($6::bigint)"
    case .title: #"$6::text collate "C""#
    case .featuredOrder, .relevance: "$6::bigint"
    }
  }

  /// A key as a cursor holds it.
  private func text(_ key: String) -> String {
    switch self {
    case .publication, .update: "colophon.microseconds(\(key))"
    case .title, .featuredOrder, .relevance: key
    }
  }

  /// Lower than every key, or as low and with an id that is lower than every id.
  var lowest: String {
    switch self {
    case .publication, .update: String(Instant.earliest.microseconds)
    case .title: ""
    case .featuredOrder, .relevance: "0"
    }
  }

  /// Higher than every key of a list that begins with its highest.
  var highest: String {
    switch self {
    case .publication, .update: String(Self.beyondAllDates + 1)
    case .relevance: String(Self.beyondAllRanks)
    case .title, .featuredOrder: lowest
    }
  }

  /// Whether the database can read a text as a key: cursors come from outside.
  func isKey(_ text: String) -> Bool {
    switch self {
    case .title: return !text.hasNUL
    case .publication, .update:
      return Self.isNumber(text, in: Instant.earliest.microseconds...Self.beyondAllDates)
    case .featuredOrder: return Self.isNumber(text, in: 0...Self.beyondAllPlaces)
    case .relevance: return Self.isNumber(text, in: 0...Self.beyondAllRanks)
    }
  }

  private static func isNumber(_ text: String, in range: ClosedRange<Int64>) -> Bool {
    guard let number = Int64(text), String(number) == text else { return false }
    return range.contains(number)
  }

  /// The year 10000 in microseconds.
  private static let beyondAllDates: Int64 = 253_402_300_800_000_000
  private static let beyondAllPlaces: Int64 = 2_147_483_648
  /// The bits of the infinity that a rank cannot be.
  private static let beyondAllRanks: Int64 = 0x7f80_0000
  static let lowestID = "00000000-0000-0000-0000-000000000000"

  /// The statement for a list of this order that no words are to be found in.
  func statement(descends: Bool) -> Statement {
    Self.generalStatements[rawValue * 2 + (descends ? 1 : 0)]
  }

  /// The statement for one that they are.
  func searchStatement(descends: Bool) -> Statement {
    Self.searchStatements[(self == .title ? 2 : 0) + (descends ? 1 : 0)]
  }

  private static let generalStatements = allCases.filter { $0 != .relevance }.flatMap { order in
    [order.generalStatement(descends: false), order.generalStatement(descends: true)]
  }

  private static let searchStatements = [
    searchStatement("posts.search", descends: false),
    searchStatement("posts.search.descending", descends: true),
    searchStatement("posts.search_by_title", byTitle: true, descends: false),
    searchStatement("posts.search_by_title.descending", byTitle: true, descends: true),
  ]

  static let statements = generalStatements + searchStatements
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
      total: "case when $5::boolean then \(countedTotal) end", tag: "$8::text",
      roles: [.read, .query])
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

  /// The statement for a list of what words are found in, under any filters: $18 the words, $19 the
  /// name of the order unless that is `title`. No index has words in an order, so all that is found is gathered, once for
  /// the page and its length; and then one statement does for all orders whose keys are numbers.
  private static func searchStatement(
    _ name: String, byTitle: Bool = false, descends: Bool
  ) -> Statement {
    let order: PostOrder = byTitle ? .title : .relevance
    let key =
      byTitle
      ? PostOrder.title.key
      : """
      case $19::text
              when 'publication' then
                coalesce(colophon.microseconds(p.published_at), \(beyondAllDates))
              when 'update' then colophon.microseconds(p.updated_at)
              when 'featuredOrder' then \(PostOrder.featuredOrder.key)
              when 'relevance' then \(PostOrder.relevance.key)
            end
      """
    return order.page(
      name, descends: descends,
      found: """
        recursive languages as (
          select (
            select min(s.language) from colophon.search s where s.language > ''
          ) as language
          union all
          select (select min(s.language) from colophon.search s where s.language > l.language)
          from languages l
          where l.language is not null
        ), found as materialized (
          -- Each document is asked in its own language; it is rare that there are two. The words
          -- find it, no estimate may begin with the language or with the post.
          select p.id, \(key) as key
          from languages l
            cross join lateral
              websearch_to_tsquery(colophon.search_configuration(l.language), $18::text) q(query)
            cross join lateral (
              select s.post_id, ts_rank(s.tags || s.words, q.query) as rank
              from colophon.search s
              where s.tags || s.words @@ q.query and (s.language = l.language) is true
              offset 0
            ) d
            join colophon.posts p on p.id = d.post_id
          where $8::text is null  -- no counter knows how much is found
            and \(filters)
        ),
        """,
      source: """
        select f.key, f.id from found f
              where (f.key, f.id) \(descends ? "<" : ">") (\(order.cut), $7::uuid)
        """,
      total: "case when $5::boolean then (select count(*) from found) end", tag: "''")
  }

  /// The rank of a document, as the bits of the number: those of a number that is not negative have
  /// its order, and survive being written into a cursor. How long a document is does not count for
  /// it, so that a word of the title always weighs more than any number of them in the body.
  private static let rank =
    "('x' || encode(float4send(d.rank), 'hex'))::bit(32)::bigint"

  /// What all statements have in common. One row comes back, as `Page` reads it.
  ///
  /// - Parameters:
  ///   - found: what `source` and `total` share, with a comma behind.
  ///   - tag: of the list whose next scheduled post may change this one.
  private func page(
    _ name: String, descends: Bool, found: String = "", source: String, total: String, tag: String,
    roles: [PoolRole] = [.query]
  ) -> Statement {
    let direction = descends ? " desc" : ""
    return Statement(
      name,
      """
      with \(found) keys as (
        select k.key, k.id, row_number() over (order by k.key\(direction), k.id\(direction)) as place
        from (
              \(source)
              order by key\(direction), id\(direction)
              limit $1::integer + 1 offset $2::integer
        ) k
      ), shown as (
        -- The one row of a post is fetched by a subselect, which no estimate can turn into a join.
        select k.key, k.id, k.place * $3::integer as place, (
          select case when $4::boolean then \(Posts.whole) else \(Posts.summary) end
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
      """, roles: roles)
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
