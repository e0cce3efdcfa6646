/// The part of the table that reports: what has been taken, cut into a report's lines, and what the
/// ledger answers to them.
extension BucketTable {
  /// An entry in a report that is under way.
  package struct Held: Sendable {
    let index: UInt16
    let quarters: Int32
    let wasUnknown: Bool
  }

  /// Cuts at most so many lines, the oldest first.
  package mutating func cut(
    most: Int, into lines: inout [Report.Line], _ held: inout [Held], now: Int64
  ) {
    isUrgent = false
    let count = min(max(0, most), dirty.count)
    for index in dirty[..<count] {
      let entry = entries[Int(index)]
      guard let client = Client(mark: entry.mark, high: entry.high, low: entry.low) else {
        continue
      }
      let limits = limits[client]
      let charge = Deficits(
        burst: limits.burst.signedCharge(quarters: entry.unreported),
        sustained: limits.sustained.signedCharge(quarters: entry.unreported))
      let isUnknown = entry.flags & Entry.unknown != 0
      let deficits = isUnknown ? entry.bucket.deficits(now: now) : Deficits(burst: 0, sustained: 0)
      lines.append(
        Report.Line(
          client: client,
          known: Deficits(
            burst: max(0, deficits.burst - max(0, charge.burst)),
            sustained: max(0, deficits.sustained - max(0, charge.sustained))),
          charge: charge))
      held.append(Held(index: index, quarters: entry.unreported, wasUnknown: isUnknown))
      entries[Int(index)].flags = Entry.underWay
    }
    dirty.removeFirst(count)
  }

  /// Whether there is nothing left to cut.
  package var isReported: Bool { dirty.isEmpty }

  /// The report has been carried out. In step the ledger's word holds; out of step, where others
  /// may have yet to report, the stricter of its word and this table's.
  package mutating func settle(_ held: Held, _ deficits: Deficits, now: Int64) {
    let index = Int(held.index)
    entries[index].flags &= ~Entry.underWay
    entries[index].unreported = Int32(
      clamping: Int64(entries[index].unreported) - Int64(held.quarters))
    let entry = entries[index]
    guard let client = Client(mark: entry.mark, high: entry.high, low: entry.low) else { return }
    var bucket = Bucket(deficits: deficits, now: now)
    bucket.debit(
      Amount(quarters: Int64(entry.unreported)), of: limits[client], now: now)
    if now >= regime.inStepUntil { bucket.formMaximum(entry.bucket) }
    entries[index].bucket = bucket
  }

  /// The report may not have been carried out: its lines come again.
  package mutating func restore(_ held: Held) {
    let index = Int(held.index)
    entries[index].flags &= ~Entry.underWay
    if held.wasUnknown { entries[index].flags |= Entry.unknown }
    if held.wasUnknown || entries[index].unreported != 0 { soil(index) }
  }

  /// Has every bucket that is not full reported in full: the ledger does not know them.
  package mutating func reportEverything(now: Int64) {
    for index in entries.indices where entries[index].mark != 0 {
      guard !entries[index].bucket.isFull(now: now) else { continue }
      entries[index].flags |= Entry.unknown
      soil(index)
    }
  }
}

extension Quota {
  /// As `charge(for:)`; what has been given back is negative and rounded towards zero.
  func signedCharge(quarters: Int32) -> Int64 {
    let charge = charge(for: Amount(quarters: abs(Int64(quarters))))
    guard quarters < 0 else { return charge }
    return charge == .max ? 0 : -max(0, charge - 1)
  }
}
