import JSON
import Testing

@Suite struct PublishByPatch {
  private static let before = "2026-03-12T08:00:00Z"
  private static let after = "2026-03-12T10:00:00Z"

  /// A post as it is stored before the patch.
  private enum Given: String, CaseIterable {
    case draft, datedDraft, lateDraft, scheduled, published
  }

  private static func json(_ given: Given) -> String {
    switch given {
    case .draft: Site.json(title: "T", status: "draft", tags: ["t"])
    case .datedDraft: Site.json(title: "T", status: "draft", tags: ["t"], at: before)
    case .lateDraft: Site.json(title: "T", status: "draft", tags: ["t"], at: after)
    case .scheduled: Site.json(title: "T", tags: ["t"], at: after)
    case .published: Site.json(title: "T", tags: ["t"], at: before)
    }
  }

  /// What a patch makes of each: status and date, or nil for 422 at /published_at.
  private typealias Outcome = (status: String, date: String?)?

  private static let now = Site.start
  private static let table: [(patch: String, outcomes: [Outcome])] = [
    (
      #"{"status":"published"}"#,
      [
        ("published", now), ("published", before), ("scheduled", after), ("scheduled", after),
        ("published", before),
      ]
    ),
    (
      #"{"status":"published","published_at":null}"#,
      Array(repeating: ("published", now), count: 5)
    ),
    (
      #"{"status":"scheduled"}"#,
      [
        nil, ("published", before), ("scheduled", after), ("scheduled", after),
        ("published", before),
      ]
    ),
    (#"{"status":"scheduled","published_at":null}"#, Array(repeating: nil, count: 5)),
    (
      #"{"status":"draft"}"#,
      [("draft", nil), ("draft", before), ("draft", after), ("draft", after), ("draft", before)]
    ),
    (
      #"{"status":null,"published_at":null}"#, Array(repeating: ("draft", nil), count: 5)
    ),
    (
      #"{"published_at":null}"#,
      [("draft", nil), ("draft", nil), ("draft", nil), nil, ("published", now)]
    ),
    (
      #"{"published_at":"2026-03-12T08:00:00Z"}"#,
      [
        ("draft", before), ("draft", before), ("draft", before), ("published", before),
        ("published", before),
      ]
    ),
    (
      #"{"published_at":"2026-03-12T11:00:00+01:00"}"#,
      [
        ("draft", after), ("draft", after), ("draft", after), ("scheduled", after),
        ("scheduled", after),
      ]
    ),
    (
      #"{"status":"published","published_at":"2026-03-12T10:00:00Z"}"#,
      Array(repeating: ("scheduled", after), count: 5)
    ),
    (
      #"{"status":"scheduled","published_at":"2026-03-12T08:00:00Z"}"#,
      Array(repeating: ("published", before), count: 5)
    ),
  ]

  @Test(arguments: PublishByPatch.table.indices)
  func `publishes, schedules and takes back by status and date`(row: Int) async throws {
    let (patch, outcomes) = Self.table[row]
    try await Site.run { site in
      for (given, outcome) in zip(Given.allCases, outcomes) {
        let slug = given.rawValue.lowercased()
        let stored = try await site.put(slug, json: Self.json(given))
        let answer = try await site.patch(slug, patch)
        guard let outcome else {
          #expect(answer.status == 422, "\(given)")
          #expect(answer.places == ["/published_at"])
          continue
        }
        #expect(answer.json["status"]?.stringValue == outcome.status, "\(given)")
        #expect(answer.json["published_at"]?.stringValue == outcome.date, "\(given)")
        let same =
          stored.json["status"] == answer.json["status"]
          && stored.json["published_at"] == answer.json["published_at"]
        #expect(answer.version == (same ? 1 : 2), "\(given)")
        let isPublic = outcome.status == "published"
        #expect(try await site.get("/v1/posts/" + slug).status == (isPublic ? 200 : 404))
      }
      let shown = try await site.get("/v1/posts?tag=t")
      #expect(shown.total == shown.slugs.count)
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `shows a post when the time has come that a patch gave it`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Self.json(.published))
      let later = try await site.patch("a", #"{"published_at":"2026-03-12T10:00:00Z"}"#)
      #expect(later.json["status"]?.stringValue == "scheduled")
      #expect(try await site.get("/v1/posts?tag=t").total == 0)
      try await site.setClock(Self.after)
      #expect(try await site.get("/v1/posts?tag=t").slugs == ["a"])
      // It has come out by itself: what it was is not what it is, and the patch applies to the latter.
      let same = try await site.patch("a", #"{"status":"published"}"#)
      #expect(same.version == 2)
      let again = try await site.patch("a", #"{"published_at":null}"#)
      #expect(again.status == 200, "a published post has no need of a date")
      #expect(try await site.discrepancies() == [])
    }
  }

  @Test func `keeps what has come out when the clock is set back`() async throws {
    try await Site.run { site in
      _ = try await site.put("a", json: Self.json(.published))
      try await site.setClock("2026-03-12T07:00:00Z")
      let patched = try await site.patch("a", #"{"title":"Other"}"#)
      #expect(patched.json["status"]?.stringValue == "published")
      #expect(try await site.get("/v1/posts?tag=t").total == 1)
      #expect(try await site.discrepancies() == [])
    }
  }
}
