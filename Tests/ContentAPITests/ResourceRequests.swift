import ContentAPI
import JSON

extension Site {
  /// A write with the key that may do everything, such as `send("PUT", "/v1/tags/a", json)`.
  func send(
    _ method: String, _ path: String, _ json: String, _ lines: [String] = []
  ) async throws -> Answer {
    try await send(
      method + " " + path, authorized + ["Content-Type: application/json"] + lines,
      body: Array(json.utf8))
  }

  func delete(path: String, _ lines: [String] = []) async throws -> Answer {
    try await send("DELETE " + path, authorized + lines)
  }

  /// Walks a list from its first page to its last and back, and asserts that both ways show the
  /// same; the slugs, page by page.
  func walk(_ path: String) async throws -> [[String]] {
    var pages: [[String]] = []
    var answer = try await get(path)
    var backwards: [[String]] = []
    while true {
      guard answer.status == 200 else { throw UnexpectedAnswer(answer: answer) }
      pages.append(answer.slugs)
      guard let next = answer.next else { break }
      answer = try await get(path + (path.contains("?") ? "&" : "?") + "cursor=" + next)
    }
    backwards.append(answer.slugs)
    while let previous = answer.previous {
      answer = try await get(path + (path.contains("?") ? "&" : "?") + "cursor=" + previous)
      backwards.append(answer.slugs)
    }
    guard backwards.reversed() == pages else { throw UnexpectedAnswer(answer: answer) }
    return pages
  }
}

extension Answer {
  /// The names of all members of the body, sorted.
  var names: [String] { (json.objectValue ?? []).map(\.name).sorted() }

  /// The tags of every member of a list, or of one thing.
  var tags: [String] { (json["tags"]?.arrayValue ?? []).map { $0.stringValue ?? "!" } }

  /// `posts_count` of a tag.
  var count: Int? { json["posts_count"]?.integerValue }
}
