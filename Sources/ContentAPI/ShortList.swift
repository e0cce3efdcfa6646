import HTTP
import JSON
import Postgres

/// A list of few things, such as tags or projects: read whole by its statement, whatever its
/// filters and order, and handed out in pages. Its order is that of one text for each thing, in
/// bytes, which is also what a cursor names.
///
/// Posts are too many for that; their lists walk along indexes.
struct ShortList {
  /// The path and the filters as they stand in links: `/v1/tags?sort=name`, without a `?` when
  /// there are none.
  private let address: String
  private let limit: Int
  private var cursor: KeyCursor?

  /// Reads `limit` and `cursor`; `filters` are the other parameters with their values, those that
  /// were given.
  init(_ path: String, filters: [(String, String)], _ query: inout Query) {
    let parameters = filters.map { $0 + "=" + $1 }.joined(separator: "&")
    address = path + "?" + (parameters.isEmpty ? "" : parameters + "&")
    limit = query.integer("limit", in: 1...100, standard: 20)
    guard let text = query.text("cursor") else { return }
    cursor = KeyCursor(text, list: address)
    if cursor == nil {
      query.refuse("cursor", "This is not a cursor of this list: take next_cursor as it is.")
    }
  }

  /// The two directions in which a list is walked.
  struct Statements {
    let forward: Statement
    let backward: Statement

    /// - Parameters:
    ///   - items: a query of all things of the list, with their `key` and what `json` needs.
    ///   - json: the JSON of one, from the columns of `i`. Its parameters begin at $3.
    ///   - nextChange: an expression for when the list changes by itself.
    init(_ name: String, items: String, json: String, nextChange: String = "null::timestamptz") {
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
            r.first, r.last,
            floor(extract(epoch from r.next_change - colophon.clock()))::bigint as next_change_in,
            left(encode(sha256(convert_to(r.total || r.json, 'UTF8')), 'hex'), 32) as hash
          from r
          """)
      }
      forward = statement(name, "", ">")
      backward = statement(name + "_backward", "desc", "<")
    }

    var all: [Statement] { [forward, backward] }
  }

  /// The statement for the page that was asked for; `filters` are $3 and what follows.
  func call(_ statements: Statements, _ filters: [Parameter]) -> Call {
    let isBackward = cursor?.direction == .backward
    return Call(
      isBackward ? statements.backward : statements.forward,
      [.integer(limit), .text(cursor?.key ?? "")] + filters)
  }

  /// The answer with the page that the statement gave.
  func shown(_ rows: Rows, to call: RouteCall, publicURL: String) throws -> Response {
    guard rows.count == 1, let data = rows.bytes(0, 0), let total = rows.integer(0, 1),
      let hasMore = rows.boolean(0, 2), let hash = rows.text(0, 6)
    else { throw UnexpectedRows() }
    func end(_ column: Int, _ direction: Cursor.Direction) -> String? {
      rows.text(0, column).map { KeyCursor(direction: direction, list: address, key: $0).text }
    }
    var previous = cursor == nil ? nil : end(3, .backward)
    var next = end(4, .forward)
    if cursor?.direction == .backward {
      if !hasMore { previous = nil }
    } else if !hasMore {
      next = nil
    }
    // Limit and cursors are part of the bytes, so they must show in the tag.
    let form = FNV1a.hash("\(limit)&\(next ?? "")&\(previous ?? "")".utf8)
    guard let tag = EntityTag(opaque: hash + "-" + String(form, radix: 16)) else {
      throw UnexpectedRows()
    }
    let base = publicURL + address + "limit=\(limit)"
    var links = ["<\(base)>; rel=\"first\""]
    if let next { links.append("<\(base)&cursor=\(next)>; rel=\"next\"") }
    if let previous { links.append("<\(base)&cursor=\(previous)>; rel=\"prev\"") }
    return try Representation(
      body: json(data, total: total, next: next, previous: previous), mediaType: .json, tag: tag,
      changesIn: rows.integer(0, 5), isPublic: call.caller.isAnonymous,
      fields: ["Link": FieldValue(links.joined(separator: ", "))]
    ).answer(to: call.head)
  }

  private func json(_ data: [UInt8], total: Int, next: String?, previous: String?) -> [UInt8] {
    var json = JSONWriter(capacity: data.count + 256)
    json.beginObject()
    json.name("data")
    json.raw(data)
    json.name("meta")
    json.beginObject()
    json.name("total")
    json.number(total)
    json.name("limit")
    json.number(limit)
    for (name, cursor) in [("next_cursor", next), ("previous_cursor", previous)] {
      json.name(name)
      if let cursor { json.string(cursor) } else { json.null() }
    }
    json.endObject()
    json.endObject()
    return json.bytes
  }
}

/// A place in a short list: the key it was cut at and the direction to walk from there. Opaque to
/// clients; bound to the list with its filters and order.
struct KeyCursor {
  let direction: Cursor.Direction
  let key: String
  private let list: UInt64

  init(direction: Cursor.Direction, list: String, key: String) {
    self.direction = direction
    self.key = key
    self.list = FNV1a.hash(list.utf8)
  }

  /// Reads what `text` writes; nil for everything else, and for a cursor of another list.
  init?(_ text: String, list: String) {
    guard let bytes = Base64URL.decode(text), bytes.count >= 10, bytes[0] == Self.format,
      let direction = Cursor.Direction(rawValue: bytes[1])
    else { return nil }
    self.init(direction: direction, list: list, key: String(decoding: bytes[10...], as: UTF8.self))
    // The same list, not a bit changed, and UTF-8: else it would not be written like this.
    guard self.text.utf8.elementsEqual(text.utf8), !key.utf8.contains(0) else { return nil }
  }

  var text: String {
    let key = Array(key.utf8)
    let check = FNV1a.hash(key) ^ list
    let bytes = stride(from: 56, through: 0, by: -8).map {
      UInt8(truncatingIfNeeded: check >> UInt64($0))
    }
    return Base64URL.encode([Self.format, direction.rawValue] + bytes + key)
  }

  private static let format: UInt8 = 2
}
