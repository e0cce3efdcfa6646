import ContentAPI
import EventLoop
import HTTP
import JSON
import Postgres
import RateLimits
import Synchronization
import Testing

/// Servers of one database, by what they tell each other.
@Suite struct LimitReporters {
  /// One server as far as its limits go, and what it has logged.
  private struct Station: Sendable {
    let limits: ClientLimits
    let reporter: LimitReporter
    let privateAPI: PrivateAPI
    let log: Log
    let loop: EventLoop

    final class Log: Sendable {
      let looseLimits = Mutex<[String]>([])

      func note(_ event: Event) {
        guard case .looseLimit(let policy, let replicas) = event else { return }
        looseLimits.withLock { $0.append("\(policy), \(replicas)") }
      }
    }

    init(_ settings: RateLimitSettings, _ conninfo: String, on loop: EventLoop) throws {
      let log = Log()
      limits = ClientLimits(settings, areShared: true)
      reporter = try #require(
        LimitReporter(limits, conninfo: conninfo, loop: loop) { log.note($0) })
      privateAPI = PrivateAPI(
        pools: [], draining: Draining(), inFlight: KeysInFlight(), limits: limits)
      self.log = log
      self.loop = loop
    }

    func ask(_ path: String) async throws -> Answer {
      var parser = RequestParser()
      let text = "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"
      guard case .head(let head, _) = parser.next(Array(text.utf8).span) else {
        throw BadRequestOfTest(requestLine: path)
      }
      return Answer(
        await privateAPI.respond(
          to: Request(head: head, peer: SocketAddress("127.0.0.1:1")!, content: .ready([]))))
    }

    func metric(_ name: String) async throws -> Int? {
      try await ask("/metrics").text.split(separator: "\n")
        .first { $0.hasPrefix("colophon_rate_limit_\(name) ") }
        .flatMap { Int($0.split(separator: " ")[1]) }
    }

    /// Waits until the condition holds; fails the test if it does not.
    func expect(
      _ location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
    ) async throws {
      let deadline = MonotonicInstant.now() + .seconds(30)
      while try await !condition() {
        if .now() > deadline {
          Issue.record("it did not come to hold", sourceLocation: location)
          return
        }
        await loop.sleep(for: .milliseconds(5))
      }
    }

    func start() { Task { [reporter] in await reporter.run() } }

    func finish() async { await reporter.finish(by: .now() + .seconds(20)) }
  }

  /// The least there is: of five tokens two others may have taken ten.
  private static let least = {
    let quota = RateLimitSettings.Quota(5, per: 86_400)
    return RateLimitedRequests.limits(burst: quota, sustained: quota)
  }()

  @Test func `say when there are too many of them for a limit`() async throws {
    try await Site.run { site in
      var stations: [Station] = []
      for count in 1...3 {
        let station = try Station(Self.least, site.conninfo, on: site.loop)
        stations.append(station)
        station.start()
        for station in stations {
          try await station.expect { try await station.metric("replicas") == count }
        }
        for station in stations {
          if count == 3 {
            try await station.expect { station.log.looseLimits.withLock { $0.count } == 6 }
          } else {
            #expect(station.log.looseLimits.withLock { $0 } == [])
          }
        }
      }
      let said = stations[0].log.looseLimits.withLock { $0 }
      #expect(
        said == [
          "burst of address, 3", "sustained of address, 3", "burst of credential, 3",
          "sustained of credential, 3", "burst of key, 3", "sustained of key, 3",
        ])
      for station in stations { await station.finish() }
    }
  }

  @Test func `write nothing but that they are there while they are alone`() async throws {
    try await Site.run { site in
      let station = try Station(.wide, site.conninfo, on: site.loop)
      station.start()
      try await station.expect { try await station.ask("/readyz").status == 200 }
      #expect(try await station.metric("share") == 1)
      for index in 0..<100 {
        _ = station.limits.limiter?.admit(
          .address(0, 0xffff_0000_0000 + UInt64(index)), cost: .init(tokens: 5),
          now: MonotonicInstant.now().nanoseconds)
      }
      let before = try await site.value("select xmin from colophon.rate_limit_replicas")
      for _ in 0..<2 {
        let seen = try await site.value("select xmin from colophon.rate_limit_replicas")
        try await station.expect {
          try await site.value("select xmin from colophon.rate_limit_replicas") != seen
        }
      }
      #expect(before != nil)
      #expect(try await site.value("select count(*) from colophon.rate_limit_replicas") == "1")
      let keys = "select string_agg(key::text, ' ') from colophon.rate_limit_buckets"
      #expect(try await site.value(keys) == "0")
      await station.finish()
      // The time stays, as nobody's.
      let left = "select string_agg(id::text, ' ') from colophon.rate_limit_replicas"
      #expect(try await site.value(left) == "0")
    }
  }

  @Test func `are not ready before they know whether they are alone`() async throws {
    try await Site.run { site in
      let lost = try Station(.wide, "host=/nowhere", on: site.loop)
      lost.start()
      let station = try Station(.wide, site.conninfo, on: site.loop)
      for waiting in [lost, station] {
        let answer = try await waiting.ask("/readyz")
        #expect(answer.status == 503)
        #expect(answer.json["reasons"] == .array([.string("other replicas unknown")]))
      }
      station.start()
      try await station.expect { try await station.ask("/readyz").status == 200 }
      #expect(try await lost.ask("/readyz").status == 503)
      await station.finish()
      await lost.finish()
    }
  }

  @Test func `hear in time of what a client takes elsewhere`() async throws {
    let quota = RateLimitSettings.Quota(100, per: 86_400)
    let settings = RateLimitedRequests.limits(burst: quota, sustained: quota)
    try await Site.run { site in
      let stations = [
        try Station(settings, site.conninfo, on: site.loop),
        try Station(settings, site.conninfo, on: site.loop),
      ]
      for station in stations { station.start() }
      for station in stations {
        try await station.expect {
          guard try await station.metric("replicas") == 2 else { return false }
          return try await station.metric("share") == 1
        }
      }
      // 25 may be taken behind the other's back; the rest waits until it has been reported.
      var taken = 0
      try await stations[0].expect {
        let verdict = stations[0].limits.limiter?.admit(
          .account(1, 1), cost: .init(tokens: 1), now: MonotonicInstant.now().nanoseconds)
        if case .admitted = verdict { taken += 1 }
        return taken == 80
      }
      try await stations[1].expect {
        let standing = stations[1].limits.limiter?.admit(
          .account(1, 1), cost: .init(tokens: 1), now: MonotonicInstant.now().nanoseconds)
        guard case .admitted = standing else { return true }
        taken += 1
        // A moment in which its own reports bring what the other has taken.
        await site.loop.sleep(for: .milliseconds(20))
        return false
      }
      #expect((80...125).contains(taken), "\(taken)")
      for station in stations { await station.finish() }
    }
  }
}
