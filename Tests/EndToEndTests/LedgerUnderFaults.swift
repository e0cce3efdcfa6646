import EventLoop
import Glibc
import JSON
import LocalPostgres
import Synchronization
import Testing

extension TheProgram {
  /// Thousands of writes under keys while everything fails that can.
  @Suite struct LedgerUnderFaults {
    private enum Event: String, CaseIterable {
      case killOne, killOther, deploy, freeze, restart, crash, terminate, cancel, silence

      /// So often each, beside what the relays do by themselves.
      var count: Int {
        switch self {
        case .killOne, .killOther, .terminate: 3
        case .deploy, .freeze, .restart, .crash, .cancel, .silence: 2
        }
      }
    }

    /// Two servers on one database, each behind a relay.
    private struct Theatre: Sendable {
      let stage: Stage
      let cluster: TestCluster
      let database: MadeDatabase
      let relays: [Relay]
      let ledger: Ledger
      let servers = Held()

      final class Held: Sendable { let list = Mutex<[Served]>([]) }

      func serve(_ index: Int) async throws {
        let served = try await stage.serve(
          relays[index].conninfo(to: database.conninfo), Relay.withoutReports)
        servers.list.withLock { list in
          if index < list.count { list[index] = served } else { list.append(served) }
        }
        ledger.setServer(index, served.address)
      }

      func kill(_ index: Int) async throws {
        let served = servers.list.withLock { $0[index] }
        await served.program.send(SIGKILL)
        #expect(try await served.program.exit() == .signal(SIGKILL))
        try await serve(index)
      }

      func deploy(_ index: Int) async throws {
        let served = servers.list.withLock { $0[index] }
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        try await serve(index)
      }

      /// Stops a server in the middle of its transactions, until others have written.
      func freeze(_ index: Int) async throws {
        let served = servers.list.withLock { $0[index] }
        let decided = ledger.decided
        await served.program.send(SIGSTOP)
        let goesOn = await stage.comesToHold(within: .seconds(30)) {
          ledger.decided >= decided + 20 || ledger.hasFailed
        }
        #expect(goesOn)
        await served.program.send(SIGCONT)
      }

      func cause(_ event: Event, _ random: inout SplitMix) async throws {
        // Anywhere in what is under way, not where the last answer left it.
        await stage.loop.sleep(for: .microseconds(Int64(random.next(below: 3000))))
        switch event {
        case .killOne: try await kill(0)
        case .killOther: try await kill(1)
        case .deploy: try await deploy(Int(random.next(below: 2)))
        case .freeze: try await freeze(Int(random.next(below: 2)))
        case .restart: try await cluster.restart(.fast)
        case .crash: try await cluster.restart(.immediate)
        case .terminate, .cancel:
          let ended = try await stage.ask(
            database.conninfo,
            """
            select pg_\(event.rawValue)_backend(pid)::text from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()
              and datname = current_database()
            """)
          #expect(!ended.isEmpty)
        case .silence: await relays[Int(random.next(below: 2))].arm(.silent)
        }
      }

      func areReady() async throws -> Bool {
        for served in servers.list.withLock({ $0 })
        where (try? await stage.health(served, "/readyz")) != 200 {
          return false
        }
        return true
      }
    }

    private static let clients = 8
    private static let writes = 300

    /// To see a run again: LEDGER_SEED of the environment. The faults and the writes are the same
    /// then; who meets which is not.
    private static let seed: UInt64 =
      Environment.entries().compactMap { entry in
        entry.hasPrefix("LEDGER_SEED=") ? UInt64(entry.dropFirst(12)) : nil
      }.first ?? .random(in: 0...999_999_999)

    @Test func `loses nothing, doubles nothing and says nothing twice differently`() async throws {
      let seed = Self.seed
      note("the ledger's seed is \(seed)")
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          try await Self.run(seed, stage, cluster, database)
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }

    private static func run(
      _ seed: UInt64, _ stage: Stage, _ cluster: TestCluster, _ database: MadeDatabase
    ) async throws {
      var random = SplitMix(seed: seed)
      var events = Event.allCases.flatMap { Array(repeating: $0, count: $0.count) }
      events.shuffle(using: &random)
      let total = clients * writes
      let step = total / (events.count + 1)
      let ledger = Ledger(
        key: database.key, gate: step * 2, deadline: .now() + .seconds(240))
      var relays: [Relay] = []
      for _ in 0..<2 {
        relays.append(try await Relay.start(before: database.conninfo, on: stage.loop))
      }
      let theatre = Theatre(
        stage: stage, cluster: cluster, database: database, relays: relays, ledger: ledger)
      for index in 0..<2 { try await theatre.serve(index) }

      let start = MonotonicInstant.now()
      for relay in relays {
        await relay.beginStorm(
          [.before, .after, .swallowed, .late], oneIn: 20, seed: random.next())
      }
      async let running: Void = ledger.run(clients: clients, writes: writes, seed: seed, on: stage)
      for (number, event) in events.enumerated() {
        // No write is begun beyond the gate, so that each event meets some that are under way.
        let isDue = await stage.comesToHold(within: .seconds(120)) {
          ledger.decided >= (number + 1) * step || ledger.hasFailed
        }
        #expect(isDue)
        if ledger.hasFailed { break }
        try await theatre.cause(event, &random)
        ledger.openGate(to: number == events.count - 1 ? total : (number + 3) * step)
      }
      ledger.openGate(to: total)
      await running
      let took = MonotonicInstant.now() - start

      for relay in relays { await relay.endStorm() }
      #expect(try await stage.comesToHold { try await theatre.areReady() })
      await ledger.replayAll(on: stage)
      let tally = ledger.tally
      var struck: [String: Int] = [:]
      for relay in relays {
        for (fault, count) in await relay.struck { struck[fault.rawValue, default: 0] += count }
        await relay.stop()
      }
      note(
        """
        \(tally.entries.count) writes in \(tally.requests) requests and \(took): \(tally.runs) ran, \
        \(tally.replays) were replayed, \(tally.unanswered) not answered, \(tally.undecided) not \
        decided; COMMITs met \(struck), and there were \(events.map(\.rawValue))
        """)
      #expect(tally.failures == [], "seed \(seed)")
      #expect(tally.entries.count == total)
      for fault in Relay.Fault.allCases { #expect(struck[fault.rawValue] ?? 0 > 0, "\(fault)") }
      try await expectBooksToAgree(tally, database, stage)
    }

    /// What is in the database is what the clients were told, and nothing else.
    static func expectBooksToAgree(
      _ tally: Ledger.Tally, _ database: MadeDatabase, _ stage: Stage
    ) async throws {
      func ask(_ sql: String) async throws -> [String] {
        try await stage.ask(database.conninfo, sql)
      }
      let rows = try await ask(
        """
        select concat_ws(' ', slug, version, case when trashed_at is null then 'there'
          else 'trashed' end, body)
        from colophon.posts
        """)
      let expected = tally.posts.map(\.row)
      #expect(Set(rows).symmetricDifference(expected).sorted().prefix(20) == [])
      #expect(rows.count == expected.count)
      #expect(
        try await ask("select count(*)::text from colophon.idempotency_keys where status is null")
          == ["0"])
      #expect(
        try await ask(
          "select count(*)::text from colophon.idempotency_keys where scope <> 'unkeyed'")
          == ["\(tally.entries.count)"])
      let there = tally.posts.count { !$0.isTrashed }
      #expect(
        try await ask(
          "select sum(posts)::text from colophon.counters where tag = '\(Ledger.tag)'")
          == ["\(there)"])
      #expect(
        try await ask("select count(*)::text from colophon.listings where tag = '\(Ledger.tag)'")
          == ["\(there)"])
    }
  }
}
