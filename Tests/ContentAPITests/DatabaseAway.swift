import ContentAPI
import EventLoop
import HTTP
import JSON
import LocalPostgres
import Postgres
import Testing

/// What is answered without a database, on a server that no other test uses.
@Suite struct DatabaseAway {
  @Test func `turns readiness and every request to 503, and heals`() async throws {
    let cluster = try await TestCluster.start()
    do {
      try await watch(cluster)
    } catch {
      await cluster.stop()
      throw error
    }
    await cluster.stop()
  }

  private func watch(_ cluster: TestCluster) async throws {
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    let database = try await cluster.makeDatabase()
    let connection = try await Connection.open(
      database.conninfo, on: loop, deadline: .now() + .seconds(20),
      settings: .patient)
    _ = try await Schema.migrate(connection, runtimeRole: "postgres")
    let key = APIKey(random: RandomBytes.make(30))
    try await KeyRegister(connection).create(name: "k", scopes: Scope.allCases, key: key)
    await connection.close()

    let caller = try Caller(conninfo: database.conninfo, loop: loop)
    #expect(try await caller.status("GET /readyz", on: .health) == 503, "not started")
    await caller.pool.start()
    #expect(await caller.comes(to: 200, "GET /readyz"))
    let write = ["Authorization: Bearer " + key.text, "Content-Type: application/json"]
    let body = Site.json(title: "T")
    #expect(try await caller.ask("POST /v1/posts", write, body).status == 201)

    try await cluster.freeze()
    #expect(await caller.comes(to: 503, "GET /readyz"))
    #expect(try await caller.status("GET /livez", on: .health) == 200)
    let ready = try await caller.ask("GET /readyz", on: .health)
    #expect(ready["Retry-After"] == "1")
    #expect(ready["Cache-Control"] == "no-store")
    #expect(ready.json["reasons"]?.arrayValue?.map(\.stringValue) == ["database unavailable"])
    for (request, lines) in [
      ("GET /v1/posts/t", []), ("GET /v1/posts", []), ("POST /v1/posts", write),
    ] {
      let answer = try await caller.ask(request, lines, body)
      #expect(answer.status == 503, "\(request)")
      #expect(answer.problem == "unavailable")
      #expect(answer["Retry-After"] == "1")
      #expect(answer["Cache-Control"] == "no-store")
      for word in ["postgres", "sql", "libpq", "socket", "/tmp"] {
        #expect(!answer.text.lowercased().contains(word), "\(answer.text)")
      }
    }
    try await cluster.thaw()
    #expect(await caller.comes(to: 200, "GET /readyz"))
    #expect(try await caller.ask("GET /v1/posts/t").status == 200)

    try await cluster.restart(.immediate)
    #expect(await caller.comes(to: 200, "GET /readyz"))
    #expect(try await caller.ask("PUT /v1/posts/u", write, body).status == 201)
    await caller.pool.close()
  }
}

/// The private endpoints.
@Suite struct PrivateEndpoints {
  @Test func `say that the process lives and whether it is ready`() async throws {
    try await Site.run { site in
      let draining = Draining()
      let caller = try Caller(conninfo: site.conninfo, loop: site.loop, draining: draining)
      await caller.pool.start()
      #expect(await caller.comes(to: 200, "GET /readyz"))
      for (request, status) in [
        ("GET /livez", 200), ("HEAD /livez", 200), ("HEAD /readyz", 200), ("GET /", 404),
        ("GET /v1/posts", 404), ("POST /livez", 405), ("GET /livez?verbose", 200),
      ] {
        let answer = try await caller.ask(request, on: .health)
        #expect(answer.status == status, "\(request)")
        #expect(answer["Cache-Control"] == "no-store")
        #expect(answer["Content-Type"] == "application/json")
        if status == 405 { #expect(answer["Allow"] == "GET, HEAD") }
      }
      #expect(
        try await caller.ask("GET /readyz", on: .health).json["status"]?.stringValue == "ready")
      draining.begin()
      let ready = try await caller.ask("GET /readyz", on: .health)
      #expect(ready.status == 503)
      #expect(ready.json["reasons"]?.arrayValue?.map(\.stringValue) == ["draining"])
      #expect(try await caller.status("GET /livez", on: .health) == 200)
      #expect(try await caller.ask("GET /v1/posts").status == 200, "what comes is still answered")
      await caller.pool.close()
    }
  }

  @Test func `count for Prometheus what becomes of keyed writes`() async throws {
    try await Site.run { site in
      let caller = try Caller(conninfo: site.conninfo, loop: site.loop)
      await caller.pool.start()
      #expect(await caller.comes(to: 200, "GET /readyz"))
      let key = [
        "Idempotency-Key: k", "Content-Type: application/json", "Authorization: Bearer " + site.key,
      ]
      for (title, status) in [("A", 201), ("A", 201), ("B", 422)] {
        let answer = try await caller.ask("POST /v1/posts", key, Site.json(title: title))
        #expect(answer.status == status)
      }
      let answer = try await caller.ask("GET /metrics", on: .health)
      #expect(answer.status == 200)
      #expect(answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
      let lines = answer.text.split(separator: "\n").map(String.init)
      for sample in [
        "idempotency_runs_total 1", "idempotency_replays_total 1", "idempotency_mismatches_total 1",
        "idempotency_waits_total 0", "idempotency_waiting 0", "unknown_outcomes_total 0",
        "write_round_trips_total 3",
      ] {
        #expect(lines.contains("colophon_" + sample), "\(sample)")
      }
      var text = try MetricsText(answer.text)
      try text.expectWellFormed()
      await caller.pool.close()
    }
  }
}

/// Calls the two responders of one pool on its loop.
private actor Caller: LoopBound {
  nonisolated let loop: EventLoop
  nonisolated let pool: Pool
  private let privateAPI: PrivateAPI
  private let contentAPI: ContentAPI

  enum Listener { case content, health }

  init(conninfo: String, loop: EventLoop, draining: Draining = Draining()) throws {
    self.loop = loop
    pool = Pool(conninfo: conninfo, statements: ContentAPI.statements, loop: loop)
    let inFlight = KeysInFlight()
    privateAPI = PrivateAPI(pools: [pool], draining: draining, inFlight: inFlight)
    contentAPI = ContentAPI(
      pool: pool, publicURL: "", loop: loop, requestIDs: RequestIDs(seed: [1]), inFlight: inFlight)
  }

  func ask(
    _ requestLine: String, _ lines: [String] = [], _ body: String = "",
    on listener: Listener = .content
  ) async throws -> Answer {
    let head = ([requestLine + " HTTP/1.1", "Host: localhost"] + lines).joined(separator: "\r\n")
    var parser = RequestParser()
    guard case .head(let head, _) = parser.next(Array((head + "\r\n\r\n").utf8).span) else {
      throw BadRequestOfTest(requestLine: requestLine)
    }
    let request = Request(
      head: head, peer: SocketAddress("127.0.0.1:4711")!, content: .ready(Array(body.utf8)))
    switch listener {
    case .content: return Answer(await contentAPI.respond(to: request))
    case .health: return Answer(await privateAPI.respond(to: request))
    }
  }

  func status(
    _ requestLine: String, on listener: Listener
  ) async throws -> Int {
    try await ask(requestLine, on: listener).status
  }

  /// Whether the private endpoint answers with this status before long.
  func comes(to status: Int, _ requestLine: String) async -> Bool {
    let deadline = MonotonicInstant.now() + .seconds(30)
    while MonotonicInstant.now() < deadline {
      if (try? await ask(requestLine, on: .health).status) == status { return true }
      await loop.sleep(for: .milliseconds(5))
    }
    return false
  }
}
