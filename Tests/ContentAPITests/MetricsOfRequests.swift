import ContentAPI
import EventLoop
import HTTP
import Postgres
import Testing

/// What `/metrics` says after requests.
@Suite struct MetricsOfRequests {
  @Test func `counts every request under its route, and the unknown under one`() async throws {
    let observer = Observer()
    try await Site.run(memory: .bytes(1 << 20), observer: observer) { site in
      try await site.publish("a")
      try await site.look()
      for _ in 0..<3 { _ = try await site.get("/v1/posts/a") }
      for number in 0..<40 { _ = try await site.get("/\(number)/none") }
      _ = try await site.send("DELETE /v1/archive")
      _ = try await site.send("OPTIONS /v1/archive")
      _ = try await site.send("BREW /v1/archive")
    }
    let metrics = try metrics(of: observer)
    func count(_ method: String, _ route: String, _ status: String) -> Double? {
      let labels = #"{method="\#(method)",route="\#(route)",status="\#(status)"}"#
      let count = metrics.samples["colophon_http_requests_total" + labels]
      #expect(
        metrics.samples["colophon_http_request_duration_seconds_count" + labels] == count)
      return count
    }
    #expect(count("PUT", "/v1/posts/{slug}", "2xx") == 1)
    #expect(count("GET", "/v1/posts/{slug}", "2xx") == 3)
    #expect(count("any", "unknown", "4xx") == 41)
    #expect(count("OPTIONS", "any", "2xx") == 1)
    #expect(count("any", "unread", "5xx") == 1)
    #expect(
      metrics.samples.keys.count { $0.hasPrefix("colophon_http_requests_total") } == 5)
    #expect(metrics.samples["colophon_http_requests_in_flight"] == 0)
    let reads = metrics.samples[#"colophon_database_call_duration_seconds_count{role="read"}"#]
    #expect(reads == 1, "the others were answered from memory")
    #expect(
      metrics.samples[#"colophon_database_call_duration_seconds_count{role="write"}"#] == 1)
    #expect(metrics.samples[#"colophon_database_errors_total{class="unavailable"}"#] == 0)
  }

  @Test func `counts what the database refuses, by class`() async throws {
    let observer = Observer()
    try await Site.run(observer: observer) { site in
      try await site.publish("a")
      #expect(try await site.post(json: #"{"title":"A","body":".","slug":"a"}"#).status == 409)
      _ = try await site.sql("alter table colophon.posts rename to away")
      #expect(try await site.get("/v1/posts/a").status == 500)
    }
    let metrics = try metrics(of: observer)
    #expect(
      metrics.samples[#"colophon_database_errors_total{class="syntax_or_access"}"#] == 1)
    #expect(
      metrics.samples[
        #"colophon_http_requests_total{method="GET",route="/v1/posts/{slug}",status="5xx"}"#] == 1)
  }

  @Test func `puts each time into the bucket that it belongs to`() throws {
    let observer = Observer()
    for (nanoseconds, _) in [(0, 1), (10_000, 1), (10_001, 1), (7_000_000_000, 1), (1 << 50, 1)] {
      observer.note(
        .answered(
          AnsweredRequest(
            id: [0x61], trace: TraceContext(high: 1, low: 1, span: 1), client: .address,
            method: .get, route: .unknown, status: 200, bytes: 3, total: Int64(nanoseconds))))
    }
    let metrics = try metrics(of: observer)
    let labels = #"method="any",route="unknown",status="2xx""#
    func bucket(_ end: String) -> Double? {
      metrics.samples[#"colophon_http_request_duration_seconds_bucket{\#(labels),le="\#(end)"}"#]
    }
    #expect(bucket("0.00001") == 2 && bucket("0.000025") == 3 && bucket("5") == 3)
    #expect(bucket("10") == 4 && bucket("+Inf") == 5)
    #expect(metrics.samples["colophon_http_response_bytes_total{\(labels)}"] == 15)
  }

  private func metrics(of observer: Observer) throws -> MetricsText {
    var metrics = Metrics()
    metrics.describe([observer.meters])
    var text = try MetricsText(metrics.text)
    try text.expectWellFormed()
    return text
  }
}
