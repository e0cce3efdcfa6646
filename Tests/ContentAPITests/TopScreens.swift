import ContentAPI
import EventLoop
import HTTP
import Testing

/// `colophon top`, by what its screen says.
@Suite struct TopScreens {
  private func scrape(_ requests: Int, _ slow: Int, at time: Double) throws -> Scrape {
    let observer = Observer()
    for number in 0..<requests {
      observer.note(
        .answered(
          AnsweredRequest(
            id: [0x61], trace: TraceContext(high: 1, low: 1, span: 1), client: .address,
            method: .get, route: .unknown, status: 200, bytes: 3,
            total: number < slow ? 80_000_000 : 300_000)))
    }
    var metrics = Metrics()
    metrics.describe([observer.meters])
    return try #require(Scrape(metrics.text, time: time))
  }

  @Test func `show rates and percentiles of what came since the last look`() throws {
    var screen = TopScreen(address: "127.0.0.1:9090")
    screen.before = try scrape(1_000, 0, at: 10)
    screen.now = try scrape(1_200, 4, at: 12)
    let lines = screen.lines(columns: 80, rows: 24)
    #expect(lines.contains { $0.hasPrefix("requests  100/s") }, "\(lines)")
    let median = try #require(screen.percentile(0.5, "colophon_http_request_duration_seconds"))
    #expect((0.00025...0.0005).contains(median))
    let slow = try #require(screen.percentile(0.99, "colophon_http_request_duration_seconds"))
    #expect((0.05...0.1).contains(slow))
    #expect(lines.last?.contains("unknown") == true)
  }

  @Test func `fit every terminal, with and without an answer`() throws {
    var screen = TopScreen(address: "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535")
    var screens = [screen]
    screen.outage = ("connection refused", 3)
    screens.append(screen)
    screen.now = try scrape(10, 0, at: 1)
    screens.append(screen)
    screen.outage = nil
    screen.missing = ["database unavailable for 12 s", "other replicas unknown"]
    screens.append(screen)
    for screen in screens {
      for (columns, rows) in [(80, 24), (20, 5), (1, 1), (200, 60)] {
        let lines = screen.lines(columns: columns, rows: rows)
        #expect(lines.count <= rows && lines.allSatisfy { $0.count <= columns })
      }
    }
    #expect(screens[1].lines(columns: 80, rows: 24).contains { $0.contains("connection refused") })
    #expect(screens[2].lines(columns: 80, rows: 24)[1].hasPrefix("DOWN for 3 s"))
    #expect(screens[3].lines(columns: 80, rows: 24)[1].contains("database unavailable for 12 s"))
  }

  @Test func `are made of the metrics' own escapes`() throws {
    let scrape = try #require(Scrape("a{b=\"c\\\\\\\"d\\ne\"} 1\n# x\ny 2.5\n", time: 0))
    #expect(scrape.values(of: "b", in: "a") == ["c\\\"d\ne"])
    #expect(scrape.value("y") == 2.5)
    for text in ["<html>", "a", "a{b=\"c\"", "a{b} 1", "a{} x", "{} 1"] {
      #expect(Scrape(text, time: 0) == nil, "\(text)")
    }
  }
}
