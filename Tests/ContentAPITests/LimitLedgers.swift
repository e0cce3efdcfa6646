import ContentAPI
import EventLoop
import Postgres
import RateLimits
import Testing

/// The debts of clients in the database.
@Suite struct LimitLedgers {
  /// A ledger in memory and one in a database, which are told the same.
  private struct Pair {
    let site: Site
    let stored: LimitLedger
    let hash: KeyedHash
    var model: Ledger
    /// Microseconds after the start.
    var wall = 0

    init(_ site: Site) async throws {
      self.site = site
      stored = LimitLedger(pool: site.pool)
      hash = try await stored.hash(by: .now() + .seconds(20))
      model = Ledger(epoch: 0)
      try await lose(epoch: 1)
    }

    mutating func lose(epoch: Int) async throws {
      model.lose(epoch: UInt64(epoch))
      try await site.sql("truncate colophon.rate_limit_buckets")
      try await site.sql(
        "insert into colophon.rate_limit_buckets values (0, $1, 0)", [.integer(epoch)])
    }

    mutating func setClock(_ microseconds: Int) async throws {
      wall = microseconds
      try await site.sql(
        """
        update colophon.test_clock
        set instant = timestamptz '\(Site.start)' + $1::bigint * interval '1 microsecond'
        """, [.integer(microseconds)])
    }

    /// What both answer, others in the order of their ids.
    mutating func exchange(
      _ report: Report
    ) async throws -> (model: RateLimits.Answer, stored: RateLimits.Answer) {
      let model = model.exchange(report, wall: Int64(wall) * 1_000)
      let stored = try await stored.exchange(report, hash: hash, by: .now() + .seconds(20))
      return (Self.sorted(model), Self.sorted(stored))
    }

    private static func sorted(_ answer: RateLimits.Answer) -> RateLimits.Answer {
      RateLimits.Answer(
        time: answer.time, epoch: answer.epoch,
        others: answer.others.sorted { $0.replica < $1.replica }, deficits: answer.deficits)
    }

    mutating func leave(_ replica: UInt64) async throws {
      model.leave(replica)
      try await stored.leave(replica, by: .now() + .seconds(20))
    }

    mutating func tidy() async throws {
      model.forgetFull()
      try await stored.tidy(by: .now() + .seconds(20))
    }
  }

  private static let clients: [Client] = (UInt64(0)..<4).flatMap {
    [
      .address(0x2001_0db8_0000_0000 + $0, 0), .credential(0, 0xffff_c000_0200 + $0),
      .account($0, .max),
    ]
  }

  private static let replicas: [UInt64] = [1, .max, 0x9E37_79B9_7F4A_7C15, 1 << 63, 7]

  /// Nanoseconds: mostly what a limit has, at times the farthest there is.
  private static func length(_ random: inout some RandomNumberGenerator) -> Int64 {
    switch Int.random(in: 0..<10, using: &random) {
    case 0: 0
    case 1: .random(in: 0...Int64.max, using: &random)
    case 2: .max
    default: .random(in: 0...3_000_000_000, using: &random)
    }
  }

  private static func report(
    _ replica: UInt64, time: Int64, _ random: inout some RandomNumberGenerator
  ) -> Report {
    let clients = clients.shuffled(using: &random)
    let lines = clients.prefix(Int.random(in: 0...clients.count, using: &random)).map { client in
      func charge() -> Int64 {
        let length = length(&random)
        return Int.random(in: 0..<5, using: &random) == 0 ? -min(length, 1 << 60) : length
      }
      let isKnown = Bool.random(using: &random)
      return Report.Line(
        client: client,
        known: Deficits(
          burst: isKnown ? length(&random) : 0, sustained: isKnown ? length(&random) : 0),
        charge: Deficits(burst: charge(), sustained: charge()))
    }
    return Report(
      replica: replica, time: time, isSettled: Bool.random(using: &random),
      view: UInt64.random(in: 0 ... .max, using: &random), lines: Array(lines))
  }

  @Test func `answer as the one in memory does, to the nanosecond, whatever happens`() async throws
  {
    try await Site.run { site in
      var exchanges = 0
      for seed in UInt64(0)..<20 {
        var random = SeededGenerator(seed: seed)
        var pair = try await Pair(site)
        try await site.sql("truncate colophon.rate_limit_replicas")
        // Replicas come with their clocks; some are far ahead.
        var times: [UInt64: Int64] = [:]
        var epoch = 1
        for _ in 0..<60 {
          switch Int.random(in: 0..<14, using: &random) {
          case 0: try await pair.setClock(.random(in: -90_000_000...90_000_000, using: &random))
          case 1:
            epoch += 1
            try await pair.lose(epoch: epoch)
          case 2: try await pair.tidy()
          case 3:
            guard let gone = times.keys.sorted().randomElement(using: &random) else { continue }
            times[gone] = nil
            try await pair.leave(gone)
          default:
            try await pair.setClock(pair.wall + .random(in: 0...400_000, using: &random))
            let replica = Self.replicas.randomElement(using: &random)!
            let time = times[replica].map { time in
              Bool.random(using: &random)
                ? time + .random(in: 0...70_000_000_000, using: &random)
                : max(1, time - .random(in: 0...1_000_000_000, using: &random))
            }
            let report = Self.report(replica, time: time ?? 0, &random)
            let answers = try await pair.exchange(report)
            try #require(answers.stored == answers.model, "\(seed)")
            times[replica] = answers.model.time
            exchanges += 1
          }
        }
      }
      #expect(exchanges > 500)
    }
  }

  @Test func `keep no addresses, and hash them alike on every replica`() async throws {
    try await Site.run { site in
      let client = Client.address(0, 0xffff_c000_0201)
      let report = Report(
        replica: 5, time: 0, isSettled: true, view: 0,
        lines: [
          Report.Line(
            client: client, known: Deficits(burst: 0, sustained: 0),
            charge: Deficits(burst: 1_000, sustained: 2_000))
        ])
      for taken in 1...2 {
        let ledger = LimitLedger(pool: site.pool)
        let hash = try await ledger.hash(by: .now() + .seconds(20))
        let answer = try await ledger.exchange(report, hash: hash, by: .now() + .seconds(20))
        #expect(answer.deficits.first?.burst == Int64(taken) * 1_000)
        #expect(answer.deficits.first?.sustained == Int64(taken) * 2_000)
        let key = Int(bitPattern: UInt(hash(client)))
        let keys = try await site.value(
          "select string_agg(key::text, ' ') from colophon.rate_limit_buckets where key <> 0")
        #expect(keys == "\(key)")
      }
      let persistence = try await site.value(
        """
        select string_agg(relname || ' ' || relpersistence::text, ' ' order by relname) from pg_class
        where relname like 'rate\\_limit\\_%' and relkind = 'r'
        """)
      #expect(
        persistence == "rate_limit_buckets u rate_limit_replicas p rate_limit_secret p")
    }
  }

  @Test func `make no two reports wait for each other, and count every one`() async throws {
    try await Site.run { site in
      let ledger = LimitLedger(pool: site.pool)
      let hash = try await ledger.hash(by: .now() + .seconds(20))
      let clients = (UInt64(0)..<200).map { Client.account($0, 1) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in 1...4 {
          group.addTask(executorPreference: site.loop) {
            for round in 0..<25 {
              let lines = clients.shuffled().map {
                Report.Line(
                  client: $0, known: Deficits(burst: 0, sustained: 0),
                  charge: Deficits(burst: 1 << 40, sustained: 1 << 50))
              }
              let report = Report(
                replica: UInt64(replica), time: round == 0 ? 0 : 1, isSettled: true, view: 0,
                lines: lines)
              _ = try await ledger.exchange(report, hash: hash, by: .now() + .seconds(60))
            }
          }
        }
        try await group.waitForAll()
      }
      // The clock stands still, and time with it but for the nanosecond that was brought.
      let sums = try await site.value(
        """
        select string_agg(distinct (b.burst >> 40) || ' ' || (b.sustained >> 50), ', ')
        from colophon.rate_limit_buckets b where b.key <> 0
        """)
      #expect(sums == "100 100")
    }
  }
}
