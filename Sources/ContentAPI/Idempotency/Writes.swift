import EventLoop
import HTTP
import Postgres

/// The one road to the database for a change. A handler that writes gets its `Write` here and
/// nowhere else, so that what belongs to every write (its deadline, its idempotency key, running it
/// again after a serialization failure or an unknown COMMIT) cannot be forgotten.
///
/// A write without a key gets a name of its own, so that it can be looked for in the same way when
/// its COMMIT is not answered. Strangers, who have no key of the API, share one scope for each route;
/// what they send is a part of the name, so that two who choose one key never meet.
struct Writes: Sendable {
  let pool: Pool

  /// How long a write may take in all, retries included.
  private static let patience = Duration.seconds(8)
  /// How long after an unknown COMMIT it is looked for.
  private static let recovery = Duration.seconds(4)
  /// How long one request waits for others of its key, in all.
  private static let wait = 3
  private static let attempts = 3

  /// Runs `body`, which sends its first statements, decides, and commits with its last ones; or
  /// answers without: what it returns is then kept all the same. When it throws what is decided
  /// from the data (404, 409, 412), that is kept too; after anything else everything is undone, and
  /// the key is as free as before.
  func transaction(
    _ call: RouteCall, _ body: (Write) async throws -> Response
  ) async throws -> Response {
    if call.isRehearsal { return try await rehearse(call, body) }
    guard let key = call.key else {
      let name = call.inFlight.makeName()
      let claim = Claim(name: name, version: 0, fingerprint: [])
      return try await run(claim, call, until: .now() + .seconds(Self.wait), body).answer.response
    }
    call.trail.key = .run
    let seconds = min(
      Self.wait, IdempotencyKey.wait(preferences: call.head.values(of: "prefer")) ?? Self.wait)
    let end = MonotonicInstant.now() + .seconds(seconds)
    let version = call.fingerprints.current
    guard let input = call.fingerprints.input(try await call.parts(), version: version) else {
      throw UnexpectedRows()
    }
    let claim: Claim
    switch call.caller {
    case .principal(let principal):
      claim = Claim(
        name: WriteName(scope: principal.account, key: key.text), version: version,
        fingerprint: input)
    case .anonymous:
      // The name says already what is asked for, and nobody can guess it from its digest.
      claim = Claim(
        name: WriteName(route: call.route, key: key, fingerprint: input), version: version,
        fingerprint: [])
    }
    var hasWaited = false
    while true {
      switch call.inFlight.enter(claim.name, input) {
      case .another:
        call.inFlight.counters.note { $0.mismatches += 1 }
        call.trail.key = .refused
        throw Problem.keyReused
      case .first: return try await lead(claim, call, until: end, body)
      case .same: break
      }
      guard seconds > 0, .now() < end else {
        call.trail.key = .inProgress
        throw Problem.inProgress
      }
      if !hasWaited { call.inFlight.counters.note { $0.waits += 1 } }
      hasWaited = true
      switch await call.waitingRoom.wait(for: claim.name, until: end) {
      case .answered(let answer):
        call.inFlight.counters.note { $0.replays += 1 }
        call.trail.key = .replayed
        return answer.replay
      case .refused(let problem):
        call.trail.key = .refused
        throw problem
      case .again: continue
      case .timedOut, .crowded:
        call.trail.key = .inProgress
        throw Problem.inProgress
      }
    }
  }

  /// Runs the write to its end and rolls back in place of COMMIT. The answer says what the write would
  /// have done, but nothing of where that stands and which version it has: there is no such thing.
  private func rehearse(
    _ call: RouteCall, _ body: (Write) async throws -> Response
  ) async throws -> Response {
    let claim = Claim(name: call.inFlight.makeName(), version: 0, fingerprint: [])
    var response =
      try await run(claim, call, until: .now() + .seconds(Self.wait), body).answer.response
    let names: [FieldName] = ["ETag", "Last-Modified", "Location", "Content-Location"]
    for name in names { response.fields.remove(name) }
    return response
  }

  /// Runs the write and tells those who wait for it.
  private func lead(
    _ claim: Claim, _ call: RouteCall, until end: MonotonicInstant,
    _ body: (Write) async throws -> Response
  ) async throws -> Response {
    do {
      let (answer, isReplay) = try await run(claim, call, until: end, body)
      call.inFlight.leave(claim.name, .answered(answer))
      call.inFlight.counters.note { if isReplay { $0.replays += 1 } else { $0.runs += 1 } }
      if isReplay { call.trail.key = .replayed }
      return isReplay ? answer.replay : answer.response
    } catch let problem as Problem where [.keyReused, .keyExpired].contains(problem.kind) {
      if problem.kind == .keyReused { call.inFlight.counters.note { $0.mismatches += 1 } }
      call.trail.key = .refused
      call.inFlight.leave(claim.name, .refused(problem))
      throw problem
    } catch {
      call.inFlight.leave(claim.name, .again)
      throw error
    }
  }

  private func run(
    _ claim: Claim, _ call: RouteCall, until end: MonotonicInstant,
    _ body: (Write) async throws -> Response
  ) async throws -> (answer: KeptAnswer, isReplay: Bool) {
    var deadline = MonotonicInstant.now() + Self.patience
    var attempt = 1
    var unknown = 0
    // The answer of a COMMIT of which nobody knows whether it was executed.
    var sent: KeptAnswer?
    while true {
      do {
        do {
          let isRecovery = unknown > 0
          let mayShare = attempt == 1 && !isRecovery && !call.isRehearsal
          let answer = try await pool.transaction(
            deadline: deadline, for: call.trail
          ) { transaction in
            // A request that looks for its own COMMIT waits for that alone.
            let wait = isRecovery ? deadline - .now() : end - .now()
            let write = Write(
              transaction, claim, author: call.caller.name, wait: wait,
              isRehearsal: call.isRehearsal, mayShare: mayShare)
            defer {
              call.inFlight.counters.note { $0.roundTrips += transaction.roundTrips }
              if write.hasSentCommit { sent = write.sent }
            }
            return try await Self.answer(write, call, body)
          }
          return (answer, false)
        } catch let found as Found {
          if unknown > 0 { try await confirm(claim, deadline, call.trail) }
          // Without a key its answer stands nowhere else.
          let isUnkeyed = claim.name.scope == WriteName.unkeyed
          return (isUnkeyed ? sent ?? found.answer : found.answer, !found.isOwn)
        }
      } catch let other as OtherVersion {
        try await compare(claim, other, call, deadline)
        return (other.answer, true)
      } catch {
        let postgres = error as? PostgresError
        if attempt < Self.attempts, error is OnceMore || postgres?.passes == true {
          // PostgreSQL undid it in favour of another; a little apart, so that they do not meet
          // again.
          attempt += 1
          await pool.loop.sleep(for: .milliseconds(Int.random(in: 1...20 * attempt)))
          continue
        }
        if postgres == .outcomeUnknown {
          if unknown == 0 { deadline = min(deadline, .now() + Self.recovery) }
          unknown += 1
          call.inFlight.counters.note { $0.unknownOutcomes += 1 }
        } else if unknown > 0, postgres == .connectionLost {
          unknown += 1
        } else if unknown == 0 || Problem(any: error).isFinal {
          throw error is OnceMore ? Problem.unavailable : error
        }
        // Nothing was sent while there is no connection: that is no try.
        guard unknown < Self.attempts, .now() < deadline else { throw Problem.outcomeUnknown }
        await pool.loop.sleep(for: .milliseconds(Int.random(in: 10...50)))
      }
    }
  }

  /// Runs the body once; what it decided is committed when this returns.
  private static func answer(
    _ write: Write, _ call: RouteCall, _ body: (Write) async throws -> Response
  ) async throws -> KeptAnswer {
    do {
      let response = try await body(write)
      if write.answer == nil { _ = try await write.commit([], .response(response)) }
    } catch let error
      where write.isOpen && !write.isRehearsal && Problem(any: error).isDecidedFromData
    {
      try await write.keep(Problem(any: error).response(instance: call.instance))
    }
    guard let answer = write.answer else { throw UnexpectedRows() }
    return answer
  }

  /// A COMMIT that came with a warning is there, but perhaps not on the standby it has to be on.
  /// One that follows it says that both are.
  private func confirm(
    _ claim: Claim, _ deadline: MonotonicInstant, _ trail: RequestTrail
  ) async throws {
    _ = try await pool.transaction(deadline: deadline, for: trail) { transaction in
      try await transaction.commit([
        Call(Claim.touch, [.text(claim.name.scope), .text(claim.name.key)])
      ])
    }
  }

  /// Compares with what another version of this program stored, in its way.
  private func compare(
    _ claim: Claim, _ other: OtherVersion, _ call: RouteCall, _ deadline: MonotonicInstant
  ) async throws {
    guard let input = call.fingerprints.input(try await call.parts(), version: other.version)
    else {
      // A newer one, which is being deployed or was rolled back; it can tell.
      throw Problem.unavailable
    }
    let rows = try await pool.query(
      Call(
        Claim.compare, [.text(claim.name.scope), .text(claim.name.key), .bytes(input)]),
      deadline: deadline, for: call.trail)
    guard rows.boolean(0, 0) == true else { throw Problem.keyReused }
  }
}

/// A transaction as a handler sees it: the claim goes in front of its first statements, and its
/// answer is stored behind its last.
final class Write {
  private let transaction: Transaction
  private let claim: Claim
  private let author: String
  private let wait: Duration
  /// Nothing is ever committed: who runs the transaction rolls it back.
  fileprivate let isRehearsal: Bool
  /// Whether it may go together with others, should it turn out to need one round trip.
  private let mayShare: Bool
  /// The claim is ours, and nothing is committed.
  private(set) var isOpen = false
  /// What was committed.
  private(set) var answer: KeptAnswer?
  /// What was sent to be committed, where that is known before.
  private(set) var sent: KeptAnswer?
  private(set) var hasSentCommit = false

  fileprivate init(
    _ transaction: Transaction, _ claim: Claim, author: String, wait: Duration, isRehearsal: Bool,
    mayShare: Bool
  ) {
    self.transaction = transaction
    self.claim = claim
    self.author = author
    self.wait = wait
    self.isRehearsal = isRehearsal
    self.mayShare = mayShare
  }

  /// Sends the calls in one write and returns their results in order. Throws the first call's
  /// error; those after it were not executed.
  func send(_ calls: [Call]) async throws -> [Rows] {
    if isOpen { return try await transaction.send(calls) }
    let outcome = await transaction.attempt(claim.opening(wait: wait, author: author) + calls)
    switch try claim.finding(outcome) {
    case .ours: isOpen = true
    case .decided(let decision): throw decision
    case .busy: throw Problem.inProgress
    case .gone: throw OnceMore()
    case .failed(let error): throw error
    }
    if let error = outcome.error { throw error }
    return Array(outcome.rows.dropFirst(Claim.openingCount))
  }

  /// Sends the last calls, stores the answer and commits, in one round trip; the answer that the
  /// handler is to return. A write that sends nothing before is one round trip in all.
  func commit(_ calls: [Call], _ answer: Answer) async throws -> Response {
    let keep: Call
    switch answer {
    case .response(let response):
      let answer = KeptAnswer(response)
      keep = claim.keep(answer)
      sent = answer
    case .rendered(let status, let fields, let otherwise):
      keep = claim.keepRendered(
        status: status, fields: fields, otherwise: otherwise.map(KeptAnswer.init))
    }
    let all = calls + [keep]
    if !isOpen {
      if mayShare, let rows = try await commitShared(all) { return try committed(rows) }
      _ = try await send([])
    }
    hasSentCommit = !isRehearsal
    do {
      let rows = try await isRehearsal ? transaction.send(all) : transaction.commit(all)
      isOpen = false
      return try committed(rows)
    } catch let error as PostgresError where error.breaks(check: Claim.raced) {
      throw OnceMore()
    }
  }

  /// Claim, write and answer as one, perhaps beside others. nil when nothing was done: then it has to
  /// go alone, with all its patience.
  ///
  /// What has been decided was decided before: no other of the same key is in the transaction, whose
  /// end would still be open, as `KeysInFlight` lets one of a key through at a time.
  private func commitShared(_ calls: [Call]) async throws -> [Rows]? {
    hasSentCommit = true
    let outcome = try await transaction.commitShared(claim.openingShared(author: author) + calls)
    if let outcome, outcome.error == nil { return outcome.rows }
    hasSentCommit = false
    if let outcome,
      case .decided(let decision) = try claim.finding(outcome, count: Claim.openingSharedCount)
    {
      throw decision
    }
    return nil
  }

  private func committed(_ rows: [Rows]) throws -> Response {
    guard let last = rows.last else { throw UnexpectedRows() }
    let kept = try sent ?? KeptAnswer(last)
    answer = kept
    return kept.response
  }

  /// Undoes what the handler did, and commits this answer in its place.
  fileprivate func keep(_ response: Response) async throws {
    let kept = KeptAnswer(response)
    sent = kept
    hasSentCommit = true
    _ = try await transaction.commit([Transaction.undo, claim.keep(kept)])
    isOpen = false
    answer = kept
  }
}

/// The key has been answered: nothing ran.
struct Found: Error {
  let answer: KeptAnswer
  /// By the request that has found it, whose COMMIT was executed.
  let isOwn: Bool
}

/// It has been, by a program that compares in another way.
struct OtherVersion: Error {
  let version: UInt8
  let answer: KeptAnswer
}

/// Somebody else was faster; nothing happened, and the same again will see what he did.
struct OnceMore: Error {}

extension PostgresError {
  /// Serialization failure or deadlock: nothing happened, and the same again may well succeed.
  fileprivate var passes: Bool {
    if case .server(let error) = self { return ["40001", "40P01"].contains(error.sqlState) }
    return false
  }

  /// Whether a row was refused because of this check constraint (23514).
  fileprivate func breaks(check constraint: String) -> Bool {
    serverError.map { $0.sqlState == "23514" && $0.constraint == constraint } ?? false
  }
}

extension Problem {
  /// Whether what is stored has decided, and not the request alone: such an answer is kept. Whoever
  /// sent bad content (400, 422) may send better under the same key.
  fileprivate var isDecidedFromData: Bool { [404, 409, 412].contains(kind.status) }

  /// Whether it says what became of a write.
  fileprivate var isFinal: Bool { kind.status < 500 && kind != .inProgress }
}

extension RouteCall {
  /// The content of a write, read as its media type says; `slug` is that of the post it replaces.
  func content(replacing slug: String?) async throws -> PostDraft {
    if head.first(of: "content-type").flatMap(MediaType.init)?.essence == "text/markdown" {
      let bytes = try await bytes()
      return try PostDraft.read(markdown: bytes.span, replacing: slug).get()
    }
    return try PostDraft.read(json: try await json(), replacing: slug).get()
  }

  /// What of this request makes it the same as another. Content that the route does not read is
  /// none of it.
  fileprivate func parts() async throws -> RequestParts {
    let type = head.first(of: "content-type").flatMap(MediaType.init)?.essence ?? ""
    let content: RequestParts.Content
    if route.reads.isEmpty {
      content = .none
    } else if ["application/json", "application/merge-patch+json"].contains(type) {
      content = .json(try await json())
    } else {
      content = .bytes(try await bytes())
    }
    return RequestParts(
      method: head.method.rawValue, path: head.target.segments, query: head.target.query,
      mediaType: route.reads.isEmpty ? "" : type, ifMatch: head.values(of: "if-match"),
      ifNoneMatch: head.values(of: "if-none-match"), content: content)
  }
}
