import ContentAPI
import EventLoop
import Glibc
import HTTP
import Postgres
import Synchronization

/// The running service: a loop for each processor, a pool and a content API on each, the two
/// listeners, and the end in order.
struct Service {
  let address: SocketAddress
  let privateAddress: SocketAddress
  /// For whoever calls the API from inside the process.
  let contentAPI: ContentAPI
  private let server: Server<ContentAPI>
  private let privateServer: Server<PrivateAPI>
  private let pools: [Pool]
  private let draining: Draining

  /// Starts everything; returns when requests are answered. `loops.first` is the calling thread's.
  static func start(
    _ configuration: Configuration, databaseURL: String, loops: [EventLoop]
  ) async throws -> Service {
    let draining = Draining()
    let requestIDs = RequestIDs(seed: RandomBytes.make(10))
    let log = Log()
    var pools: [Pool] = []
    var contentAPIs: [ObjectIdentifier: ContentAPI] = [:]
    for loop in loops {
      let pool = Pool(
        conninfo: databaseURL, statements: ContentAPI.statements, settings: PoolSettings(),
        loop: loop
      ) { log.write($0) }
      await pool.start()
      pools.append(pool)
      contentAPIs[ObjectIdentifier(loop)] = ContentAPI(
        pool: pool, publicURL: configuration.publicURL ?? "",
        crossOrigin: configuration.crossOrigin, loop: loop, requestIDs: requestIDs
      ) { log.write($0) }
    }
    let apis = contentAPIs
    let privateServer: Server<PrivateAPI>
    let server: Server<ContentAPI>
    do {
      privateServer = try await Server.start(
        on: configuration.privateListen, loops: [loops[0]]
      ) { _ in PrivateAPI(pools: pools, draining: draining) }
      server = try await Server.start(on: configuration.listen, loops: loops) {
        apis[ObjectIdentifier($0)]!
      }
    } catch {
      guard error.code == EADDRINUSE else { throw error }
      throw Failure("\(error.call): the address is taken; stop who has it or choose another port")
    }
    return Service(
      address: server.address, privateAddress: privateServer.address,
      contentAPI: apis[ObjectIdentifier(loops[0])]!, server: server,
      privateServer: privateServer, pools: pools, draining: draining)
  }

  /// Waits until the database answers; false when it does not within `patience`.
  func isReady(within patience: Duration, on loop: EventLoop) async -> Bool {
    let deadline = MonotonicInstant.now() + patience
    while MonotonicInstant.now() < deadline {
      var ready = true
      for pool in pools { if case .unavailable = await pool.readiness { ready = false } }
      if ready { return true }
      await loop.sleep(for: .milliseconds(5))
    }
    return false
  }

  /// The two lines that tell where it is.
  func announce() {
    Terminal.print("listening on http://\(address)")
    Terminal.print("private, for health checks: http://\(privateAddress)")
  }

  /// Ends in order: not ready any more, then the requests under way, then the database's sessions.
  func drain(within bound: Duration) async {
    draining.begin()
    await server.drain(within: bound)
    for pool in pools { await pool.close() }
    await privateServer.close()
  }
}

/// Waits for the signals that end the program.
actor Ending: LoopBound {
  nonisolated let loop: EventLoop
  private var hasBegun = false
  private var waiting: CheckedContinuation<Void, Never>?

  init(loop: EventLoop) { self.loop = loop }

  /// Returns at the first SIGTERM or SIGINT. A second one ends the process at once.
  func wait() async {
    if hasBegun { return }
    await withCheckedContinuation { waiting = $0 }
  }

  func begin() {
    if hasBegun { _exit(Colophon.Status.failed.rawValue) }
    hasBegun = true
    waiting?.resume()
    waiting = nil
  }

  /// Begins to listen for signals.
  static func start(on loop: EventLoop) async throws -> Ending {
    let ending = Ending(loop: loop)
    let signals = try Signals(Colophon.signals, on: loop) { _ in
      ending.assumeIsolated { $0.begin() }
    }
    try await signals.start()
    return ending
  }
}

/// Loops for all processors but the one of the calling thread, which has its own.
func startLoops(besides first: EventLoop) throws -> [EventLoop] {
  var loops = [first]
  while loops.count < Environment.processorCount() {
    let loop = try EventLoop()
    try loop.start()
    loops.append(loop)
  }
  return loops
}
