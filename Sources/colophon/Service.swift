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
  /// For whoever calls the API from inside the process, without limits.
  let contentAPI: ContentAPI
  private let server: Server<ContentAPI>
  private let privateServer: Server<PrivateAPI>
  private let pools: [Pool]
  private let standbys: [Pool]
  private let draining: Draining
  private let observer: Observer
  private let mail: MailWorker?
  private let limits: ClientLimits
  private let reporter: LimitReporter?
  private let loop: EventLoop

  /// Starts everything; returns when requests are answered and the database answers too. `first` is
  /// the loop of the calling thread. Without a way for mail to leave by, it waits.
  ///
  /// - Parameters:
  ///   - standbyURL: of a standby of the database, for when that is away.
  ///   - log: where everything is written down that happens.
  ///   - isAlone: no other process serves the same database.
  ///   - given: sockets to be served instead of the configured addresses.
  static func start(
    _ configuration: Configuration, databaseURL: String, standbyURL: String? = nil,
    mail: MailTransport?, log: Log, isAlone: Bool = false,
    given: GivenListeners = GivenListeners(), on first: EventLoop
  ) async throws -> Service {
    DescriptorLimit.raise()
    let loops = try startLoops(besides: first)
    let draining = Draining()
    let requestIDs = RequestIDs(seed: RandomBytes.make(10))
    let observers = loops.map { _ in Observer(log) }
    let observer = observers[0]
    let health = Health()
    let inFlight = KeysInFlight()
    let mailCounts = mail == nil ? nil : MailCounts()
    let knownKeys = KnownKeys()
    let limits = ClientLimits(
      configuration.rateLimits, proxies: configuration.proxies, areShared: !isAlone)
    let reporter = LimitReporter(limits, conninfo: databaseURL, loop: first) {
      observer.note($0)
    }
    let position = ContentPosition()
    var caches: [ResponseCache] = []
    var pools: [Pool] = []
    var standbys: [Pool] = []
    var contentAPIs: [ObjectIdentifier: ContentAPI] = [:]
    for (loop, observer) in zip(loops, observers) {
      let settings = PoolSettings.ofLoop(pools.count)
      let pool = Pool(
        conninfo: databaseURL, statements: ContentAPI.statements, settings: settings,
        lender: settings.queryConnections == 0 ? pools.last : nil, loop: loop
      ) { observer.note(.database($0)) }
      await pool.start()
      pools.append(pool)
      let cache =
        configuration.cache == 0
        ? nil
        : ResponseCache(
          capacity: configuration.cache / loops.count, position: position)
      if let cache { caches.append(cache) }
      var standby: Standby?
      if let standbyURL {
        let standbyPool = Standby.pool(standbyURL, loop: loop) { observer.note(.database($0)) }
        await standbyPool.start()
        standbys.append(standbyPool)
        let reads = ContentAPI(
          pool: standbyPool, publicURL: configuration.publicURL ?? "", loop: loop,
          requestIDs: requestIDs, postPage: configuration.postPage, observer: observer)
        standby = Standby(reads, pool: standbyPool, primary: pool, position: position)
      }
      contentAPIs[ObjectIdentifier(loop)] = ContentAPI(
        pool: pool, publicURL: configuration.publicURL ?? "",
        crossOrigin: configuration.crossOrigin, limits: limits, loop: loop,
        requestIDs: requestIDs, knownKeys: knownKeys, inFlight: inFlight,
        signUpPage: configuration.signUpPage, postPage: configuration.postPage, cache: cache,
        standby: standby, observer: observer)
    }
    let apis = contentAPIs
    let allCaches = caches
    let privateServer: Server<PrivateAPI>
    let server: Server<ContentAPI>
    do {
      privateServer = try await Self.server(
        on: configuration.privateListen, given.privately, loops: [loops[0]]
      ) { _ in
        PrivateAPI(
          pools: pools, draining: draining, inFlight: inFlight, limits: limits,
          caches: allCaches, mails: mailCounts, observers: observers, log: log,
          health: health, version: Colophon.version)
      }
      server = try await Self.server(
        on: configuration.listen, given.publicly, loops: loops,
        perAddress: configuration.addressBound
      ) {
        apis[ObjectIdentifier($0)]!
      }
    } catch {
      guard error.code == EADDRINUSE else { throw error }
      throw Failure("\(error.call): the address is taken; stop who has it or choose another port")
    }
    for (number, loop) in loops.enumerated() {
      await Pulse(
        of: loop, number: number, observers[number], pool: pools[number],
        limits: number == 0 ? limits : nil, health
      ).start()
    }
    if let reporter { Task.immediate(executorPreference: first) { await reporter.run() } }
    if !caches.isEmpty || !standbys.isEmpty {
      let watch = PositionWatch(pool: pools[0], position: position)
      Task.immediate(executorPreference: first) { await watch.run() }
    }
    let reaper = KeyReaper(pool: pools[0])
    Task.immediate(executorPreference: first) { await reaper.run() }
    let searchIndex = SearchIndex(pool: pools[0])
    Task.immediate(executorPreference: first) { await searchIndex.run() }
    let worker = try mail.map { transport in
      MailWorker(
        pool: pools[0], transport: transport,
        sender: try configuration.mailFrom ?? MailAddress("newsletter@example.com"),
        publicURL: configuration.publicURL ?? "http://\(server.address)",
        counts: mailCounts ?? MailCounts()
      ) { observer.note(.mail($0)) }
    }
    if let worker {
      for _ in 0..<2 { Task.immediate(executorPreference: first) { await worker.run() } }
    }
    let service = Service(
      address: server.address, privateAddress: privateServer.address,
      contentAPI: ContentAPI(
        pool: pools[0], publicURL: configuration.publicURL ?? "", loop: loops[0],
        requestIDs: requestIDs, inFlight: inFlight), server: server,
      privateServer: privateServer, pools: pools, standbys: standbys, draining: draining,
      observer: observer, mail: worker,
      limits: limits, reporter: reporter, loop: first)
    guard await service.isReady(within: .seconds(30)) else {
      throw Failure("the database did not become ready within 30 seconds")
    }
    return service
  }

  private static func server<App: Responder>(
    on address: SocketAddress, _ given: PassedListener?, loops: [EventLoop],
    perAddress: AddressBound? = nil, responder: (EventLoop) -> App
  ) async throws(SystemError) -> Server<App> {
    if let given {
      return try await Server.start(
        on: given, loops: loops, perAddress: perAddress, responder: responder)
    }
    return try await Server.start(
      on: address, loops: loops, perAddress: perAddress, responder: responder)
  }

  /// Loops for all processors but the one of the calling thread, which has its own.
  private static func startLoops(besides first: EventLoop) throws -> [EventLoop] {
    var loops = [first]
    while loops.count < Environment.processorCount() {
      let loop = try EventLoop()
      try loop.start()
      loops.append(loop)
    }
    return loops
  }

  /// Waits until the database answers; false when it does not within `patience`.
  private func isReady(within patience: Duration) async -> Bool {
    let deadline = MonotonicInstant.now() + patience
    while MonotonicInstant.now() < deadline {
      if await isReady() { return true }
      await loop.sleep(for: .milliseconds(5))
    }
    return false
  }

  /// Whether the database can be used. Every loop is asked, so that an answer means that all of them
  /// turn.
  func isReady() async -> Bool {
    var isReady = limits.isReady
    for pool in pools { if case .unavailable = await pool.readiness { isReady = false } }
    return isReady
  }

  /// The two lines that tell where it is.
  func announce() {
    observer.note(
      .started(
        version: Colophon.version, address: "\(address)", privateAddress: "\(privateAddress)"))
    Terminal.print("listening on http://\(address)")
    Terminal.print("private, for health checks: http://\(privateAddress)")
  }

  /// Ends in order: not ready any more, then the requests under way and the mails in hand, then the
  /// database's sessions.
  func drain(within bound: Duration) async {
    draining.begin()
    observer.note(.draining)
    let start = MonotonicInstant.now()
    let end = start + bound
    async let mailsLeft: Void? = mail?.finish(by: end)
    await server.drain(within: bound)
    _ = await mailsLeft
    // As long as requests were answered, the others had to hear of them.
    await reporter?.finish(by: max(end, .now() + .seconds(1)))
    await closePools(by: end)
    await privateServer.close()
    let took = (MonotonicInstant.now() - start).wholeNanoseconds / 1_000_000
    observer.note(.drained(afterMilliseconds: Int(took)))
  }
}

extension Service {
  /// Disconnects from the database. A pool waits for calls under way, and a database that does not
  /// answer may keep them beyond `end`: nobody is there any more to be told what became of them.
  private func closePools(by end: MonotonicInstant) async {
    let closed = Count()
    let all = pools + standbys
    for pool in all {
      Task.immediate(executorPreference: pool.loop) {
        await pool.close()
        closed.value.add(1, ordering: .relaxed)
      }
    }
    while closed.value.load(ordering: .relaxed) < all.count, .now() < end {
      await loop.sleep(for: .milliseconds(5))
    }
  }

  private final class Count: Sendable {
    let value = Atomic(0)
  }
}

/// Waits for what ends the program.
actor Ending: LoopBound {
  nonisolated let loop: EventLoop
  private var cause: Cause?
  private var waiting: CheckedContinuation<Cause, Never>?

  enum Cause: Sendable {
    case signal
    /// The private PostgreSQL of `dev` runs no more.
    case databaseEnded
  }

  init(loop: EventLoop) { self.loop = loop }

  /// Returns what came first. A second signal ends the process at once.
  func wait() async -> Cause {
    await withCheckedContinuation { continuation in
      // Asked here: others may run before this task waits.
      if let cause { continuation.resume(returning: cause) } else { waiting = continuation }
    }
  }

  func begin(because cause: Cause) {
    if let first = self.cause {
      if first == .signal, cause == .signal { _exit(Colophon.Status.failed.rawValue) }
      return
    }
    self.cause = cause
    waiting?.resume(returning: cause)
    waiting = nil
  }

  /// Begins to listen for signals.
  static func start(on loop: EventLoop) async throws -> Ending {
    let ending = Ending(loop: loop)
    let signals = try Signals(Colophon.signals, on: loop) { _ in
      ending.assumeIsolated { $0.begin(because: .signal) }
    }
    try await signals.start()
    return ending
  }
}
