package import EventLoop

/// The connections of one loop to the database.
///
/// Three classes of calls keep out of each other's way. Short reads of all requests are pipelined
/// over few shared connections, with one Sync for each connection and tick. A `query` has a
/// connection to itself for one statement, which is planned for its values; a `transaction` has one
/// for its whole duration, unless it is sent in one piece: those that wait go together.
///
/// Connections heal in the background: while none stands, one at a time is tried; callers wait only
/// as long as the last attempt has not failed. Cancellation of a task ends no call: deadlines do.
package actor Pool: LoopBound {
  struct Slot {
    let role: PoolRole
    var session: Session?
    /// `connected` was told.
    var stands = false
    var lastAttempt = MonotonicInstant(nanoseconds: 0)
    /// Not to be tried before.
    var due = MonotonicInstant(nanoseconds: 0)
    var backoff: Backoff
    /// What a connection of its own is given to.
    var tenancy: Tenancy?
  }

  package nonisolated let loop: EventLoop
  let settings: PoolSettings
  let observer: @Sendable (PoolEvent) -> Void
  private let parameters: Result<[PoolRole: ConnectionParameters], PostgresError>
  private let statements: [Statement]
  /// Whose connections `query` uses.
  let lender: Pool?

  var slots: [Slot]
  var admissions: ByRole<Admission>
  /// Reads that have no connection yet.
  var readLine = Fifo<Exchange>()
  /// Callers who wait for a connection of their own.
  var lines = ByRole { _ in Fifo<Applicant>() }
  /// Those who may share one.
  var sharesLine = Fifo<Share>()
  /// Why there is no connection of a class, after an attempt has failed.
  var outages = ByRole<String?> { _ in nil }
  var tenancies: UInt64 = 0
  private(set) var isStarted = false
  private(set) var isClosing = false
  private var closers: [Waiter<Void>] = []

  // How a whole outage is sat out, and where the next connect begins.
  private var outageBackoff: Backoff
  private var nextAttempt = MonotonicInstant(nanoseconds: 0)
  private var bestCandidate = 0

  /// Reads sent again, for tests and metrics.
  package internal(set) var resentReads = 0
  private var pastSyncs = 0

  private static let sweepInterval = Duration.milliseconds(50)
  private static let pingInterval = Duration.seconds(1)

  /// A malformed connection string shows in `readiness` and in every call.
  ///
  /// - Parameter lender: a pool of the same database on another loop, that executes `query` for this
  ///   one.
  package init(
    conninfo: String, statements: [Statement], settings: PoolSettings = PoolSettings(),
    lender: Pool? = nil, loop: EventLoop,
    observer: @escaping @Sendable (PoolEvent) -> Void = { _ in }
  ) {
    self.loop = loop
    self.lender = lender
    self.settings = settings
    self.observer = observer
    self.statements = statements
    do throws(PostgresError) {
      var parameters: [PoolRole: ConnectionParameters] = [:]
      for role in PoolRole.allCases {
        var session = settings.session
        session.plansForValues = role == .query
        parameters[role] = try ConnectionParameters(conninfo, settings: session)
      }
      self.parameters = .success(parameters)
    } catch {
      parameters = .failure(error)
    }
    let counts = [
      (PoolRole.read, settings.readConnections), (.query, settings.queryConnections),
      (.write, settings.writeConnections),
    ]
    // The first of each role before the second of any: that is also the order of connecting, and with
    // one of each the pool is ready.
    slots = (0..<max(0, counts.map(\.1).max() ?? 0)).flatMap { round in
      counts.filter { round < $0.1 }.map { Slot(role: $0.0, backoff: settings.backoff) }
    }
    outageBackoff = settings.backoff
    admissions = ByRole { role in
      switch role {
      case .read: Admission(limit: settings.readLimit, lanes: settings.readConnections)
      case .query: Admission(limit: settings.queryLimit, lanes: settings.queryConnections)
      case .write: Admission(limit: settings.writeLimit, lanes: settings.writeConnections)
      }
    }
  }

  /// Whether libpq can read a connection string; it says nothing of whether it leads anywhere.
  package static func canRead(_ conninfo: String) -> Bool {
    (try? ConnectionParameters(conninfo, settings: SessionSettings())) != nil
  }

  /// Begins to connect in the background.
  package func start() {
    guard !isStarted, !isClosing else { return }
    isStarted = true
    loop.observeTicks(self)
    sweep(.now())
    loop.schedule(0, of: self, at: .now() + Self.sweepInterval)
  }

  /// Refuses new calls, lets those under way end within their deadlines, then disconnects.
  package func close() async {
    guard isStarted else {
      isClosing = true
      return
    }
    isClosing = true
    await Waiter<Void>.wait { waiter in
      closers.append(waiter)
      closeWhenIdle()
    }
  }

  private func closeWhenIdle() {
    guard isClosing, isStarted, PoolRole.allCases.allSatisfy({ admissions[$0].inside == 0 }),
      slots.allSatisfy({ $0.tenancy == nil })
    else { return }
    isStarted = false
    loop.stopObservingTicks(self)
    for index in slots.indices {
      slots[index].session?.close("closed")
      slots[index].session = nil
      slots[index].stands = false
    }
    closers.forEach { $0.resume(()) }
    closers = []
  }

  /// For /readyz: whether every class of calls that has connections has one that stands, and the
  /// server answers.
  package var readiness: Readiness {
    if isClosing { return .unavailable("closing") }
    if !isStarted { return .unavailable("not started") }
    let now = MonotonicInstant.now()
    for role in PoolRole.allCases {
      if let outage = outages[role] { return .unavailable(outage) }
      let ofRole = slots.lazy.filter { $0.role == role }
      if !ofRole.isEmpty, !ofRole.contains(where: \.stands) {
        return .unavailable("no \(role.rawValue) connection")
      }
    }
    if usableReader(now) == nil { return .unavailable("the server does not answer") }
    return .ready
  }

  /// Whether the server is known not to answer: short reads are refused without being sent.
  package var isAway: Bool {
    guard usableReader(.now()) == nil else { return false }
    return outages[.read] != nil
      || slots.contains { $0.role == .read && $0.session?.isOpen == true }
  }

  /// How many Syncs ended segments on the read connections, for tests and metrics.
  package var readSyncs: Int {
    slots.reduce(pastSyncs) { $1.role == .read ? $0 + ($1.session?.syncs ?? 0) : $0 }
  }

  // The loop

  package func ready(_ token: Int, _ events: ReadyEvents) {
    slots[token].session?.ready(events)
    settle(token)
  }

  package func tickEnded() {
    for index in slots.indices where slots[index].role == .read {
      guard let session = slots[index].session, session.needsSync else { continue }
      session.sync()
      settle(index)
    }
  }

  package func expired(_ token: Int) {
    guard isStarted else { return }
    sweep(loop.now)
    if isStarted { loop.schedule(0, of: self, at: loop.now + Self.sweepInterval) }
  }

  private func sweep(_ now: MonotonicInstant) {
    for index in slots.indices {
      guard let session = slots[index].session else { continue }
      session.sweep(now)
      settle(index)
    }
    expireReads(now)
    expireTenancies(now)
    if !isClosing { pingIdleReaders(now) }
    connectWhatIsDue(now)
    closeWhenIdle()
  }

  private func pingIdleReaders(_ now: MonotonicInstant) {
    for index in slots.indices where slots[index].role == .read {
      guard let session = slots[index].session, session.isOpen, session.unanswered == 0,
        now - session.lastProgress >= Self.pingInterval
      else { continue }
      let ping = Exchange(.ping, deadline: now + settings.stallLimit)
      session.send(ping, [.hidden(Call(Session.ping))], ending: .sync)
      settle(index)
    }
  }

  // Connecting

  private func connectWhatIsDue(_ now: MonotonicInstant) {
    let parameters: [PoolRole: ConnectionParameters]
    switch self.parameters {
    case .success(let value): parameters = value
    case .failure(let error):
      failLines("\(error)")
      return
    }
    if isClosing { return }
    while true {
      let connecting = slots.count { $0.session != nil && !$0.stands }
      let standing = slots.contains { $0.stands }
      guard connecting < (standing ? 2 : 1), standing || now >= nextAttempt else { return }
      let due = slots.indices.filter { slots[$0].session == nil && slots[$0].due <= now }
      guard let index = due.min(by: { slots[$0].due < slots[$1].due }),
        let parameters = parameters[slots[index].role]
      else { return }
      slots[index].lastAttempt = now
      slots[index].session = Session(
        parameters, firstCandidate: bestCandidate,
        statements: Session.statements
          + statements.filter { $0.roles.contains(slots[index].role) }, isPipelined: true,
        connectLimit: settings.connectLimit, loop: loop, owner: self, token: index)
      settle(index)
    }
  }

  /// Takes what a session has finished and follows its phase. Called after everything that touches
  /// a session.
  func settle(_ index: Int) {
    guard let session = slots[index].session else { return }
    // Of a closed session `closed` takes them, after the slot has let go of it.
    while !session.isClosed {
      let completed = session.takeCompleted()
      if completed.isEmpty { break }
      for exchange in completed { finish(exchange, index) }
    }
    if session.isReadOnly { session.close("25006: the server is read-only") }
    switch session.phase {
    case .connecting, .preparing: return
    case .open:
      if !slots[index].stands { opened(index, session) }
      serveNext(index)
    case .closed(let reason):
      if slots[index].session === session { closed(index, session, reason) }
    }
  }

  private func opened(_ index: Int, _ session: Session) {
    let now = MonotonicInstant.now()
    let isFirst = !slots.contains { $0.stands }
    slots[index].stands = true
    slots[index].backoff.succeeded()
    outageBackoff.succeeded()
    bestCandidate = session.candidate
    outages[slots[index].role] = nil
    let took = (now - slots[index].lastAttempt).wholeNanoseconds / 1_000_000
    observer(.connected(slots[index].role, afterMilliseconds: Int(took)))
    if isFirst {
      // The others need not sit out what this one has found to be over.
      outages = ByRole { _ in nil }
      for other in slots.indices where slots[other].session == nil {
        slots[other].due = min(slots[other].due, soon(after: slots[other].lastAttempt, now))
      }
    }
    if slots[index].role == .read { sendWaitingReads() }
    connectWhatIsDue(now)
  }

  private func closed(_ index: Int, _ session: Session, _ reason: String) {
    let now = MonotonicInstant.now()
    let role = slots[index].role
    let stood = slots[index].stands
    let left = session.takeCompleted()
    if role == .read { pastSyncs += session.syncs }
    slots[index].session = nil
    slots[index].stands = false
    if stood {
      observer(.lost(role, reason))
      slots[index].due = soon(after: slots[index].lastAttempt, now)
    } else {
      observer(.connectFailed(role, reason))
      let attempt = slots[index].lastAttempt
      slots[index].due = slots[index].backoff.failed(
        attempt: attempt, now: now, chance: .random(in: 0..<1))
      if !slots.contains(where: { $0.stands }) {
        nextAttempt = outageBackoff.failed(
          attempt: attempt, now: now, chance: .random(in: 0..<1))
        failLines(reason)
      } else if !slots.contains(where: { $0.role == role && $0.stands }) {
        outages[role] = reason
        failLine(role, reason)
      }
    }
    for exchange in left { finish(exchange, index) }
    abandonTenancy(index)
  }

  private func soon(after attempt: MonotonicInstant, _ now: MonotonicInstant) -> MonotonicInstant {
    settings.backoff.soon(after: attempt, now: now) + .milliseconds(.random(in: 0...100))
  }

  private func failLines(_ reason: String) {
    for role in PoolRole.allCases {
      outages[role] = reason
      failLine(role, reason)
    }
  }

  private func failLine(_ role: PoolRole, _ reason: String) {
    if role == .read {
      while let exchange = readLine.popFirst() { answer(exchange, .unavailable(reason)) }
      return
    }
    while let applicant = lines[role].popFirst() { refuse(applicant, .unavailable(reason)) }
    if role != .write { return }
    while let share = sharesLine.popFirst() { refuse(share, .unavailable(reason)) }
  }

  /// The checks that every call passes before it is let in.
  func admit(
    _ role: PoolRole, deadline: MonotonicInstant, wasInside: Bool = false
  ) throws(PostgresError) {
    if isClosing || !isStarted { throw .unavailable(isClosing ? "closing" : "not started") }
    if let outage = outages[role] { throw .unavailable(outage) }
    let now = MonotonicInstant.now()
    if now >= deadline { throw .timedOut }
    if wasInside {
      admissions[role].enterAgain()
    } else if admissions[role].enter(now: now, deadline: deadline) != .admitted {
      observer(.shed(role))
      throw .overloaded
    }
  }

  func leave(_ role: PoolRole, took: Duration?) {
    admissions[role].leave(took: took)
    if isClosing { closeWhenIdle() }
  }

  /// All who had a connection have done with it.
  func leave(_ role: PoolRole, _ tenancy: Tenancy) {
    let callers = max(1, tenancy.companions)
    var took = (.now() - tenancy.since) / callers
    // Fewer lanes are shared than there are.
    if tenancy.companions > 0 {
      took = took * settings.writeConnections / max(1, settings.sharedConnections)
    }
    for _ in 0..<callers { leave(role, took: took) }
  }

  private func finish(_ exchange: Exchange, _ index: Int) {
    switch exchange.purpose {
    case .read(let call): finishRead(exchange, call)
    case .slow, .transaction, .rollback: finishOwn(exchange, index)
    case .shared:
      slots[index].tenancy?.isLeft = true
      finishOwn(exchange, index)
    case .ping, .preparation, .command: break
    }
  }
}

/// Refuses parameters that would be cut off or cannot be counted.
func check(_ calls: some Sequence<Call>) throws(PostgresError) {
  for call in calls {
    guard call.parameters.count <= 65_535, call.parameters.allSatisfy(\.isSendable) else {
      throw .invalidParameter
    }
  }
}
