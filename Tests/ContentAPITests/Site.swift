import Assets
import ContentAPI
import EventLoop
import HTTP
import JSON
import LocalPostgres
import Postgres
import Synchronization
import Testing
import Turns

/// The content API on a database of its own, as a server would call it: on a loop, from the bytes
/// of a head, with a pool that connects as the runtime role. Only the time is faked: it stands
/// still until the test moves it.
actor Site: LoopBound {
  nonisolated let loop: EventLoop
  nonisolated let conninfo: String
  /// With every scope, with one of them, with none.
  nonisolated let key: String
  nonisolated let writer: String
  nonisolated let reader: String

  /// What the clock says at the start.
  static let start = "2026-03-12T09:00:00Z"
  static let role = "colophon_runtime"

  private let api: ContentAPI
  nonisolated let pool: Pool
  /// What public reads are answered from; nil when each asks the database.
  nonisolated let cache: ResponseCache?
  private nonisolated let memory: Memory
  private nonisolated let crossOrigin: CrossOrigin
  private let clock: TestClock?
  /// What the database said when it was last asked whether content has changed.
  private var lastMark: String?
  /// The keyed writes under way.
  nonisolated let inFlight: KeysInFlight
  private let database: TestDatabase
  /// For another program that connects as the superuser.
  nonisolated let superuser: String
  private let ownsDatabase: Bool
  /// As the superuser, for what a test wants to see or to prepare.
  private let connection: Connection

  /// Whether public reads are answered from memory.
  enum Memory {
    case none
    /// So many bytes for each loop; the database is asked for changes when the test says `look`.
    case bytes(Int)
  }

  /// Runs `body` with a site, which is gone afterwards.
  ///
  /// - Parameters:
  ///   - limits: what may be asked; enough for every test that is about something else.
  ///   - clock: what the limits, the trust in keys and the memory go by, if not the system's.
  ///   - observer: sees what happens; without one, faults are written to standard error.
  static func run(
    publicURL: String = "", signUpPage: String? = nil, postPage: PostPage? = nil,
    limits: RateLimitSettings? = .wide,
    proxies: TrustedProxies = TrustedProxies(), crossOrigin: CrossOrigin = .everyone,
    memory: Memory = .none, clock: TestClock? = nil, observer: Observer = Observer(Site.log),
    on cluster: TestCluster = .shared, _ body: (Site) async throws -> Void
  ) async throws {
    try await places.run {
      let site = try await Site.open(
        publicURL: publicURL, signUpPage: signUpPage, postPage: postPage,
        ClientLimits(limits, proxies: proxies), clock, crossOrigin, memory, observer, on: cluster)
      do {
        try await body(site)
      } catch {
        try await site.close()
        throw error
      }
      try await site.close()
    }
  }

  /// Tests run side by side, and every site has eight connections to one server.
  private static let places = Places(6)

  private static func open(
    publicURL: String, signUpPage: String?, postPage: PostPage?, _ limits: ClientLimits,
    _ clock: TestClock?, _ crossOrigin: CrossOrigin, _ memory: Memory, _ observer: Observer,
    on cluster: TestCluster
  ) async throws -> Site {
    try await cluster.makeTemplate("content", schema: makeTemplate)
    let database = try await cluster.makeDatabase(from: "content")
    let loop = try EventLoop()
    try loop.start()
    let connection = try await Connection.open(
      database.conninfo, on: loop, deadline: .now() + .seconds(20),
      settings: .patient)
    var keys: [String] = []
    for scopes in [Scope.allCases, [.postsWrite], [.postsReadDrafts]] {
      let key = APIKey(random: RandomBytes.make(30))
      try await KeyRegister(connection).create(name: "test", scopes: scopes, key: key)
      keys.append(key.text)
    }
    let conninfo = database.conninfo + " user=" + role
    let site = Site(
      loop: loop, database: database, conninfo: conninfo, connection: connection, keys: keys,
      publicURL: publicURL, signUpPage: signUpPage, postPage: postPage, limits: limits,
      crossOrigin: crossOrigin, memory: memory, clock: clock, observer: observer)
    await site.pool.start()
    try await site.becomeReady()
    return site
  }

  /// Runs `body` with another server on the same database, as a second process would be: with a loop,
  /// a pool and writes under way of its own; or as another loop of this process, which shares those
  /// and what is known of changes.
  func withReplica(
    sharingProcess: Bool = false, fingerprints: Fingerprints = .standard, memory: Memory? = nil,
    _ body: (Site) async throws -> Void
  ) async throws {
    let loop = try EventLoop()
    try loop.start()
    let replica = Site(
      loop: loop, database: database, conninfo: conninfo,
      connection: try await Connection.open(
        database.conninfo, on: loop, deadline: .now() + .seconds(20), settings: .patient),
      keys: [key, writer, reader], publicURL: "", crossOrigin: crossOrigin,
      memory: memory ?? self.memory,
      position: sharingProcess ? cache?.position : nil, clock: clock, ownsDatabase: false,
      fingerprints: fingerprints, inFlight: sharingProcess ? inFlight : KeysInFlight())
    await replica.pool.start()
    try await replica.becomeReady()
    do {
      try await body(replica)
    } catch {
      try await replica.close()
      throw error
    }
    try await replica.close()
  }

  /// Runs `body` with a server on a database of its own, into which a dump of this one was read.
  func withRestoredBackup(_ body: (Site) async throws -> Void) async throws {
    let path = try await ServerPrograms.find(on: loop).folder + "/pg_dump"
    var program = ChildProcess.Program(path, ["-n", "colophon", "--inserts", database.conninfo])
    program.output = .captured
    let (exit, dump) = try await ChildProcess.run(program, on: loop)
    guard exit == .status(0) else { throw SiteNotReady() }
    // What stands behind a backslash is for psql.
    let script = String(decoding: dump, as: UTF8.self).split(separator: "\n")
      .filter { !$0.hasPrefix("\\") }.joined(separator: "\n")
    let restored = try await TestCluster.shared.makeDatabase()
    let loop = try EventLoop()
    try loop.start()
    let reading = try await Connection.open(
      restored.conninfo, on: loop, deadline: .now() + .seconds(20), settings: .patient)
    try await reading.script(script)
    await reading.close()
    let copy = Site(
      loop: loop, database: restored, conninfo: restored.conninfo + " user=" + Self.role,
      connection: try await Connection.open(
        restored.conninfo, on: loop, deadline: .now() + .seconds(20), settings: .patient),
      keys: [key, writer, reader], publicURL: "")
    await copy.pool.start()
    try await copy.becomeReady()
    do {
      try await body(copy)
    } catch {
      try await copy.close()
      throw error
    }
    try await copy.close()
  }

  /// Where the tests' faults stand.
  static let log = try? Log(to: 2, level: .error, format: .text)

  private init(
    loop: EventLoop, database: TestDatabase, conninfo: String, connection: Connection,
    keys: [String], publicURL: String, signUpPage: String? = nil, postPage: PostPage? = nil,
    limits: ClientLimits = .none,
    crossOrigin: CrossOrigin = .everyone, memory: Memory = .none, position: ContentPosition? = nil,
    clock: TestClock? = nil, observer: Observer = Observer(Site.log), ownsDatabase: Bool = true,
    fingerprints: Fingerprints = .standard, inFlight: KeysInFlight = KeysInFlight()
  ) {
    self.loop = loop
    self.database = database
    superuser = database.conninfo
    self.ownsDatabase = ownsDatabase
    self.conninfo = conninfo
    self.connection = connection
    (key, writer, reader) = (keys[0], keys[1], keys[2])
    self.inFlight = inFlight
    pool = Pool(conninfo: conninfo, statements: ContentAPI.statements, loop: loop)
    self.crossOrigin = crossOrigin
    self.memory = memory
    self.clock = clock
    cache =
      switch memory {
      case .none: nil
      case .bytes(let capacity):
        ResponseCache(capacity: capacity, position: position ?? ContentPosition())
      }
    api = ContentAPI(
      pool: pool, publicURL: publicURL, crossOrigin: crossOrigin, limits: limits, loop: loop,
      requestIDs: RequestIDs(seed: [0xab]), inFlight: inFlight, fingerprints: fingerprints,
      signUpPage: signUpPage, postPage: postPage, cache: cache, clock: clock.map(Self.now),
      observer: observer)
  }

  private static func now(_ clock: TestClock) -> @Sendable () -> MonotonicInstant {
    { clock.now }
  }

  /// Waits for all of its connections, though one of each class would do: which of them a read takes
  /// depends on how many there are.
  private func becomeReady() async throws {
    func isComplete() async -> Bool {
      guard await pool.readiness == .ready else { return false }
      return await pool.standing.classes.values.allSatisfy { $0.missing + $0.connecting == 0 }
    }
    let deadline = MonotonicInstant.now() + .seconds(30)
    while await !isComplete() {
      guard MonotonicInstant.now() < deadline else { throw SiteNotReady() }
      await loop.sleep(for: .milliseconds(2))
    }
  }

  private static func makeTemplate(_ conninfo: String) async throws {
    let connection = try await Connection.open(
      conninfo, on: TestCluster.shared.loop, deadline: .now() + .seconds(20),
      settings: .patient)
    try await connection.script("create role \(role) login")
    _ = try await Schema.migrate(connection, runtimeRole: role)
    // The one thing that is replaced: it moves when a test moves it, for every session at once.
    try await connection.script(
      """
      create table colophon.test_clock (instant timestamptz not null);
      insert into colophon.test_clock values ('\(start)');
      grant select on colophon.test_clock to \(role);
      create or replace function colophon.clock() returns timestamptz
        language sql stable parallel safe
        return (select instant from colophon.test_clock);
      """)
    await connection.close()
  }

  private func close() async throws {
    await pool.close()
    await connection.close()
    if ownsDatabase { try await database.drop() }
    loop.stop()
  }

  // Asking

  /// Calls the API with a head as a client would write it. `lines` are further field lines.
  func send(
    _ requestLine: String, _ lines: [String] = [], body: [UInt8] = [],
    from peer: String = "127.0.0.1:4711"
  ) async throws -> Answer {
    try await send(requestLine, lines, content: .ready(body), from: peer)
  }

  func send(
    _ requestLine: String, _ lines: [String] = [], content: Content,
    from peer: String = "127.0.0.1:4711"
  ) async throws -> Answer {
    var parser = RequestParser()
    let head = ([requestLine + " HTTP/1.1", "Host: localhost"] + lines).joined(separator: "\r\n")
    switch parser.next(Array((head + "\r\n\r\n").utf8).span) {
    case .head(let head, _):
      let peer = SocketAddress(peer)!
      let hasContent = head.framing != .none && head.framing != .length(0)
      if !hasContent, let answer = api.promptAnswer(to: head, from: peer) { return Answer(answer) }
      let request = Request(
        head: head, peer: peer, content: content)
      return Answer(await api.respond(to: request))
    case .refused(let refusal): return Answer(api.response(to: refusal))
    default: throw BadRequestOfTest(requestLine: requestLine)
    }
  }

  func get(_ path: String, _ lines: [String] = []) async throws -> Answer {
    try await send("GET " + path, lines)
  }

  /// With the key that may do everything; other `lines` come behind it.
  func post(json: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "POST /v1/posts", authorized + ["Content-Type: application/json"] + lines,
      body: Array(json.utf8))
  }

  func post(markdown: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "POST /v1/posts", authorized + ["Content-Type: text/markdown"] + lines,
      body: Array(markdown.utf8))
  }

  func put(_ slug: String, json: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "PUT /v1/posts/" + slug, authorized + ["Content-Type: application/json"] + lines,
      body: Array(json.utf8))
  }

  func put(_ slug: String, markdown: String, _ lines: [String] = []) async throws -> Answer {
    try await send(
      "PUT /v1/posts/" + slug, authorized + ["Content-Type: text/markdown"] + lines,
      body: Array(markdown.utf8))
  }

  func delete(_ slug: String, _ lines: [String] = []) async throws -> Answer {
    try await send("DELETE /v1/posts/" + slug, authorized + lines)
  }

  /// The field line of the key that may do everything.
  nonisolated var authorized: [String] { ["Authorization: Bearer " + key] }

  /// Puts a published post there and asserts that it went well.
  @discardableResult
  func publish(
    _ slug: String, tags: [String] = [], at date: String = Site.start
  ) async throws -> Answer {
    let answer = try await put(slug, json: Self.json(title: slug, tags: tags, at: date))
    guard [200, 201].contains(answer.status) else { throw UnexpectedAnswer(answer: answer) }
    return answer
  }

  static func json(
    title: String, status: String = "published", tags: [String] = [], at date: String? = nil
  ) -> String {
    let tags = tags.map { "\"\($0)\"" }.joined(separator: ",")
    let date = date.map { ",\"published_at\":\"\($0)\"" } ?? ""
    return """
      {"title":"\(title)","body":"About \(title).","status":"\(status)","tags":[\(tags)]\(date)}
      """
  }

  // Preparing and looking

  /// Asks the database once whether content has changed, as is done all the time; how long that
  /// may hold. Throws when the database does not say.
  @discardableResult
  func look() async throws -> Duration {
    let cache = try #require(self.cache)
    var mark = lastMark
    let wait = try await PositionWatch(pool: pool, position: cache.position)
      .look(last: &mark, now: clock?.now ?? .now())
    lastMark = mark
    return wait
  }

  /// Moves the clock.
  func setClock(_ instant: String, plusSeconds seconds: Int = 0) async throws {
    _ = try await sql(
      """
      update colophon.test_clock set instant = $1::timestamptz + make_interval(secs => $2::integer)
      """, [.text(instant), .integer(seconds)])
  }

  @discardableResult
  func sql(_ sql: String, _ parameters: [Parameter] = []) async throws -> Rows {
    try await connection.query(sql, parameters)
  }

  /// The first value of the first row.
  func value(_ sql: String, _ parameters: [Parameter] = []) async throws -> String? {
    try await connection.query(sql, parameters).text(0, 0)
  }

  /// Another session of the superuser; the caller closes it.
  func connect() async throws -> Connection {
    try await Connection.open(
      database.conninfo, on: loop, deadline: .now() + .seconds(20),
      settings: .patient)
  }

  /// What is wrong with listings, counters and search, worked out from the posts alone; empty when nothing
  /// is. One statement, so one snapshot: it may be asked while others write.
  func discrepancies(on connection: Connection? = nil) async throws -> [String] {
    let rows = try await (connection ?? self.connection).query(
      """
      with public as (
        select p.id, p.published_at, p.counted, unnest(p.tags || ''::text) as tag
        from colophon.posts p
        where p.status = 'published' and p.trashed_at is null
      ), listed as (
        select coalesce(l.tag, p.tag) as tag, coalesce(l.post_id, p.id) as id
        from colophon.listings l full join public p on p.id = l.post_id and p.tag = l.tag
        where l.post_id is null or p.id is null
          or (l.published_at, l.counted) is distinct from (p.published_at, p.counted)
      ), expected as (
        select tag, count(*) filter (where counted) as posts from public group by tag
      ), counted as (
        select tag, sum(posts) as posts from colophon.counters group by tag
      )
      select 'listing of ' || tag || ': ' || id from listed
      union all
      select 'counter of "' || tag || '": ' || coalesce(c.posts, 0) || ' instead of '
        || coalesce(e.posts, 0)
      from counted c full join expected e using (tag)
      where coalesce(c.posts, 0) <> coalesce(e.posts, 0)
      union all
      select 'tag ' || p.tag from public p
      where p.tag <> '' and not exists (select from colophon.tags t where t.slug = p.tag)
      union all
      select 'search of ' || p.slug
      from colophon.posts p left join colophon.search s on s.post_id = p.id
      where case when coalesce(s.language, '') = '' then true
        else s.tags is distinct from colophon.search_tags(s.language, p.tags)
          or s.words is distinct from colophon.search_words(
            s.language, p.title, coalesce(p.excerpt, p.derived_excerpt), p.body) end
      """)
    return (0..<rows.count).map { rows.text($0, 0) ?? "" }
  }
}

extension SessionSettings {
  /// For whoever prepares or looks, as `colophon migrate` does: the machine may be very busy.
  static var patient: SessionSettings {
    var settings = SessionSettings()
    settings.statementTimeout = .seconds(60)
    settings.lockTimeout = .seconds(60)
    settings.idleInTransactionTimeout = .seconds(60)
    return settings
  }
}

extension RateLimitSettings {
  /// What no test reaches that is about something else.
  static var wide: RateLimitSettings {
    var settings = RateLimitSettings()
    let quota = Quota(1_000_000, per: 1)
    for name in Class.allCases { settings[name] = Limits(burst: quota, sustained: quota) }
    return settings
  }
}

/// A clock that stands still until a test moves it.
final class TestClock: Sendable {
  private let nanoseconds = Mutex<Int64>(1_000_000_000_000)

  var now: MonotonicInstant { MonotonicInstant(nanoseconds: nanoseconds.withLock { $0 }) }

  func advance(by duration: Duration) {
    nanoseconds.withLock { $0 += duration.wholeNanoseconds }
  }
}

struct SiteNotReady: Error {}

struct UnexpectedAnswer: Error, CustomStringConvertible {
  let answer: Answer
  var description: String { "\(answer.status): \(answer.text)" }
}

struct BadRequestOfTest: Error {
  let requestLine: String
}
