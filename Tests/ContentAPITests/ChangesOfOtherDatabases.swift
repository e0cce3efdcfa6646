import ContentAPI
import EventLoop
import JSON
import LocalPostgres
import Postgres
import Testing

/// Cursors that the feed cannot go on from, and those that it can.
@Suite struct CursorsOfTheFeed {
  @Test func `from the database that a backup was made of are expired in the restored one`()
    async throws
  {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      _ = try await site.delete("a")
      try await site.publish("b")
      let first = try await site.get("/v1/changes?limit=1").next ?? ""
      let last = try await site.get("/v1/changes").next ?? ""
      try await site.withRestoredBackup { restored in
        for cursor in [first, last] {
          let answer = try await restored.get("/v1/changes?since=" + cursor)
          #expect(answer.status == 410)
          #expect(answer.problem == "cursor-expired")
        }
        // It has a feed of its own, whose transactions begin with lower numbers than the rows have.
        var mirror = Mirror()
        try await mirror.catchUp(with: restored)
        mirror.expectEqual(try await Mirror.oracle(restored))
        try await restored.publish("c", tags: ["t"])
        _ = try await restored.delete("b")
        _ = try await restored.restore("a")
        try await mirror.catchUp(with: restored)
        mirror.expectEqual(try await Mirror.oracle(restored))
        let own = mirror.cursor ?? ""
        #expect(try await site.get("/v1/changes?since=" + own).status == 410)
      }
      #expect(try await site.get("/v1/changes?since=" + last).status == 200)
    }
  }

  @Test func `hold after a restart, but not when files came back that are older than they`()
    async throws
  {
    let cluster = try await TestCluster.start()
    try await Site.run(on: cluster) { site in
      try await site.publish("a")
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      // As if the server had gone on for a few transactions, and then got the files of today back.
      let cursor = try #require(FeedCursor(mirror.cursor ?? ""))
      guard case .changes(let seen) = cursor.progress else {
        Issue.record("\(cursor)")
        return
      }
      let end = try #require(Int(seen.snapshot.split(separator: ":")[1]))
      let lost = try (1...40).map { more in
        let horizon = try #require(
          FeedCursor.Horizon(era: seen.era, snapshot: "\(end + more):\(end + more):"))
        return FeedCursor(feed: cursor.feed, progress: .changes(seen: horizon), due: cursor.due)
          .text
      }
      func expired() async throws -> Int {
        var count = 0
        for cursor in lost where try await site.get("/v1/changes?since=" + cursor).status == 410 {
          count += 1
        }
        return count
      }
      #expect(try await expired() == 40)

      try await cluster.restart()
      let deadline = MonotonicInstant.now() + .seconds(20)
      while try await site.get("/v1/newsletter").status != 200, .now() < deadline {}
      let other = try await site.connect()
      #expect(try await expired() == 40)
      var told = mirror.told.count
      try await mirror.catchUp(with: site)
      #expect(mirror.told.count == told)
      // Numbers are given out again; what was written under them must not be taken for seen.
      for index in 0..<30 { try await site.publish("p\(index)") }
      #expect(try await expired() == 40)
      told = mirror.told.count
      try await mirror.catchUp(with: site)
      #expect(mirror.told.count == told + 31, "thirty posts and the profile")
      let eras = try await other.query("select count(*) from colophon.feed_eras").text(0, 0)
      #expect(eras == "3", "the template's, and one for each start")
      await other.close()
      let oracle = try await site.get("/v1/posts?limit=100").total
      #expect(mirror.resources.keys.count { $0.hasPrefix("post/") } == oracle)
    }
    await cluster.stop()
  }

  @Test func `are expired when the clock is set back behind what they have been told`() async throws
  {
    try await Site.run { site in
      var mirror = Mirror()
      try await mirror.catchUp(with: site)
      try await site.publish("due", tags: ["t"], at: "2026-03-12T10:00:00Z")
      try await site.setClock("2026-03-12T10:00:00Z")
      try await mirror.catchUp(with: site)
      let cursor = mirror.cursor ?? ""
      try await site.setClock("2026-03-12T09:59:59Z")
      #expect(try await site.get("/v1/changes?since=" + cursor).problem == "cursor-expired")
      var again = Mirror()
      try await again.catchUp(with: site)
      again.expectEqual(try await Mirror.oracle(site))
      #expect(again.resources["post/due"] == nil)
      try await site.setClock("2026-03-12T10:00:01Z")
      for var mirror in [mirror, again] {
        try await mirror.catchUp(with: site)
        mirror.expectEqual(try await Mirror.oracle(site))
      }
    }
  }

  @Test func `are read back as they were written, refused after any change, and never trap`() throws
  {
    let seen = try #require(FeedCursor.Horizon(era: 3, snapshot: "10:20:10,12,19"))
    let target = try #require(FeedCursor.Horizon(era: 4, snapshot: "5:5:"))
    let due = ["1773306000000000", "a-post", "tag:t"]
    let cursors = [
      FeedCursor(feed: -42, progress: .changes(seen: seen), due: due),
      FeedCursor(
        feed: .min, progress: .everything(since: target, place: ["4", "t", due[0], Self.id]),
        due: due),
      FeedCursor(
        feed: .max,
        progress: .between(
          seen: seen, target: target, place: ["3", "18", "post", "b", "profile"]), due: due),
    ]
    var random = SeededRandom(seed: 7)
    let tokens = ["=", "-_", "\u{0}", "é", "AAAA", ""].map { Array($0.utf8) }
    for cursor in cursors {
      #expect(FeedCursor(cursor.text) == cursor)
      let bytes = Array(cursor.text.utf8)
      for _ in 0..<5_000 {
        let text = String(decoding: random.mutate(bytes, with: tokens), as: UTF8.self)
        if let other = FeedCursor(text) { #expect(other == cursor) }
      }
    }
    for snapshot in [
      "", ":", "1:2", "0:1:", "2:1:", "1:2:2", "1:4:3,2", "2:4:1", "1:4:2,2", "x:1:", "1:2:a",
      "1:2:,",
      "1:1000000000000000000000:", "1:2:1,",
    ] {
      #expect(FeedCursor.Horizon(era: 1, snapshot: snapshot) == nil, "\(snapshot)")
    }
  }

  private static let id = "019ce15f-2c80-7cc3-98c4-dc0c0c07398f"
}

/// At 200,000 posts.
@Suite struct LargeFeed {
  @Test func `answers from its indexes, without reading a table or sorting more than the page`()
    async throws
  {
    try await Site.run { site in
      try await Self.fill(site)
      let connection = try await site.connect()
      let now = "1773306000000000"
      let earliest = "-62135596800000000"
      let id = "'00000000-0000-0000-0000-000000000000'"
      let highest = try #require(
        Int(
          try await site.value("select xid::text from colophon.changes order by xid desc limit 1")
            ?? ""))
      let seen = "\(highest - 10):\(highest - 10):"
      let everything = "100, null, null, null, \(earliest)"
      let feed = "100, 1, 1, '\(highest + 1):\(highest + 1):', \(now), '', ''"
      let cases = [
        ("changes.everything", "\(everything), 0, '', \(earliest), \(id)"),
        ("changes.everything", "\(everything), 4, 'tag-5', \(earliest), \(id)"),
        ("changes.everything", "\(everything), 5, '', \(earliest), \(id)"),
        ("changes.everything", "\(everything), 5, '', \(Int(now)! - 3_600_000_000 * 1000), \(id)"),
        ("changes.new", "\(feed), false, 1, '\(seen)', 1, '\(highest - 10)', '', '', ''"),
        ("changes.new", "\(feed), false, 1, '3:3:', 1, '3', '', '', ''"),
        (
          "changes.new",
          "\(feed), true, 1, '3:3:', 1, '\(highest - 2)', 'post', 'p-7777', ''"
        ),
      ]
      for (name, arguments) in cases {
        let plan = try await Self.plan(name, arguments, on: connection)
        let text = plan.joined(separator: "\n")
        for table in ["posts", "changes", "listings"] {
          #expect(!text.contains("Seq Scan on \(table)"), "\(name) \(arguments)\n\(text)")
        }
        for line in plan where line.contains("rows=") {
          // Where an index is walked, and where something is sorted, it is a page and little more.
          let rows = line.matches(of: /actual rows=([0-9]+)/).compactMap { Int($0.output.1) }
          #expect(rows.allSatisfy { $0 <= 1000 }, "\(line)\n\(text)")
        }
      }
      await connection.close()
    }
  }

  /// The lines of EXPLAIN ANALYZE of a statement, planned for its values as on the pool's
  /// connection for queries. The cursor's feed is taken for ours.
  private static func plan(
    _ name: String, _ arguments: String, on connection: Connection
  ) async throws -> [String] {
    let statement = try #require(ContentAPI.statements.first { $0.name == name })
    let sql = statement.sql.replacing("then 'holds'", with: "or true then 'holds'")
    try await connection.script("set plan_cache_mode = force_custom_plan; set jit = off")
    try await connection.script("prepare feed as " + sql)
    let rows = try await connection.query(
      "explain (analyze, costs off, timing off, summary off) execute feed(\(arguments))")
    try await connection.script("deallocate feed")
    return (0..<rows.count).map { rows.text($0, 0) ?? "" }
  }

  /// Posts with the rows that writing them one by one would have left.
  private static func fill(_ site: Site) async throws {
    // Only what makes their JSON.
    try await site.sql("alter table colophon.posts enable always trigger posts_are_rendered")
    try await site.sql("set session_replication_role = replica")
    // In parts, as each statement has its time.
    for first in stride(from: 1, to: 200_000, by: 20_000) {
      try await site.sql(
        """
        with p as (
          insert into colophon.posts (slug, title, body, status, tags, published_at, counted)
          select 'p-' || n, 'Post ' || n, 'Body', 'published', array['tag-' || n % 50, 'all'],
            timestamptz '2026-03-12T08:00:00Z' - n * interval '1 hour', true
          from generate_series(\(first), \(first + 19_999)) n
          returning id, tags, published_at
        )
        insert into colophon.listings (post_id, tag, published_at, counted)
        select p.id, t.tag, p.published_at, true from p, unnest(p.tags || ''::text) t(tag)
        """)
    }
    for statement in [
      """
      insert into colophon.tags (slug, name)
      select 'tag-' || n, 'Tag ' || n from generate_series(0, 49) n union select 'all', 'All'
      """,
      """
      insert into colophon.counters (tag, shard, posts)
      select l.tag, 0, count(*) from colophon.listings l group by l.tag
      """,
      """
      insert into colophon.changes (era, xid, type, slug, changed_at, was_public)
      select 1, (1000 + n / 100)::text::xid8, 'post', 'p-' || n, p.published_at, true
      from colophon.posts p, lateral (select substr(p.slug, 3)::integer as n) s
      """,
      """
      insert into colophon.changes (era, xid, type, slug, changed_at, was_public)
      select 1, '3001', 'tag', t.slug, colophon.clock(), true from colophon.tags t
      """,
      "set session_replication_role = origin", "analyze",
    ] { try await site.sql(statement) }
  }
}
