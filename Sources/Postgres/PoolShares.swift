import EventLoop

/// A write whose calls are all known beforehand, and who waits for what becomes of it.
final class Share {
  let calls: [Call]
  let since: MonotonicInstant
  let deadline: MonotonicInstant
  let waiter: Waiter<Result<Transaction.Outcome?, PostgresError>>
  /// Bytes of its parameters.
  let size: Int

  init(
    _ calls: [Call], size: Int, since: MonotonicInstant, deadline: MonotonicInstant,
    waiter: Waiter<Result<Transaction.Outcome?, PostgresError>>
  ) {
    self.calls = calls
    self.since = since
    self.deadline = deadline
    self.waiter = waiter
    self.size = size
  }
}

/// Writes that wait for a connection at the same time share one transaction: a segment of the pipeline
/// without BEGIN, which the server commits at the Sync behind it. They share its commit, and its
/// process does them in one go instead of being woken for each.
///
/// All are committed, or none is. One that fails, or waits longer for a lock than it allows itself,
/// takes back what the others did; then each goes alone, in a transaction of its own, where it can
/// hurt nobody. Nobody waits in order to share.
extension Pool {
  /// Executes calls that are a whole write. nil: nothing was done because of another; go alone. So it
  /// is for one that is long, and while the server does not answer: what is sent now may be committed
  /// at any time later.
  ///
  /// Throws `.outcomeUnknown` when only the database knows; after any other error nothing was done.
  func share(
    _ calls: [Call], deadline: MonotonicInstant
  ) async throws(PostgresError) -> Transaction.Outcome? {
    try check(calls)
    try admit(.write, deadline: deadline)
    let size = calls.reduce(0) { $1.parameters.reduce($0) { $0 + $1.size } }
    if size > Self.mostBytes || isAway {
      leave(.write, took: nil)
      return nil
    }
    let result: Result<Transaction.Outcome?, PostgresError> = await Waiter.wait { waiter in
      sharesLine.append(
        Share(calls, size: size, since: loop.now, deadline: deadline, waiter: waiter))
      for index in slots.indices where slots[index].role == .write { serveNext(index) }
    }
    return try result.get()
  }

  /// With more, the first would wait too long for the last, one that fails costs them all, and locks
  /// that others wait for are held until the end.
  private static let most = 8
  private static let mostBytes = 65_536

  /// Who has less time left is not sent any more: when it ran out the outcome would be unknown to all.
  private static let timeNeeded = Duration.milliseconds(500)

  /// Gives a free connection to those who share one; false when somebody has waited longer for one of
  /// his own, or when enough are shared.
  func serveShares(_ index: Int, _ session: Session) -> Bool {
    guard let first = sharesLine.first,
      first.since <= lines[.write].first?.since ?? .distantFuture,
      slots.count(where: { ($0.tenancy?.companions ?? 0) > 0 }) < settings.sharedConnections
    else { return false }
    let now = MonotonicInstant.now()
    var shares: [Share] = []
    var size = 0
    var deadline = MonotonicInstant.distantFuture
    while shares.count < Self.most, let next = sharesLine.first,
      size + next.size <= Self.mostBytes
    {
      _ = sharesLine.popFirst()
      guard now + Self.timeNeeded <= next.deadline else {
        observer(.timedOut(.write))
        refuse(next, .timedOut)
        continue
      }
      shares.append(next)
      size += next.size
      deadline = min(deadline, next.deadline)
    }
    if shares.isEmpty { return false }
    tenancies += 1
    slots[index].tenancy = Tenancy(
      serial: tenancies, deadline: deadline, since: now, companions: shares.count)
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
