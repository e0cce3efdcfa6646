import EventLoop

/// A write whose calls are all known beforehand, and who waits for what becomes of it.
final class Share {
  let calls: [Call]
  let deadline: MonotonicInstant
  let waiter: Waiter<Result<Transaction.Outcome?, PostgresError>>

  init(
    _ calls: [Call], deadline: MonotonicInstant,
    waiter: Waiter<Result<Transaction.Outcome?, PostgresError>>
  ) {
    self.calls = calls
    self.deadline = deadline
    self.waiter = waiter
  }
}

/// Writes that wait for a connection at the same time share one transaction: a segment of the pipeline
/// without BEGIN, which the server commits at the Sync behind it. They share its commit, and its
/// process does them in one go instead of being woken for each.
///
/// All are committed, or none is. One that fails, or waits longer for a lock than it allows itself,
/// takes back what the others did; then each goes alone, in a transaction of its own, where it can
/// hurt nobody. While there is a free connection nobody shares.
extension Pool {
  /// Executes calls that are a whole write. nil: nothing was done because of another; go alone. So it
  /// is while the server does not answer: what is sent now may be committed at any time later.
  ///
  /// Throws `.outcomeUnknown` when only the database knows; after any other error nothing was done.
  func share(
    _ calls: [Call], deadline: MonotonicInstant
  ) async throws(PostgresError) -> Transaction.Outcome? {
    try check(calls)
    if isAway { return nil }
    try admit(.write, deadline: deadline)
    let result: Result<Transaction.Outcome?, PostgresError> = await Waiter.wait { waiter in
      sharesLine.append(Share(calls, deadline: deadline, waiter: waiter))
      for index in slots.indices where slots[index].role == .write { serveNext(index) }
    }
    return try result.get()
  }

  /// With more, the first would wait too long for the last, and one that fails costs them all.
  private static let most = 8

  /// Gives a free connection to those who share one; false when nobody does, or enough do elsewhere.
  func serveShares(_ index: Int, _ session: Session) -> Bool {
    guard let first = sharesLine.first,
      slots.count(where: { ($0.tenancy?.companions ?? 0) > 0 }) < settings.sharedConnections
    else { return false }
    var shares: [Share] = []
    var deadline = first.deadline
    while shares.count < Self.most, let share = sharesLine.popFirst() {
      shares.append(share)
      deadline = min(deadline, share.deadline)
    }
    tenancies += 1
    slots[index].tenancy = Tenancy(
      serial: tenancies, deadline: deadline, since: .now(), companions: shares.count)
    let exchange = Exchange(.shared(shares), deadline: deadline)
    var commands: [Session.Command] = []
    if let limit = limit(until: deadline) { commands.append(limit) }
    for share in shares { commands += share.calls.map { .call($0) } }
    session.send(exchange, commands, ending: .sync)
    settle(index)
    return true
  }

  func refuse(_ share: Share, _ error: PostgresError) {
    share.waiter.resume(.failure(error))
    leave(.write, took: nil)
  }
}

extension PostgresError {
  /// The server refused or stopped a statement, and nothing speaks against others.
  fileprivate var isOfOneStatement: Bool {
    switch self {
    case .server, .timedOut: true
    default: false
    }
  }
}

extension Exchange {
  /// Tells each of those who share it.
  func finish(_ shares: [Share]) {
    let error: PostgresError
    switch outcome {
    case .success(let rows):
      guard rows.count == shares.reduce(0, { $0 + $1.calls.count }) else {
        for share in shares { share.waiter.resume(.failure(.outcomeUnknown)) }
        return
      }
      var next = 0
      for share in shares {
        let own = Array(rows[next..<next + share.calls.count])
        next += share.calls.count
        share.waiter.resume(.success(Transaction.Outcome(rows: own, error: nil)))
      }
      return
    case .failure(let failure): error = failure
    }
    guard failure != nil, error.isOfOneStatement else {
      for share in shares { share.waiter.resume(.failure(error)) }
      return
    }
    // The first without an answer is the one that failed, unless all of them have one: then it was
    // COMMIT.
    var next = 0
    for share in shares {
      let end = next + share.calls.count
      let isOwn = next <= rows.count && rows.count < end
      share.waiter.resume(
        .success(
          isOwn
            ? Transaction.Outcome(rows: Array(rows[next...]), error: error) : nil))
      next = end
    }
  }
}
