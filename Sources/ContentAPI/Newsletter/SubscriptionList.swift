import EventLoop
import HTTP
import Postgres

/// `GET /v1/newsletter/subscriptions`: who asked for the newsletter, newest first, as JSON in pages
/// or as CSV in one piece.
extension Subscriptions {
  func list(_ call: RouteCall) async throws -> Reply {
    let accept = Accept(call.head.values(of: "accept"))
    let isCSV = accept.best(of: [.json, .csv]) == 1
    var query = Query(call.head.target, allows: call.route.parameters)
    let status = query.choice("status", of: ["pending", "active", "unsubscribed"])
    let request = PageRequest(
      &query, filters: "subscriptions?status=\(status ?? "")", descends: true,
      limits: 1...(isCSV ? Self.wholeList : 100), standard: isCSV ? Self.wholeList : 20,
      isKey: \.isEmpty)
    let projection = Projection(&query, of: [])
    try query.finish()
    let statement = Self.list.statement(
      isCSV: isCSV, isBackward: request.isBackward, isFiltered: status != nil)
    let rows = try await pool.query(
      Call(
        statement,
        [
          .integer(request.limit), request.cursor.map { .text($0.idText) } ?? .null,
          .boolean(request.counts),
        ] + (status.map { [.text($0)] } ?? [])), deadline: .now() + .seconds(10),
      for: call.trail)
    let page = try Page(rows, of: request, projection)
    let links = request.links(
      page, address: publicURL + "/v1/newsletter/subscriptions",
      parameters: query.repeated(["status", "count"]))
    var fields: ResponseFields = ["Link": links]
    if isCSV {
      fields.append("Content-Disposition", "attachment; filename=\"subscriptions.csv\"")
    }
    guard let data = rows.bytes(0, 0) else { throw UnexpectedRows() }
    return .representation(
      Representation(
        body: isCSV ? data : page.json, mediaType: isCSV ? .csv : .json, tag: page.tag,
        isPublic: false, fields: fields
      ))
  }

  /// How many lines a CSV has at most, and when no limit is asked for: the whole list of most
  /// newsletters, in some 10 MB. `Link` leads to the rest.
  static let wholeList = 50_000

  static let list = SubscriptionList()
}

/// The statements of the list: one for each form, direction, and with a status or without, as each
/// walks another index.
struct SubscriptionList: Sendable {
  let statements: [Statement]

  init() {
    statements = (0..<8).map {
      Self.make(isCSV: $0 & 1 != 0, isBackward: $0 & 2 != 0, isFiltered: $0 & 4 != 0)
    }
  }

  func statement(isCSV: Bool, isBackward: Bool, isFiltered: Bool) -> Statement {
    statements[(isCSV ? 1 : 0) + (isBackward ? 2 : 0) + (isFiltered ? 4 : 0)]
  }

  /// $1 how many, $2 the id to walk on from, or null, $3 whether to count all, $4 the status. The
  /// columns are those that `Page` reads.
  private static func make(isCSV: Bool, isBackward: Bool, isFiltered: Bool) -> Statement {
    let name = [
      "subscriptions.list", isCSV ? "_csv" : "", isBackward ? "_backward" : "",
      isFiltered ? "_of_status" : "",
    ].joined()
    let filter = isFiltered ? "s.status = $4::text collate \"C\"" : "true"
    let (order, beyond) = isBackward ? ("asc", ">") : ("desc", "<")
    let data =
      isCSV
      ? "'\(header)' || coalesce(string_agg(\(line), '' order by p.id desc), '')"
      : "'[' || coalesce(string_agg((\(json))::text, ',' order by p.id desc), '') || ']'"
    return Statement(
      name,
      """
      with page as (
        select s.*, row_number() over (order by s.id \(order)) as place
        from (
          select * from colophon.subscriptions s
          where \(filter) and ($2::uuid is null or s.id \(beyond) $2::uuid)
          order by s.id \(order)
          limit $1::integer + 1
        ) s
      ), r as (
        select \(data) as data, min(p.id::text collate "C") as lowest,
          max(p.id::text collate "C") as highest
        from page p where p.place <= $1::integer
      ), t as (
        select case when $3::boolean
          then (select count(*) from colophon.subscriptions s where \(filter)) end as total
      )
      select r.data, t.total, exists (select from page where page.place > $1::integer) as has_more,
        '' as first_key, r.highest as first_id, '' as last_key, r.lowest as last_id,
        null::bigint as next_change_in,
        left(encode(sha256(convert_to(coalesce(t.total, -1) || r.data, 'UTF8')), 'hex'), 32) as hash
      from r, t
      """, roles: [.query])
  }

  private static let json = """
    json_build_object('id', p.id, 'email', p.email, 'status', p.status, 'source', p.source,
      'created_at', colophon.rfc3339(p.created_at),
      'confirmed_at', colophon.rfc3339(p.confirmed_at),
      'unsubscribed_at', colophon.rfc3339(p.unsubscribed_at))
    """

  private static let header =
    #""id","email","status","source","created_at","confirmed_at","unsubscribed_at""#
    + "' || e'\\r\\n"

  /// RFC 4180, every cell quoted. Strangers write `email` and `source`; a spreadsheet would take for
  /// a formula what begins with one of = + - @, a tab or a line break, so an apostrophe comes in
  /// front.
  private static let line = """
    '"' || p.id || '",' || \(cell("p.email")) || ',"' || p.status || '",' || \(cell("p.source"))
      || ',"' || colophon.rfc3339(p.created_at) || '","'
      || coalesce(colophon.rfc3339(p.confirmed_at), '') || '","'
      || coalesce(colophon.rfc3339(p.unsubscribed_at), '') || e'"\\r\\n'
    """

  private static func cell(_ text: String) -> String {
    """
    '"' || regexp_replace(replace(coalesce(\(text), ''), '"', '""'), '^([=+@\\t\\r\\n-])', '''\\1')
      || '"'
    """
  }
}
