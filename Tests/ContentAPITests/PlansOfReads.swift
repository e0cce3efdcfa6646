import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

/// How PostgreSQL comes by its answers among 200,000 posts.
@Suite struct PlansOfReads {
  private static let posts = 200_000
  private static let limit = 20

  @Test func `walk along an index for a page, and reach what is searched by index`() async throws {
    try await Site.run { site in
      try await Self.fill(site)
      let connection = try await site.connect()
      try await connection.script("set jit = off; set enable_seqscan = off")
      let explained = Explained(connection: connection)

      // Short reads are planned once for all values.
      try await connection.script("set plan_cache_mode = force_generic_plan")
      let short: [(String, [String])] = [
        ("posts.show", ["'post-77777'"]), ("posts.show_any", ["'post-77777'", "false", "null"]),
        ("posts.adjacent", ["'post-77777'", "false"]),
        ("posts.newest", Self.window("''")), ("posts.newest", Self.window("'tenth'")),
        ("posts.newest", Self.window("'rare'")), ("posts.oldest", Self.window("'tenth'", up: true)),
      ]
      for (name, values) in short {
        let plan = try await explained.plan(name, values)
        #expect(plan.scans("posts", by: "Seq Scan") == 0, "\(name)")
        #expect(plan.mostSorted <= Self.limit + 1, "\(name) \(values)")
        #expect(plan.mostRead <= 2 * Self.limit + 4, "\(name) \(values): \(plan.mostRead)")
      }

      // Others for the values that they have.
      try await connection.script("set plan_cache_mode = force_custom_plan")
      let archive = try await explained.plan("posts.archive", [])
      #expect(archive.mostSorted <= 121, "months")
      #expect(archive.nodes.allSatisfy { !$0.type.contains("Seq Scan") })
      #expect(archive.relations == ["listings"])
      for order in ["title", "update", "featuredOrder", "publication"] {
        for descends in [false, true] {
          for tags in [nil, "tenth"] {
            let name = "posts.by_\(order)" + (descends ? ".descending" : "")
            let plan = try await explained.plan(name, Self.filtered(order, descends, tags: tags))
            #expect(plan.scans("posts", by: "Seq Scan") == 0, "\(name) \(tags ?? "")")
            #expect(plan.mostSorted <= Self.limit + 1, "\(name) \(tags ?? ""): \(plan.mostSorted)")
          }
        }
      }

      for (words, number) in [("needle", 20), ("common", 40_000), ("needle -w3", 20)] {
        for (name, end) in [
          ("posts.search.descending", [", 'relevance'"]), ("posts.search_by_title", []),
        ] {
          let values = Self.filtered(
            "title", name.hasSuffix("descending"), tags: nil, counter: false)
          var all = values + ["'\(words)'"]
          if !end.isEmpty {
            all[5] = "'2139095040'"
            all.append("'relevance'")
          }
          let plan = try await explained.plan(name, all)
          #expect(plan.scans("posts", by: "Seq Scan") == 0)
          #expect(plan.scans("search", by: "Seq Scan") == 0)
          #expect(plan.nodes.contains { $0.index == "search_by_word" }, "\(words)")
          #expect(plan.read("search") <= number * 2, "\(words): \(plan.read("search"))")
          #expect(plan.sortsOnlyTop, "\(words)")
        }
      }
      // The newest fifty of each tag are found along the index, and only those of them that show
      // are fetched.
      for name in ["feeds.json", "feeds.atom", "feeds.rss"] {
        for tags in [[""], ["tenth"], ["tenth", "t1", "rare", "none"]] {
          let plan = try await explained.plan(name, Self.feed(tags))
          let whole = plan.nodes.filter { $0.relation != nil && $0.index == nil }
          #expect(whole.allSatisfy { $0.relation == "profile" }, "\(name) \(tags)")
          #expect((3...50).contains(plan.read("posts")), "\(name) \(tags)")
          #expect(plan.read("listings") <= 50 * tags.count + 2, "\(name) \(tags)")
          #expect(plan.mostSorted <= 50 * tags.count, "\(name) \(tags)")
        }
      }
      // A page of a sitemap is where its number says; nothing is sorted but several tags together.
      for (tags, page, walked) in [([""], 2, 10_000), ([""], 40, 200_000), (["tenth"], 4, 20_000)] {
        let plan = try await explained.plan("feeds.sitemap", Self.feed(tags) + ["\(page)", "true"])
        #expect(plan.scans("posts", by: "Seq Scan") == 0)
        #expect(plan.scans("listings", by: "Seq Scan") == 0)
        #expect(plan.read("posts") == 5_000)
        #expect(plan.read("listings") == walked)
        #expect(plan.mostSorted == 0)
      }
      for page in ["1, false", "50000, true"] {
        let plan = try await explained.plan("feeds.sitemap", Self.feed([""]) + [page])
        #expect(plan.read("posts") + plan.read("listings") == 0, "neither index nor 404 walks")
      }
      let ofTags = try await explained.plan(
        "feeds.sitemap_of_tags", Self.feed(["rare", "tenth"]) + ["1", "true"])
      #expect(ofTags.scans("listings", by: "Seq Scan") == 0)
      #expect(ofTags.read("listings") == 20_004)
      #expect(ofTags.read("posts") == 5_000)
      let several = try await explained.plan(
        "posts.by_publication.descending",
        Self.filtered("publication", true, tags: "rare,seldom", counter: false))
      #expect(several.scans("posts", by: "Seq Scan") == 0)
      #expect(several.sortsOnlyTop)
      let related = try await explained.plan("posts.related", ["'post-100000'", "false", "20"])
      #expect(related.scans("posts", by: "Seq Scan") == 0)
      #expect(related.scans("listings", by: "Seq Scan") == 0)
      #expect(related.nodes.contains { $0.index == "listings_in_order" })
      #expect(related.sortsOnlyTop)
      await connection.close()
    }
  }

  /// $1 to $8 of the statements of a list.
  private static func window(_ counter: String, up: Bool = false) -> [String] {
    let key = up ? "'-62135596800000000'" : "'253402300800000001'"
    return [
      "\(limit)", "0", "1", "false", "true", key, "'00000000-0000-0000-0000-000000000000'", counter,
    ]
  }

  /// $1 to $5 of the statements of feeds.
  private static func feed(_ tags: [String]) -> [String] {
    let array = "'{" + tags.map { "\"\($0)\"" }.joined(separator: ",") + "}'"
    return [array, "'https://example.com/'", "''", "'https://api.example.com'", "''"]
  }

  private static func filtered(
    _ order: String, _ descends: Bool, tags: String?, counter: Bool = true
  ) -> [String] {
    var values = window(counter ? "'\(tags ?? "")'" : "null", up: !descends)
    switch order {
    case "title": values[5] = descends ? "'zzzz'" : "''"
    case "featuredOrder": values[5] = descends ? "'2147483648'" : "'0'"
    default: break
    }
    return values + [tags.map { "'{\($0)}'" } ?? "null"] + Array(repeating: "null", count: 8)
  }

  private static func fill(_ site: Site) async throws {
    // Row by row this would take ten times as long.
    let connection = try await site.connect()
    let byWord = try await site.value("select pg_get_indexdef('colophon.search_by_word'::regclass)")
    // One after the other: a connection of the pool that opens now locks the same tables.
    try await connection.script("drop index colophon.search_by_word")
    try await connection.script("alter table colophon.posts disable trigger user")
    try await connection.script(
      """
      insert into colophon.posts (slug, title, derived_excerpt, body, status, featured,
        featured_order, tags, published_at, updated_at, counted)
      select 'post-' || n, 'Title ' || n * 7919 % 50000, 'w' || n % 4999,
        'w' || n % 997 || case when n % 5 = 0 then ' common' else '' end
          || case when n % 10000 = 0 then ' needle' else '' end,
        'published', n % 100 = 0, case when n % 100 = 0 then n / 100 end,
        array['t' || n % 500] || case when n % 10 = 0 then array['tenth'] else '{}' end
          || case when n % 50000 = 0 then array['rare', 'seldom'] else '{}' end,
        timestamptz '\(Site.start)' - n % 3650 * interval '1 day' - n * interval '1 second',
        timestamptz '\(Site.start)' - n * 31 % 3650 * interval '1 day', true
      from generate_series(1, \(posts)) n
      """)
    try await connection.script(
      """
      insert into colophon.listings (post_id, tag, published_at, counted)
      select p.id, t.tag, p.published_at, p.counted
      from colophon.posts p, unnest(p.tags || ''::text) t(tag);
      insert into colophon.counters (tag, shard, posts)
      select l.tag, 3, count(*) from colophon.listings l group by l.tag;
      """)
    try await connection.script(
      """
      insert into colophon.search (post_id, language, tags, words)
      select p.id, 'english', setweight(to_tsvector('english', array_to_string(p.tags, ' ')), 'B'),
        setweight(to_tsvector('english', p.title), 'A')
          || setweight(to_tsvector('english', p.derived_excerpt), 'C')
          || to_tsvector('english', p.body)
      from colophon.posts p;
      alter table colophon.posts enable trigger user
      """)
    try await connection.script(try #require(byWord))
    #expect(
      try await site.value(
        """
        select count(*) from colophon.search s join colophon.posts p on p.id = s.post_id
        where p.slug like 'post-1%00'
          and (s.tags, s.words) is distinct from (colophon.search_tags(s.language, p.tags),
            colophon.search_words(s.language, p.title, p.derived_excerpt, p.body))
        """) == "0")
    try await connection.script("vacuum analyze")
    await connection.close()
  }
}

/// Plans of the program's statements, as they were carried out.
private struct Explained {
  let connection: Connection

  func plan(_ name: String, _ values: [String]) async throws -> Plan {
    let statement = try #require(ContentAPI.statements.first { $0.name == name }, "\(name)")
    try await connection.script("deallocate all")
    _ = try await connection.query("prepare explained as " + statement.sql)
    let arguments = values.isEmpty ? "" : "(" + values.joined(separator: ", ") + ")"
    let rows = try await connection.query(
      "explain (analyze, format json) execute explained" + arguments)
    let text = (0..<rows.count).compactMap { rows.text($0, 0) }.joined(separator: "\n")
    let json = try JSONReader.read(Array(text.utf8).span)
    return Plan(try #require(json.arrayValue?.first?["Plan"]))
  }
}

private struct Plan {
  struct Node {
    let type: String
    let relation: String?
    let index: String?
    /// All loops together, what a filter has taken out too.
    let read: Int
    /// What comes in; of a sort.
    let input: Int
    let method: String?
  }

  private(set) var nodes: [Node] = []

  init(_ root: JSONValue) { add(root) }

  private mutating func add(_ node: JSONValue) {
    func number(_ node: JSONValue?, _ name: String) -> Int {
      guard case .number(let text) = node?[name] else { return 0 }
      return Int(Double(text) ?? 0)
    }
    func total(_ node: JSONValue?) -> Int {
      let rows =
        number(node, "Actual Rows") + number(node, "Rows Removed by Filter")
        + number(node, "Rows Removed by Index Recheck")
      return rows * number(node, "Actual Loops")
    }
    let children = node["Plans"]?.arrayValue ?? []
    nodes.append(
      Node(
        type: node["Node Type"]?.stringValue ?? "", relation: node["Relation Name"]?.stringValue,
        index: node["Index Name"]?.stringValue, read: total(node),
        input: number(
          children.first { $0["Parent Relationship"]?.stringValue == "Outer" }, "Actual Rows"),
        method: node["Sort Method"]?.stringValue))
    for child in children { add(child) }
  }

  func scans(_ relation: String, by type: String) -> Int {
    nodes.count { $0.relation == relation && $0.type == type }
  }

  func read(_ relation: String) -> Int {
    nodes.filter { $0.relation == relation }.map(\.read).max() ?? 0
  }

  var relations: Set<String> { Set(nodes.compactMap(\.relation)) }

  private var sorts: [Node] { nodes.filter { $0.type.hasSuffix("Sort") } }

  /// How many rows the greatest sort got.
  var mostSorted: Int { sorts.map(\.input).max() ?? 0 }

  /// How many rows one node has read of a table.
  var mostRead: Int { nodes.filter { $0.relation != nil }.map(\.read).max() ?? 0 }

  /// Whatever sorts more than a few rows keeps but the first of them.
  var sortsOnlyTop: Bool { sorts.allSatisfy { $0.input <= 130 || $0.method == "top-N heapsort" } }
}
