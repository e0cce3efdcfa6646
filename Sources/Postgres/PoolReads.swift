package import EventLoop

/// Short reads, pipelined over shared connections.
extension Pool {
  /// Executes a statement that is short and changes nothing: it may run twice, and shares a
  /// connection with others. A late answer is dropped; its caller has got `.timedOut` by then.
  package func read(
    _ call: Call, deadline: MonotonicInstant
  ) async throws(PostgresError) -> Rows {
    try check(CollectionOfOne(call))
    try admit(.read, deadline: deadline)
    let result: Result<[Rows], PostgresError> = await Waiter.wait { waiter in
      let exchange = Exchange(.read(call), deadline: deadline)
      exchange.waiter = waiter
      sendRead(exchange, call)
    }
    guard let rows = try result.get().first else { throw .connectionLost }
    return rows
  }

  /// The reader that a read goes to, or nil when none stands that answers: the one with the least
  /// outstanding. Those that come in one tick go together as long as they are few, for they cost the
  /// server one message to take in, one to send and one turn of its process.
  func usableReader(_ now: MonotonicInstant) -> Int? {
    var best: Int?
    var least = Int.max
    for index in slots.indices where slots[index].role == .read {
      guard let session = slots[index].session, session.isOpen, !isStalled(session, now) else {
        continue
      }
      if (1..<Self.companions).contains(session.unsynced) { return index }
      if session.unanswered < least {
        least = session.unanswered
        best = index
      }
    }
    return best
  }

  /// More would wait for each other, and short as they are, that would be for half a millisecond.
  private static let companions = 32

  private func isStalled(_ session: Session, _ now: MonotonicInstant) -> Bool {
    session.unanswered > 0 && now - session.lastProgress >= settings.stallLimit
  }

  private func sendRead(_ exchange: Exchange, _ call: Call) {
    if let index = usableReader(loop.now), let session = slots[index].session {
      if exchange.attempts == 0 {
        session.send(exchange, CollectionOfOne(.call(call)), ending: .later)
      } else {
        // The second attempt goes in a segment of its own, where no other's error can reach it.
        session.sync()
        session.send(exchange, CollectionOfOne(.call(call)), ending: .sync)
      }
      settle(index)
      return
    }
    if slots.contains(where: { $0.role == .read && $0.session?.isOpen == true }) {
      answer(exchange, .unavailable("the server does not answer"))
    } else if let outage = outages[.read] {
      answer(exchange, .unavailable(outage))
    } else {
      readLine.append(exchange)
    }
  }

  func sendWaitingReads() {
    var waiting: [Exchange] = []
    while let exchange = readLine.popFirst() { waiting.append(exchange) }
    for exchange in waiting {
      if case .read(let call) = exchange.purpose { sendRead(exchange, call) }
    }
  }

  func finishRead(_ exchange: Exchange, _ call: Call) {
    guard exchange.isWaiting else { return }
    let endedWithSession = exchange.isLost || exchange.failure?.endsSession == true
    let isInnocent = exchange.isAborted && exchange.failure == nil
    // When all sessions are killed together, one may be sent from each to the next.
    let attempts = endedWithSession ? settings.readConnections + 1 : 2
    if endedWithSession || isInnocent, exchange.attempts < attempts, loop.now < exchange.deadline {
      exchange.reset()
      resentReads += 1
      sendRead(exchange, call)
      return
    }
    exchange.finish()
    leave(.read, took: endedWithSession ? nil : exchange.share)
  }

  /// Answers a read that is not under way, or no longer of interest.
  func answer(_ exchange: Exchange, _ error: PostgresError) {
    guard exchange.isWaiting else { return }
    exchange.finish(error)
    leave(.read, took: nil)
  }

  func expireReads(_ now: MonotonicInstant) {
    let late = readLine.remove { now >= $0.deadline }
    for exchange in late { timeOut(exchange) }
    for index in slots.indices where slots[index].role == .read {
      guard let session = slots[index].session else { continue }
      let overdue = session.exchanges(overdue: now)
      for exchange in overdue where exchange.isWaiting { timeOut(exchange) }
      // Others before it may be slow, so silence is asked for as well.
      if isStalled(session, now), overdue.contains(where: { now >= $0.deadline + settings.grace }) {
        session.close("no answer long after the deadline")
        settle(index)
        // Whoever comes now need not wait until a connect has failed as well.
        if !slots.contains(where: { $0.role == .read && $0.stands }) {
          outages[.read] = "the server does not answer"
        }
      }
    }
  }

  private func timeOut(_ exchange: Exchange) {
    observer(.timedOut(.read))
    answer(exchange, .timedOut)
  }
}
