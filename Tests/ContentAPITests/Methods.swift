import ContentAPI
import HTTP
import Testing

@Suite struct Methods {
  /// Every path with its `Allow`, and a path that stands for it.
  private static let paths: [(template: String, path: String, allow: String)] = [
    ("/v1/posts", "/v1/posts", "GET, HEAD, POST, OPTIONS"),
    ("/v1/posts/{slug}", "/v1/posts/a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
    ("/v1/posts/{slug}/restore", "/v1/posts/a/restore", "POST, OPTIONS"),
    ("/openapi.yaml", "/openapi.yaml", "GET, HEAD, OPTIONS"),
  ]

  @Test func `are allowed where Allow says so, and nowhere else`() async throws {
    try await Site.run { site in
      for (template, path, allow) in Self.paths {
        let routes = ContentAPI.routes.filter { $0.template == template }
        #expect(!routes.isEmpty, "\(template)")
        let allowed = allow.split(separator: ", ").map(String.init)
        for method in Method.allCases where method != .connect {
          let answer = try await site.send("\(method.rawValue) \(path)")
          if allowed.contains(method.rawValue) {
            #expect(answer.status != 405, "\(method) \(path)")
            #expect(answer.status == 204 || answer["Allow"] == nil)
          } else {
            #expect(answer.status == 405, "\(method) \(path)")
            #expect(answer.problem == "method-not-allowed")
            #expect(answer["Allow"] == allow)
          }
        }
        for method in ["get", "Get", "PROPFIND", "PURGE", "QUERY"] {
          let answer = try await site.send("\(method) \(path)")
          #expect(answer.problem == "not-implemented", "\(method)")
        }
      }
      for method in Method.allCases where method != .connect {
        #expect(try await site.send("\(method.rawValue) /v1/nothing").status == 404)
      }
    }
  }

  @Test func `are told by OPTIONS with what they read`() async throws {
    try await Site.run { site in
      let content = "application/json, text/markdown"
      for (_, path, allow) in Self.paths {
        let answer = try await site.send("OPTIONS " + path)
        #expect(answer.status == 204)
        #expect(answer.body == [])
        #expect(answer["Allow"] == allow)
        #expect(answer["Accept-Post"] == (path == "/v1/posts" ? content : nil))
        #expect(answer["Accept-Put"] == (path == "/v1/posts/a" ? content : nil))
        #expect(
          answer["Accept-Patch"]
            == (path == "/v1/posts/a" ? "application/merge-patch+json, application/json" : nil))
        #expect(answer["X-Request-Id"] != nil)
      }
      let anywhere = try await site.send("OPTIONS *")
      #expect(anywhere.status == 204)
      #expect(anywhere["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
      #expect(!anywhere.fields.contains { $0.name.hasPrefix("Accept-") })
    }
  }

  @Test func `answer HEAD with the status and fields of GET`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("b", tags: ["t"])
      _ = try await site.put("draft", json: #"{"title":"T","body":"B"}"#)
      let gets = ContentAPI.routes.filter { $0.method == .get }.map {
        $0.template.replacing("{slug}", with: "a")
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
          let (heads, others) = (head.fields.map { "\($0)" }, get.fields.map { "\($0)" })
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
        for accept in ["text/html", "application/*;q=0", "*/*;q=0", "image/png, text/*;q=0.1"] {
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
