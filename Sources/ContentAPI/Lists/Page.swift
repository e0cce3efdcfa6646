import HTTP
import JSON
import Postgres

/// Which page of a list a client asks for: `limit`, and `cursor` or `page`; and whether it wants
/// the total, which is `count`.
struct PageRequest {
  let limit: Int
  let cursor: Cursor?
  /// Counted from 1; nil when the client walks by cursors.
  let number: Int?
  let counts: Bool
  /// Whether the walk that is asked for goes from high keys to low ones; nil where ids tell
  /// nothing.
  private let descends: Bool?
  /// What a cursor is bound to. The limit is not in it, so that a client may change its step.
  private let filters: String

  /// Where numbered pages end: to find a later row, the database would walk over all before it.
  private static let lastRow = 10_000

  /// - Parameters:
  ///   - filters: of the list and its order, in words of any kind.
  ///   - descends: whether the list's order goes from high keys to low ones; nil where every key
  ///     is another and ids tell nothing.
  ///   - limits: how many there may be on a page.
  ///   - standard: how many come where no limit is given.
  ///   - isKey: whether a text can be the key of a cursor of this order.
  init(
    _ query: inout Query, filters: String, descends: Bool? = nil,
    limits: ClosedRange<Int> = 1...100, standard: Int = 20, isKey: (String) -> Bool
  ) {
    self.filters = filters
    let limit = query.integer("limit", in: limits, standard: standard)
    self.limit = limit
    counts = query.boolean("count") ?? true
    cursor = query.text("cursor").flatMap { Cursor($0, filters: filters) }
      .flatMap { isKey($0.key) ? $0 : nil }
    if query.text("cursor") != nil, cursor == nil {
      query.refuse(
        "cursor",
        "This is not a cursor of this list: take next_cursor as it is, with the same filters.")
    }
    let isBackward = cursor?.direction == .backward
    self.descends = descends.map { $0 != isBackward }
    number =
      query.text("page") == nil
      ? nil : query.integer("page", in: 1...Self.lastRow, standard: 1)
    if let number, number * limit > Self.lastRow {
      query.refuse(
        "page",
        "Numbered pages end with row 10,000, page \(Self.lastRow / limit) of \(limit) each: "
          + "go on with next_cursor.")
    }
    if number != nil, query.text("cursor") != nil {
      query.refuse("page", "Either page or cursor is expected.")
    }
  }

  /// Rows to walk over before the page begins.
  var offset: Int { number.map { ($0 - 1) * limit } ?? 0 }

  var isBackward: Bool { cursor?.direction == .backward }

  /// Back from a page that is empty because its members are gone since.
  fileprivate var turned: Cursor? {
    guard let descends else { return nil }
    return cursor?.reversed(descending: descends)
  }

  fileprivate func cursor(_ direction: Cursor.Direction, _ key: String, _ id: String) -> Cursor? {
    Cursor(direction: direction, filters: filters, key: key, id: id)
  }

  /// RFC 8288: the first page and the neighbours of this one. Numbered pages lead to numbered ones
  /// as far as those go, and then on by cursor.
  ///
  /// - Parameter parameters: the filters of the request, encoded.
  func links(_ page: Page, address: String, parameters: [String]) -> FieldValue {
    let base = address + "?" + (parameters + ["limit=\(limit)"]).joined(separator: "&")
    var links = ["<\(base)\(number == nil ? "" : "&page=1")>; rel=\"first\""]
    if let next = page.next {
      let place =
        if let number, (number + 1) * limit <= Self.lastRow { "page=\(number + 1)" } else {
          "cursor=\(next.text)"
        }
      links.append("<\(base)&\(place)>; rel=\"next\"")
    }
    if let number, number > 1 {
      links.append("<\(base)&page=\(number - 1)>; rel=\"prev\"")
    } else if let previous = page.previous {
      links.append("<\(base)&cursor=\(previous.text)>; rel=\"prev\"")
    }
    return FieldValue(links.joined(separator: ", "))
  }
}

/// One page of a list as the database gave it, and the cursors to its neighbours.
struct Page {
  let tag: EntityTag
  /// Seconds until the list may change by itself.
  let changesIn: Int?
  let next: Cursor?
  let previous: Cursor?
  private let data: [UInt8]
  private let total: Int?
  private let limit: Int

  /// The one row has these columns: the members as a JSON array, the total or NULL, whether there
  /// is more in the direction walked, key and id of the first member and of the last, the seconds
  /// until the list may change by itself, and a hash of array and total.
  init(_ rows: Rows, of request: PageRequest, _ projection: Projection) throws {
    guard rows.count == 1, let data = rows.bytes(0, 0), let hasMore = rows.boolean(0, 2),
      let hash = rows.text(0, 8)
    else { throw UnexpectedRows() }
    self.data = try projection.apply(to: data)
    total = rows.integer(0, 1)
    limit = request.limit
    changesIn = rows.integer(0, 7)

    var first: Cursor?
    var last: Cursor?
    if let key = rows.text(0, 3), let id = rows.text(0, 4) {
      first = request.cursor(.backward, key, id)
    }
    if let key = rows.text(0, 5), let id = rows.text(0, 6) {
      last = request.cursor(.forward, key, id)
    }
    if request.isBackward {
      (previous, next) = (hasMore ? first : nil, last ?? request.turned)
    } else {
      let isFirst = request.cursor == nil && request.offset == 0
      (previous, next) = (isFirst ? nil : first ?? request.turned, hasMore ? last : nil)
    }
    // Limit, cursors and the choice of members show in the bytes, so they must show in the tag.
    let form = [String(limit), next?.text ?? "", previous?.text ?? "", projection.form ?? ""]
    let formHash = String(FNV1a.hash(form.joined(separator: "&").utf8), radix: 16)
    guard let tag = EntityTag(opaque: hash + "-" + formHash) else { throw UnexpectedRows() }
    self.tag = tag
  }

  var json: [UInt8] {
    var json = JSONWriter(capacity: data.count + 256)
    json.beginObject()
    json.name("data")
    json.raw(data)
    json.name("meta")
    json.beginObject()
    json.name("total")
    if let total { json.number(total) } else { json.null() }
    json.name("limit")
    json.number(limit)
    for (name, cursor) in [("next_cursor", next), ("previous_cursor", previous)] {
      json.name(name)
      if let cursor { json.string(cursor.text) } else { json.null() }
    }
    json.endObject()
    json.endObject()
    return json.bytes
  }
}
