import EventLoop

/// A session with the server from the first connect to the end: connecting, preparing, then
/// commands out and replies in, in order.
///
/// Owner: an actor of the same loop, which forwards `ready`, and after every call here takes
/// `takeCompleted` and looks at `phase`. A session calls nobody, so nothing re-enters.
final class Session {
  enum Phase {
    case connecting
    case preparing
    case open
    /// With a text for the log.
    case closed(String)
  }

  /// What a reply is for.
  enum Role {
    case call
    /// BEGIN and the like, whose result nobody wants.
    case hidden
    case commit
    case sync
  }

  enum Command {
    case call(Call)
    case hidden(Call)
    case commit
    case query(String, [Parameter])
    case script(String)
    case prepare(Statement)
    case sync
  }

  /// What follows the commands of an exchange.
  enum Ending {
    /// A Sync of its own, whose answer completes the exchange.
    case sync
    /// A flush request: answers come without the transaction's end.
    case flushRequest
    /// Nothing: `sync()` comes at the end of the tick.
    case later
    /// Nothing: not in pipeline mode.
    case none
  }

  private struct Expected {
    let exchange: Exchange?
    let role: Role
  }

  private(set) var phase = Phase.connecting
  private(set) var syncs = 0
  /// When something last came, or when the first of the unanswered commands was sent.
  private(set) var lastProgress: MonotonicInstant
  /// The server answered 25006: it is no primary (any more).
  private(set) var isReadOnly = false
  /// Which of the hosts it is connected to.
  private(set) var candidate: Int

  private let loop: EventLoop
  private let owner: any LoopBound
  private let token: Int
  private let statements: [Statement]
  private let isPipelined: Bool
  private let parameters: ConnectionParameters
  private let hostLimit: Duration
  private var hostsTried = 0
  private var hostDeadline: MonotonicInstant

  private var libpq: LibpqConnection?
  private var registration: EventLoop.Registration?
  private var number: Int32 = -1
  private var interest: Interest = []
  private var expected = Fifo<Expected>()
  private var completed: [Exchange] = []
  /// How many exchanges were sent with `.later` since the last Sync.
  private(set) var unsynced = 0
  /// When the replies before the ones to come were taken: what follows took from here.
  private var servedUntil = MonotonicInstant(nanoseconds: 0)
  private var preparation: Exchange?

  /// `connectLimit` is for all hosts together, but each gets a second at least.
  init(
    _ parameters: ConnectionParameters, firstCandidate: Int, statements: [Statement],
    isPipelined: Bool, connectLimit: Duration, loop: EventLoop, owner: any LoopBound, token: Int
  ) {
    self.parameters = parameters
    self.statements = statements
    self.isPipelined = isPipelined
    self.loop = loop
    self.owner = owner
    self.token = token
    candidate = firstCandidate
    let hosts = parameters.candidates.count
    hostLimit = hosts == 1 ? connectLimit : max(.seconds(1), connectLimit / hosts)
    lastProgress = .now()
    hostDeadline = lastProgress + hostLimit
    connect()
  }

  var isOpen: Bool {
    if case .open = phase { true } else { false }
  }

  var isClosed: Bool {
    if case .closed = phase { true } else { false }
  }

  /// How many replies are outstanding.
  var unanswered: Int { expected.count }

  /// A Sync has to follow at the end of the tick.
  var needsSync: Bool { unsynced > 0 }

  /// Nothing is outstanding and no transaction is open.
  var isIdle: Bool { expected.isEmpty && !needsSync && (libpq?.isIdle ?? false) }

  var usesTLS: Bool { libpq?.usesTLS ?? false }

  /// Of the server's process, for tests and logs.
  var processIdentifier: Int { libpq?.processIdentifier ?? 0 }

  func takeCompleted() -> [Exchange] {
    if completed.isEmpty { return [] }
    defer { completed = [] }
    return completed
  }

  // Connecting

  private func connect() {
    hostDeadline = .now() + hostLimit
    do throws(PostgresError) {
      libpq = try LibpqConnection(parameters.candidates[candidate])
      pollConnect(afterStart: true)
    } catch {
      close("\(error)")
    }
  }

  private func pollConnect(afterStart: Bool = false) {
    guard let libpq else { return }
    // libpq may close its socket now; and what it opens then may have the same number.
    unregister()
    // After the start libpq wants to hear that it may write before it is asked to go on.
    let polling = afterStart && libpq.socket >= 0 ? .writing : libpq.pollConnect()
    switch polling {
    case .reading: register(for: .readable)
    case .writing: register(for: .writable)
    case .failed: tryNextHost(libpq.errorMessage)
    case .connected:
      guard libpq.enterOperation(pipelined: isPipelined) else {
        close(libpq.errorMessage)
        return
      }
      register(for: .readable)
      if !isClosed { prepare() }
    }
  }

  private func tryNextHost(_ reason: String) {
    hostsTried += 1
    if hostsTried >= parameters.candidates.count {
      close(reason)
      return
    }
    unregister()
    libpq = nil
    candidate = (candidate + 1) % parameters.candidates.count
    connect()
  }

  private func prepare() {
    guard !statements.isEmpty else {
      phase = .open
      return
    }
    phase = .preparing
    let exchange = Exchange(.preparation, deadline: .distantFuture)
    preparation = exchange
    send(exchange, statements.map { .prepare($0) }, ending: .sync)
  }

  private func register(for interest: Interest) {
    guard let libpq else { return }
    number = libpq.socket
    self.interest = interest
    do throws(SystemError) {
      registration = try loop.register(number, for: interest, token: token, of: owner)
    } catch {
      close(error.description)
    }
  }

  private func unregister() {
    if let registration { loop.unregister(registration) }
    registration = nil
    number = -1
  }

  // Events

  func ready(_ events: ReadyEvents) {
    // A long result is no silence.
    if events.contains(.readable) { lastProgress = loop.now }
    switch phase {
    case .connecting: pollConnect()
    case .preparing, .open: receive()
    case .closed: break
    }
  }

  /// To be called some times a second: ends a connect that takes too long.
  func sweep(_ now: MonotonicInstant) {
    switch phase {
    case .connecting:
      if now >= hostDeadline { tryNextHost("no connection within \(hostLimit)") }
    case .preparing:
      if now >= hostDeadline { close("the statements were not prepared within \(hostLimit)") }
    case .open:
      if !expected.isEmpty, libpq?.usesTLS ?? false { receive() }
    case .closed: break
    }
  }

  private func receive() {
    guard let libpq else { return }
    let hasMore = libpq.consumeInput()
    takeReplies()
    if isClosed { return }
    if hasMore && libpq.isAlive { flush() } else { close(libpq.errorMessage) }
  }

  private func takeReplies() {
    let first = completed.count
    completed.reserveCapacity(first + expected.count)
    takeWholeReplies()
    guard completed.count > first else { return }
    let now = MonotonicInstant.now()
    let share = (now - servedUntil) / (completed.count - first)
    for exchange in completed[first...] { exchange.share = share }
    servedUntil = now
  }

  private func takeWholeReplies() {
    guard let libpq else { return }
    while let head = expected.first, !libpq.isBusy {
      let warnings = libpq.takeWarnings()
      if !warnings.isEmpty { head.exchange?.warn(in: head.role) }
      let reply = libpq.nextReply()
      switch reply {
      case .rows(let rows):
        head.exchange?.take(rows, for: head.role)
      case .failure(let error):
        head.exchange?.fail(error, in: head.role)
        if error.sqlState == "25006" { isReadOnly = true }
        if error.endsSession {
          close(error.description)
          return
        }
      case .aborted:
        head.exchange?.abort()
      case .end:
        if head.role == .sync {
          if head.exchange?.takeEndOfFailedSync() == true { continue }
          close("the replies are out of step")
          return
        }
        answered(head)
      case .sync:
        if head.role != .sync {
          close("the replies are out of step")
          return
        }
        answered(head)
      case .unexpected:
        close("the server asked for COPY, which is not spoken here")
        return
      }
    }
    // Notices that belong to no command.
    if expected.isEmpty { _ = libpq.takeWarnings() }
  }

  private func answered(_ head: Expected) {
    _ = expected.popFirst()
    guard let exchange = head.exchange else { return }
    exchange.unanswered -= 1
    guard exchange.unanswered == 0 else { return }
    if exchange !== preparation {
      completed.append(exchange)
      return
    }
    preparation = nil
    if let failure = exchange.failure {
      close("a statement cannot be prepared: \(failure)")
    } else {
      phase = .open
    }
  }

  // Commands

  /// Sends commands in order. Parameters must have been checked (`Parameter.isSendable`).
  func send(_ exchange: Exchange, _ commands: some Sequence<Command>, ending: Ending) {
    guard let libpq, !isClosed else {
      exchange.lose()
      completed.append(exchange)
      return
    }
    if expected.isEmpty {
      lastProgress = .now()
      servedUntil = lastProgress
    }
    exchange.attempts += 1
    // All are counted before the first is sent: a failure in the middle must not look complete.
    exchange.unanswered = commands.count { if case .sync = $0 { false } else { true } }
    if case .sync = ending { exchange.unanswered += 1 }
    for command in commands {
      let (role, isTaken) = send(command, libpq)
      if role == .commit { exchange.expectCommit() }
      expected.append(Expected(exchange: command.isSync ? nil : exchange, role: role))
      if !isTaken {
        close(libpq.errorMessage)
        return
      }
    }
    switch ending {
    case .later:
      unsynced += 1
      // libpq writes by itself when it has gathered much, and may find the connection gone.
      if libpq.socket != number { receive() }
    case .sync:
      sendSync(for: exchange)
    case .flushRequest:
      if libpq.sendFlushRequest() { flush() } else { close(libpq.errorMessage) }
    case .none:
      flush()
    }
  }

  private func send(_ command: Command, _ libpq: LibpqConnection) -> (Role, Bool) {
    switch command {
    case .call(let call): (.call, libpq.sendExecute(call))
    case .hidden(let call): (.hidden, libpq.sendExecute(call))
    case .commit: (.commit, libpq.sendExecute(Call(Self.commit)))
    case .query(let sql, let parameters): (.call, libpq.sendQuery(sql, parameters))
    case .script(let sql): (.call, libpq.sendScript(sql))
    case .prepare(let statement): (.hidden, libpq.sendPrepare(statement))
    case .sync: (.sync, libpq.sendSync())
    }
  }

  /// Ends the segment of what was sent with `.later`; once a tick.
  func sync() {
    if needsSync { sendSync(for: nil) }
  }

  private func sendSync(for exchange: Exchange?) {
    guard let libpq, !isClosed else { return }
    unsynced = 0
    syncs += 1
    expected.append(Expected(exchange: exchange, role: .sync))
    if libpq.sendSync() { flush() } else { close(libpq.errorMessage) }
  }

  private func flush() {
    guard let libpq else { return }
    switch libpq.flush() {
    case .everything: watch(for: .readable)
    case .partly: watch(for: [.readable, .writable])
    case .failed:
      let message = libpq.errorMessage
      // The server may have said why.
      _ = libpq.consumeInput()
      takeReplies()
      close(message)
    }
  }

  private func watch(for interest: Interest) {
    guard let registration, let libpq, libpq.socket == number else {
      close(libpq?.errorMessage ?? "the connection has ended")
      return
    }
    if self.interest == interest { return }
    self.interest = interest
    loop.watch(registration, for: interest)
  }

  /// Ends the session at once. What is unanswered is lost and completes.
  func close(_ reason: String) {
    if isClosed { return }
    phase = .closed(reason)
    unregister()
    libpq = nil
    while let entry = expected.popFirst() {
      guard let exchange = entry.exchange, !exchange.isLost else { continue }
      exchange.lose()
      if exchange !== preparation { completed.append(exchange) }
    }
    preparation = nil
  }

  /// The unanswered exchanges whose deadline has passed, some perhaps more than once.
  func exchanges(overdue now: MonotonicInstant) -> [Exchange] {
    var overdue: [Exchange] = []
    expected.forEach { entry in
      if let exchange = entry.exchange, now >= exchange.deadline { overdue.append(exchange) }
    }
    return overdue
  }

  // What every pooled session prepares beside its owner's statements

  static let begin = Statement("postgres.begin", "begin isolation level read committed")
  static let commit = Statement("postgres.commit", "commit")
  static let rollback = Statement("postgres.rollback", "rollback")
  static let savepoint = Statement("postgres.savepoint", "savepoint before")
  static let undo = Statement("postgres.undo", "rollback to savepoint before")
  static let ping = Statement("postgres.ping", "select 1")
  static let limit = Statement(
    "postgres.limit", "select pg_catalog.set_config('statement_timeout', $1, true)")
  static let statements = [begin, commit, rollback, savepoint, undo, ping, limit]
}

extension Session.Command {
  fileprivate var isSync: Bool {
    if case .sync = self { true } else { false }
  }
}
