import ContentAPI
import JSON
import Testing

/// `/related`, `/adjacent` and `/v1/archive`.
@Suite struct Neighbours {
  /// The clock goes forwards and back, and nobody writes: what comes due does so by itself.
  @Test func `are those of a plain search through all posts`() async throws {
    let posts = GeneratedPost.make(900, seed: 11)
    var random = SeededGenerator(seed: 12)
    let day: Int64 = 86_400_000_000
    try await Site.run { site in
      try await GeneratedPost.insert(posts, into: site)
      for days: Int64 in [0, 40, 700, -3, 4000] {
        let now = GeneratedPost.now + days * day
        try await site.setClock(Instant(microseconds: now)!.description)
        let world = World(posts: posts, now: now)
        #expect(try await months(site) == world.months, "\(days)")
        for post in posts.shuffled(using: &random).prefix(70) {
          try await check(post, world, site, limit: Int.random(in: 1...30, using: &random))
        }
      }
    }
  }

  private func months(_ site: Site) async throws -> [[Int]] {
    let archive = try await site.get("/v1/archive")
    #expect(archive.status == 200)
    return (archive.json["data"]?.arrayValue ?? []).map {
      [$0["year"], $0["month"], $0["posts_count"]].map { $0?.integerValue ?? -1 }
    }
  }

  private func check(
    _ post: GeneratedPost, _ world: World, _ site: Site, limit: Int
  ) async throws {
    let path = "/v1/posts/\(post.slug)"
    let isOut = world.isOut(post)
    for (lines, mayAsk) in [([], isOut), (site.authorized, post.trashedAt == nil)] {
      let related = try await site.get(path + "/related?limit=\(limit)", lines)
      let adjacent = try await site.get(path + "/adjacent", lines)
      guard mayAsk else {
        #expect(related.status == 404 && adjacent.status == 404, "\(post.slug)")
        continue
      }
      let expected = world.related(to: post)
      #expect(related.slugs == expected.prefix(limit).map(\.slug), "\(post.slug)")
      #expect(related.total == expected.count)
      let (previous, next) = world.neighbours(of: post)
      #expect(adjacent.json["previous"]?["slug"]?.stringValue == previous?.slug, "\(post.slug)")
      #expect(adjacent.json["next"]?["slug"]?.stringValue == next?.slug, "\(post.slug)")
      for answer in [related, adjacent] {
        #expect(answer["ETag"] != nil)
        #expect(answer["Cache-Control"]?.hasPrefix(lines.isEmpty ? "public" : "private") == true)
      }
    }
  }

  /// The model.
  private struct World {
    let out: [GeneratedPost]
    let now: Int64
    private let counts: [String: Int]

    init(posts: [GeneratedPost], now: Int64) {
      self.now = now
      out = posts.filter { Self.isOut($0, now) }
      counts = out.flatMap(\.tags).reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    private static func isOut(_ post: GeneratedPost, _ now: Int64) -> Bool {
      !post.isDraft && post.trashedAt == nil
        && (post.counted || (post.publishedAt.map { $0 <= now } ?? false))
    }

    func isOut(_ post: GeneratedPost) -> Bool { Self.isOut(post, now) }

    func related(to post: GeneratedPost) -> [GeneratedPost] {
      let scored = out.filter { $0.slug != post.slug }.map { other in
        let shared = other.tags.filter(post.tags.contains)
        return (
          other,
          shared.map { Int((1e9 / Double(counts[$0] ?? 1).squareRoot()).rounded(.down)) }
            .reduce(0, +)
        )
      }
      return scored.filter { $0.1 > 0 }.sorted { one, two in
        if one.1 != two.1 { return one.1 > two.1 }
        return isBefore(two.0, one.0)
      }.map(\.0)
    }

    private func isBefore(_ one: GeneratedPost, _ other: GeneratedPost) -> Bool {
      let dates = (one.publishedAt ?? .max, other.publishedAt ?? .max)
      return dates.0 == dates.1 ? one.id < other.id : dates.0 < dates.1
    }

    func neighbours(of post: GeneratedPost) -> (GeneratedPost?, GeneratedPost?) {
      (
        out.filter { isBefore($0, post) }.max(by: isBefore),
        out.filter { isBefore(post, $0) }.min(by: isBefore)
      )
    }

    /// Year, month and number, newest first.
    var months: [[Int]] {
      var counts: [String: Int] = [:]
      for post in out {
        let date = Instant(microseconds: post.publishedAt ?? 0)!.description
        counts[String(date.prefix(7)), default: 0] += 1
      }
      return counts.sorted { $0.key > $1.key }.map { month, count in
        month.split(separator: "-").map { Int($0) ?? -1 } + [count]
      }
    }
  }

  @Test func `show what a list shows, and nothing of what is not public`() async throws {
    try await Site.run { site in
      try await site.publish("old", tags: ["t"], at: "2026-01-31T23:59:59Z")
      try await site.publish("mid", tags: ["t"], at: "2026-02-01T00:00:00Z")
      try await site.publish("soon", tags: ["t"], at: "2026-03-12T10:00:00Z")
      _ = try await site.put("draft", json: Site.json(title: "D", status: "draft", tags: ["t"]))
      try await site.publish("gone", tags: ["t"])
      _ = try await site.delete("gone")
      let list = try await site.get("/v1/posts")
      let adjacent = try await site.get("/v1/posts/old/adjacent")
      #expect(list.slugs == ["mid", "old"])
      #expect(adjacent.json["next"] == list.json["data"]?.arrayValue?.first)
      #expect(adjacent.json["previous"] == .null)
      let related = try await site.get("/v1/posts/old/related")
      #expect(related.json["data"]?.arrayValue?.first == list.json["data"]?.arrayValue?.first)
      #expect(related.total == 1)
      let archive = try await site.get("/v1/archive")
      #expect(
        archive.text == #"{"data":[{"year" : 2026, "month" : 2, "posts_count" : 1},"#
          + #"{"year" : 2026, "month" : 1, "posts_count" : 1}]}"#)
      for answer in [adjacent, related, archive] {
        #expect(answer["Cache-Control"]?.contains("max-age=") == true)
      }
      for slug in ["soon", "draft", "gone", "none", "NO"] {
        for end in ["related", "adjacent"] {
          #expect(try await site.get("/v1/posts/\(slug)/\(end)").status == 404)
          let writer = ["Authorization: Bearer " + site.writer]
          #expect(try await site.get("/v1/posts/\(slug)/\(end)", writer).status == 404)
          let isThere = ["soon", "draft"].contains(slug)
          let editor = try await site.get("/v1/posts/\(slug)/\(end)", site.authorized)
          #expect(editor.status == (isThere ? 200 : 404), "\(slug) \(end)")
          if isThere {
            #expect(editor["Cache-Control"] == "private, no-store")
            #expect(!editor.text.contains("\"soon\"") && !editor.text.contains("\"draft\""))
          }
        }
      }
      try await site.setClock("2026-03-12T10:00:00Z")
      #expect(
        try await site.get("/v1/posts/mid/adjacent").json["next"]?["slug"]?.stringValue == "soon")
      #expect(try await site.get("/v1/posts/old/related").slugs == ["soon", "mid"])
      #expect(try await site.get("/v1/archive").text.contains(#""month" : 3, "posts_count" : 1"#))
      for path in [
        "/v1/posts/old/related?limit=0", "/v1/posts/old/related?limit=101",
        "/v1/posts/old/related?page=1", "/v1/posts/old/adjacent?limit=1", "/v1/archive?year=2026",
      ] {
        #expect(try await site.get(path).status == 400, "\(path)")
      }
    }
  }

  @Test func `make rare tags weigh more than common ones`() async throws {
    try await Site.run { site in
      try await site.publish("start", tags: ["rare", "common", "usual"])
      try await site.publish("a", tags: ["rare"], at: "2020-01-01T00:00:00Z")
      try await site.publish("b", tags: ["common", "usual"])
      for number in 0..<20 { try await site.publish("c\(number)", tags: ["common", "usual"]) }
      let related = try await site.get("/v1/posts/start/related?limit=3")
      #expect(related.slugs.first == "a")
      #expect(related.total == 22)
      #expect(try await site.get("/v1/posts/a/related").slugs == ["start"])
      try await site.publish("alone", tags: ["only"])
      #expect(try await site.get("/v1/posts/alone/related").total == 0)
    }
  }
}
