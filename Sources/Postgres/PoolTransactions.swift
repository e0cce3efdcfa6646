package import EventLoop

/// Calls that have a connection to themselves: one query, or one transaction.
extension Pool {
  /// Executes one statement that may take long, on a connection of its own. The server's
  /// `statement_timeout` is set a little below the deadline, so that it is the server that stops
  /// the statement; should it not answer, the connection is given up. A pool that has a lender sends
  /// it there.
  package func query(
    _ call: Call, deadline: MonotonicInstant
  ) async throws(PostgresError) -> Rows {
    if let lender { return try await lender.query(call, deadline: deadline) }
    try check([call])
    let lease = try await acquire(.query, deadline: deadline)
    let result: Result<[Rows], PostgresError> = await Waiter.wait { waiter in
      let exchange = Exchange(.slow, deadline: deadline)
      exchange.waiter = waiter
      submit(
        exchange, [.hidden(Self.statementTimeout(until: deadline)), .call(call)], .sync, lease)
    }
    release(lease)
    guard let rows = try result.get().first else { throw .connectionLost }
    return rows
  }

  /// Sets the server's limit for the statements of a transaction a little below the time left.
  private static func statementTimeout(until deadline: MonotonicInstant) -> Call {
    let left = max(0, (deadline - .now()).wholeNanoseconds / 1_000_000)
    return Call(Session.limit, [.text("\(max(1, left - min(250, left / 5)))ms")])
  }

  /// That setting, unless the session's own is enough.
  func limit(until deadline: MonotonicInstant) -> Session.Command? {
    deadline - .now() < settings.session.statementTimeout
      ? .hidden(Self.statementTimeout(until: deadline)) : nil
  }

  /// Gives `body` a transaction. Without `commit` inside, it is rolled back, whether the body returns
  /// or throws. It gets a connection of its own with the body's first `send` or `commit`; before that
  /// nothing is sent and nobody kept waiting.
  ///
  /// Throws what the body throws; `send` and `commit` throw `PostgresError` when there is no
  /// connection. The deadline ends the transaction wherever it is; the body learns of it from its next
  /// call. The server's `statement_timeout` is never beyond it.
  package nonisolated func transaction<Result>(
    deadline: MonotonicInstant, _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    let transaction = Transaction(pool: self, deadline: deadline)
    do {
      let result = try await body(transaction)
      if let lease = transaction.lease { await release(lease) }
      return result
    } catch {
      if let lease = transaction.lease { await release(lease) }
      throw error
    }
  }

  /// - Parameter wasInside: the caller has been let in before, and did not get what it came for.
  func acquire(
    _ role: PoolRole, deadline: MonotonicInstant, wasInside: Bool = false
  ) async throws(PostgresError) -> Lease {
    try admit(role, deadline: deadline, wasInside: wasInside)
    let result: Result<Lease, PostgresError> = await Waiter.wait { waiter in
      let applicant = Applicant(
        role: role, since: loop.now, deadline: deadline, waiter: waiter)
      lines[role].append(applicant)
      for index in slots.indices where slots[index].role == role { serveNext(index) }
    }
    return try result.get()
  }

  /// Gives a free connection to the first in line.
  func serveNext(_ index: Int) {
    let role = slots[index].role
    guard role != .read, slots[index].tenancy == nil, let session = slots[index].session,
      session.isOpen, session.isIdle
    else { return }
    if role == .write, serveShares(index, session) { return }
    guard let applicant = lines[role].popFirst() else { return }
    tenancies += 1
    slots[index].tenancy = Tenancy(
      serial: tenancies, deadline: applicant.deadline, since: .now())
    applicant.waiter.resume(
      .success(
        Lease(slot: index, serial: tenancies, role: role, deadline: applicant.deadline)))
  }

  /// The caller has done with its connection, which goes back when the last answer is there.
  private func release(_ lease: Lease) {
    guard let tenancy = tenancy(lease) else { return }
    if tenancy.hasBegun && !tenancy.isOver { rollBack(lease) }
    slots[lease.slot].tenancy?.isLeft = true
    endTenancyWhenIdle(lease.slot)
  }

  private func tenancy(_ lease: Lease) -> Tenancy? {
    guard let tenancy = slots[lease.slot].tenancy, tenancy.serial == lease.serial else {
      return nil
    }
    return tenancy
  }

  private func submit(
    _ exchange: Exchange, _ commands: [Session.Command], _ ending: Session.Ending, _ lease: Lease
  ) {
    guard tenancy(lease) != nil, let session = slots[lease.slot].session else {
      // The sweep has ended the tenancy.
      exchange.finish(loop.now >= exchange.deadline ? .timedOut : .connectionLost)
      return
    }
    session.send(exchange, commands, ending: ending)
    settle(lease.slot)
  }

  func finishOwn(_ exchange: Exchange, _ index: Int) {
    if exchange.failure != nil, case .transaction = exchange.purpose, !exchange.endsWithSync {
      slots[index].tenancy?.needsSync = true
    }
    if exchange.endedTransaction { slots[index].tenancy?.isOver = true }
    if exchange.failedInPreamble { slots[index].session?.close("BEGIN or a setting failed") }
    // A COMMIT whose outcome nobody knows leaves a session that nobody should use.
    if case .failure(.outcomeUnknown) = exchange.outcome {
      slots[index].session?.close("the outcome of COMMIT is unknown")
    }
    exchange.finish()
    endTenancyWhenIdle(index)
  }

  private func endTenancyWhenIdle(_ index: Int) {
    guard let tenancy = slots[index].tenancy, tenancy.isLeft else { return }
    if let session = slots[index].session {
      guard session.unanswered == 0 else { return }
      // A body that left with commands outstanding, or sent BEGIN by hand.
      if !session.isIdle { session.close("a transaction was left open") }
    }
    slots[index].tenancy = nil
    leave(slots[index].role, tenancy)
    if let session = slots[index].session, session.isClosed {
      settle(index)
    } else {
      serveNext(index)
    }
  }

  /// The connection has gone: its tenant, if it is still there, learns of it from its next call.
  func abandonTenancy(_ index: Int) {
    guard let tenancy = slots[index].tenancy else { return }
    slots[index].tenancy = nil
    leave(slots[index].role, tenancy)
  }

  func refuse(_ applicant: Applicant, _ error: PostgresError) {
    applicant.waiter.resume(.failure(error))
    leave(applicant.role, took: nil)
  }

  func expireTenancies(_ now: MonotonicInstant) {
    for role in [PoolRole.query, .write] {
      for applicant in lines[role].remove(where: { now >= $0.deadline }) {
        observer(.timedOut(role))
        refuse(applicant, .timedOut)
      }
    }
    for share in sharesLine.remove(where: { now >= $0.deadline }) {
      observer(.timedOut(.write))
      refuse(share, .timedOut)
    }
    for index in slots.indices {
      guard let tenancy = slots[index].tenancy, now >= tenancy.deadline,
        let session = slots[index].session
      else { continue }
      // What is under way is nobody's wait any more; it gets a little longer, but not at the end.
      let grace = isClosing ? .zero : settings.grace
      if tenancy.isLeft, now < tenancy.deadline + grace { continue }
      let overdue = session.exchanges(overdue: now)
      for exchange in overdue {
        if exchange.isWaiting { observer(.timedOut(slots[index].role)) }
        exchange.finish(exchange.timeout)
      }
      if !tenancy.isLeft, !isClosing, !overdue.isEmpty, !overdue.contains(where: \.sendsCommit) {
        // Nothing is committed. A server that was only frozen answers on the same connection when it
        // goes on, long before it has got through all that wanted to connect meanwhile.
        let role = slots[index].role
        release(
          Lease(slot: index, serial: tenancy.serial, role: role, deadline: tenancy.deadline))
        continue
      }
      session.close("the deadline passed")
      settle(index)
    }
  }

  // What a Transaction does

  func send(
    _ calls: [Call], committing: Bool, _ lease: Lease
  ) async -> Transaction.Outcome {
    do throws(PostgresError) { try check(calls) } catch { return .init(rows: [], error: error) }
    guard let tenancy = tenancy(lease), !tenancy.isOver else {
      let isLate = MonotonicInstant.now() >= lease.deadline
      return .init(rows: [], error: isLate ? .timedOut : .connectionLost)
    }
    return await Waiter.wait { waiter in
      let exchange = Exchange(.transaction, deadline: tenancy.deadline)
      exchange.outcomeWaiter = waiter
      var commands: [Session.Command] = []
      if tenancy.needsSync { commands.append(.sync) }
      if !tenancy.hasBegun { commands.append(.hidden(Call(Session.begin))) }
      // The session's own limit is enough while there is more time left than that; where a command
      // has failed, the next must be the caller's.
      if !tenancy.needsSync, let limit = limit(until: tenancy.deadline) { commands.append(limit) }
      for call in calls { commands.append(.call(call)) }
      if committing {
        commands.append(.commit)
        exchange.endsWithSync = true
      }
      slots[lease.slot].tenancy?.hasBegun = true
      slots[lease.slot].tenancy?.needsSync = false
      submit(exchange, commands, committing ? .sync : .flushRequest, lease)
    }
  }

  /// Sends ROLLBACK, whose answer nobody waits for; the connection is not used before it has come.
  func rollBack(_ lease: Lease) {
    guard let tenancy = tenancy(lease), tenancy.hasBegun, !tenancy.isOver else { return }
    slots[lease.slot].tenancy?.isOver = true
    let exchange = Exchange(.rollback, deadline: tenancy.deadline)
    // A Sync first: were there an error before it, the server would skip the ROLLBACK too.
    submit(exchange, [.sync, .hidden(Call(Session.rollback))], .sync, lease)
  }
}
