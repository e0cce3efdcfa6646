import HTTP
import JSON

/// An answer of the API.
struct Answer: Sendable {
  let status: Int
  let body: [UInt8]
  /// In the order in which they are sent.
  let fields: [(name: String, value: String)]
  /// The body as JSON; null when it is none.
  let json: JSONValue
  /// Whether it was given without a task.
  let wasAtHand: Bool

  init(_ response: Response) {
    status = response.status
    json = (try? JSONReader.read(response.body.span)) ?? .null
    body = response.body
    fields = response.fields.map { ($0.name.text, $0.value.text) }
    wasAtHand = false
  }

  /// Of one that is bytes already.
  init(_ answer: PromptAnswer) {
    status = answer.status
    json = (try? JSONReader.read(answer.body.span)) ?? .null
    body = answer.body
    let lines = String(decoding: answer.fields + answer.ownFields, as: UTF8.self)
      .split(separator: "\r\n", omittingEmptySubsequences: false)
    // Each line has its end, so an empty one is last.
    fields = lines.dropLast().map { line in
      let name = line.prefix { $0 != ":" }
      return (String(name), String(line.dropFirst(name.count + 2)))
    }
    wasAtHand = true
  }

  /// The value of a field, nil when it is not there exactly once.
  subscript(_ name: String) -> String? {
    let values = fields.filter { $0.name.lowercased() == name.lowercased() }
    return values.count == 1 ? values[0].value : nil
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The end of the problem's type, nil for another answer.
  var problem: String? {
    guard self["Content-Type"] == "application/problem+json",
      json["status"]?.integerValue == status, let type = json["type"]?.stringValue,
      type.hasPrefix("urn:colophon:problem:")
    else { return nil }
    return String(type.dropFirst("urn:colophon:problem:".count))
  }

  /// The places of all faults, in order.
  var places: [String] {
    (json["errors"]?.arrayValue ?? []).map {
      $0["pointer"]?.stringValue ?? $0["parameter"].flatMap(\.stringValue).map { "?" + $0 } ?? "!"
    }
  }

  /// The slugs of a page.
  var slugs: [String] { (json["data"]?.arrayValue ?? []).map { $0["slug"]?.stringValue ?? "!" } }

  var total: Int? { json["meta"]?["total"]?.integerValue }
  var next: String? { json["meta"]?["next_cursor"]?.stringValue }
  var previous: String? { json["meta"]?["previous_cursor"]?.stringValue }
  var slug: String? { json["slug"]?.stringValue }
  var version: Int? { json["version"]?.integerValue }
}
