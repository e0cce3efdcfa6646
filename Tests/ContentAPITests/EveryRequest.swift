import JSON
import Testing

@Suite struct EveryRequest {
  @Test func `gets 404 for an unknown path, whatever the method`() async throws {
    try await Site.run { site in
      for path in [
        "/", "/v1", "/v1/", "/v1/posts/a/b", "//v1/posts", "/V1/posts", "/v1/tags/a/b", "/livez",
      ] {
        for method in ["GET", "HEAD", "POST", "PATCH", "TRACE", "QUERY", "OPTIONS"] {
          let answer = try await site.send("\(method) \(path)")
          #expect(answer.status == 404, "\(method) \(path)")
          #expect(answer.problem == "not-found")
        }
      }
    }
  }

  @Test func `gets 405 with exactly the methods of the path`() async throws {
    try await Site.run { site in
      let allowed = [
        "/v1/posts": "GET, HEAD, POST, OPTIONS",
        "/v1/posts/a": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
        "/v1/posts/a/restore": "POST, OPTIONS",
        "/v1/posts/a/revisions": "GET, HEAD, OPTIONS",
        "/v1/posts/a/revisions/1": "GET, HEAD, OPTIONS",
        "/v1/posts/a/revisions/1/restore": "POST, OPTIONS",
        "/v1/posts/a/previews": "POST, OPTIONS",
        "/openapi.yaml": "GET, HEAD, OPTIONS",
        "/docs": "GET, HEAD, OPTIONS",
      ]
      for (path, allow) in allowed {
        for method in [
          "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY",
        ] {
          let answer = try await site.send("\(method) \(path)")
          let isAllowed = allow.split(separator: ", ").contains { $0 == method }
          #expect((answer.status == 405) == !isAllowed, "\(method) \(path)")
          if !isAllowed {
            #expect(answer["Allow"] == allow)
            #expect(answer.problem == "method-not-allowed")
          }
        }
      }
    }
  }

  @Test func `may ask for the methods with OPTIONS`() async throws {
    try await Site.run { site in
      let posts = try await site.send("OPTIONS /v1/posts")
      #expect(posts.status == 204)
      #expect(posts.body.isEmpty)
      #expect(posts["Allow"] == "GET, HEAD, POST, OPTIONS")
      #expect(posts["Accept-Post"] == "application/json, text/markdown")
      #expect(posts["Accept-Put"] == nil)
      let post = try await site.send("OPTIONS /v1/posts/any-slug")
      #expect(post["Allow"] == "GET, HEAD, PUT, PATCH, DELETE, OPTIONS")
      #expect(post["Accept-Patch"] == "application/merge-patch+json, application/json")
      #expect(post["Accept-Put"] == "application/json, text/markdown")
      #expect(post["Accept-Post"] == nil)
      let server = try await site.send("OPTIONS *")
      #expect(server.status == 204)
      #expect(server["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
      #expect(!server.fields.contains { $0.name.hasPrefix("Accept-") })
    }
  }

  @Test func `gets 501 for a method that HTTP does not know`() async throws {
    try await Site.run { site in
      for method in ["get", "PURGE", "Post"] {
        let answer = try await site.send("\(method) /v1/posts")
        #expect(answer.status == 501)
        #expect(answer.problem == "not-implemented")
        #expect(answer["X-Request-Id"] != nil)
      }
    }
  }

  @Test func `is not what a method-override field says`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let lines = site.authorized + ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE"]
      #expect(try await site.get("/v1/posts/a", lines).status == 200)
      #expect(try await site.get("/v1/posts/a").status == 200)
    }
  }

  @Test func `keeps its own id where that is sane, and gets one where it is not`() async throws {
    try await Site.run { site in
      let longest = String(repeating: "x", count: 128)
      for id in ["a", "build-4711", "!~{}\"'\\", longest] {
        for path in ["/v1/posts", "/none"] {
          let answer = try await site.get(path, ["X-Request-Id: " + id])
          #expect(answer["X-Request-Id"] == id)
          if path == "/none" { #expect(answer.json["instance"]?.stringValue == id) }
        }
      }
      let insane: [[String]] = [
        [], [""], ["a b"], [longest + "x"], ["ä"], ["a\u{80}"], ["a", "b"], ["a\tb"],
      ]
      var made: Set<String> = []
      for ids in insane {
        let answer = try await site.get("/none", ids.map { "X-Request-Id: " + $0 })
        let id = try #require(answer["X-Request-Id"])
        #expect(id.hasPrefix("ab") && id.utf8.count == 14, "\(ids)")
        #expect(answer.json["instance"]?.stringValue == id)
        made.insert(id)
      }
      #expect(made.count == insane.count, "no two requests have one id")
    }
  }

  @Test func `gets every problem as the same document`() async throws {
    try await Site.run { site in
      let answers = [
        try await site.get("/none"), try await site.get("/v1/posts?x=1"),
        try await site.send("PATCH /v1/posts"), try await site.send("DELETE /v1/posts/a"),
        try await site.get("/v1/posts", ["Accept: text/html"]), try await site.post(json: "{"),
        try await site.post(json: "{}"), try await site.send("BREW /v1/posts"),
      ]
      for answer in answers {
        let names = answer.json.objectValue?.map(\.name) ?? []
        #expect(names.prefix(5) == ["type", "title", "status", "detail", "instance"])
        #expect(answer.json["status"]?.integerValue == answer.status)
        #expect(answer.json["instance"]?.stringValue == answer["X-Request-Id"])
        #expect(answer["Content-Type"] == "application/problem+json")
        #expect(answer["Cache-Control"] == "no-store")
        #expect(answer["X-Content-Type-Options"] == "nosniff")
        #expect(answer.json["detail"]?.stringValue?.hasSuffix(".") == true, "\(answer.text)")
      }
    }
  }

  @Test func `may read the contract`() async throws {
    try await Site.run { site in
      let answer = try await site.get("/openapi.yaml")
      #expect(answer.status == 200)
      #expect(answer["Content-Type"] == "application/yaml")
      #expect(answer.text.hasPrefix("openapi: 3.1.0"))
      #expect(answer["Cache-Control"]?.hasPrefix("public") == true)
      let tag = try #require(answer["ETag"])
      #expect(try await site.get("/openapi.yaml", ["If-None-Match: " + tag]).status == 304)
      let keyed = try await site.get("/openapi.yaml", site.authorized)
      #expect(keyed["Cache-Control"] == "private, no-store")
      #expect(try await site.get("/openapi.yaml?x=1").status == 400)
    }
  }
}
