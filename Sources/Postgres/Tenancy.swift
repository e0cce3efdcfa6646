import EventLoop

/// Who has a connection to itself, and how far it has got.
struct Tenancy {
  let serial: UInt64
  let deadline: MonotonicInstant
  let since: MonotonicInstant
  /// How many callers share it; 0 for one that has it alone.
  var companions = 0
  var hasBegun = false
  /// COMMIT or ROLLBACK is through, or on its way.
  var isOver = false
  /// A command failed, and the server skips everything up to the next Sync.
  var needsSync = false
  /// Its tenant has left; the connection is free when the last answer has come.
  var isLeft = false
}

/// A tenancy as its tenant knows it.
struct Lease: Sendable {
  let slot: Int
  let serial: UInt64
  let role: PoolRole
  let deadline: MonotonicInstant
}

/// A caller who waits for a connection of its own.
final class Applicant {
  let since: MonotonicInstant
  let deadline: MonotonicInstant
  let role: PoolRole
  let waiter: Waiter<Result<Lease, PostgresError>>

  init(
    role: PoolRole, since: MonotonicInstant, deadline: MonotonicInstant,
    waiter: Waiter<Result<Lease, PostgresError>>
  ) {
    self.role = role
    self.since = since
    self.deadline = deadline
    self.waiter = waiter
  }
}
