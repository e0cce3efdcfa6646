/// What `/metrics` says, in the text format of Prometheus (version 0.0.4): families of samples, each
/// with its help and type in front.
package struct Metrics: Sendable {
  /// What the format is called in Content-Type.
  static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

  enum Kind: String {
    /// Grows until the process ends; the name ends in `_total`.
    case counter
    case gauge
    case histogram
  }

  /// Names and values, as `route="/v1/posts",status="2xx"`.
  typealias Labels = [(name: String, value: String)]

  /// All of it.
  package private(set) var text = ""

  /// Nothing yet.
  package init() { text.reserveCapacity(65_536) }

  /// Adds a family of one sample.
  mutating func add(_ kind: Kind, _ name: String, _ value: Int, help: String) {
    add(kind, name, help: help, [([], value)])
  }

  /// Adds a family, unless it has no samples.
  mutating func add(
    _ kind: Kind, _ name: String, help: String, _ samples: [(labels: Labels, value: Int)]
  ) {
    if samples.isEmpty { return }
    begin(kind, "colophon_" + name, help: help)
    for sample in samples { add("colophon_" + name, sample.labels, "\(sample.value)") }
  }

  /// Adds a family whose values are whole nanoseconds, as seconds.
  mutating func add(
    _ kind: Kind, _ name: String, help: String,
    nanoseconds samples: [(labels: Labels, value: Int64)]
  ) {
    if samples.isEmpty { return }
    begin(kind, "colophon_" + name, help: help)
    for sample in samples {
      add("colophon_" + name, sample.labels, Self.seconds(sample.value))
    }
  }

  /// Adds a family of histograms of times; those in which nothing was counted are left out.
  mutating func add(
    histograms name: String, help: String, _ series: [(labels: Labels, value: Histogram)]
  ) {
    let series = series.filter { $0.value.count > 0 }
    if series.isEmpty { return }
    let name = "colophon_" + name
    begin(.histogram, name, help: help)
    for (labels, histogram) in series {
      var sum = 0
      for (bucket, count) in histogram.buckets.enumerated() {
        sum += count
        let end =
          bucket < Histogram.bounds.count
          ? Self.seconds(Histogram.bounds[bucket] * 1_000) : "+Inf"
        add(name + "_bucket", labels + [("le", end)], "\(sum)")
      }
      add(name + "_sum", labels, Self.seconds(histogram.nanoseconds))
      add(name + "_count", labels, "\(sum)")
    }
  }

  /// Adds a family of one sample under a name that is not ours, but everybody's.
  mutating func add(_ kind: Kind, common name: String, _ value: String, help: String) {
    begin(kind, name, help: help)
    add(name, [], value)
  }

  private mutating func begin(_ kind: Kind, _ name: String, help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func add(_ name: String, _ labels: Labels, _ value: String) {
    text += name
    if !labels.isEmpty {
      text += "{"
      for (index, label) in labels.enumerated() {
        if index > 0 { text += "," }
        text += label.name
        text += "=\""
        for scalar in label.value.unicodeScalars {
          switch scalar {
          case "\\": text += "\\\\"
          case "\"": text += "\\\""
          case "\n": text += "\\n"
          default: text.unicodeScalars.append(scalar)
          }
        }
        text += "\""
      }
      text += "}"
    }
    text += " "
    text += value
    text += "\n"
  }

  /// Exact, without trailing zeros.
  static func seconds(_ nanoseconds: Int64) -> String {
    let rest = String(nanoseconds % 1_000_000_000)
    var digits = String(repeating: "0", count: max(0, 9 - rest.utf8.count)) + rest
    while digits.last == "0" { digits.removeLast() }
    return "\(nanoseconds / 1_000_000_000)" + (digits.isEmpty ? "" : "." + digits)
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
