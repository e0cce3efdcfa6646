import ContentAPI
import JSON
import Testing

@Suite struct ListParameters {
  /// A chance that fails says with which seed and query it did.
  @Test(arguments: [1, 2] as [UInt64])
  func `answer any combination as a plain search through ten thousand posts does`(
    seed: UInt64
  ) async throws {
    let posts = GeneratedPost.make(10_000, seed: seed)
    let orders = ListQuery.Orders(posts)
    try await Site.run { site in
      try await GeneratedPost.insert(posts, into: site)
      #expect(try await site.discrepancies() == [])
      var random = SeededGenerator(seed: seed)
      var check = ListCheck(site: site)
      for number in 0..<1_100 {
        let query = ListQuery(&random, of: posts)
        let expected = query.posts(of: orders)
        switch number % 4 {
        case 0, 1: try await check.beginning(query, expected, &random)
        case 2: try await check.numberedPage(query, expected, &random)
        default: try await check.wholeWalk(query, expected, &random)
        }
        if check.faults.count > 3 { break }
      }
      #expect(check.faults == [])
      #expect(check.answers > 1_100)
    }
  }
}

/// Compares answers with what they must be.
struct ListCheck {
  let site: Site
  private(set) var faults: [String] = []
  private(set) var answers = 0
  /// The hash of what every entity tag has stood for.
  private var bodies: [String: Int] = [:]

  init(site: Site) { self.site = site }

  /// The first page.
  mutating func beginning(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    let path = query.path([], &random)
    let answer = try await get(path, query)
    compare(path, query, answer, expected, 0..<min(query.pageSize, expected.count))
    let first = base(query)
    var links = ["<\(first)>; rel=\"first\""]
    if let next = answer.next { links.append("<\(first)&cursor=\(next)>; rel=\"next\"") }
    expect(answer.previous == nil, path, "previous_cursor")
    expect((answer.next != nil) == (expected.count > query.pageSize), path, "next_cursor")
    expect(answer["Link"] == links.joined(separator: ", "), path, "Link: \(answer["Link"] ?? "")")
  }

  /// A page by its number, and those beside it by its cursors.
  mutating func numberedPage(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    let size = query.pageSize
    let last = min((expected.count + size - 1) / size + 1, 10_000 / size)
    let number = Int.random(in: 1...max(1, last), using: &random)
    let path = query.path(["page=\(number)"], &random)
    let answer = try await get(path, query)
    let start = min((number - 1) * size, expected.count)
    let end = min(start + size, expected.count)
    compare(path, query, answer, expected, start..<end)

    let base = base(query)
    var links = ["<\(base)&page=1>; rel=\"first\""]
    expect((answer.next != nil) == (end < expected.count), path, "next_cursor")
    expect((answer.previous != nil) == (start > 0 && start < end), path, "previous_cursor")
    if let next = answer.next {
      let place = (number + 1) * size <= 10_000 ? "page=\(number + 1)" : "cursor=\(next)"
      links.append("<\(base)&\(place)>; rel=\"next\"")
      let path = query.path(["cursor=\(next)"], &random)
      let nextEnd = min(end + size, expected.count)
      compare(path, query, try await get(path, query), expected, end..<nextEnd)
    }
    if number > 1 { links.append("<\(base)&page=\(number - 1)>; rel=\"prev\"") }
    if let previous = answer.previous {
      let path = query.path(["cursor=\(previous)"], &random)
      compare(path, query, try await get(path, query), expected, max(0, start - size)..<start)
    }
    expect(answer["Link"] == links.joined(separator: ", "), path, "Link: \(answer["Link"] ?? "")")
  }

  /// From the first page to the last and back, or as far as twelve pages go.
  mutating func wholeWalk(
    _ query: ListQuery, _ expected: [GeneratedPost], _ random: inout SeededGenerator
  ) async throws {
    var query = query
    // Few pages in most walks, single posts in some.
    let few = expected.count / 5 + 1
    query.limit = min(100, max(1, Int.random(in: max(1, few - 2)...few + 2, using: &random)))
    let size = query.pageSize
    var pages: [Range<Int>] = []
    var path = query.path([], &random)
    while true {
      let answer = try await get(path, query)
      let start = pages.last?.upperBound ?? 0
      let range = start..<min(start + size, expected.count)
      compare(path, query, answer, expected, range)
      pages.append(range)
      let next = link("next", answer)
      expect(next?.contains("cursor=\(answer.next ?? "")") ?? (answer.next == nil), path, "next")
      guard let next, pages.count < 12, faults.count < 4 else {
        expect(next != nil || range.upperBound == expected.count, path, "ends early")
        break
      }
      path = next
    }
    while pages.count > 1, faults.count < 4 {
      let answer = try await get(path, query)
      guard let previous = link("prev", answer) else {
        faults.append("\(path): no prev link")
        return
      }
      pages.removeLast()
      path = previous
      compare(path, query, try await get(path, query), expected, pages[pages.count - 1])
    }
    if pages.first?.isEmpty == false {
      expect(try await get(path, query).previous == nil, path, "previous of the first page")
    }
  }

  private func base(_ query: ListQuery) -> String {
    "/v1/posts?" + (query.parameters + ["limit=\(query.pageSize)"]).joined(separator: "&")
  }

  private func link(_ relation: String, _ answer: Answer) -> String? {
    (answer["Link"] ?? "").split(separator: ", <").compactMap { link -> String? in
      let parts = link.split(separator: ">; rel=")
      guard parts.count == 2, parts[1] == "\"\(relation)\"" else { return nil }
      return String(parts[0].first == "<" ? parts[0].dropFirst() : parts[0])
    }.first
  }

  private mutating func get(_ path: String, _ query: ListQuery) async throws -> Answer {
    let answer = try await site.get(path, query.status == nil ? [] : site.authorized)
    answers += 1
    guard answer.status == 200 else {
      faults.append("\(path): \(answer.status) \(answer.text)")
      return answer
    }
    guard let tag = answer["ETag"] else {
      faults.append("\(path): no ETag")
      return answer
    }
    let body = answer.body.hashValue
    expect(bodies.updateValue(body, forKey: tag) ?? body == body, path, "ETag")
    let isPrivate = answer["Cache-Control"] == "private, no-store"
    expect(isPrivate == (query.status != nil), path, "Cache-Control")
    return answer
  }

  private mutating func compare(
    _ path: String, _ query: ListQuery, _ answer: Answer, _ expected: [GeneratedPost],
    _ range: Range<Int>
  ) {
    let data = answer.json["data"]?.arrayValue ?? []
    let wanted = expected[range].map(query.shown)
    if data != wanted {
      let place = zip(data, wanted).enumerated().first { $0.element.0 != $0.element.1 }
      let words = place.map { "\($0.offset): \($0.element.0) instead of \($0.element.1)" } ?? ""
      faults.append("\(path): \(data.count) posts instead of \(wanted.count); \(words)")
    }
    let total: JSONValue = query.count == false ? .null : .number(String(expected.count))
    let meta = answer.json["meta"]
    expect(meta?["total"] == total, path, "total \(meta?["total"] ?? .null), not \(total)")
    expect(meta?["limit"]?.integerValue == query.pageSize, path, "limit")
  }

  private mutating func expect(_ condition: Bool, _ path: String, _ what: String) {
    if !condition { faults.append("\(path): \(what)") }
  }
}
