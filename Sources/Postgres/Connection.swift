package import EventLoop

/// One session for one user: commands, migrations, tests. Requests go through a `Pool`.
///
/// Calls are answered in the order they were made, one at a time. Must be closed: an open
/// connection keeps itself alive.
package actor Connection: LoopBound {
  package nonisolated let loop: EventLoop
  private var session: Session?
  private var opening: Waiter<PostgresError?>?
  private var openingDeadline = MonotonicInstant.distantFuture
  private var line = Fifo<(exchange: Exchange, command: Session.Command)>()
  private var isSweeping = false

  /// Connects within the deadline, and within 3 s for each host. Throws `.unavailable` with libpq's
  /// text for the log, or `.timedOut`.
  package static func open(
    _ conninfo: String, on loop: EventLoop,
    deadline: MonotonicInstant = .now() + .seconds(3),
    settings: SessionSettings = SessionSettings()
  ) async throws(PostgresError) -> Connection {
    let parameters = try ConnectionParameters(conninfo, settings: settings)
    let connection = Connection(loop: loop)
    if let error = await connection.connect(parameters, deadline: deadline) { throw error }
    return connection
  }

  private init(loop: EventLoop) { self.loop = loop }

  private func connect(
    _ parameters: ConnectionParameters, deadline: MonotonicInstant
  ) async -> PostgresError? {
    session = Session(
      parameters, firstCandidate: 0, statements: [], isPipelined: false,
      connectLimit: .seconds(3), loop: loop, owner: self, token: 0)
    openingDeadline = deadline
    return await Waiter.wait { waiter in
      opening = waiter
      settle()
      sweepSoon()
    }
  }

  /// One statement in a transaction of its own. The default deadline is 30 s from now.
  package func query(
    _ sql: String, _ parameters: [Parameter] = [],
    deadline: MonotonicInstant = .now() + .seconds(30)
  ) async throws(PostgresError) -> Rows {
    guard parameters.allSatisfy(\.isSendable), parameters.count <= 65_535, !sql.utf8.contains(0)
    else { throw .invalidParameter }
    let results = try await perform(.query(sql, parameters), deadline)
    guard let last = results.last else { throw .connectionLost }
    return last
  }

  /// Several statements, in one implicit transaction unless they say otherwise. The server's
  /// `statement_timeout` counts for them all together.
  package func script(
    _ sql: String, deadline: MonotonicInstant = .now() + .seconds(60)
  ) async throws(PostgresError) {
    if sql.utf8.contains(0) { throw .invalidParameter }
    _ = try await perform(.script(sql), deadline)
  }

  /// Ends the session at once; calls under way get `.connectionLost`.
  package func close() {
    session?.close("closed")
    settle()
  }

  /// The process identifier of the server's side, as `pg_stat_activity` has it; 0 once closed.
  package var backend: Int { session?.processIdentifier ?? 0 }

  /// Whether what is said on it is encrypted.
  package var usesTLS: Bool { session?.usesTLS ?? false }

  private func perform(
    _ command: Session.Command, _ deadline: MonotonicInstant
  ) async throws(PostgresError) -> [Rows] {
    guard session != nil else { throw .connectionLost }
    let result: Result<[Rows], PostgresError> = await Waiter.wait { waiter in
      let exchange = Exchange(.command, deadline: deadline)
      exchange.waiter = waiter
      line.append((exchange, command))
      settle()
      sweepSoon()
    }
    return try result.get()
  }

  package func ready(_ token: Int, _ events: ReadyEvents) {
    session?.ready(events)
    settle()
  }

  private func settle() {
    guard let session else {
      // It may have ended while a caller was on the way here.
      refuseAll("the connection has ended")
      return
    }
    for exchange in session.takeCompleted() { exchange.finish() }
    switch session.phase {
    case .connecting, .preparing: break
    case .open:
      opening?.resume(nil)
      opening = nil
      if session.unanswered == 0, let (exchange, command) = line.popFirst() {
        session.send(exchange, [command], ending: .none)
        settle()
      }
    case .closed(let reason):
      self.session = nil
      refuseAll(reason)
    }
  }

  private func refuseAll(_ reason: String) {
    opening?.resume(.unavailable(reason))
    opening = nil
    while let (exchange, _) = line.popFirst() { exchange.finish(.connectionLost) }
  }

  private func sweepSoon() {
    if isSweeping || session == nil { return }
    isSweeping = true
    loop.schedule(0, of: self, at: .now() + .milliseconds(50))
  }

  package func expired(_ token: Int) {
    isSweeping = false
    guard let session else { return }
    let now = loop.now
    session.sweep(now)
    if opening != nil, now >= openingDeadline {
      opening?.resume(.timedOut)
      opening = nil
      session.close("no connection before the deadline")
    }
    let overdue = session.exchanges(overdue: now)
    let late = line.remove { now >= $0.exchange.deadline }
    late.forEach { $0.exchange.finish(.timedOut) }
    if !overdue.isEmpty {
      // Its answer may come at any time, so nothing else can be asked here.
      overdue.forEach { $0.finish(.timedOut) }
      session.close("no answer before the deadline")
    }
    settle()
    if opening != nil || !line.isEmpty || session.unanswered > 0 { sweepSoon() }
  }
}
