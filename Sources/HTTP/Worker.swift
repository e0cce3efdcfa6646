import EventLoop

/// The connections of one loop: accepts them, reads, parses, hands requests to the responder, writes
/// the answers, and ends whoever is too slow.
actor Worker<App: Responder>: LoopBound {
  nonisolated let loop: EventLoop
  private let responder: App
  private let limits: RequestLimits
  private let timeouts: Timeouts

  private var listening: Socket?
  private var listeningRegistration: EventLoop.Registration?
  private var connections: [Connection?] = []
  private var generations: [Int] = []
  private var freeSlots: [Int] = []
  private var isDraining = false
  private var isClosed = false

  /// What every read goes into and every answer is rendered in; grown never, kept always.
  private var readBuffer = [UInt8](repeating: 0, count: 65_536)
  private var writeBuffer: [UInt8] = []
  private var headStorage = HeadStorage()
  /// While a connection is being parsed its answers gather, to leave in one piece.
  private var isParsing = false

  private static var listener: Int { -1 }
  private static var sweep: Int { -2 }
  private static var acceptAgain: Int { -3 }
  private static var sweepInterval: Duration { .milliseconds(250) }

  init(
    listening: consuming Socket, responder: App, limits: RequestLimits, timeouts: Timeouts,
    loop: EventLoop
  ) {
    self.listening = consume listening
    self.responder = responder
    self.limits = limits
    self.timeouts = timeouts
    self.loop = loop
    writeBuffer.reserveCapacity(65_536)
  }

  func start() throws(SystemError) {
    guard let number = listening?.number else { return }
    listeningRegistration = try loop.register(
      number, for: .readable, token: Self.listener, of: self)
    loop.schedule(Self.sweep, of: self, at: .now() + Self.sweepInterval)
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
    if events.contains(.writable) { sendRest(connection) }
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

  private func accept() {
    // Bounded, so that a flood of connections does not keep those that exist waiting.
    for _ in 0..<64 {
      switch acceptOne() {
      case .connection(let socket, let peer): add(socket, peer: peer)
      case .none: return
      case .exhausted:
        // Level-triggered readiness would spin here until a descriptor comes back.
        if let listeningRegistration { loop.watch(listeningRegistration, for: []) }
        loop.schedule(Self.acceptAgain, of: self, at: loop.now + .milliseconds(100))
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
    if slot == connections.count {
      connections.append(nil)
      generations.append(0)
    }
    let connection = Connection(
      socket: socket, peer: peer, id: ConnectionID(slot: slot, generation: generations[slot]),
      limits: limits, deadline: loop.now + timeouts.head)
    do throws(SystemError) {
      connection.registration = try loop.register(
        connection.socket.number, for: .readable, token: slot, of: self)
      connections[slot] = connection
    } catch {
      freeSlots.append(slot)
    }
  }

  private func connection(_ id: ConnectionID) -> Connection? {
    guard generations[id.slot] == id.generation else { return nil }
    return connections[id.slot]
  }

  private func close(_ connection: Connection) {
    guard connection.phase != .closed else { return }
    connection.phase = .closed
    if let registration = connection.registration { loop.unregister(registration) }
    let slot = connection.id.slot
    connections[slot] = nil
    generations[slot] += 1
    freeSlots.append(slot)
    connection.request?.waiter?.resume(returning: .failure(.incompleteContent))
    connection.request?.waiter = nil
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
      if connection.phase == .lingering { return }
      if connection.phase == .idle {
        connection.phase = .head
        connection.deadline = loop.now + timeouts.head
      }
      if connection.input.isEmpty {
        parse(connection, buffer.span.extracting(0..<count))
      } else {
        connection.input += buffer[..<count]
        parseInput(connection)
      }
    case .wouldBlock: break
    case .ended:
      connection.inputEnded = true
      inputEnded(connection)
    case .failed: close(connection)
    }
    settle(connection)
  }

  private func inputEnded(_ connection: Connection) {
    switch connection.phase {
    case .idle, .lingering, .discarding: close(connection)
    case .head: refuse(connection, .incompleteHead)
    case .handling:
      if let request = connection.request, request.isWanted, !request.isComplete {
        refuse(connection, .incompleteContent)
      }
    case .closing, .closed: break
    }
  }

  private func parseInput(_ connection: Connection) {
    guard !isParsing, !connection.input.isEmpty, connection.canParse else { return }
    let input = connection.input
    connection.input = []
    parse(connection, input.span)
  }

  /// The loop of a connection: steps of the parser while they lead somewhere. What they leave is
  /// kept for later, and what they answered is sent at once.
  private func parse(_ connection: Connection, _ bytes: Span<UInt8>) {
    var position = 0
    isParsing = true
    swap(&headStorage, &connection.parser.storage)
    steps: while connection.canParse {
      if writeBuffer.count > Self.gatheredAnswers { flush(connection) }
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
        end(connection)
      case .refused(let refusal):
        position = bytes.count
        refuse(connection, refusal)
        break steps
      }
    }
    swap(&headStorage, &connection.parser.storage)
    isParsing = false
    connection.keepInput(bytes.extracting(position..<bytes.count))
    if connection.phase == .idle, !connection.input.isEmpty { nextRequest(connection) }
    flush(connection)
  }

  private static var gatheredAnswers: Int { 65_536 }

  private func begin(_ connection: Connection, _ head: RequestHead) {
    let hasContent = head.framing != .none
    connection.phase = .handling
    connection.deadline = .distantFuture
    connection.request = Connection.Exchange(
      method: head.method, version: head.version, keepsAlive: head.keepAlive,
      awaitsContinue: head.expectsContinue && hasContent, framing: head.framing,
      isComplete: !hasContent)
    // The parser ends a message without content in a step of its own, which needs no input.
    if !hasContent { _ = connection.parser.next([UInt8]().span) }

    let id = connection.id
    let content =
      hasContent ? Content.unread { await self.content(of: id) } : Content.ready([])
    let request = Request(head: head, peer: connection.peer, content: content)
    Task.immediate(executorPreference: loop) {
      let response = await responder.respond(to: request)
      complete(id, response)
    }
  }

  /// What the parser's end of a message means for the exchange.
  private func end(_ connection: Connection) {
    switch connection.phase {
    case .discarding: nextRequest(connection)
    case .handling:
      connection.request?.isComplete = true
      connection.deadline = .distantFuture
      if let request = connection.request, let waiter = request.waiter {
        connection.request?.waiter = nil
        waiter.resume(returning: .success(request.content))
      }
    default: break
    }
  }

  private func content(of id: ConnectionID) async -> Result<[UInt8], Refusal> {
    guard let connection = connection(id), connection.request != nil else {
      return .failure(.incompleteContent)
    }
    connection.request?.isWanted = true
    if connection.request?.isComplete == false, connection.request?.refusal == nil {
      connection.deadline = loop.now + timeouts.content
      if connection.request?.awaitsContinue == true {
        connection.request?.awaitsContinue = false
        ResponseWriter.writeContinue(into: &writeBuffer)
        if !isParsing { flush(connection) }
      }
      parseInput(connection)
      if connection.inputEnded { inputEnded(connection) }
      if !isParsing { settle(connection) }
    }
    guard let request = connection.request else { return .failure(.incompleteContent) }
    if let refusal = request.refusal { return .failure(refusal) }
    if request.isComplete { return .success(request.content) }
    if connection.phase == .closed { return .failure(.incompleteContent) }
    return await withCheckedContinuation { connection.request?.waiter = $0 }
  }

  // Answering

  private func complete(_ id: ConnectionID, _ response: Response) {
    guard let connection = connection(id), let request = connection.request else { return }
    connection.request = nil
    let rest = restOfContent(request)
    let keepsAlive =
      request.keepsAlive && !isDraining && !connection.inputEnded && rest != .unreasonable
    write(
      response, answering: request.method, version: request.version, keepsAlive: keepsAlive)
    if !keepsAlive {
      connection.phase = .closing
    } else if rest == .worthReading {
      connection.phase = .discarding
      connection.deadline = loop.now + timeouts.head
    } else {
      nextRequest(connection)
    }
    // While a connection is parsed, the loop there goes on by itself; after a wait, here.
    if isParsing { return }
    flush(connection)
    parseInput(connection)
    settle(connection)
  }

  private enum RestOfContent { case nothing, worthReading, unreasonable }

  /// Whether the content that the responder did not read is read and thrown away, to keep the
  /// connection, or the connection is given up instead.
  private func restOfContent(_ request: Connection.Exchange) -> RestOfContent {
    if request.isComplete { return .nothing }
    if request.refusal != nil || request.awaitsContinue { return .unreasonable }
    if case .length(let length) = request.framing, length <= 65_536 { return .worthReading }
    return .unreasonable
  }

  private func nextRequest(_ connection: Connection) {
    connection.phase = connection.input.isEmpty ? .idle : .head
    connection.deadline = loop.now + (connection.input.isEmpty ? timeouts.idle : timeouts.head)
  }

  /// Ends an exchange that broke a rule: by an answer of our own, or by telling the responder who
  /// waits for the content. Either way the connection closes afterwards.
  private func refuse(_ connection: Connection, _ refusal: Refusal) {
    if connection.phase == .handling {
      connection.request?.refusal = refusal
      connection.deadline = .distantFuture
      if let waiter = connection.request?.waiter {
        connection.request?.waiter = nil
        waiter.resume(returning: .failure(refusal))
      }
      return
    }
    if connection.phase != .discarding {
      let response = responder.response(to: refusal)
      write(response, answering: nil, version: .http11, keepsAlive: false)
      if !isParsing { flush(connection) }
    }
    if connection.phase != .closed { connection.phase = .closing }
  }

  private func write(
    _ response: Response, answering method: Method?, version: Version, keepsAlive: Bool
  ) {
    ResponseWriter.write(
      response, answering: method, version: version, keepAlive: keepsAlive,
      date: HTTPDate(secondsSinceEpoch: WallClock.unixSeconds()), into: &writeBuffer)
  }

  /// Sends what has been written for the connection.
  private func flush(_ connection: Connection) {
    guard !writeBuffer.isEmpty else { return }
    var bytes = writeBuffer
    writeBuffer = []
    if connection.phase != .closed, connection.send(bytes.span, now: loop.now) == .failed {
      close(connection)
    }
    // One large answer must not make the buffer large for good.
    bytes.removeAll(keepingCapacity: bytes.capacity <= 4 * Self.gatheredAnswers)
    writeBuffer = bytes
  }

  private func sendRest(_ connection: Connection) {
    switch connection.sendRest() {
    case .failed: close(connection)
    case .some: break
    case .everything:
      if connection.phase == .idle || connection.phase == .head { nextRequest(connection) }
      parseInput(connection)
      settle(connection)
    }
  }

  /// Brings what the loop watches for, and a connection that is about to close, up to date.
  private func settle(_ connection: Connection) {
    if connection.phase == .closing, !connection.hasOutput {
      if connection.inputEnded {
        close(connection)
      } else {
        connection.socket.shutdownSending()
        connection.phase = .lingering
        connection.input = []
        connection.deadline = loop.now + timeouts.linger
      }
    }
    guard connection.phase != .closed, let registration = connection.registration else { return }
    var interest: Interest = connection.wantsInput ? .readable : []
    if connection.hasOutput { interest.insert(.writable) }
    if interest != connection.watched {
      connection.watched = interest
      loop.watch(registration, for: interest)
    }
  }

  // Time

  private func endTheSlow() {
    let now = MonotonicInstant.now()
    for connection in connections {
      guard let connection, connection.deadline <= now else { continue }
      if connection.hasOutput {
        close(connection)
        continue
      }
      switch connection.phase {
      case .head: refuse(connection, .headTimeout)
      case .handling: refuse(connection, .bodyTimeout)
      case .idle, .discarding, .closing, .lingering: close(connection)
      case .closed: break
      }
      settle(connection)
    }
  }

  // Ending

  func drain() { isDraining = true }

  func openConnections() -> (busy: Int, idle: Int) {
    var counts = (busy: 0, idle: 0)
    for connection in connections {
      switch connection?.phase {
      case .idle: counts.idle += 1
      case .head, .handling, .discarding, .closing: counts.busy += 1
      case .lingering, .closed, nil: break
      }
    }
    return counts
  }

  func close() {
    isClosed = true
    stopListening()
    for case let connection? in connections { close(connection) }
  }

  /// Takes what has been waiting to be accepted, and then nothing more.
  func stopListening() {
    accept()
    if let listeningRegistration { loop.unregister(listeningRegistration) }
    listeningRegistration = nil
    listening = nil
  }
}
