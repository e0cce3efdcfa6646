import ContentAPI
import JSON
import Postgres
import Testing

/// What a static build keeps: everything public, by what the changes feed told of it and nothing
/// else.
struct Mirror: Sendable {
  /// By type and slug, such as `post/a`.
  private(set) var resources: [String: JSONValue] = [:]
  private(set) var cursor: String?
  /// Everything ever told, in order: `+post/a` and `-post/a`.
  private(set) var told: [String] = []
  private(set) var pages = 0
  var limit = 100

  /// Reads until there is nothing new, or so many pages.
  mutating func catchUp(with site: Site, pages: Int = .max) async throws {
    for _ in 0..<pages {
      let answer = try await site.get(path)
      guard answer.status == 200, let next = answer.next else {
        throw UnexpectedAnswer(answer: answer)
      }
      let entries = answer.json["data"]?.arrayValue ?? []
      #expect(entries.count <= limit)
      self.pages += 1
      cursor = next
      if entries.isEmpty { return }
      for entry in entries { take(entry) }
    }
  }

  var path: String { "/v1/changes?limit=\(limit)" + (cursor.map { "&since=" + $0 } ?? "") }

  private mutating func take(_ entry: JSONValue) {
    let names = entry.objectValue?.map(\.name)
    #expect(names == ["type", "change", "slug", "changed_at", "resource"])
    let name = (entry["type"]?.stringValue ?? "?") + "/" + (entry["slug"]?.stringValue ?? "?")
    #expect(entry["changed_at"]?.stringValue?.hasSuffix("Z") == true)
    switch entry["change"]?.stringValue {
    case "upserted":
      #expect(entry["resource"]?.objectValue != nil)
      if name.hasPrefix("post/") || name.hasPrefix("tag/") || name.hasPrefix("project/") {
        #expect(entry["resource"]?["slug"] == entry["slug"])
      }
      resources[name] = entry["resource"]
      told.append("+" + name)
    case "deleted":
      #expect(entry["resource"]?.isNull == true)
      resources[name] = nil
      told.append("-" + name)
    default: Issue.record("\(entry)")
    }
  }

  /// What the rest of the API shows to everybody, one thing after the other.
  static func oracle(_ site: Site) async throws -> [String: JSONValue] {
    var all: [String: JSONValue] = [:]
    for (list, type) in [("posts", "post"), ("tags", "tag"), ("projects", "project")] {
      for page in try await site.walk("/v1/\(list)?limit=100") {
        for slug in page {
          all[type + "/" + slug] = try await site.get("/v1/\(list)/\(slug)").json
        }
      }
    }
    for name in ["profile", "newsletter"] {
      all[name + "/" + name] = try await site.get("/v1/" + name).json
    }
    return all
  }

  /// Asserts that nothing is missing, left over or old.
  func expectEqual(_ oracle: [String: JSONValue], _ comment: String = "") {
    for name in Set(oracle.keys).union(resources.keys).sorted()
    where oracle[name] != resources[name] {
      let here = resources[name].map { "\($0)" } ?? "nothing"
      Issue.record(
        "\(comment) \(name): \(here) instead of \(oracle[name].map { "\($0)" } ?? "nothing")")
    }
  }
}

/// Mirrors under random writes of every kind.
@Suite struct MirrorOfChanges {
  private static let writers = 4
  private static let rounds = 21
  private static let steps = 15

  @Test(arguments: [1, 2, 3, 4])
  func `equals the site after any history`(seed: Int) async throws {
    try await Site.run { site in
      var random = SeededRandom(seed: UInt64(seed))
      var authors = (0..<Self.writers).map { Author(number: $0, seed: UInt64(seed * 100 + $0)) }
      var mirrors = [1, 7, 100].map { limit in
        var mirror = Mirror()
        mirror.limit = limit
        return mirror
      }
      var now = 0
      let stranger = try await site.connect()
      for round in 0..<Self.rounds {
        // A transaction that has a number and stays open holds back whoever looks for the lowest.
        if round % 5 == 1 { try await stranger.script("begin; select pg_current_xact_id()") }
        let progress = Authors(working: Self.writers)
        try await withThrowingTaskGroup(of: Worker.self) { group in
          for author in authors {
            group.addTask {
              var author = author
              for _ in 0..<Self.steps { try await author.write(to: site) }
              await progress.finish()
              return .author(author)
            }
          }
          for mirror in mirrors where mirror.limit > 1 {
            group.addTask {
              var mirror = mirror
              // Also in the middle of what is written, and not always to the end.
              while await progress.goOn { try await mirror.catchUp(with: site, pages: 3) }
              return .mirror(mirror)
            }
          }
          (authors, mirrors) = ([], mirrors.filter { $0.limit == 1 })
          for try await worker in group {
            switch worker {
            case .author(let author): authors.append(author)
            case .mirror(let mirror): mirrors.append(mirror)
            }
          }
        }
        now += random.next(below: 60)
        try await site.setClock(Site.start, plusSeconds: now)
        if round % 5 == 3 { try await stranger.script("rollback") }
        guard round % 4 == 3 || round == Self.rounds - 1 else { continue }
        let oracle = try await Mirror.oracle(site)
        for index in mirrors.indices {
          try await mirrors[index].catchUp(with: site)
          mirrors[index].expectEqual(oracle, "limit \(mirrors[index].limit), round \(round)")
        }
      }
      await stranger.close()

      // Everything comes out in the end, by itself.
      try await site.setClock("2026-03-20T00:00:00Z")
      let oracle = try await Mirror.oracle(site)
      #expect(oracle.count > 30)
      var late = Mirror()
      try await late.catchUp(with: site)
      late.expectEqual(oracle, "from the start")
      #expect(late.told.allSatisfy { $0.hasPrefix("+") })
      #expect(Set(late.told).count == late.told.count, "everything once")
      for var mirror in mirrors {
        try await mirror.catchUp(with: site)
        mirror.expectEqual(oracle, "in the end")
        #expect(!mirror.told.contains { $0.contains("secret") })
      }
      #expect(late.told.allSatisfy { !$0.contains("secret") })
      #expect(mirrors.map { $0.told.count { $0.hasPrefix("-") } }.allSatisfy { $0 > 50 })
      let statuses = authors.reduce(into: [:]) { $0.merge($1.statuses, uniquingKeysWith: +) }
      #expect(statuses.values.reduce(0, +) == Self.writers * Self.rounds * Self.steps)
      #expect(statuses.keys.allSatisfy { $0 < 500 }, "\(statuses)")
    }
  }

  private enum Worker: Sendable {
    case author(Author)
    case mirror(Mirror)
  }

  private actor Authors {
    private var working: Int
    var goOn: Bool { working > 0 }

    init(working: Int) { self.working = working }

    func finish() { working -= 1 }
  }
}

/// Somebody who writes whatever there is to write, on things that the others write too.
private struct Author: Sendable {
  private(set) var statuses: [Int: Int] = [:]
  private let number: Int
  private var random: SeededRandom
  private static let tags = ["a", "b", "c", "d", "e", "f"]

  init(number: Int, seed: UInt64) {
    self.number = number
    random = SeededRandom(seed: seed)
  }

  private mutating func slug() -> String { "p\(random.next(below: 30))" }
  private mutating func tag() -> String { Self.tags[random.next(below: Self.tags.count)] }
  private mutating func title() -> String { "T\(random.next(below: 5))" }

  /// Up to the end of the history, around now most of the time.
  private mutating func date() -> String {
    let minute = random.next(below: 25)
    return "2026-03-12T09:\(minute < 10 ? "0" : "")\(minute):\(random.next(below: 50) + 10)Z"
  }

  mutating func write(to site: Site) async throws {
    let answer = try await answer(of: site)
    statuses[answer.status, default: 0] += 1
    if answer.status >= 500 { Issue.record("\(answer.text)") }
  }

  private mutating func answer(of site: Site) async throws -> Answer {
    let slug = slug()
    switch random.next(below: 40) {
    case 0..<12: return try await site.put(slug, json: post())
    case 12..<15: return try await site.post(json: post())
    case 15..<19:
      let status = ["draft", "published"][random.next(below: 2)]
      return try await site.patch(slug, #"{"status":"\#(status)"}"#)
    case 19..<21: return try await site.patch(slug, #"{"title":"\#(title())"}"#)
    case 21..<23:
      return try await site.patch(
        slug, #"{"status":"scheduled","published_at":"\#(date())"}"#)
    case 23..<26: return try await site.patch(slug, #"{"slug":"\#(self.slug())"}"#)
    case 26..<29: return try await site.delete(slug)
    case 29..<31: return try await site.restore(slug)
    case 31..<33: return try await site.delete(path: "/v1/posts/\(slug)?permanently=true")
    case 33:
      return try await site.send("PATCH", "/v1/tags/" + tag(), #"{"slug":"\#(tag())"}"#)
    case 34:
      let json = #"{"description":"\#(title())"}"#
      return try await site.send("PATCH", "/v1/tags/" + tag(), json)
    case 35: return try await site.delete(path: "/v1/tags/" + tag())
    case 36:
      let project = "/v1/projects/j\(random.next(below: 4))"
      let json = #"{"name":"\#(title())","tags":["\#(tag())"]}"#
      return try await site.send("PUT", project, json)
    case 37:
      let project = "/v1/projects/j\(random.next(below: 4))"
      return random.next(below: 2) == 0
        ? try await site.delete(path: project)
        : try await site.send("PATCH", project, #"{"slug":"j\#(random.next(below: 4))"}"#)
    case 38:
      return random.next(below: 2) == 0
        ? try await site.send("PATCH", "/v1/profile", #"{"name":"\#(title())"}"#)
        : try await site.send("PUT", "/v1/newsletter", #"{"name":"\#(title())"}"#)
    default:
      // What nobody ever sees: drafts, and what would come out long after the end.
      let secret = "secret-\(random.next(below: 3))"
      switch random.next(below: 3) {
      case 0: return try await site.delete(path: "/v1/posts/\(secret)?permanently=true")
      case 1:
        return try await site.put(
          secret, json: Site.json(title: title(), status: "draft", tags: ["secret"]))
      default:
        let json = Site.json(
          title: title(), status: "scheduled", tags: ["secret"], at: "2099-01-01T00:00:00Z")
        return try await site.put(secret, json: json)
      }
    }
  }

  private mutating func post() -> String {
    let status = ["published", "published", "scheduled", "draft"][random.next(below: 4)]
    let tags = Self.tags.filter { _ in random.next(below: 4) == 0 }
    let isDated = status == "scheduled" || random.next(below: 3) == 0
    return Site.json(title: title(), status: status, tags: tags, at: isDated ? date() : nil)
  }
}
