import EventLoop
import Postgres
import Testing
import Turns

private let echo = Statement("echo", "select $1::int")

/// Servers that a pool cannot get in at: an imposter counts how often it comes.
@Suite(.turns) struct UnreachableServers {
  private func call(_ pool: Pool) async -> PostgresError? {
    await Stage.failure {
      _ = try await pool.read(Call(echo, [.integer(1)]), deadline: .now() + .seconds(10))
    }
  }

  /// What every attempt of a pool to connect has in common, however it comes to nothing.
  private func expectModesty(
    _ imposter: Imposter, attempts: Int, longest: Duration
  ) async throws -> StagedPool {
    let staged = StagedPool(await imposter.conninfo, [echo])
    await staged.pool.start()
    try await Stage.eventually("\(attempts) attempts") { await imposter.arrivals.count >= attempts }
    let arrivals = await imposter.arrivals
    for (one, next) in zip(arrivals, arrivals.dropFirst()) {
      // The attempt is timed by whoever makes it, and seen a little later.
      #expect(next - one > .milliseconds(900), "one attempt in a second, whatever its slot")
      #expect(next - one < longest)
    }
    #expect(staged.connected == 0)
    return staged
  }

  @Test(arguments: [
    ("57P03", "the database system is starting up"), ("53300", "sorry, too many clients already"),
  ])
  func `that are starting up or full are asked once in a second at most, and nobody waits`(
    _ state: String, _ text: String
  ) async throws {
    let imposter = try await Imposter.start(.refuses(state: state, text: text), on: Stage.loop)
    let staged = try await expectModesty(imposter, attempts: 4, longest: .seconds(10))
    guard case .unavailable(let reason) = await call(staged.pool) else {
      Issue.record("a read without a server")
      return
    }
    #expect(reason.contains(text))
    await staged.pool.close()
    await imposter.stop()
  }

  @Test func `that swallow a connect are given three seconds, and nobody waits for the next`()
    async throws
  {
    let imposter = try await Imposter.start(.swallows, on: Stage.loop)
    let staged = StagedPool(await imposter.conninfo, [echo])
    await staged.pool.start()
    let start = MonotonicInstant.now()
    // Whoever comes before it is known waits for the first attempt, and no longer.
    guard case .unavailable = await call(staged.pool) else {
      Issue.record("a read without a server")
      return
    }
    #expect(MonotonicInstant.now() - start > .seconds(2))
    try await Stage.eventually("the next attempt") { await imposter.arrivals.count == 2 }
    let asked = MonotonicInstant.now()
    guard case .unavailable = await call(staged.pool) else {
      Issue.record("a read without a server")
      return
    }
    #expect(MonotonicInstant.now() - asked < .seconds(2), "while the next attempt is under way")
    await staged.pool.close()
    await imposter.stop()
  }
}

/// Listens where a server should, and takes note of who comes.
private actor Imposter: LoopBound {
  enum Manner {
    /// Says why it does not let in, as PostgreSQL does, and hangs up.
    case refuses(state: String, text: String)
    /// Says nothing.
    case swallows
  }

  nonisolated let loop: EventLoop
  private let socket: Socket
  private let address: SocketAddress
  private let manner: Manner
  private var registration: EventLoop.Registration?
  private var guests: [Guest] = []
  private(set) var arrivals: [MonotonicInstant] = []

  private final class Guest {
    let socket: Socket
    init(_ socket: consuming Socket) { self.socket = socket }
  }

  static func start(_ manner: Manner, on loop: EventLoop) async throws -> Imposter {
    let imposter = try Imposter(manner, loop)
    try await imposter.listen()
    return imposter
  }

  private init(_ manner: Manner, _ loop: EventLoop) throws {
    socket = try Socket.listen(on: try #require(SocketAddress("127.0.0.1:0")), sharingPort: false)
    address = try socket.localAddress()
    self.manner = manner
    self.loop = loop
  }

  var conninfo: String {
    "host=\(address.host) port=\(address.port) user=nobody dbname=none sslmode=disable "
      + "gssencmode=disable"
  }

  private func listen() throws {
    registration = try loop.register(socket.number, for: .readable, token: 0, of: self)
  }

  func stop() {
    if let registration { loop.unregister(registration) }
    registration = nil
    guests = []
  }

  func expired(_ token: Int) {}

  func ready(_ token: Int, _ events: ReadyEvents) {
    while case .connection(let guest, _) = socket.accept() {
      arrivals.append(.now())
      let guest = Guest(guest)
      guests.append(guest)
      guard case .refuses(let state, let text) = manner else { continue }
      // ErrorResponse: its length, the severity twice, the state, the text.
      var body: [UInt8] = []
      for field in ["SFATAL", "VFATAL", "C" + state, "M" + text] { body += Array(field.utf8) + [0] }
      body.append(0)
      let head: [UInt8] = [UInt8(ascii: "E"), 0, 0, 0, UInt8(body.count + 4)]
      _ = guest.socket.write((head + body).span)
      guest.socket.shutdownSending()
    }
  }
}
