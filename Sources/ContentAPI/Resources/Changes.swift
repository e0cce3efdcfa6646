import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/changes`: what has moved since a reader last asked, so that a mirror or a static build
/// fetches nothing else.
///
/// `changes` in schema.sql says that something moved, and in which transaction; what it is now is
/// looked up at the moment of reading. A cursor is a snapshot of the database (`FeedCursor`): the
/// reader is told what a transaction wrote that was not in it, whatever its number. A scheduled
/// post is told by the date at which it came out.
struct Changes: Sendable {
  let pool: Pool

  private static let patience = Duration.seconds(5)
  /// An answer that is older than this is not used again without asking.
  private static let freshness = 2

  // GET /v1/changes

  func list(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let limit = query.integer("limit", in: 1...100, standard: 20)
    var cursor = query.text("since").flatMap { FeedCursor($0) }
    if query.text("since") != nil, cursor == nil {
      query.refuse("since", "This is not a cursor of this feed: take next_cursor as it is.")
    }
    try query.finish()

    let deadline = MonotonicInstant.now() + Self.patience
    var page = try await page(cursor, limit, deadline, call.trail)
    // What was left of one walk may have moved on to the next: only the end is empty.
    while page.isEmpty, let last = cursor, last.isWalking {
      cursor = page.next
      page = try await self.page(cursor, limit, deadline, call.trail)
    }
    return .representation(
      Representation(
        body: page.json, mediaType: .json, tag: page.tag,
        changesIn: min(Self.freshness, page.changesIn ?? Self.freshness),
        isPublic: call.caller.isAnonymous
      ))
  }

  private func page(
    _ cursor: FeedCursor?, _ limit: Int, _ deadline: MonotonicInstant, _ trail: RequestTrail
  ) async throws -> Page {
    let rows = try await pool.query(Self.call(cursor, limit), deadline: deadline, for: trail)
    switch rows.text(0, 0) {
    case "holds": return try Page(rows, after: cursor)
    // A standby that has not heard yet of what the cursor has seen.
    case "behind": throw Problem.unavailable
    default:
      throw Problem(
        .cursorExpired,
        "The database is not the one that gave this cursor, but perhaps a backup of it. "
          + "Forget what you have and start again without since.")
    }
  }

  private static func call(_ cursor: FeedCursor?, _ limit: Int) -> Call {
    func date(_ text: String) -> Parameter { Int(text).map { .integer($0) } ?? .null }
    func horizon(_ horizon: FeedCursor.Horizon?) -> [Parameter] {
      [horizon.map { .integer($0.era) } ?? .null, Parameter(horizon?.snapshot)]
    }
    let due = cursor?.due ?? FeedCursor.earliest
    var parameters: [Parameter] = [.integer(limit), cursor.map { .integer($0.feed) } ?? .null]
    parameters += horizon(cursor?.latest)
    parameters.append(date(due[0]))
    switch cursor?.progress {
    case nil:
      let place = ["0", "", due[0], PostOrder.lowestID]
      return Call(
        everything, parameters + [.integer(0), .text(place[1]), date(place[2]), .text(place[3])])
    case .everything(_, let place):
      return Call(
        everything,
        parameters + [date(place[0]), .text(place[1]), date(place[2]), .text(place[3])])
    case .changes(let seen):
      return Call(
        new,
        parameters + [.text(due[1]), .text(due[2]), .boolean(false)] + horizon(seen)
          + [.integer(seen.era), .text(seen.first), .text(""), .text(""), .text("")])
    case .between(let seen, _, let place):
      return Call(
        new,
        parameters + [.text(due[1]), .text(due[2]), .boolean(true)] + horizon(seen)
          + [date(place[0])] + place[1...].map { .text($0) })
    }
  }

  /// One page of the feed as the database gave it.
  private struct Page {
    let next: FeedCursor
    let isEmpty: Bool
    let tag: EntityTag
    /// Seconds until the next scheduled post.
    let changesIn: Int?
    let json: [UInt8]

    init(_ rows: Rows, after cursor: FeedCursor?) throws {
      guard let feed = rows.integer(0, 1), let era = rows.integer(0, 2),
        let snapshot = rows.text(0, 3),
        let target = FeedCursor.Horizon(era: era, snapshot: snapshot),
        let data = rows.bytes(0, 4), let hasMore = rows.boolean(0, 5), let hash = rows.text(0, 6)
      else { throw UnexpectedRows() }
      changesIn = rows.integer(0, 7)
      let isDue = rows.boolean(0, 8) ?? false
      let place = (9...13).compactMap { rows.text(0, $0) }
      isEmpty = rows.boolean(0, 8) == nil
      let newestDue = (14...15).compactMap { rows.text(0, $0) }

      var due = cursor?.due ?? (newestDue.count == 2 ? newestDue + ["z"] : FeedCursor.earliest)
      var progress = FeedCursor.Progress.changes(seen: target)
      if isDue {
        due = Array(place[0...2])
      } else if hasMore {
        switch cursor?.progress {
        case nil, .everything:
          progress = .everything(since: target, place: Array(place[0...3]))
        case .changes(let seen), .between(let seen, _, _):
          progress = .between(seen: seen, target: target, place: place)
        }
      }
      next = FeedCursor(feed: feed, progress: progress, due: due)

      let text = next.text
      guard
        let tag = EntityTag(opaque: hash + "-" + String(FNV1a.hash(text.utf8), radix: 16))
      else { throw UnexpectedRows() }
      self.tag = tag
      var json = JSONWriter(capacity: data.count + 256)
      json.beginObject()
      json.name("data")
      json.raw(data)
      json.name("meta")
      json.beginObject()
      json.name("next_cursor")
      json.string(text)
      json.endObject()
      json.endObject()
      self.json = json.bytes
    }
  }
}

extension FeedCursor {
  fileprivate var isWalking: Bool { if case .changes = progress { false } else { true } }
}
