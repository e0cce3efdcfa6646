/// What `/metrics` says, in the text format of Prometheus (version 0.0.4): families of samples, each
/// with its help and type in front.
package struct Metrics: Sendable {
  /// What the format is called in Content-Type.
  static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

  enum Kind: String {
    /// Grows until the process ends; the name ends in `_total`.
    case counter
    case gauge
  }

  /// All of it.
  package private(set) var text = ""

  /// Nothing yet.
  package init() {}

  /// Adds a family of one sample.
  mutating func add(_ kind: Kind, _ name: String, _ value: Int, help: String) {
    text += """
      # HELP colophon_\(name) \(help)
      # TYPE colophon_\(name) \(kind.rawValue)
      colophon_\(name) \(value)

      """
  }
}

extension ResponseCache.Counts {
  /// What the caches of all loops have done.
  func describe(in metrics: inout Metrics) {
    metrics.add(
      .counter, "cache_hits_total", hits, help: "Public reads that were answered from memory.")
    metrics.add(
      .counter, "cache_stale_hits_total", staleHits,
      help: "Those of them whose answer said its age, as the database could not be asked.")
    metrics.add(
      .counter, "cache_misses_total", misses,
      help: "Public reads for which the database was asked.")
    metrics.add(
      .counter, "cache_joined_total", joined,
      help: "Public reads that waited for another one of the same.")
    metrics.add(.gauge, "cache_answers", answers, help: "Answers in memory.")
    metrics.add(.gauge, "cache_bytes", bytes, help: "Bytes they take.")
  }
}

extension KeysInFlight {
  /// What became of writes and their keys.
  func describe(in metrics: inout Metrics) {
    let counts = self.counts
    metrics.add(
      .counter, "idempotency_runs_total", counts.runs,
      help: "Writes with a key that ran and whose answers were kept.")
    metrics.add(
      .counter, "idempotency_replays_total", counts.replays,
      help: "Answers that had been given before.")
    metrics.add(
      .counter, "idempotency_mismatches_total", counts.mismatches,
      help: "Keys that came with another request than the first.")
    metrics.add(
      .counter, "idempotency_waits_total", counts.waits,
      help: "Requests that waited for another one under their key.")
    metrics.add(
      .gauge, "idempotency_waiting", waiting, help: "Requests that wait for another one now.")
    metrics.add(
      .counter, "unknown_outcomes_total", counts.unknownOutcomes,
      help: "COMMITs that the database did not answer, of writes without a key too.")
    metrics.add(
      .counter, "write_round_trips_total", counts.roundTrips,
      help: "How often writes have waited for the database.")
  }
}
