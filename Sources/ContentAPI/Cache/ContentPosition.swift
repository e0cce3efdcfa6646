package import EventLoop
import Synchronization

/// How far this process has followed what the database holds: one for all its loops.
///
/// The content of the database is known by a number that counts its changes as they are noticed.
/// What was read under a number is as good as read now, as long as the number stands and the
/// database has lately confirmed that it does. `PositionWatch` asks; a write of this process moves
/// the number itself, before it is answered.
package final class ContentPosition: Sendable {
  private let changes = Atomic<UInt64>(0)
  private let confirmed = Atomic<Int64>(.min)

  /// How long after the question a confirmation holds. With the way of an answer to its reader it
  /// keeps what others have written below a second.
  static let trust = Duration.milliseconds(900)
  /// How long what was last confirmed is handed out while the database says nothing.
  static let endurance = Duration.seconds(86_400)

  /// Nothing is confirmed.
  package init() {}

  /// Under what number a reader reads; to be asked before the question is sent.
  package var number: UInt64 { changes.load(ordering: .acquiring) }

  /// Content has changed, or may have: what was read before is not to be used again.
  package func move() { changes.wrappingAdd(1, ordering: .releasing) }

  /// The database has confirmed the present number, which it was asked at `instant`.
  package func confirm(asked instant: MonotonicInstant) {
    confirmed.store(instant.nanoseconds, ordering: .releasing)
  }

  /// When the question was sent that the database has answered last; nil when it never has.
  package var lastConfirmed: MonotonicInstant? {
    let confirmed = confirmed.load(ordering: .acquiring)
    return confirmed == .min ? nil : MonotonicInstant(nanoseconds: confirmed)
  }

  /// What is to be thought of what was read under a number.
  package enum Standing: Sendable, Equatable {
    /// It is what the database has.
    case current
    /// The database has said nothing since; it was so this many seconds ago, rounded up.
    case unconfirmed(age: Int)
    /// It is not to be used.
    case past
  }

  /// What is to be thought, at `now`, of what was read under `number`.
  package func standing(of number: UInt64, now: MonotonicInstant) -> Standing {
    // In this order: whoever sees a confirmation sees the number that it confirms.
    let confirmed = confirmed.load(ordering: .acquiring)
    guard number == self.number, confirmed != .min else { return .past }
    let age = max(0, now.nanoseconds - confirmed)
    if age < Self.trust.wholeNanoseconds { return .current }
    if age > Self.endurance.wholeNanoseconds { return .past }
    return .unconfirmed(age: Int(age / 1_000_000_000) + 1)
  }
}
