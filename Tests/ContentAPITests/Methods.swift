import ContentAPI
import HTTP
import Testing

@Suite struct Methods {
  /// A field without the time that the answer took, and without the tag of the feed: its cursor
  /// tells which transactions of the whole server are under way, and other tests have some.
  private static func shown(_ name: String, _ value: String, of path: String) -> String {
    name == "Server-Timing" || name == "ETag" && path == "/v1/changes" ? name : "\(name): \(value)"
  }

  @Test func `answer HEAD with the status and fields of GET`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("b", tags: ["t"])
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      let gets = ContentAPI.routes.filter { $0.method == .get }.map {
        $0.template.replacing("{version}", with: "1").replacing(/{[a-z]+}/, with: "a")
      }
      #expect(gets.count >= 3)
      let further = [
        "/v1/posts?tag=t&limit=1", "/v1/posts?limit=0", "/v1/posts?nope", "/v1/posts/draft",
        "/v1/posts/unknown", "/v1/posts/a/restore", "/nowhere",
      ]
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      for path in gets + further {
        for fields in [
          [], site.authorized, ["If-None-Match: *"], ["If-None-Match: " + tag],
          ["If-Match: \"x\""], ["Accept: text/html"], ["Authorization: Bearer x"],
        ] {
          let id = ["X-Request-Id: same"]
          let get = try await site.send("GET " + path, fields + id)
          let head = try await site.send("HEAD " + path, fields + id)
          #expect(head.status == get.status, "\(path) \(fields)")
          let heads = head.fields.map { Self.shown($0.name, $0.value, of: path) }
          let others = get.fields.map { Self.shown($0.name, $0.value, of: path) }
          #expect(heads == others, "\(path) \(fields)")
          // The writer measures it for Content-Length and leaves it out.
          #expect(head.body.count == get.body.count || get.status == 405)
        }
      }
    }
  }

  @Test func `take no content for an empty one`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      for line in ["POST /v1/posts", "PUT /v1/posts/a", "PATCH /v1/posts/a"] {
        let json = try await site.send(line, site.authorized + ["Content-Type: application/json"])
        #expect(json.problem == "malformed-json", "nothing needs a length: \(line)")
        let untyped = try await site.send(line, site.authorized)
        #expect(untyped.problem == "unsupported-media-type")
        #expect(
          untyped.fields.contains { $0.name.hasPrefix("Accept-") },
          "whoever got it wrong learns what is right")
      }
    }
  }

  @Test func `answer 406 when nothing they have is acceptable`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let lines = [
        "GET /v1/posts", "GET /v1/posts/a", "HEAD /v1/posts/a", "GET /openapi.yaml",
        "PATCH /v1/posts/a", "POST /v1/posts/a/restore",
      ]
      for line in lines {
        for accept in ["text/html", "application/*;q=0", "*/*;q=0", "image/png, text/css;q=0.1"] {
          let answer = try await site.send(
            line, site.authorized + ["Accept: " + accept, "Content-Type: application/json"])
          #expect(answer.status == 406, "\(line) \(accept)")
          #expect(answer["Content-Type"] == "application/problem+json")
        }
        let any = try await site.send(
          line,
          site.authorized + ["Accept: text/html, */*;q=0.1", "Content-Type: application/json"])
        #expect(any.status != 406, "\(line)")
      }
      let deletion = try await site.delete("a", ["Accept: text/html"])
      #expect(deletion.status == 204, "no content has no type")
    }
  }
}
