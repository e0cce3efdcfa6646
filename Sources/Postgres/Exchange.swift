import EventLoop

/// Commands that were sent together on one session, and what became of them: one caller, one
/// answer.
final class Exchange {
  enum Purpose {
    case read(Call)
    case slow
    case transaction
    /// A whole transaction of several callers, which its Sync commits.
    case shared([Share])
    case rollback
    case ping
    case preparation
    case command
  }

  let purpose: Purpose
  let deadline: MonotonicInstant
  var waiter: Waiter<Result<[Rows], PostgresError>>?
  /// Of a caller who wants the results before a failure too.
  var outcomeWaiter: Waiter<Transaction.Outcome>?
  /// How often it was sent.
  var attempts = 0
  /// Its share of the time in which the session answered it and others.
  var share = Duration.zero

  /// Results that the caller wants, in the order of its calls.
  private(set) var rows: [Rows] = []
  private(set) var failure: ServerError?
  /// The server skipped one of its commands, which happens after an error; of this exchange or,
  /// where several share a segment, of another.
  private(set) var isAborted = false
  /// The session ended before everything was answered.
  private(set) var isLost = false
  /// How many of its commands, its own Sync included, have not been answered.
  var unanswered = 0

  private(set) var sendsCommit = false
  /// COMMIT was executed, with whatever result: the transaction is no more.
  private(set) var endedTransaction = false
  /// BEGIN or a setting failed: what the session is in now nobody has asked for.
  private(set) var failedInPreamble = false
  /// A Sync of its own follows its commands.
  var endsWithSync = false
  private var commitTag: String?
  /// There is no COMMIT; the Sync ends the transaction.
  private let isImplicit: Bool
  private var commitWarning = false
  private var failedAtSync = false

  init(_ purpose: Purpose, deadline: MonotonicInstant) {
    self.purpose = purpose
    self.deadline = deadline
    if case .shared = purpose {
      isImplicit = true
      sendsCommit = true
      endsWithSync = true
    } else {
      isImplicit = false
    }
  }

  var isWaiting: Bool {
    if case .shared(let shares) = purpose { return shares.contains { $0.waiter.isWaiting } }
    return waiter?.isWaiting ?? outcomeWaiter?.isWaiting ?? false
  }

  /// Forgets an attempt, to be sent again.
  func reset() {
    rows = []
    failure = nil
    isAborted = false
    isLost = false
    unanswered = 0
  }

  func expectCommit() { sendsCommit = true }

  func take(_ result: Rows, for role: Session.Role) {
    switch role {
    case .call: rows.append(result)
    case .commit:
      commitTag = result.tag
      endedTransaction = true
    case .hidden, .sync: break
    }
  }

  func fail(_ error: ServerError, in role: Session.Role) {
    guard failure == nil else { return }
    failure = error
    failedAtSync = role == .sync
    endedTransaction = role == .commit || role == .sync
    failedInPreamble = role == .hidden
  }

  /// What fails at the Sync libpq ends as it ends a command, once, before it tells of the Sync.
  func takeEndOfFailedSync() -> Bool {
    defer { failedAtSync = false }
    return failedAtSync
  }

  func abort() { isAborted = true }
  func lose() { isLost = true }

  /// PostgreSQL warns when it has committed here but, say, not on a standby. Where the Sync commits,
  /// libpq hands the warning out as soon as the reply before it has been taken.
  func warn(in role: Session.Role) {
    if isImplicit || role == .commit || role == .sync { commitWarning = sendsCommit }
  }

  var outcome: Result<[Rows], PostgresError> {
    if let failure {
      // The end of a session is told to whichever command is the first without an answer, by libpq or
      // by a pooler between. What is behind that one may have been executed all the same.
      if failure.endsSession || commitTag != nil {
        return .failure(sendsCommit ? .outcomeUnknown : .connectionLost)
      }
      switch failure.sqlState {
      case "57014": return .failure(.timedOut)
      case "25006": return .failure(.unavailable(failure.description))
      default: return .failure(.server(failure))
      }
    }
    if isLost { return .failure(sendsCommit ? .outcomeUnknown : .connectionLost) }
    if isAborted {
      let error = ServerError(sqlState: "25P02", message: "the transaction failed earlier")
      return .failure(.server(error))
    }
    if sendsCommit {
      if commitWarning { return .failure(.outcomeUnknown) }
      if !isImplicit, commitTag != "COMMIT" {
        let error = ServerError(
          sqlState: "25P02", message: "COMMIT was answered with \(commitTag ?? "nothing")")
        return .failure(.server(error))
      }
    }
    return .success(rows)
  }

  /// What to tell the caller when its time is over.
  var timeout: PostgresError { sendsCommit ? .outcomeUnknown : .timedOut }

  func finish() {
    if case .shared(let shares) = purpose { return finish(shares) }
    waiter?.resume(outcome)
    switch outcome {
    case .success(let rows): outcomeWaiter?.resume(.init(rows: rows, error: nil))
    case .failure(let error): outcomeWaiter?.resume(.init(rows: rows, error: error))
    }
  }

  func finish(_ error: PostgresError) {
    if case .shared(let shares) = purpose {
      for share in shares { share.waiter.resume(.failure(error)) }
    }
    waiter?.resume(.failure(error))
    outcomeWaiter?.resume(.init(rows: rows, error: error))
  }
}
