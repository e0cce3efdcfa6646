import EventLoop
import HTTP
import Postgres

/// A list of few things, such as tags or projects: read whole, whatever its filters and order, and
/// handed out in pages. It is sorted by one text of each thing, byte by byte, which is also what a
/// cursor names.
///
/// Posts are too many for that; their lists walk along indexes.
struct ShortList: Sendable {
  private let forward: Statement
  private let backward: Statement

  /// - Parameters:
  ///   - items: a query of all things of the list: their `key`, no two alike, and what `json`
  ///     needs. Its own parameters begin at $3.
  ///   - json: the JSON of one, from the columns of `i`.
  ///   - nextChange: the time at which the list changes by itself.
  init(_ name: String, items: String, json: String, nextChange: String = "null::timestamptz") {
    // One row comes back, as `Page` reads it; a key needs no id to tell it from others.
    func statement(_ name: String, _ order: String, _ beyond: String) -> Statement {
      Statement(
        name,
        """
        with items as (
          \(items)
        ), page as (
          select i.key, \(json)::text as json,
            row_number() over (order by i.key \(order)) as place
          from (
            select * from items
            where items.key \(beyond) $2::text collate "C"
            order by items.key \(order)
            limit $1::integer + 1
          ) i
        ), r as (
          select '[' || coalesce(string_agg(p.json, ',' order by p.key), '') || ']' as json,
            min(p.key) as first, max(p.key) as last,
            (select count(*) from items) as total, \(nextChange) as next_change
          from page p where p.place <= $1::integer
        )
        select r.json, r.total,
          exists (select from page where page.place > $1::integer) as has_more,
          r.first as first_key, '\(PostOrder.lowestID)' as first_id,
          r.last as last_key, '\(PostOrder.lowestID)' as last_id,
          floor(extract(epoch from r.next_change - colophon.clock()))::bigint as next_change_in,
          left(encode(sha256(convert_to(r.total || r.json, 'UTF8')), 'hex'), 32) as hash
        from r
        """, roles: [.read])
    }
    forward = statement(name, "", ">")
    backward = statement(name + "_backward", "desc", "<")
  }

  var statements: [Statement] { [forward, backward] }

  /// The page that a request asks for.
  ///
  /// - Parameters:
  ///   - query: read but for `limit` and `cursor`.
  ///   - filters: the parameters besides those two.
  ///   - identity: filters and order, said in one way however the request said them.
  ///   - values: $3 and what follows.
  ///   - address: where the list is.
  func page(
    of call: RouteCall, _ query: Query, filters: [String], identity: String,
    values: [Parameter] = [], address: String, pool: Pool
  ) async throws -> Reply {
    var query = query
    let request = PageRequest(
      &query, filters: identity, isKey: { !$0.isEmpty && !$0.hasNUL })
    let projection = Projection(&query, of: [])
    try query.finish()
    let page = Call(
      request.isBackward ? backward : forward,
      [.integer(request.limit), .text(request.cursor?.key ?? "")] + values)
    let rows = try await pool.read(page, deadline: .now() + .seconds(5), for: call.trail)
    let shown = try Page(rows, of: request, projection)
    let links = request.links(shown, address: address, parameters: query.repeated(filters))
    return .representation(
      Representation(
        body: shown.json, mediaType: .json, tag: shown.tag, changesIn: shown.changesIn,
        isPublic: call.caller.isAnonymous, fields: ["Link": links]
      ))
  }
}
