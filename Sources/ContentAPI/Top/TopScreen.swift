/// What `colophon top` shows: one instance, from what its metrics said now and a moment ago.
package struct TopScreen: Sendable {
  /// Of whom it is.
  package let address: String
  /// The newest metrics, and the ones before them; nil while there are none.
  package var now: Scrape?
  package var before: Scrape?
  /// Why there are no newer ones, and for how many seconds.
  package var outage: (reason: String, seconds: Int)?
  /// What time it is, in seconds since 1970.
  package var clock = 0.0
  /// What `/readyz` says besides `ready`.
  package var missing: [String] = []

  package init(address: String) { self.address = address }

  /// The lines of a screen: none is longer than `columns`, and there are at most `rows`.
  package func lines(columns: Int, rows: Int, hint: String = "q ends") -> [String] {
    var lines = [heading(hint, columns)]
    guard let now else {
      lines += ["", outage.map { "No answer: \($0.reason)" } ?? "Waiting for the first answer."]
      lines.append("It goes on trying.")
      return lines.prefix(rows).map { String($0.prefix(columns)) }
    }
    lines.append(state(now))
    lines += [""] + requests(now) + [""] + database(now) + [""] + others(now) + [""]
    let left = rows - lines.count
    if left > 1 { lines += routes(now, atMost: left - 1, columns: columns) }
    return lines.prefix(rows).map { String($0.prefix(columns)) }
  }

  private func heading(_ hint: String, _ columns: Int) -> String {
    let version = now?.values(of: "version", in: "colophon_build_info").first ?? ""
    let title = "colophon \(version.isEmpty ? "" : version + " ")at \(address)"
    let gap = max(1, columns - title.count - hint.count)
    return title + String(repeating: " ", count: gap) + hint
  }

  private func state(_ now: Scrape) -> String {
    if let outage {
      return "DOWN for \(Self.age(outage.seconds)): \(outage.reason); the last numbers below"
    }
    let ready = missing.isEmpty ? "ready" : "NOT READY: " + missing.joined(separator: ", ")
    guard let start = now.value("process_start_time_seconds"), start > 0, clock > start else {
      return ready
    }
    return "\(ready)   up \(Self.age(Int(clock - start)))"
  }

  // What is shown

  private func requests(_ now: Scrape) -> [String] {
    let name = "colophon_http_requests_total"
    let classes = ["2xx", "3xx", "4xx", "5xx"].map { status in
      "\(status) \(Self.rate(rate(name, ["status": status])))"
    }
    let hits = rate("colophon_cache_hits_total") ?? 0
    let reads =
      hits + (rate("colophon_cache_misses_total") ?? 0) + (rate("colophon_cache_joined_total") ?? 0)
    return [
      "requests  \(Self.rate(rate(name)).left(10))" + classes.map { $0.left(13) }.joined(),
      "latency   "
        + [(50, 0.5), (90, 0.9), (99, 0.99)].map { name, part in
          "p\(name) \(Self.time(percentile(part, "colophon_http_request_duration_seconds")))".left(
            14)
        }.joined() + "in flight \(Self.count(now.value("colophon_http_requests_in_flight")))",
      "cache     " + "hits \(reads > 0 ? Self.percent(hits / reads) : "-")".left(14)
        + "stale \(Self.rate(rate("colophon_cache_stale_hits_total")))".left(14)
        + "answers \(Self.count(now.value("colophon_cache_answers")))".left(16)
        + "memory \(Self.bytes(now.value("colophon_cache_bytes")))",
    ]
  }

  private func database(_ now: Scrape) -> [String] {
    let roles = ["read", "query", "write"]
    let rows = roles.map { role -> String in
      func connections(_ state: String) -> Double {
        now.value("colophon_database_connections", ["role": role, "state": state]) ?? 0
      }
      let open = connections("idle") + connections("busy")
      let all = open + connections("missing") + connections("connecting")
      let histogram = "colophon_database_call_duration_seconds"
      return "  \(role.left(8))" + "\(Int(open))/\(Int(all)) open".left(12)
        + "busy \(Int(connections("busy")))".left(9)
        + "waiting \(Self.count(now.value("colophon_database_calls_waiting", ["role": role])))"
        .left(13)
        + "\(Self.rate(rate(histogram + "_count", ["role": role])))".left(9)
        + "p50 \(Self.time(percentile(0.5, histogram, ["role": role])))".left(13)
        + "p99 \(Self.time(percentile(0.99, histogram, ["role": role])))"
    }
    let errors = now.values(of: "class", in: "colophon_database_errors_total").compactMap { kind in
      rate("colophon_database_errors_total", ["class": kind]).flatMap {
        $0 > 0 ? "\(kind) \(Self.rate($0))" : nil
      }
    }
    let shed = rate("colophon_database_events_total", ["event": "shed"])
    return [
      "database  shed \(Self.rate(shed))   errors "
        + (errors.isEmpty ? "none" : errors.joined(separator: ", "))
    ]
      + rows
  }

  private func others(_ now: Scrape) -> [String] {
    let waiting = now.value("colophon_mails_waiting")
    let mails =
      waiting == nil
      ? "mail does not leave from here"
      : "waiting \(Self.count(waiting))   dead \(Self.count(now.value("colophon_mails_dead")))"
    let processor = rate("process_cpu_seconds_total").map { Self.percent($0) } ?? "-"
    return [
      "limits    "
        + "admitted \(Self.rate(rate("colophon_rate_limit_admitted_total")))".left(18)
        + "refused \(Self.rate(rate("colophon_rate_limit_refused_total")))".left(17)
        + "replicas \(Self.count(now.value("colophon_rate_limit_replicas")))",
      "keys      " + "runs \(Self.rate(rate("colophon_idempotency_runs_total")))".left(14)
        + "replays \(Self.rate(rate("colophon_idempotency_replays_total")))".left(17)
        + "unknown commits \(Self.count(now.value("colophon_unknown_outcomes_total")))",
      "mail      \(mails)",
      "process   " + "cpu \(processor)".left(12)
        + "memory \(Self.bytes(now.value("process_resident_memory_bytes")))".left(19)
        + "lag p99 \(Self.time(percentile(0.99, "colophon_loop_lag_seconds")))".left(18)
        + "log lines lost \(Self.count(now.value("colophon_log_lines_lost_total")))",
    ]
  }

  /// The routes that are asked for most.
  private func routes(_ now: Scrape, atMost most: Int, columns: Int) -> [String] {
    let name = "colophon_http_requests_total"
    var found: [(rate: Double, text: String)] = []
    for route in now.values(of: "route", in: name) {
      for method in now.values(of: "method", in: name) {
        let labels = ["route": route, "method": method]
        guard let rate = rate(name, labels), rate > 0 else { continue }
        let p99 = percentile(0.99, "colophon_http_request_duration_seconds", labels)
        let errors = self.rate(name, labels.merging(["status": "5xx"]) { $1 }) ?? 0
        found.append(
          (
            rate,
            "\(Self.rate(rate).right(8))  p99 \(Self.time(p99).left(9))"
              + "5xx \(Self.rate(errors).left(8))\(method.left(7))\(route)"
          ))
      }
    }
    let busiest = found.sorted { ($0.rate, $1.text) > ($1.rate, $0.text) }.prefix(most)
    return ["busiest routes"] + busiest.map(\.text)
  }

  // Numbers

  /// A second's worth of what a counter has counted; nil when nobody knows yet.
  private func rate(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    guard let now, let before, now.time > before.time else { return nil }
    // What is not there has counted nothing; what has shrunk has started anew.
    let (end, start) = (now.value(name, labels) ?? 0, before.value(name, labels) ?? 0)
    return (end >= start ? end - start : end) / (now.time - before.time)
  }

  /// The time within which this part of what came since the last look was done, from the buckets, in
  /// seconds; nil when nothing came.
  package func percentile(
    _ part: Double, _ name: String, _ labels: [String: String] = [:]
  ) -> Double? {
    guard let now else { return nil }
    let old = before?.buckets(name, labels) ?? [:]
    let counts = now.buckets(name, labels).map { (end: $0, count: $1 - (old[$0] ?? 0)) }
      .sorted { $0.end < $1.end }
    guard let all = counts.last?.count, all > 0 else { return nil }
    var (start, below) = (0.0, 0.0)
    for (end, count) in counts {
      if count >= part * all {
        if end == .infinity { return start }
        return start + (end - start) * (part * all - below) / max(1e-9, count - below)
      }
      (start, below) = (end, count)
    }
    return start
  }

  private static func rate(_ value: Double?) -> String {
    guard let value else { return "-" }
    if value == 0 { return "0/s" }
    if value < 10 { return "\(Int(value * 10 + 0.5) / 10).\(Int(value * 10 + 0.5) % 10)/s" }
    return "\(short(value))/s"
  }

  private static func count(_ value: Double?) -> String { value.map(short) ?? "-" }

  private static func short(_ value: Double) -> String {
    switch value {
    case ..<100_000: "\(Int(value.rounded()))"
    case ..<10_000_000: "\(Int(value / 1_000))k"
    case ..<1e15: "\(Int(value / 1_000_000))M"
    default: "much"
    }
  }

  private static func time(_ seconds: Double?) -> String {
    guard let seconds else { return "-" }
    switch seconds {
    case ..<0.000_999_5: return "\(Int((seconds * 1_000_000).rounded())) µs"
    case ..<0.0995:
      let tenths = Int((seconds * 10_000).rounded())
      return "\(tenths / 10).\(tenths % 10) ms"
    case ..<1: return "\(Int((seconds * 1_000).rounded())) ms"
    default:
      let tenths = Int((min(seconds, 1e6) * 10).rounded())
      return "\(tenths / 10).\(tenths % 10) s"
    }
  }

  private static func bytes(_ value: Double?) -> String {
    guard let value, value >= 0, value < 1e15 else { return "-" }
    let tenths = Int(value / 1_048_576 * 10)
    return "\(tenths / 10).\(tenths % 10) MiB"
  }

  private static func percent(_ part: Double) -> String {
    let tenths = Int(min(max(0, part), 1e6) * 1_000 + 0.5)
    return "\(tenths / 10).\(tenths % 10) %"
  }

  private static func age(_ seconds: Int) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7_200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3_600) h"
    default: "\(seconds / 86_400) days"
    }
  }
}

extension String {
  /// With blanks behind it up to a width, one at least.
  fileprivate func left(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }

  fileprivate func right(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
