/// Buckets that clients share when the table has no room for them: a count-min sketch of the
/// instants at which buckets are full. A client's own is never fuller than what its rows say, so
/// it can be charged for others and never gets more than its due.
struct Sketch: Sendable {
  private static let rows = 4
  private let width: Int
  private var cells: [Bucket]

  /// - Parameter width: cells per row, a power of two up to 65,536.
  init(width: Int) {
    self.width = width
    cells = Array(repeating: Bucket(), count: Self.rows * width)
  }

  /// What is known of the client: its own charges or more.
  func bucket(_ hash: UInt64) -> Bucket {
    var bucket = cells[index(0, hash)]
    for row in 1..<Self.rows { bucket.formMinimum(cells[index(row, hash)]) }
    return bucket
  }

  /// Remembers a bucket that `bucket(_:)` gave and that has been charged since. Cells that say more
  /// stay as they are: they hold somebody else's charges.
  mutating func raise(_ hash: UInt64, to bucket: Bucket) {
    for row in 0..<Self.rows { cells[index(row, hash)].formMaximum(bucket) }
  }

  private func index(_ row: Int, _ hash: UInt64) -> Int {
    row &* width &+ Int(truncatingIfNeeded: hash &>> UInt64(16 &* row)) & (width &- 1)
  }
}
