import EventLoop
import Synchronization

/// A transaction (READ COMMITTED) while the body that `Pool.transaction` gave it to is running.
/// Calls leave together, and each `send` or `commit` is one round trip.
///
/// After a call has failed, the server is told to go on by the next `send` or `commit`, whose first
/// call must then be `rollback to` a savepoint; any other is refused with 25P02. That costs no
/// round trip: the end of the failed segment leaves together with the calls.
package final class Transaction: Sendable {
  private let pool: Pool
  private let deadline: MonotonicInstant
  /// nil until something is sent.
  private let leased = Mutex<Lease?>(nil)
  /// It was let in for `commitShared`, and may have to go on alone.
  private let hasShared = Atomic<Bool>(false)
  private let trips = Atomic<Int>(0)

  init(pool: Pool, deadline: MonotonicInstant) {
    self.pool = pool
    self.deadline = deadline
  }

  var lease: Lease? { leased.withLock { $0 } }

  private func connection() async throws(PostgresError) -> Lease {
    if let lease { return lease }
    let lease = try await pool.acquire(
      .write, deadline: deadline, wasInside: hasShared.load(ordering: .relaxed))
    leased.withLock { $0 = lease }
    return lease
  }

  /// Sends the calls in one write, with BEGIN in front the first time, and returns their results in
  /// order. Throws the first call's error; those after it were not executed.
  package func send(_ calls: [Call]) async throws(PostgresError) -> [Rows] {
    try await attempt(calls).get()
  }

  /// What became of calls that left together.
  package struct Outcome: Sendable {
    /// The results up to the first call that failed, in order; all of them without an error.
    package let rows: [Rows]
    package let error: PostgresError?

    func get() throws(PostgresError) -> [Rows] {
      if let error { throw error }
      return rows
    }
  }

  /// Marks where `undo` leads back to.
  package static let savepoint = Call(Session.savepoint)
  /// Takes back everything since `savepoint`, an error too.
  package static let undo = Call(Session.undo)

  /// As `send`, for who wants the results before a failure too: a statement may fail to keep those
  /// behind it from running.
  package func attempt(_ calls: [Call]) async -> Outcome {
    guard !calls.isEmpty else { return Outcome(rows: [], error: nil) }
    do throws(PostgresError) {
      let lease = try await connection()
      trips.add(1, ordering: .relaxed)
      return await pool.send(calls, committing: false, lease)
    } catch {
      return Outcome(rows: [], error: error)
    }
  }

  /// Sends the calls and COMMIT in one write and returns when the server is ready for the next
  /// transaction. `.server`: nothing is committed yet, and the transaction may go on from a
  /// savepoint. `.outcomeUnknown`: COMMIT was sent and only the database knows.
  package func commit(_ calls: [Call] = []) async throws(PostgresError) -> [Rows] {
    let lease = try await connection()
    trips.add(1, ordering: .relaxed)
    return try await pool.send(calls, committing: true, lease).get()
  }

  /// In place of everything else: sends calls that are the whole transaction, which is committed when
  /// this returns results without an error. It may share a connection and its commit with other
  /// transactions of that kind. With an error nothing was done; nil: nothing was done because of one
  /// of those, and the body should `send` and `commit` instead.
  ///
  /// Calls must leave no setting behind that others do not set again, and wait for locks only for a
  /// moment. `.outcomeUnknown` as for `commit`.
  package func commitShared(_ calls: [Call]) async throws(PostgresError) -> Outcome? {
    precondition(lease == nil, "the transaction has begun already")
    trips.add(1, ordering: .relaxed)
    let outcome = try await pool.share(calls, deadline: deadline)
    hasShared.store(true, ordering: .relaxed)
    return outcome
  }

  /// Gives everything up. ROLLBACK leaves at once; its answer is not waited for.
  package func rollback() async {
    if let lease { await pool.rollBack(lease) }
  }

  /// How many times the caller has waited for the server.
  package var roundTrips: Int { trips.load(ordering: .relaxed) }
}
