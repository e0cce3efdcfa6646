import ContentAPI
import HTTP
import JSON
import Testing

/// openapi.yaml and the program say the same.
@Suite struct OpenAPI {
  private let contract: OpenAPIDocument
  private let document: YAML

  init() throws {
    contract = try OpenAPIDocument(try Repository.bytes("openapi.yaml"))
    document = contract.root
  }

  @Test func `has the routes of the program and no others`() throws {
    var described: Set<String> = []
    for path in document["paths"]?.names ?? [] {
      for method in document.at("paths", path)?.names ?? [] {
        described.insert(method.uppercased() + " " + path)
      }
    }
    var routes: Set<String> = []
    for route in ContentAPI.routes {
      routes.insert(route.method.rawValue + " " + route.template)
      if route.method == .get { routes.insert("HEAD " + route.template) }
    }
    #expect(described == routes)
  }

  @Test func `has the query parameters, scopes and media types of every route`() throws {
    for route in ContentAPI.routes {
      for method in route.method == .get ? ["get", "head"] : [route.method.rawValue.lowercased()] {
        let operation = try #require(document.at("paths", route.template, method))
        var parameters: [String] = []
        var variables: [String] = []
        for element in operation["parameters"]?.elements ?? [] {
          let parameter = try #require(resolve(element))
          let name = try #require(parameter["name"]?.text)
          switch parameter["in"]?.text {
          case "query": parameters.append(name)
          case "path": variables.append(name)
          default: break
          }
        }
        #expect(parameters == route.parameters, "\(method) \(route.template)")
        let inTemplate = route.template.matches(of: /{([a-z]+)}/).map { String($0.output.1) }
        #expect(variables == inTemplate, "\(method) \(route.template)")

        let security = operation["security"]?.elements ?? []
        let scopes = security.flatMap { $0["key"]?.elements.compactMap(\.text) ?? [] }
        switch route.access {
        case .scope(let scope): #expect(scopes == [scope.rawValue])
        case .principal: #expect(security.count == 1 && scopes.isEmpty && security[0]["key"] != nil)
        case .everyone: #expect(security.contains { $0.names.isEmpty }, "\(route.template)")
        }

        let body = operation["requestBody"].flatMap(resolve)
        #expect(body?["content"]?.names ?? [] == route.reads.map(\.essence))
        if method != "head", let type = route.writes {
          for (status, response) in try responses(operation) where status.hasPrefix("2") {
            let types = [type] + route.alternatives
            #expect(response["content"]?.names == types.map(\.essence), "\(route.template)")
          }
        }
      }
    }
  }

  @Test func `has an example for every operation with content`() throws {
    for path in document["paths"]?.names ?? [] {
      for method in document.at("paths", path)?.names ?? [] {
        let operation = try #require(document.at("paths", path, method))
        var contents = try responses(operation).compactMap { $0.response["content"] }
        if let body = operation["requestBody"].flatMap(resolve)?["content"] {
          contents.append(body)
        }
        for content in contents {
          for type in content.names {
            let names = content[type]?.names ?? []
            #expect(names.contains("example") || names.contains("examples"), "\(method) \(path)")
          }
        }
        #expect(operation["operationId"]?.text?.isEmpty == false)
      }
    }
  }

  @Test func `has a refusal for want of quota with every operation`() throws {
    for path in document["paths"]?.names ?? [] {
      for method in document.at("paths", path)?.names ?? [] {
        let refusal = try #require(
          document.at("paths", path, method, "responses", "429").flatMap(resolve))
        let names = refusal["headers"]?.names ?? []
        #expect(Set(names).isSuperset(of: ["RateLimit", "RateLimit-Policy", "Retry-After"]))
        #expect((refusal["content"] == nil) == (method == "head"))
      }
    }
  }

  @Test func `refers to nothing that is not there`() throws {
    var references = 0
    for mapping in document.mappings {
      guard mapping["$ref"] != nil else { continue }
      references += 1
      #expect(resolve(mapping) != nil, "\(mapping["$ref"]?.text ?? "")")
    }
    #expect(references > 50)
  }

  @Test func `has the problem types of the program and no others`() throws {
    let types = document["x-problem-types"]?.elements ?? []
    #expect(types.map { $0["slug"]?.text } == Problem.Kind.allCases.map(\.rawValue))
    for (type, kind) in zip(types, Problem.Kind.allCases) {
      #expect(type["status"]?.text == String(kind.status), "\(kind)")
      #expect(type["title"]?.text == kind.title, "\(kind)")
      #expect(type["when"]?.text?.isEmpty == false)
      #expect(type["remedy"]?.text?.isEmpty == false)
    }
  }

  @Test func `has problems in its examples as the program tells them`() throws {
    var seen: Set<String> = []
    for mapping in document.mappings {
      guard let type = mapping["type"]?.text, type.hasPrefix("urn:colophon:problem:") else {
        continue
      }
      let kind = try #require(Problem.Kind.allCases.first { $0.type == type }, "\(type)")
      #expect(mapping["title"]?.text == kind.title)
      #expect(mapping["status"]?.text == String(kind.status))
      let names = Set(mapping.names)
      #expect(names.isSuperset(of: ["type", "title", "status", "detail", "instance"]))
      #expect(
        names.isSubset(of: [
          "type", "title", "status", "detail", "instance", "errors", "offset", "violated_policies",
        ]))
      #expect(names.contains("violated_policies") == (kind == .quotaExceeded))
      #expect(names.contains("offset") == (kind == .malformedJSON))
      seen.insert(type)
    }
    #expect(seen.count >= 10)
  }

  @Test func `has the scopes of keys`() throws {
    let text = try Repository.text("openapi.yaml")
    #expect(Set(scopes(in: text)) == Set(Scope.allCases.map(\.rawValue)))
  }

  @Test func `has the members that posts and lists have, in their order`() async throws {
    let post = try #require(document.at("components", "examples", "Post", "value"))
    let list = try #require(
      document.at(
        "paths", "/v1/posts", "get", "responses", "200", "content", "application/json", "example"))
    // PostSummary says of PostMembers which are always there.
    let members = try #require(document.at("components", "schemas", "PostMembers", "properties"))
    let summary = try #require(
      document.at("components", "schemas", "PostSummary", "allOf")?.elements.last)
    let write = try #require(document.at("components", "schemas", "PostWrite", "properties")).names
    try await Site.run { site in
      func names(_ value: JSONValue?) -> [String] { value?.objectValue?.map(\.name) ?? [] }
      let created = try await site.publish("a", tags: ["t"])
      #expect(names(created.json) == post.names)
      let page = try await site.get("/v1/posts").json
      #expect(names(page) == list.names)
      #expect(names(page["meta"]) == list["meta"]?.names)
      #expect(names(page["data"]?.arrayValue?.first) == list["data"]?.elements.first?.names)
      #expect(
        summary["required"]?.elements.compactMap(\.text) == list["data"]?.elements.first?.names)
      #expect(
        members.names.filter { $0 != "body" } == summary["required"]?.elements.compactMap(\.text))

      // What may be written is what is not refused as unknown or read-only.
      for name in Set(post.names + write) {
        let answer = try await site.post(json: "{\"\(name)\":false}")
        let detail = answer.json["errors"]?.arrayValue?.first {
          $0["pointer"]?.stringValue == "/" + name
        }?["detail"]?.stringValue
        let isReadOnly = detail?.contains("read-only") == true
        #expect(isReadOnly == !write.contains(name), "\(name)")
        #expect(detail?.contains("unknown") != true, "\(name)")
      }
    }
  }

  @Test func `has the examples of its request bodies accepted`() async throws {
    let content = try #require(document.at("components", "requestBodies", "Post", "content"))
    let markdown = try #require(content.at("text/markdown", "example")?.text)
    let json = try #require(content.at("application/json", "example"))
    try await Site.run { site in
      let first = try await site.put("page-four-hundred", markdown: markdown)
      #expect(first.status == 201, "\(first.text)")
      var writer = JSONWriter()
      Self.write(json, to: &writer)
      let second = try await site.put(
        "page-four-hundred", json: String(decoding: writer.bytes, as: UTF8.self))
      #expect(second.status == 200, "\(second.text)")
      #expect(second["ETag"] == first["ETag"], "both examples are of one post")
    }
  }

  @Test func `has the header fields of the answers`() async throws {
    try await Site.run { site in
      let json = Site.json(title: "T")
      let stale = ["If-Match: \"9-0\""]
      let reader = ["Authorization: Bearer " + site.reader]
      let key = ["Idempotency-Key: k"]
      let outcome = "/v1/idempotency/{key}"
      let horizon = try #require(FeedCursor.Horizon(era: 1, snapshot: "3:3:"))
      let otherCursor = FeedCursor(
        feed: 0, progress: .changes(seen: horizon), due: ["0", "", ""]
      ).text
      let revisions = "/v1/posts/{slug}/revisions"
      let signUps = Site.signUpPath
      try await site.publish("a")
      let links = try await site.invite("reader@example.com")
      _ = try await site.invite("leaver@example.com")
      let id = try #require(
        try await site.value(
          "select id from colophon.subscriptions where email = 'leaver@example.com'"))
      let answers: [(String, String, Answer)] = [
        ("get", "/v1/posts", try await site.get("/v1/posts")),
        ("head", "/v1/posts", try await site.send("HEAD /v1/posts")),
        ("get", "/v1/posts", try await site.get("/v1/posts", ["If-None-Match: *"])),
        ("get", "/v1/posts", try await site.get("/v1/posts?limit=0")),
        ("get", "/v1/posts", try await site.get("/v1/posts", ["Authorization: x"])),
        ("get", "/v1/posts", try await site.get("/v1/posts", ["Accept: text/html"])),
        ("get", "/v1/posts", try await site.send("PATCH /v1/posts")),
        ("post", "/v1/posts", try await site.post(json: json)),
        ("post", "/v1/posts", try await site.post(json: "{")),
        ("post", "/v1/posts", try await site.post(json: "{}")),
        ("post", "/v1/posts", try await site.send("POST /v1/posts")),
        ("post", "/v1/posts", try await site.send("POST /v1/posts", reader)),
        ("post", "/v1/posts", try await site.send("POST /v1/posts", site.authorized)),
        ("post", "/v1/posts", try await site.post(json: json, ["Content-Encoding: gzip"])),
        ("post", "/v1/posts", try await site.post(json: #"{"title":"T","body":"B","slug":"a"}"#)),
        ("get", "/v1/posts/{slug}", try await site.get("/v1/posts/a")),
        ("head", "/v1/posts/{slug}", try await site.send("HEAD /v1/posts/a")),
        ("head", "/v1/posts/{slug}", try await site.send("HEAD /v1/posts/a", ["Authorization: x"])),
        ("get", "/v1/posts/{slug}", try await site.get("/v1/posts/a", ["If-None-Match: *"])),
        ("get", "/v1/posts/{slug}", try await site.get("/v1/posts/none")),
        ("get", "/v1/posts/{slug}", try await site.get("/v1/posts/a", stale)),
        ("put", "/v1/posts/{slug}", try await site.put("b", json: json)),
        ("put", "/v1/posts/{slug}", try await site.put("b", json: json)),
        ("put", "/v1/posts/{slug}", try await site.put("b", json: json, stale)),
        ("put", "/v1/posts/{slug}", try await site.put("c", json: json, stale)),
        ("put", "/v1/posts/{slug}", try await site.put("B", json: json)),
        ("put", "/v1/posts/{slug}", try await site.send("PUT /v1/posts/b", site.authorized)),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", "{}")),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", "{}", stale)),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", "[]")),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", "{")),
        ("patch", "/v1/posts/{slug}", try await site.patch("none", "{}")),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", #"{"slug":"a"}"#)),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", #"{"slug":"d"}"#)),
        ("patch", "/v1/posts/{slug}", try await site.patch("d", #"{"slug":"b"}"#)),
        ("patch", "/v1/posts/{slug}", try await site.send("PATCH /v1/posts/b", site.authorized)),
        ("delete", "/v1/posts/{slug}", try await site.delete("b", stale)),
        ("delete", "/v1/posts/{slug}", try await site.delete("b")),
        ("delete", "/v1/posts/{slug}", try await site.delete("b")),
        ("post", "/v1/posts/{slug}/restore", try await site.restore("b", stale)),
        ("post", "/v1/posts/{slug}/restore", try await site.restore("b")),
        ("post", "/v1/posts/{slug}/restore", try await site.restore("b")),
        ("get", revisions, try await site.get("/v1/posts/b/revisions", site.authorized)),
        ("head", revisions, try await site.send("HEAD /v1/posts/b/revisions", site.authorized)),
        ("get", revisions, try await site.get("/v1/posts/b/revisions")),
        ("get", revisions + "/{version}", try await site.revision(1, of: "b")),
        ("get", revisions + "/{version}", try await site.revision(9, of: "b")),
        ("post", revisions + "/{version}/restore", try await site.restore("b", version: 1)),
        ("post", revisions + "/{version}/restore", try await site.restore("b", version: 1, stale)),
        ("post", "/v1/posts/{slug}/previews", try await site.preview("b")),
        ("post", "/v1/posts/{slug}/previews", try await site.preview("b", key)),
        ("post", "/v1/posts/{slug}/previews", try await site.preview("none")),
        ("patch", "/v1/posts/{slug}", try await site.patch("b", #"{"slug":"c"}"#)),
        ("get", "/v1/posts/{slug}", try await site.get("/v1/posts/b")),
        ("head", "/v1/posts/{slug}", try await site.send("HEAD /v1/posts/b")),
        ("get", revisions, try await site.get("/v1/posts/b/revisions", site.authorized)),
        ("patch", "/v1/posts/{slug}", try await site.patch("c", #"{"slug":"b"}"#)),
        ("delete", "/v1/posts/{slug}", try await site.erase("b")),
        ("post", "/v1/posts", try await site.post(json: json, key)),
        ("post", "/v1/posts", try await site.post(json: json, key)),
        ("post", "/v1/posts", try await site.post(markdown: json, key)),
        ("post", "/v1/posts", try await site.post(json: json, key + key)),
        ("delete", "/v1/posts/{slug}", try await site.delete("none", key)),
        ("get", outcome, try await site.get("/v1/idempotency/k", site.authorized)),
        ("head", outcome, try await site.send("HEAD /v1/idempotency/k", site.authorized)),
        ("get", outcome, try await site.get("/v1/idempotency/free", site.authorized)),
        ("get", outcome, try await site.get("/v1/idempotency/k")),
        ("get", "/v1/posts/{slug}/related", try await site.get("/v1/posts/a/related")),
        ("get", "/v1/posts/{slug}/adjacent", try await site.get("/v1/posts/a/adjacent")),
        ("get", "/v1/archive", try await site.get("/v1/archive")),
        ("get", "/v1/tags", try await site.get("/v1/tags")),
        ("get", "/v1/tags/{slug}", try await site.get("/v1/tags/none")),
        ("put", "/v1/tags/{slug}", try await site.send("PUT", "/v1/tags/t", "{}")),
        ("put", "/v1/tags/{slug}", try await site.send("PUT", "/v1/tags/t", "{}", stale)),
        ("patch", "/v1/tags/{slug}", try await site.send("PATCH", "/v1/tags/t", "{}")),
        ("patch", "/v1/tags/{slug}", try await site.send("PATCH", "/v1/tags/t", #"{"slug":"u"}"#)),
        ("delete", "/v1/tags/{slug}", try await site.delete(path: "/v1/tags/u")),
        ("post", "/v1/projects", try await site.send("POST", "/v1/projects", #"{"name":"P"}"#)),
        ("get", "/v1/projects", try await site.get("/v1/projects")),
        ("get", "/v1/projects/{slug}", try await site.get("/v1/projects/p")),
        ("head", "/v1/projects/{slug}", try await site.send("HEAD /v1/projects/p", stale)),
        (
          "patch", "/v1/projects/{slug}",
          try await site.send("PATCH", "/v1/projects/p", #"{"slug":"q"}"#)
        ),
        ("delete", "/v1/projects/{slug}", try await site.delete(path: "/v1/projects/q")),
        ("get", "/v1/profile", try await site.get("/v1/profile")),
        ("put", "/v1/profile", try await site.send("PUT", "/v1/profile", "{}")),
        ("patch", "/v1/profile", try await site.send("PATCH", "/v1/profile", "{}", stale)),
        ("get", "/v1/newsletter", try await site.get("/v1/newsletter")),
        ("put", "/v1/newsletter", try await site.send("PUT", "/v1/newsletter", "{}")),
        ("get", "/v1/changes", try await site.get("/v1/changes")),
        ("head", "/v1/changes", try await site.send("HEAD /v1/changes")),
        ("get", "/v1/changes", try await site.get("/v1/changes", ["If-None-Match: *"])),
        ("get", "/v1/changes", try await site.get("/v1/changes?since=x")),
        ("get", "/v1/changes", try await site.get("/v1/changes?since=" + otherCursor)),
        ("get", "/v1/changes", try await site.get("/v1/changes", stale)),
        ("post", signUps, try await site.signUp("a@example.com", key)),
        ("post", signUps, try await site.signUp("a@example.com")),
        ("post", signUps, try await site.signUp("a")),
        ("post", signUps, try await site.signUp(form: "email=a@example.com")),
        ("post", signUps, try await site.send("POST " + signUps)),
        ("get", signUps, try await site.get(signUps, site.authorized)),
        ("get", signUps, try await site.get(signUps, site.authorized + ["Accept: text/csv"])),
        ("head", signUps, try await site.send("HEAD " + signUps, site.authorized)),
        ("get", signUps, try await site.get(signUps, reader)),
        ("delete", signUps + "/{id}", try await site.delete(path: signUps + "/x")),
        ("delete", signUps + "/{id}", try await site.delete(path: signUps + "/" + id)),
        ("get", "/newsletter/thanks", try await site.get("/newsletter/thanks")),
        ("get", "/newsletter/confirm", try await site.get(links.confirm.confirmation)),
        ("head", "/newsletter/confirm", try await site.send("HEAD " + links.confirm.confirmation)),
        ("get", "/newsletter/confirm", try await site.get("/newsletter/confirm")),
        ("head", "/newsletter/confirm", try await site.send("HEAD /newsletter/confirm")),
        ("post", "/newsletter/confirm", try await site.press(links.confirm.confirmation)),
        ("post", "/newsletter/confirm", try await site.press("/newsletter/confirm")),
        (
          "get", "/newsletter/unsubscribe", try await site.get(links.unsubscribe.unsubscription)
        ),
        ("post", "/newsletter/unsubscribe", try await site.press("/newsletter/unsubscribe")),
        ("get", "/feed.json", try await site.get("/feed.json")),
        ("head", "/feed.json", try await site.send("HEAD /feed.json")),
        ("get", "/atom.xml", try await site.get("/atom.xml", ["If-None-Match: *"])),
        ("get", "/atom.xml", try await site.get("/atom.xml")),
        ("get", "/rss.xml", try await site.get("/rss.xml", ["Accept: text/html"])),
        ("get", "/rss.xml", try await site.get("/rss.xml")),
        ("get", "/sitemap.xml", try await site.get("/sitemap.xml")),
        ("get", "/sitemap.xml", try await site.get("/sitemap.xml?page=2")),
        ("get", "/openapi.yaml", try await site.get("/openapi.yaml", ["Authorization: x"])),
        ("get", "/openapi.yaml", try await site.get("/openapi.yaml")),
        ("get", "/openapi.yaml", try await site.get("/openapi.yaml", ["If-None-Match: *"])),
        ("get", "/docs", try await site.get("/docs")),
        ("get", "/docs", try await site.get("/docs", ["If-None-Match: *"])),
        ("get", "/docs", try await site.get("/docs?x=1")),
        ("head", "/docs", try await site.send("HEAD /docs")),
      ]
      for (method, path, answer) in answers {
        let operation = try #require(document.at("paths", path, method))
        let responses = try responses(operation)
        let response = try #require(
          responses.first { $0.status == String(answer.status) } ?? responses.last
        ).response
        let described = Set(response["headers"]?.names ?? [])
        // These are described by the content and at the top: whole groups of answers have them.
        let sent = Set(answer.fields.map(\.name).filter { !$0.hasPrefix("Access-Control-") })
          .subtracting(["Content-Type", "X-Content-Type-Options", "Server-Timing"])
        #expect(sent.isSubset(of: described), "\(method) \(path): \(answer.status)")
        let keyed: Set = [
          "Idempotency-Key", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy",
        ]
        let perhaps: Set =
          answer.status < 400
          ? (method == "patch" ? ["Content-Location"] : ["Content-Disposition"])
          : method == "head"
            ? ["ETag", "Retry-After", "WWW-Authenticate"]
            : ["ETag", "Allow", "Accept-Encoding", "Accept-Post", "Retry-After"]
        #expect(
          described.subtracting(sent).isSubset(of: perhaps.union(keyed)),
          "\(method) \(path): \(answer.status)")
      }
    }
  }

  private static func write(_ value: YAML, to json: inout JSONWriter) {
    switch value {
    case .scalar("true", isQuoted: false): json.bool(true)
    case .scalar("false", isQuoted: false): json.bool(false)
    case .scalar("null", isQuoted: false): json.null()
    case .scalar(let text, let isQuoted):
      if !isQuoted, let number = Int(text) { json.number(number) } else { json.string(text) }
    case .sequence(let elements):
      json.beginArray()
      for element in elements { write(element, to: &json) }
      json.endArray()
    case .mapping(let members):
      json.beginObject()
      for (name, value) in members {
        json.name(name)
        write(value, to: &json)
      }
      json.endObject()
    }
  }

  private func resolve(_ value: YAML) -> YAML? { contract.resolve(value) }

  private func responses(_ operation: YAML) throws -> [(status: String, response: YAML)] {
    let responses = try #require(operation["responses"])
    return try responses.names.map { ($0, try #require(responses[$0].flatMap(resolve))) }
  }
}

/// Every word of the text that has the form of a scope: `posts:write`.
func scopes(in text: String) -> [String] {
  text.matches(of: /\b(?:posts|projects|profile|subscribers):[a-z_]+/).map { String($0.output) }
}
