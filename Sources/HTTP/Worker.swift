import EventLoop

/// The connections of one loop: accepts them, reads, parses, hands requests to the responder, writes
/// the answers, and ends whoever is too slow.
actor Worker<App: Responder>: LoopBound {
  nonisolated let loop: EventLoop
  private let responder: App
  private let limits: RequestLimits
  private let timeouts: Timeouts
  private let perAddress: AddressBound?

  private var listening: Socket?
  private var listeningRegistration: EventLoop.Registration?
  private var connections: [Connection?] = []
  private var freeSlots: [Int] = []
  /// How many connections and requests there have been.
  private var accepted = 0
  private var exchanges = 0
  private var isDraining = false
  private var isClosed = false

  /// What every read goes into.
  private var readBuffer = [UInt8](repeating: 0, count: 65_536)
  private var headStorage = HeadStorage()
  private var isParsing = false
  /// The connections with something to send at the end of the tick, and empty buffers for more.
  private var noted: [Connection] = []
  private var spareBuffers: [[UInt8]] = []
  private var tasks = RestingTasks<Unanswered>()

  private struct Unanswered {
    let id: ExchangeID
    let request: Request
  }

  private static var listener: Int { -1 }
  private static var sweep: Int { -2 }
  private static var acceptAgain: Int { -3 }
  private static var sweepInterval: Duration { .milliseconds(250) }

  init(
    listening: consuming Socket, responder: App, limits: RequestLimits, timeouts: Timeouts,
    perAddress: AddressBound?, loop: EventLoop
  ) {
    self.listening = consume listening
    self.responder = responder
    self.limits = limits
    self.timeouts = timeouts
    self.perAddress = perAddress
    self.loop = loop
  }

  func start() throws(SystemError) {
    guard let number = listening?.number else { return }
    listeningRegistration = try loop.register(
      number, for: .readable, token: Self.listener, of: self)
    loop.schedule(Self.sweep, of: self, at: .now() + Self.sweepInterval)
    loop.observeTicks(self)
  }

  func ready(_ token: Int, _ events: ReadyEvents) {
    if token == Self.listener {
      accept()
      return
    }
    guard let connection = connections[token] else { return }
    if events.contains(.error) || events.contains(.hangUp) {
      // Nobody is there to be answered. A request that is being handled goes on: it may be a write.
      close(connection)
      return
    }
    if events.contains(.writable) { send(connection) }
    if events.contains(.readable), connection.phase != .closed { read(connection) }
  }

  func expired(_ token: Int) {
    switch token {
    case Self.sweep:
      if isClosed { return }
      endTheSlow()
      loop.schedule(token, of: self, at: .now() + Self.sweepInterval)
    case Self.acceptAgain:
      if let listeningRegistration { loop.watch(listeningRegistration, for: .readable) }
    default: break
    }
  }

  // Accepting

  /// Bounded, so that a flood of connections does not keep those that exist waiting.
  private func accept(atMost bound: Int = 64) {
    for _ in 0..<bound {
      switch acceptOne() {
      case .connection(let socket, let peer): add(socket, peer: peer)
      case .none: return
      case .exhausted:
        // Level-triggered readiness would spin here until a descriptor comes back.
        if let listeningRegistration { loop.watch(listeningRegistration, for: []) }
        loop.schedule(Self.acceptAgain, of: self, at: .now() + .milliseconds(100))
        return
      }
    }
  }

  private func acceptOne() -> Socket.Accepted {
    switch listening {
    case .some(let socket): socket.accept()
    case .none: .none
    }
  }

  private func add(_ socket: consuming Socket, peer: SocketAddress) {
    let slot = freeSlots.popLast() ?? connections.count
    if slot == connections.count { connections.append(nil) }
    let connection = Connection(
      socket: socket, peer: peer, slot: slot, limits: limits, deadline: .now() + timeouts.head)
    do throws(SystemError) {
      connection.registration = try loop.register(
        connection.socket.number, for: .readable, token: slot, of: self)
      connections[slot] = connection
      accepted += 1
      connection.isCounted = perAddress?.enter(peer) ?? false
      if perAddress != nil, !connection.isCounted { refuse(connection, .tooManyConnections) }
    } catch {
      freeSlots.append(slot)
    }
  }

  private func close(_ connection: Connection) {
    guard connection.phase != .closed else { return }
    connection.phase = .closed
    if let registration = connection.registration { loop.unregister(registration) }
    connections[connection.slot] = nil
    freeSlots.append(connection.slot)
    if connection.isCounted { perAddress?.leave(connection.peer) }
    connection.endContent(.incompleteContent)
  }

  // Reading

  private func read(_ connection: Connection) {
    // The buffer is taken out of the actor while it is looked at: a responder that answers without
    // waiting comes back into this actor in the meantime.
    var buffer = readBuffer
    readBuffer = []
    defer { readBuffer = buffer }
    switch connection.socket.read(into: &buffer) {
    case .bytes(let count):
      if connection.phase == .idle {
        connection.phase = .head
        connection.deadline = loop.now + timeouts.head
      }
      var parsed = 0
      if !connection.hasInput { parsed = parse(connection, buffer.span.extracting(0..<count)) }
      connection.keepInput(buffer[parsed..<count])
    case .wouldBlock: return
    case .ended: connection.inputEnded = true
    case .failed: close(connection)
    }
    proceed(connection)
  }

  /// Goes on with a connection to which something has happened. While it is being parsed that is the
  /// business of whoever parses it.
  private func proceed(_ connection: Connection) {
    if isParsing { return }
    if connection.hasInput, connection.canParse {
      let (bytes, start) = connection.takeInput()
      let parsed = parse(connection, bytes.span.extracting(start..<bytes.count))
      connection.putBack(bytes, parsedTo: start + parsed)
    }
    if connection.phase == .idle, connection.hasInput { nextRequest(connection) }
    if connection.inputEnded { endInput(connection) }
    settle(connection)
  }

  /// What it means that nothing more comes, when all that came is parsed.
  private func endInput(_ connection: Connection) {
    switch connection.phase {
    case .idle, .discarding: connection.phase = .closing
    case .head: if connection.canParse { refuse(connection, .incompleteHead) }
    case .handling: if connection.canParse { refuse(connection, .incompleteContent) }
    case .lingering: close(connection)
    case .closing, .closed: break
    }
  }

  /// The loop of a connection: steps of the parser while they lead somewhere. Returns how many bytes
  /// are done with.
  private func parse(_ connection: Connection, _ bytes: Span<UInt8>) -> Int {
    var position = 0
    isParsing = true
    swap(&headStorage, &connection.parser.storage)
    steps: while connection.canParse {
      switch connection.parser.next(bytes.extracting(position..<bytes.count)) {
      case .incomplete(let consumed):
        position += consumed
        break steps
      case .head(let head, let consumed):
        position += consumed
        begin(connection, head)
      case .content(let range, let consumed):
        connection.keepContent(
          bytes.extracting(position + range.lowerBound..<position + range.upperBound))
        position += consumed
      case .end(let consumed):
        position += consumed
        if connection.phase == .discarding {
          nextRequest(connection)
        } else {
          connection.endContent()
        }
      case .refused(let refusal):
        position = bytes.count
        refuse(connection, refusal)
        break steps
      }
    }
    swap(&headStorage, &connection.parser.storage)
    isParsing = false
    return position
  }

  private func begin(_ connection: Connection, _ head: RequestHead) {
    let hasContent = head.framing != .none && head.framing != .length(0)
    // The parser ends a message without content in a step of its own, which needs no input.
    if !hasContent {
      _ = connection.parser.next([UInt8]().span)
      if answerPromptly(connection, head) { return }
    }
    exchanges += 1
    let id = ExchangeID(slot: connection.slot, number: exchanges)
    connection.phase = .handling
    connection.deadline = .distantFuture
    connection.exchange = Connection.Exchange(
      id: id, method: head.method, version: head.version, keepsAlive: head.keepAlive,
      framing: head.framing, awaitsContinue: head.expectsContinue, isComplete: !hasContent)

    let content =
      hasContent ? Content.unread { await self.content(of: id) } : Content.ready([])
    let request = Request(head: head, peer: connection.peer, content: content)
    if tasks.call(for: Unanswered(id: id, request: request)) { return }
    Task.immediate(executorPreference: loop) { await answer() }
  }

  /// What a task does: answers a request, and others as long as it is called upon.
  private func answer() async {
    repeat {
      guard let next = tasks.next() else { continue }
      complete(next.id, await responder.respond(to: next.request))
    } while await withCheckedContinuation { tasks.rest($0) }
  }

  /// The connection whose request `id` names; nil when that is answered or its connection gone.
  private func connection(handling id: ExchangeID) -> Connection? {
    guard let connection = connections[id.slot], connection.exchange?.id == id else { return nil }
    return connection
  }

  private func content(of id: ExchangeID) async -> Result<[UInt8], Refusal> {
    guard let connection = connection(handling: id) else { return .failure(.incompleteContent) }
    if connection.exchange?.isWanted == false {
      connection.exchange?.isWanted = true
      connection.deadline = loop.now + timeouts.content
      if connection.exchange?.awaitsContinue == true {
        connection.exchange?.awaitsContinue = false
        note(connection)
        ResponseWriter.writeContinue(into: &connection.output)
      }
      proceed(connection)
    }
    return await withCheckedContinuation { continuation in
      // What has become of it is asked here: others may run before this task waits.
      guard let exchange = self.connection(handling: id)?.exchange else {
        continuation.resume(returning: .failure(.incompleteContent))
        return
      }
      if let outcome = exchange.outcome {
        continuation.resume(returning: outcome)
      } else {
        connection.exchange?.readers.append(continuation)
      }
    }
  }

  // Answering

  /// Answers with what the responder has at hand, without a task; false when there is nothing.
  private func answerPromptly(_ connection: Connection, _ head: RequestHead) -> Bool {
    guard let answer = responder.promptAnswer(to: head, from: connection.peer) else { return false }
    let keepsAlive = head.keepAlive && !isDraining
    note(connection)
    ResponseWriter.write(
      answer, answering: head.method, version: head.version, keepAlive: keepsAlive,
      date: HTTPDate(secondsSinceEpoch: WallClock.unixSeconds()), into: &connection.output)
    if keepsAlive { nextRequest(connection) } else { connection.phase = .closing }
    return true
  }

  private func complete(_ id: ExchangeID, _ response: Response) {
    guard let connection = connection(handling: id), let exchange = connection.exchange else {
      return
    }
    connection.exchange = nil
    let rest = exchange.rest
    let isLast = connection.inputEnded && !connection.hasInput && !isParsing
    let keepsAlive = exchange.keepsAlive && rest != .unreasonable && !isDraining && !isLast
    write(
      response, answering: exchange.method, version: exchange.version, keepsAlive: keepsAlive,
      to: connection)
    if !keepsAlive {
      connection.phase = .closing
    } else if rest == .worthReading {
      connection.phase = .discarding
      connection.deadline = loop.now + timeouts.head
    } else {
      nextRequest(connection)
    }
    proceed(connection)
  }

  private func nextRequest(_ connection: Connection) {
    connection.phase = connection.hasInput ? .head : .idle
    connection.deadline = loop.now + (connection.hasInput ? timeouts.head : timeouts.idle)
  }

  /// Ends an exchange that broke a rule: by an answer of our own, or by telling the responder who
  /// waits for the content. Either way the connection closes afterwards.
  private func refuse(_ connection: Connection, _ refusal: Refusal) {
    switch connection.phase {
    case .handling: connection.endContent(refusal)
    case .idle, .head:
      write(
        responder.response(to: refusal), answering: connection.parser.refusedHead?.method,
        version: .http11, keepsAlive: false, to: connection)
      connection.phase = .closing
    case .discarding: connection.phase = .closing
    case .closing, .lingering, .closed: break
    }
  }

  private func write(
    _ response: Response, answering method: Method?, version: Version, keepsAlive: Bool,
    to connection: Connection
  ) {
    note(connection)
    ResponseWriter.write(
      response, answering: method, version: version, keepAlive: keepsAlive,
      date: HTTPDate(secondsSinceEpoch: WallClock.unixSeconds()), into: &connection.output)
  }

  /// Makes the connection ready to take something that leaves at the end of the tick.
  private func note(_ connection: Connection) {
    guard !connection.isNoted else { return }
    connection.isNoted = true
    noted.append(connection)
    if !connection.hasOutput { connection.output = spareBuffers.popLast() ?? [] }
  }

  /// All that a connection was answered in a tick leaves in one piece.
  func tickEnded() {
    while let connection = noted.popLast() {
      connection.isNoted = false
      if !connection.isBlocked, connection.phase != .closed { send(connection) }
    }
  }

  private func send(_ connection: Connection) {
    let waited = connection.isBlocked
    switch connection.send(limit: loop.now + timeouts.send) {
    case .failed: close(connection)
    case .some: settle(connection)
    case .everything:
      recycle(&connection.output)
      if waited, connection.phase == .idle || connection.phase == .head { nextRequest(connection) }
      proceed(connection)
    }
  }

  /// Keeps an empty buffer for the next answers, unless that would keep much.
  private func recycle(_ buffer: inout [UInt8]) {
    var spare: [UInt8] = []
    swap(&spare, &buffer)
    guard spareBuffers.count < 64, spare.capacity <= 65_536 else { return }
    spare.removeAll(keepingCapacity: true)
    spareBuffers.append(spare)
  }

  /// Brings what the loop watches for, and a connection that is about to close, up to date.
  private func settle(_ connection: Connection) {
    if connection.phase == .closing, !connection.hasOutput {
      if connection.inputEnded {
        close(connection)
      } else {
        connection.socket.shutdownSending()
        connection.phase = .lingering
        connection.dropInput()
        connection.deadline = loop.now + timeouts.linger
      }
    }
    guard connection.phase != .closed, let registration = connection.registration else { return }
    var interest: Interest = connection.wantsInput ? .readable : []
    if connection.isBlocked { interest.insert(.writable) }
    if interest != connection.watched {
      connection.watched = interest
      loop.watch(registration, for: interest)
    }
  }

  // Time

  private func endTheSlow() {
    let now = MonotonicInstant.now()
    for case let connection? in connections {
      if connection.isBlocked, connection.sendDeadline <= now {
        close(connection)
        continue
      }
      guard connection.deadline <= now else { continue }
      switch connection.phase {
      // Whose answer is still on its way is not waited for.
      case .idle: if !connection.hasOutput { close(connection) }
      case .head: if !connection.hasOutput { refuse(connection, .headTimeout) }
      case .handling: refuse(connection, .bodyTimeout)
      case .discarding: connection.phase = .closing
      case .lingering: close(connection)
      case .closing, .closed: break
      }
      proceed(connection)
    }
  }

  // Ending

  func drain() { isDraining = true }

  func openConnections() -> OpenConnections {
    var counts = OpenConnections(accepted: accepted)
    for case let connection? in connections {
      switch connection.phase {
      case .idle where !connection.hasOutput: counts.idle += 1
      case .lingering: counts.idle += 1
      case .closed: break
      case .idle, .head, .handling, .discarding, .closing: counts.busy += 1
      }
    }
    return counts
  }

  func close() {
    isClosed = true
    stopListening()
    loop.stopObservingTicks(self)
    for case let connection? in connections { close(connection) }
    tasks.end()
  }

  /// Lets nobody come any more; who is on the way is still taken, until `stopListening`.
  func holdOff() {
    switch listening {
    case .some(let listening): listening.holdOff()
    case .none: break
    }
  }

  /// Takes what has been waiting to be accepted, and then nothing more.
  func stopListening() {
    accept(atMost: 4096)
    if let listeningRegistration { loop.unregister(listeningRegistration) }
    listeningRegistration = nil
    listening = nil
  }
}
