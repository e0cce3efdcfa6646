import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

/// Random writes of several writers, with a clock that moves in the middle of them.
@Suite struct History {
  private static let tags = ["a", "b", "c", "d", "e"]
  /// The key that a first page is cut at.
  private static let beyondAllDates = 253_402_300_800_000_000
  private static let lowestID = "00000000-0000-0000-0000-000000000000"

  @Test(arguments: [1, 2])
  func `of random writes leaves counters and totals that agree with the posts`(seed: Int)
    async throws
  {
    try await Site.run { site in
      let statuses = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
        let progress = Progress(writers: 4)
        for writer in 0..<4 {
          group.addTask {
            let statuses = try await Self.write(450, as: writer, seed: seed, to: site)
            await progress.finish()
            return statuses
          }
        }
        group.addTask {
          let connection = try await site.connect()
          var comparisons = 0
          while await progress.goesOn {
            try await Self.compare(on: connection)
            #expect(try await site.discrepancies(on: connection) == [])
            comparisons += 1
          }
          #expect(comparisons >= 5)
          await connection.close()
          return [:]
        }
        return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
      }
      #expect(statuses.values.reduce(0, +) == 1800)
      #expect(statuses.keys.allSatisfy { $0 < 500 }, "\(statuses)")
      for status in [200, 201, 204, 404] { #expect(statuses[status] ?? 0 > 20, "\(statuses)") }

      let connection = try await site.connect()
      try await Self.compare(on: connection)
      try await site.setClock("2026-03-13T00:00:00Z")
      try await Self.compare(on: connection)
      // What has come out and is not counted yet goes in with the next writes.
      for index in 0..<10 {
        _ = try await site.put("last-\(index)", json: Site.json(title: "L", status: "draft"))
      }
      #expect(try await site.discrepancies() == [])
      try await Self.compare(on: connection)
      let left = "select count(*) from colophon.listings where not counted"
      #expect(try await site.value(left) == "0")
      // Set back, the clock takes nothing away that was counted.
      let total = try await site.get("/v1/posts").total
      try await site.setClock(Site.start)
      #expect(try await site.get("/v1/posts").total == total)
      await connection.close()
    }
  }

  /// Sends so many writes and counts the statuses of the answers.
  private static func write(
    _ count: Int, as writer: Int, seed: Int, to site: Site
  ) async throws -> [Int: Int] {
    var random = SeededRandom(seed: UInt64(seed * 100 + writer))
    var statuses: [Int: Int] = [:]
    for step in 0..<count {
      let slug = "post-\(random.next(below: 40))"
      // The clock runs from 9:00 to 9:15; dates fall around it.
      let minute = random.next(below: 20)
      let date = "2026-03-12T09:\(minute < 10 ? "0" : "")\(minute):00Z"
      let status = ["published", "published", "scheduled", "draft"][random.next(below: 4)]
      let tags = Self.tags.filter { _ in random.next(below: 3) == 0 }
      let json = Site.json(
        title: "T\(random.next(below: 3))", status: status, tags: tags,
        at: status == "scheduled" || random.next(below: 2) == 0 ? date : nil)
      let answer =
        switch random.next(below: 10) {
        case 0...5: try await site.put(slug, json: json)
        case 6: try await site.post(json: json)
        default: try await site.delete(slug)
        }
      statuses[answer.status, default: 0] += 1
      if answer.status >= 500 { Issue.record("\(answer.text)") }
      if writer == 0, step % 10 == 9 {
        let second = step * 2
        try await site.setClock("2026-03-12T09:00:00Z", plusSeconds: second)
      }
    }
    return statuses
  }

  /// Compares every list, as the API's own statement gives it, with the posts, in one snapshot.
  private static func compare(on connection: Connection) async throws {
    let list = try #require(ContentAPI.statements.first { $0.name == "posts.newest" }).sql
    _ = try await connection.query("begin isolation level repeatable read")
    for tag in [""] + tags {
      let page = try await connection.query(
        list,
        [
          .integer(1000), .integer(0), .integer(1), .boolean(false), .boolean(true),
          .integer(beyondAllDates), .text(lowestID), .text(tag),
        ])
      let expected = try await connection.query(
        """
        select count(*),
          coalesce(string_agg(p.id::text, ',' order by p.published_at desc, p.id desc), '')
        from colophon.posts p
        where p.status = 'published' and p.trashed_at is null
          and p.published_at <= colophon.clock()
          and ($1::text = '' or $1::text = any (p.tags))
        """, [.text(tag)])
      #expect(page.integer(0, 1) == expected.integer(0, 0), "total of \(tag)")
      let json = page.bytes(0, 0) ?? []
      let data = try JSONReader.read(json.span).arrayValue ?? []
      let ids = data.map { $0["id"]?.stringValue ?? "" }.joined(separator: ",")
      #expect(ids == expected.text(0, 1), "posts of \(tag)")
      #expect(page.boolean(0, 2) == false)
    }
    _ = try await connection.query("commit")
  }
}

/// Walks through a list while others insert and delete.
@Suite struct Walk {
  @Test func `sees every post once that was there all along, in both directions`() async throws {
    try await Site.run { site in
      let instants = (1...4).map { "2026-03-0\($0)T00:00:00Z" }
      let stable = (0..<48).map { "stable-\($0)" }
      for (index, slug) in stable.enumerated() {
        try await site.publish(
          slug, tags: index % 2 == 0 ? ["t", "u"] : ["t"], at: instants[index % 4])
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        let progress = Progress(writers: 1)
        for writer in 0..<3 {
          group.addTask {
            var random = SeededRandom(seed: UInt64(writer + 1))
            var writes = 0
            while await progress.goesOn {
              writes += 1
              let slug = "moving-\(writer)-\(random.next(below: 12))"
              let answer =
                random.next(below: 2) == 0
                ? try await site.put(
                  slug,
                  json: Site.json(
                    title: "M", tags: ["t", "u"], at: instants[random.next(below: 4)]))
                : try await site.delete(slug)
              #expect(answer.status < 500)
            }
            #expect(writes > 20)
          }
        }
        group.addTask {
          for query in ["", "tag=t&", "tag=u,t&"] {
            for limit in [1, 3, 7, 20] {
              try await Self.walk(site, "/v1/posts?\(query)limit=\(limit)", stable)
            }
          }
          await progress.finish()
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `finds the way back from a page that has become empty`() async throws {
    try await Site.run { site in
      for index in 1...3 { try await site.publish("p\(index)", at: "2026-03-0\(index)T00:00:00Z") }
      let first = try await site.get("/v1/posts?limit=2")
      let last = try await site.get("/v1/posts?limit=2&cursor=\(try #require(first.next))")
      #expect(last.slugs == ["p1"])
      _ = try await site.delete("p1")
      let empty = try await site.get("/v1/posts?limit=2&cursor=\(try #require(first.next))")
      #expect(empty.slugs == [])
      #expect(empty.next == nil)
      let back = try await site.get("/v1/posts?limit=2&cursor=\(try #require(empty.previous))")
      #expect(back.slugs == ["p3", "p2"])
      for slug in ["p2", "p3"] { _ = try await site.delete(slug) }
      try await site.publish("p0", at: "2026-02-01T00:00:00Z")
      let gone = try await site.get("/v1/posts?limit=2&cursor=\(try #require(last.previous))")
      #expect(gone.slugs == [])
      let forward = try await site.get("/v1/posts?limit=2&cursor=\(try #require(gone.next))")
      #expect(forward.slugs == ["p0"])
    }
  }

  private static func walk(_ site: Site, _ path: String, _ stable: [String]) async throws {
    var page = try await site.get(path)
    var seen = page.slugs
    while let next = page.next {
      page = try await site.get("\(path)&cursor=\(next)")
      #expect(page.status == 200)
      seen += page.slugs
    }
    #expect(counts(seen, stable).allSatisfy { $0 == 1 }, "forward \(path)")
    var back = page.slugs
    while let previous = page.previous {
      page = try await site.get("\(path)&cursor=\(previous)")
      #expect(page.status == 200)
      back += page.slugs
    }
    #expect(counts(back, stable).allSatisfy { $0 == 1 }, "backward \(path)")
  }

  private static func counts(_ seen: [String], _ stable: [String]) -> [Int] {
    let counts = Dictionary(seen.map { ($0, 1) }, uniquingKeysWith: +)
    return stable.map { counts[$0] ?? 0 }
  }
}

/// Whether some of those who are awaited are still at work.
private actor Progress {
  private var working: Int
  var goesOn: Bool { working > 0 }

  init(writers: Int) { working = writers }

  func finish() { working -= 1 }
}
