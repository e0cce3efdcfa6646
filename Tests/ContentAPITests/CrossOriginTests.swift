import ContentAPI
import EventLoop
import HTTP
import Postgres
import Testing

@Suite struct CrossOriginPages {
  private static let page = "Origin: https://page.example"
  private static let exposed =
    "ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
    + "X-Request-Id"

  private func names(_ answer: Answer) -> [String] {
    answer.fields.map { $0.name.lowercased() }.filter { $0.hasPrefix("access-control-") }
  }

  @Test func `may read every public answer, refusals included`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let tag = try #require(try await site.get("/v1/posts/a")["ETag"])
      let requests: [(line: String, fields: [String], status: Int)] = [
        ("GET /v1/posts", [], 200), ("HEAD /v1/posts", [], 200), ("GET /v1/posts/a", [], 200),
        ("GET /v1/posts/a", ["If-None-Match: " + tag], 304), ("GET /openapi.yaml", [], 200),
        ("GET /v1/posts?limit=0", [], 400), ("GET /v1/posts?nope", [], 400),
        ("GET /v1/posts", ["Authorization: Bearer wrong"], 401), ("GET /v1/posts/b", [], 404),
        ("GET /nowhere", [], 404), ("HEAD /nowhere", [], 404),
        ("GET /v1/posts/a/restore", [], 405), ("GET /v1/posts", ["Accept: text/html"], 406),
        ("GET /v1/posts", ["Content-Length: x"], 400), ("GET /v1/posts", ["Expect: x"], 417),
        ("GET /" + String(repeating: "a", count: 9000), [], 414), ("GET /%zz", [], 400),
        ("GET /", (0..<101).map { "X\($0): x" }, 431),
      ]
      for (line, fields, status) in requests {
        for origin in [[Self.page], ["Origin: null"], []] {
          let answer = try await site.send(line, origin + fields)
          #expect(answer.status == status, "\(line)")
          #expect(answer["Access-Control-Allow-Origin"] == "*", "\(line)")
          #expect(answer["Access-Control-Expose-Headers"] == Self.exposed, "\(line)")
          #expect(names(answer).count == 2, "no credentials, nothing of a preflight: \(line)")
          #expect(answer["Vary"]?.contains("Origin") != true)
        }
      }
    }
  }

  @Test func `may not read the answers to writes`() async throws {
    try await Site.run { site in
      let created = try await site.post(json: #"{"title":"A","body":"B"}"#, [Self.page])
      #expect(created.status == 201)
      let writes = [
        created, try await site.put("a", json: #"{"title":"A","body":"C"}"#, [Self.page]),
        try await site.patch("a", "{}", [Self.page]), try await site.delete("a", [Self.page]),
        try await site.restore("a", [Self.page]),
        try await site.send("POST /v1/posts", [Self.page]),
        try await site.send("PUT /v1/posts", [Self.page]),
      ]
      for answer in writes { #expect(names(answer) == [], "\(answer.status)") }
    }
  }

  @Test func `are told before they ask what they may send`() async throws {
    try await Site.run { site in
      for path in ["/v1/posts", "/v1/posts/a", "/v1/posts/not-there", "/openapi.yaml"] {
        for method in ["GET", "PUT", "whatever"] {
          let answer = try await site.send(
            "OPTIONS " + path,
            [
              Self.page, "Access-Control-Request-Method: " + method,
              "Access-Control-Request-Headers: authorization,if-none-match",
            ])
          #expect(answer.status == 204)
          #expect(answer.body == [])
          #expect(answer["Access-Control-Allow-Origin"] == "*")
          #expect(answer["Access-Control-Allow-Methods"] == "GET, HEAD", "none with a key")
          let fields = try #require(answer["Access-Control-Allow-Headers"]).lowercased()
          for name in ["content-type", "if-none-match", "if-modified-since", "x-request-id"] {
            #expect(fields.split(separator: ", ").contains(Substring(name)))
          }
          #expect(!fields.contains("authorization"), "a key in a page is a key given away")
          #expect(answer["Access-Control-Max-Age"] == "7200")
          #expect(answer["Access-Control-Allow-Credentials"] == nil)
          #expect(answer["Allow"] != nil)
        }
      }
    }
  }

  @Test func `learn nothing where nothing is public, or where nothing is`() async throws {
    try await Site.run { site in
      let preflight = [Self.page, "Access-Control-Request-Method: POST"]
      let restore = try await site.send("OPTIONS /v1/posts/a/restore", preflight)
      #expect(restore.status == 204)
      #expect(names(restore) == [])
      let nowhere = try await site.send("OPTIONS /nowhere", preflight)
      #expect(nowhere.status == 404)
      #expect(names(nowhere) == [])
      for fields in [[Self.page], [preflight[1]], []] {
        let plain = try await site.send("OPTIONS /v1/posts", fields)
        #expect(plain.status == 204)
        #expect(names(plain) == [], "this is no preflight")
      }
    }
  }

  @Test func `of a list are named one by one, the others not at all`() async throws {
    let bare = try BareAPI("https://page.example, http://localhost:3000")
    defer { bare.stop() }
    for origin in ["https://page.example", "http://localhost:3000"] {
      for line in ["GET /openapi.yaml", "GET /v1/posts?nope", "GET /nowhere", "GET /v1/posts/a"] {
        let answer = await bare.send(line, ["Origin: " + origin])
        #expect(answer["Access-Control-Allow-Origin"] == origin, "\(line)")
        #expect(answer["Access-Control-Expose-Headers"] == Self.exposed)
        #expect(answer["Vary"]?.hasSuffix("Origin") == true)
      }
      let preflight = await bare.send(
        "OPTIONS /v1/posts", ["Origin: " + origin, "Access-Control-Request-Method: GET"])
      #expect(preflight["Access-Control-Allow-Origin"] == origin)
      #expect(preflight["Access-Control-Allow-Methods"] == "GET, HEAD")
      #expect(preflight["Vary"] == "Origin")
    }
    let strangers = [
      "https://other.example", "null", "https://page.example.evil", "https://page.example/",
      "HTTPS://page.example", "http://page.example", "https://page.example:8443", "", "*",
      "https://page.example, http://localhost:3000",
    ]
    for fields in strangers.map({ ["Origin: " + $0] }) + [[], [Self.page, Self.page]] {
      for line in ["GET /openapi.yaml", "GET /v1/posts?nope"] {
        let answer = await bare.send(line, fields)
        #expect(names(answer) == [], "\(fields)")
        #expect(answer["Vary"]?.hasSuffix("Origin") == true, "caches must know")
      }
      let preflight = await bare.send(
        "OPTIONS /v1/posts", fields + ["Access-Control-Request-Method: GET"])
      #expect(names(preflight) == [])
    }
    #expect(await bare.send("GET /openapi.yaml")["Vary"] == "Accept, Authorization, Origin")
    #expect(names(await bare.send("GET /%zz", [Self.page])) == [], "whose page is not known yet")
  }

  @Test func `get nothing when that is switched off`() async throws {
    let bare = try BareAPI("off")
    defer { bare.stop() }
    for line in ["GET /openapi.yaml", "GET /nowhere", "GET /%zz", "OPTIONS /v1/posts"] {
      let answer = await bare.send(line, [Self.page, "Access-Control-Request-Method: GET"])
      #expect(names(answer) == [], "\(line)")
      #expect(answer["Vary"]?.contains("Origin") != true)
    }
  }

  @Test(arguments: [
    "*", "off", "https://a", "http://localhost:3000", "https://a.example,https://b.example",
    " https://a ,  https://b", "https://xn--bcher-kva.example", "http://127.0.0.1:8080",
    "http://[::1]:8080", "http://[2001:db8::1]", "capacitor://localhost", "https://a:80",
    "moz-extension://c0ffee-1", "http://under_score.example:65535",
  ])
  func `are named as browsers name them`(text: String) throws {
    #expect(CrossOrigin(text) != nil)
    let configuration = try Configuration(["COLOPHON_CORS_ORIGINS": text])
    #expect(configuration.crossOrigin == CrossOrigin(text))
  }

  @Test(arguments: [
    "null", "https://a,null", "https://a,*", "*,https://a", "off,https://a", "OFF", "a.example",
    "https://", "https:///", "https://a/", "https://a/b", "https://A", "HTTPS://a", "https://a:443",
    "http://a:80", "http://a:0", "http://a:08", "http://a:65536", "http://a:99999999999999999999",
    "http://a:", "http://a:b", "http://::1", "http://[::1", "http://::1]", "http://[]",
    "http://[g::]", "https://*.a", "https://a b", "https://a;https://b", "https://a,,https://b",
    ",https://a", "https://a,", ",", "https://user@a", "https://a?b", "https://a#b", "://a",
    "1a://b",
    "https://ü", "https://a\u{0}", "https://a\r\nX: y", "http//a", "https:a", "https:/a",
  ])
  func `are refused at the start when no browser would name them so`(text: String) {
    #expect(CrossOrigin(text) == nil)
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration(["COLOPHON_CORS_ORIGINS": text])
    }
    #expect(error?.faults.count == 1)
    #expect(error?.faults.first?.hasPrefix("COLOPHON_CORS_ORIGINS must be") == true)
  }

  @Test func `are everybody's when nothing is said`() throws {
    for environment in [[:], ["COLOPHON_CORS_ORIGINS": ""], ["COLOPHON_CORS_ORIGINS": "*"]] {
      #expect(try Configuration(environment).crossOrigin == .everyone)
    }
  }
}

/// The content API without its database: what is refused before anybody asks for that is all there
/// is, and the rest is 503.
private struct BareAPI {
  private let api: ContentAPI
  private let loop: EventLoop

  init(_ origins: String) throws {
    let loop = try EventLoop()
    try loop.start()
    self.loop = loop
    api = ContentAPI(
      pool: Pool(conninfo: "", statements: ContentAPI.statements, loop: loop), publicURL: "",
      crossOrigin: try #require(CrossOrigin(origins)), loop: loop,
      requestIDs: RequestIDs(seed: [0xab]))
  }

  func stop() { loop.stop() }

  func send(_ requestLine: String, _ lines: [String] = []) async -> Answer {
    var parser = RequestParser()
    let head = ([requestLine + " HTTP/1.1", "Host: localhost"] + lines).joined(separator: "\r\n")
    switch parser.next(Array((head + "\r\n\r\n").utf8).span) {
    case .head(let head, _):
      let peer = SocketAddress("127.0.0.1:4711")!
      return Answer(
        await api.respond(to: Request(head: head, peer: peer, content: .ready([]))))
    case .refused(let refusal): return Answer(api.response(to: refusal))
    default: preconditionFailure("the head of a test is complete")
    }
  }
}
