import Synchronization

/// A transaction (READ COMMITTED) while the body that `Pool.transaction` gave it to is running.
/// Calls leave together, and each `send` or `commit` is one round trip.
///
/// After a call has failed, the server is told to go on by the next `send` or `commit`, whose first
/// call must then be `rollback to` a savepoint; any other is refused with 25P02. That costs no
/// round trip: the end of the failed segment leaves together with the calls.
package final class Transaction: Sendable {
  private let pool: Pool
  private let lease: Lease
  private let trips = Atomic<Int>(0)

  init(pool: Pool, lease: Lease) {
    self.pool = pool
    self.lease = lease
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
    trips.add(1, ordering: .relaxed)
    return await pool.send(calls, committing: false, lease)
  }

  /// Sends the calls and COMMIT in one write and returns when the server is ready for the next
  /// transaction. `.server`: nothing is committed yet, and the transaction may go on from a
  /// savepoint. `.outcomeUnknown`: COMMIT was sent and only the database knows.
  package func commit(_ calls: [Call] = []) async throws(PostgresError) -> [Rows] {
    trips.add(1, ordering: .relaxed)
    return try await pool.send(calls, committing: true, lease).get()
  }

  /// Gives everything up. ROLLBACK leaves at once; its answer is not waited for.
  package func rollback() async { await pool.rollBack(lease) }

  /// How many times the caller has waited for the server.
  package var roundTrips: Int { trips.load(ordering: .relaxed) }
}
