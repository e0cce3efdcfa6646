import ContentAPI
import HTTP
import Testing

/// What is not public shows nowhere. The requests are made from the routes of the program, so a new
/// route is among them by itself.
@Suite struct Leaks {
  /// Stands in everything that only few may see.
  private static let secret = "quagmire"
  /// A post that was never out, one that comes out, one in the trash; a tag that only they have;
  /// and a public post whose first version was never out.
  private static let slugs = ["draft", "later", "binned", secret, "edited"]
  private static let hidden = ["draft", "later", "binned"]
  /// After the tokens that have expired by then.
  private static let now = "2026-03-20T09:00:00Z"

  @Test func `are there none, on any route, whoever asks and with whatever token`() async throws {
    try await Site.run { site in
      let tokens = try await Self.prepare(site)
      var keys: [(scope: Scope?, lines: [String])] = [(nil, [])]
      for scope in Scope.allCases {
        keys.append((scope, [try await site.makeKey(scope.rawValue, [scope])]))
      }

      // Those who may not see anything of it.
      var requests: [Attempt] = []
      for route in ContentAPI.routes {
        for (scope, lines) in keys where scope != .postsReadDrafts {
          if route.method != .get, route.access == scope.map(Route.Access.scope) { continue }
          requests += Self.requests(route, lines, tokens)
        }
      }
      #expect(requests.count > 2000)
      let seen = try await Self.answers(to: requests, at: site)
      for (request, answer) in zip(requests, seen) {
        // A link repeats the query.
        if !request.line.contains(Self.secret) {
          #expect(!answer.text.contains(Self.secret), "\(request) \(answer.text)")
        }
        #expect(answer.status < 500, "\(request)")
        if request.isForbidden { #expect([401, 403].contains(answer.status), "\(request)") }
        if request.isUnknownParameter {
          #expect([400, 401, 403].contains(answer.status), "\(request)")
        }
      }

      try await Self.compareItems(site, keys, tokens)
      try await Self.useRights(site, keys)

      // What they have seen is what they see when there is nothing hidden at all: the same bytes,
      // tags and times to keep them.
      for slug in Self.hidden { _ = try await site.erase(slug) }
      let without = try await Self.answers(to: requests, at: site)
      for (request, (one, other)) in zip(requests, zip(seen, without)) {
        #expect(one == other, "\(request)")
      }
    }
  }

  private struct Tokens {
    /// By slug: good ones and such that have expired.
    var good: [String: String] = [:]
    var expired: [String: String] = [:]
    /// Of a post that stays hidden all the time.
    var decoy = ""
  }

  private static func prepare(_ site: Site) async throws -> Tokens {
    try await site.publish("public", tags: ["t"])
    _ = try await site.send("POST", "/v1/projects", #"{"name":"P"}"#)
    func json(_ status: String, at date: String? = nil) -> String {
      Site.json(title: "About " + secret, status: status, tags: ["t", secret], at: date)
    }
    _ = try await site.put("draft", json: json("draft"))
    _ = try await site.put("later", json: json("scheduled", at: "2026-06-01T00:00:00Z"))
    _ = try await site.put("binned", json: json("draft"))
    _ = try await site.put("edited", json: json("draft"))
    _ = try await site.put("edited", json: Site.json(title: "Fine"))
    _ = try await site.put("decoy", json: json("draft"))
    var tokens = Tokens()
    for slug in hidden { tokens.expired[slug] = try await site.preview(slug).token }
    try await site.setClock(now)
    for slug in hidden { tokens.good[slug] = try await site.preview(slug).token }
    tokens.decoy = try await site.preview("decoy").token
    _ = try await site.delete("binned")
    return tokens
  }

  /// What somebody tries.
  private struct Attempt: CustomStringConvertible {
    let line: String
    let lines: [String]
    let body: String
    /// It needs another key.
    let isForbidden: Bool
    /// It has a token where no token belongs.
    let isUnknownParameter: Bool

    var description: String {
      line + (lines.contains { $0.hasPrefix("Authorization") } ? " with a key" : "")
    }
  }

  private static func requests(
    _ route: Route, _ lines: [String], _ tokens: Tokens
  ) -> [Attempt] {
    let takesTokens = route.parameters.contains("preview")
    var requests: [Attempt] = []
    for slug in route.template.contains("{slug}") ? slugs : [secret] {
      let path = path(route, slug)
      var queries = [""]
      let probes = [
        ("status", ["draft", "scheduled", "published", "trashed", "all"]), ("tag", [secret, "t"]),
        ("tags_all", [secret]), ("q", [secret, "about"]), ("fields", ["title", "body"]),
        ("published_after", ["2026-04-01T00:00:00Z"]), ("sort", ["title", "name", "-updated_at"]),
      ]
      for (name, values) in probes where route.parameters.contains(name) {
        queries += values.map { "?\(name)=\($0)" }
      }
      let wrong = [tokens.decoy, tokens.expired[slug], takesTokens ? nil : tokens.good[slug], "x"]
      queries += wrong.compactMap { $0 }.map { "?preview=" + $0 }
      let methods: [String] = route.method == .get ? ["GET", "HEAD"] : [route.method.rawValue]
      let type = route.reads.first.map { ["Content-Type: " + $0.essence] } ?? []
      var isForbidden = false
      if case .scope = route.access { isForbidden = route.method != .get }
      for method in methods {
        for query in queries {
          requests.append(
            Attempt(
              line: "\(method) \(path)\(query)", lines: lines + type, body: "{}",
              isForbidden: isForbidden,
              isUnknownParameter: query.hasPrefix("?preview=") && !takesTokens))
        }
      }
    }
    return requests
  }

  private static func path(_ route: Route, _ slug: String) -> String {
    route.template.replacing("{slug}", with: slug).replacing("{version}", with: "1")
      .replacing(/{[a-z]+}/, with: "k")
  }

  /// An answer without what is another each time.
  private struct Seen: Equatable {
    let status: Int
    let text: String
  }

  private static func answers(to requests: [Attempt], at site: Site) async throws -> [Seen] {
    var answers: [Seen] = []
    for request in requests {
      let answer = try await site.send(
        request.line, request.lines + ["X-Request-Id: r"], body: Array(request.body.utf8))
      // How far the feed of changes has got is counted in transactions, of whatever kind.
      let isFeed = request.line.contains(" /v1/changes")
      let volatile = ["RateLimit", "Server-Timing"] + (isFeed ? ["ETag"] : [])
      let fields = answer.fields.filter { !volatile.contains($0.name) }
        .map { $0.name + ": " + $0.value + "\n" }
      let text = isFeed ? answer.text.replacing(/"next_cursor":"[^"]*"/, with: "") : answer.text
      answers.append(Seen(status: answer.status, text: fields.joined() + "\n" + text))
    }
    return answers
  }

  /// GET of each hidden post by everybody.
  private static func compareItems(
    _ site: Site, _ keys: [(scope: Scope?, lines: [String])], _ tokens: Tokens
  ) async throws {
    for slug in hidden {
      let good = try #require(tokens.good[slug])
      let expired = try #require(tokens.expired[slug])
      for (scope, lines) in keys {
        let isEditor = scope == .postsReadDrafts
        for (token, isGood) in [
          (nil, false), (good, true), (expired, false), (tokens.decoy, false), ("x", false),
        ] {
          let answer = try await site.get(
            "/v1/posts/" + slug + (token.map { "?preview=" + $0 } ?? ""), lines)
          let maySee = (isEditor || isGood) && slug != "binned"
          #expect(answer.status == (maySee ? 200 : 404), "\(slug) \(lines) \(token ?? "")")
          #expect(answer.text.contains(secret) == maySee)
          #expect(answer["Cache-Control"]?.hasSuffix("no-store") == true)
          #expect((answer["ETag"] != nil) == maySee)
        }
      }
    }
  }

  /// Those who have the right get what they ask for, and nobody else may keep it.
  private static func useRights(
    _ site: Site, _ keys: [(scope: Scope?, lines: [String])]
  ) async throws {
    let editor = try #require(keys.first { $0.scope == .postsReadDrafts }).lines
    let writer = try #require(keys.first { $0.scope == .postsWrite }).lines
    let routes = ContentAPI.routes.filter { $0.template.hasPrefix("/v1/posts/{slug}") }
    for route in routes where route.access == .scope(.postsReadDrafts) {
      for slug in hidden {
        let answer = try await site.get(path(route, slug), editor)
        #expect(answer.status == (slug == "binned" ? 404 : 200), "\(route.template)")
        #expect(answer.text.contains(secret) == (slug != "binned"))
        #expect(answer["Cache-Control"]?.hasSuffix("no-store") == true)
      }
    }
    for route in routes where route.access == .scope(.postsWrite) {
      for slug in hidden {
        let type = route.reads.first.map { ["Content-Type: " + $0.essence] } ?? []
        let answer = try await site.send(
          "\(route.method.rawValue) \(path(route, slug))", writer + type, body: Array("{}".utf8))
        #expect(![401, 403].contains(answer.status) && answer.status < 500)
        #expect(answer["Cache-Control"]?.hasSuffix("no-store") == true, "\(route.template)")
      }
    }
    let list = try await site.get("/v1/posts?status=all", editor)
    #expect(list.text.contains(secret))
    #expect(list["Cache-Control"] == "private, no-store")
    let revision = try await site.get("/v1/posts/edited/revisions/1", editor)
    #expect(revision.text.contains(secret))
  }
}
