import ContentAPI
import HTTP
import JSON
import Postgres
import Testing

@Suite struct DryRuns {
  /// A write that succeeds, for each route; then one that is refused by what is stored.
  private static let writes: [(method: String, template: String, slug: String, json: String?)] = [
    ("POST", "/v1/posts", "", #"{"title":"New","body":"B","status":"published","tags":["n"]}"#),
    ("POST", "/v1/posts", "", #"{"title":"New","body":"B","slug":"a"}"#),
    ("PUT", "/v1/posts/{slug}", "new", #"{"title":"New","body":"B","tags":["n"]}"#),
    ("PUT", "/v1/posts/{slug}", "a", #"{"title":"Else","body":"B","status":"published"}"#),
    ("PUT", "/v1/posts/{slug}", "trashed", #"{"title":"Else","body":"B","status":"published"}"#),
    ("PATCH", "/v1/posts/{slug}", "a", #"{"slug":"renamed","tags":["x","y"]}"#),
    ("PATCH", "/v1/posts/{slug}", "a", "{}"),
    ("PATCH", "/v1/posts/{slug}", "none", "{}"),
    ("DELETE", "/v1/posts/{slug}", "a", nil),
    ("DELETE", "/v1/posts/{slug}", "none", nil),
    ("POST", "/v1/posts/{slug}/restore", "trashed", nil),
    ("POST", "/v1/posts/{slug}/restore", "a", nil),
    ("POST", "/v1/posts/{slug}/revisions/{version}/restore", "a", nil),
    ("POST", "/v1/posts/{slug}/previews", "a", nil),
    ("PUT", "/v1/tags/{slug}", "t", #"{"name":"T"}"#),
    ("PUT", "/v1/tags/{slug}", "new", #"{"name":"T"}"#),
    ("PATCH", "/v1/tags/{slug}", "t", #"{"slug":"u"}"#),
    ("PATCH", "/v1/tags/{slug}", "none", #"{"name":"u"}"#),
    ("DELETE", "/v1/tags/{slug}", "t", nil),
    ("POST", "/v1/projects", "", #"{"name":"Q"}"#),
    ("POST", "/v1/projects", "", #"{"name":"Q","slug":"p"}"#),
    ("PUT", "/v1/projects/{slug}", "p", #"{"name":"Q"}"#),
    ("PUT", "/v1/projects/{slug}", "q", #"{"name":"Q"}"#),
    ("PATCH", "/v1/projects/{slug}", "p", #"{"slug":"q"}"#),
    ("DELETE", "/v1/projects/{slug}", "p", nil),
    ("PUT", "/v1/profile", "", #"{"name":"N"}"#),
    ("PATCH", "/v1/profile", "", #"{"role":"R"}"#),
    ("PUT", "/v1/newsletter", "", #"{"name":"N"}"#),
    ("DELETE", "/v1/newsletter/subscriptions/{id}", "", nil),
  ]

  @Test func `answer as the write would, and leave no trace`() async throws {
    let routes = Set(
      ContentAPI.routes.filter { $0.parameters.contains("dry_run") }
        .map { $0.method.rawValue + " " + $0.template })
    let changing = ContentAPI.routes.filter {
      ["POST", "PUT", "PATCH", "DELETE"].contains($0.method.rawValue)
    }
    #expect(routes.count == changing.filter { $0.access != .everyone }.count)
    for template in Set(Self.writes.map { $0.method + " " + $0.template }) {
      #expect(routes.contains(template))
    }
    for (number, write) in Self.writes.enumerated() {
      try await Site.run { site in
        try await site.publish("a", tags: ["t"])
        try await site.publish("trashed", tags: ["t"])
        _ = try await site.delete("trashed")
        // Comes due, so that a write has something to count.
        try await site.publish("due", tags: ["t"], at: "2026-03-12T09:30:00Z")
        try await site.setClock("2026-03-12T10:00:00Z")
        _ = try await site.send("POST", "/v1/projects", #"{"name":"P"}"#)
        let subscription = try await site.value(
          """
          insert into colophon.subscriptions (email, address) values ('a@b.example', 'a@b.example')
          returning id
          """)
        let before = try await Self.everything(site)
        let path = write.template.replacing("{slug}", with: write.slug)
          .replacing("{id}", with: subscription ?? "").replacing("{version}", with: "1")
        func send(_ query: String, _ lines: [String]) async throws -> Answer {
          try await site.send(
            "\(write.method) \(path)\(query)",
            site.authorized + (write.json == nil ? [] : ["Content-Type: application/json"]) + lines,
            body: Array((write.json ?? "").utf8))
        }
        let key = ["Idempotency-Key: k"]
        let dry = try await send("?dry_run=true", key)
        #expect(try await Self.everything(site) == before, "\(number)")
        // Nor does a second one find anything of the first, nor a key.
        let again = try await send("?dry_run=true", key)
        #expect(again.status == dry.status)
        #expect(again["Idempotent-Replayed"] == nil && again["Idempotency-Key"] == nil)
        let outcome = try await site.get("/v1/idempotency/k", site.authorized)
        #expect(outcome.status == 404)

        let real = try await send("?dry_run=false", key)
        #expect(dry.status == real.status, "\(number): \(dry.text)")
        #expect(dry.json.objectValue?.map(\.name) == real.json.objectValue?.map(\.name))
        if real.status < 400 {
          for name in ["Location", "Content-Location", "ETag", "Last-Modified"] {
            #expect(dry[name] == nil, "\(number) \(name)")
          }
          #expect(dry["Content-Type"] == real["Content-Type"])
          for name in ["title", "slug", "tags", "name", "version", "status", "posts_count"] {
            #expect(dry.json[name] == real.json[name], "\(number) \(name)")
          }
        } else {
          #expect(dry.problem == real.problem)
        }
        if real.status < 400, write.json != "{}" {
          #expect(try await Self.everything(site) != before, "\(number): the same is something")
        }
        #expect(try await site.discrepancies() == [])
      }
    }
    let missed = routes.subtracting(Self.writes.map { $0.method + " " + $0.template })
    #expect(missed.isEmpty, "every write is tried")
  }

  /// All rows of all tables, but for when a key was last seen.
  private static func everything(_ site: Site) async throws -> [String] {
    let tables = try await site.sql(
      """
      select c.relname from pg_class c
      where c.relnamespace = 'colophon'::regnamespace and c.relkind = 'r' order by 1
      """)
    var all: [String] = []
    for row in 0..<tables.count {
      let table = tables.text(row, 0) ?? ""
      let content = table == "api_keys" ? "t.id" : "t::text"
      let rows = try await site.value(
        "select string_agg(\(content), e'\\n' order by \(content)) from colophon.\(table) t")
      all.append(table + ": " + (rows ?? ""))
    }
    return all
  }

  @Test func `are refused as other writes are`() async throws {
    try await Site.run { site in
      let json = Site.json(title: "T")
      func post(_ query: String, _ lines: [String]) async throws -> Answer {
        try await site.send(
          "POST /v1/posts?" + query, ["Content-Type: application/json"] + lines,
          body: Array(json.utf8))
      }
      #expect(try await post("dry_run=true", []).status == 401)
      #expect(
        try await post("dry_run=true", ["Authorization: Bearer " + site.reader]).status == 403)
      for query in ["dry_run=", "dry_run=1", "dry_run=TRUE", "dry_run=true&dry_run=true"] {
        let answer = try await post(query, site.authorized)
        #expect(answer.status == 400, "\(query)")
        #expect(answer.places == ["?dry_run"], "\(query)")
      }
      let both = try await site.send(
        "DELETE /v1/posts/a?dry_run=maybe&permanently=maybe&x=1", site.authorized)
      #expect(Set(both.places) == ["?dry_run", "?permanently", "?x"])
      #expect(try await site.get("/v1/posts?dry_run=true").status == 400)
      try await site.publish("a")
      let stale = try await site.send(
        "DELETE /v1/posts/a?dry_run=true", site.authorized + ["If-Match: \"9-x\""])
      #expect(stale.status == 412)
      #expect(stale["ETag"] != nil, "what is there has one")
      let erase = try await site.send(
        "DELETE /v1/posts/a?permanently=true&dry_run=true", site.authorized)
      #expect(erase.status == 204)
      #expect(try await site.get("/v1/posts/a").status == 200)
    }
  }
}
