/// What the replicas' database keeps, and the one thing that it does: the arithmetic that the SQL
/// statement has to repeat to the nanosecond.
///
/// Two tables. `replicas` is an ordinary one, so that it outlives a crash of the server; `buckets`
/// may be unlogged: when it has been emptied its epoch is another, and every replica brings what
/// it knows. The first report of a replica must not run beside another first report (an advisory
/// lock), or both would believe themselves alone; other reports may run side by side. Buckets are
/// updated in the order of their keys, so that two reports cannot lock each other out.
///
/// Time is the replicas' monotonic clocks', not the server's, which may be set: the latest that
/// any replica has brought, and since that was written what the server's clock has advanced, but
/// never back and never by more than `bridge`. A step of that clock forgives clients at most
/// `bridge` nanoseconds, once.
package struct Ledger: Sendable {
  private var replicas: [Row] = []
  private var buckets: [Client: Deficits] = [:]
  private var epoch: UInt64

  /// How far the server's clock is believed past what replicas have said.
  package static let bridge: Int64 = 500_000_000
  /// For how long a replica that is silent is named to others.
  package static let memory: Int64 = 60_000_000_000

  private struct Row: Sendable {
    let replica: UInt64
    var time: Int64
    var wall: Int64
    var isSettled: Bool
    var view: UInt64
  }

  package init(epoch: UInt64) {
    self.epoch = epoch
  }

  /// The server has crashed: unlogged tables are empty.
  package mutating func lose(epoch: UInt64) {
    buckets = [:]
    self.epoch = epoch
  }

  /// Forgets buckets that are full; at any time, in any number.
  package mutating func forgetFull() {
    let time = replicas.reduce(0) { max($0, $1.time) }
    buckets = buckets.filter { $0.value.burst > time || $0.value.sustained > time }
  }

  /// A replica that ends reports once more and then leaves: nobody has to wait for it to be missed.
  /// The row with the latest time stays, marked as gone, or time would go back.
  package mutating func leave(_ replica: UInt64) {
    guard let index = replicas.firstIndex(where: { $0.replica == replica }) else { return }
    let row = replicas.remove(at: index)
    if !replicas.contains(where: { $0.time >= row.time }) {
      replicas.append(
        Row(
          replica: 0, time: row.time, wall: row.wall, isSettled: false, view: 0))
    }
  }

  /// One report and its answer, in one transaction.
  ///
  /// - Parameter wall: the server's clock, nanoseconds.
  package mutating func exchange(_ report: Report, wall: Int64) -> Answer {
    var time = report.time
    for row in replicas {
      let (elapsed, overflow) = wall.subtractingReportingOverflow(row.wall)
      time = max(time, row.time + (overflow ? 0 : min(max(0, elapsed), Self.bridge)))
    }
    var others: [Answer.Other] = []
    for row in replicas where row.replica != report.replica && row.replica != 0 {
      guard time - row.time <= Self.memory else { continue }
      others.append(
        Answer.Other(
          replica: row.replica, age: time - row.time, isSettled: row.isSettled, view: row.view))
    }
    let row = Row(
      replica: report.replica, time: time, wall: wall, isSettled: report.isSettled,
      view: report.view)
    if let index = replicas.firstIndex(where: { $0.replica == report.replica }) {
      replicas[index] = row
    } else {
      replicas.append(row)
    }
    return Answer(
      time: time, epoch: epoch, others: others,
      deficits: report.lines.map { line in
        var full = buckets[line.client] ?? Deficits(burst: 0, sustained: 0)
        full.burst = Self.charged(full.burst, line.known.burst, line.charge.burst, time)
        full.sustained = Self.charged(
          full.sustained, line.known.sustained, line.charge.sustained, time)
        buckets[line.client] = full
        return Deficits(
          burst: max(0, full.burst - time), sustained: max(0, full.sustained - time))
      })
  }

  /// `greatest(full, time + known) + charge`, and no more than 73 years of it.
  private static func charged(
    _ full: Int64, _ known: Int64, _ charge: Int64, _ time: Int64
  ) -> Int64 {
    let deficit = max(full - time, known, 0)
    let (sum, overflow) = deficit.addingReportingOverflow(charge)
    return time + min(overflow ? Bucket.furthest : sum, Bucket.furthest)
  }
}
