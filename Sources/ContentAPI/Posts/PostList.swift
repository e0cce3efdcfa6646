import EventLoop
import HTTP
import Postgres

/// `GET /v1/posts`: one page of a list.
///
/// A list of all posts or of one tag by date is the common one: it walks along `listings` and asks
/// `counters` how long it is, at the same cost whatever the size of the site. Every other list is
/// found among `posts` by whichever index suits its filters, and counted by looking; with words to
/// be found in it, among `search` first.
extension Posts {
  /// Every query parameter of the list.
  static let listParameters =
    PostFilters.parameters + ["fields", "excerpt_length", "count", "limit", "cursor", "page"]

  func list(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let filters = PostFilters(&query)
    if filters.status != nil { try call.caller.require(.postsReadDrafts) }
    let projection = Projection(&query, of: Self.members)
    let order = filters.sort.order
    let request = PageRequest(
      &query, filters: filters.identity, descends: filters.sort.isDescending, isKey: order.isKey)
    try query.finish()

    let descends = filters.sort.isDescending != request.isBackward
    let first = descends ? order.highest : order.lowest
    let window: [Parameter] = [
      .integer(request.limit), .integer(request.offset), .integer(request.isBackward ? -1 : 1),
      .boolean(projection.names("body")), .boolean(request.counts),
      .text(request.cursor?.key ?? first), .text(request.cursor?.idText ?? PostOrder.lowestID),
      filters.counter.map { .text($0) } ?? .null,
    ]
    let isCommon = filters.counter != nil && order == .publication
    let select =
      if isCommon {
        Call(descends ? Self.newest : Self.oldest, window)
      } else if let words = filters.words {
        Call(
          order.searchStatement(descends: descends),
          window + filters.values + [.text(words)]
            + (order == .title ? [] : [.text("\(order)")]))
      } else {
        Call(order.statement(descends: descends), window + filters.values)
      }
    let deadline = MonotonicInstant.now() + Self.patience
    // What is not known to be short gets a connection to itself, on which it is planned for its
    // values: filters that are NULL fall away then.
    let rows =
      isCommon && !projection.names("body")
      ? try await pool.read(select, deadline: deadline, for: call.trail)
      : try await pool.query(select, deadline: deadline, for: call.trail)
    let page = try Page(rows, of: request, projection)
    let parameters = query.repeated(
      PostFilters.parameters + ["fields", "excerpt_length", "count"])
    return .representation(
      Representation(
        body: page.json, mediaType: .json, tag: page.tag, changesIn: page.changesIn,
        isPublic: call.caller.isAnonymous,
        fields: [
          "Link": request.links(page, address: publicURL + "/v1/posts", parameters: parameters)
        ]
      ))
  }

  private static let newest = PostOrder.commonStatement("posts.newest", descends: true)
  private static let oldest = PostOrder.commonStatement("posts.oldest", descends: false)

  static let listStatements = [newest, oldest] + PostOrder.statements
}
