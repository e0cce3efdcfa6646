import EventLoop
import LocalPostgres
import Synchronization
import Testing

extension TheProgram {
  /// Three processes on one database, and one client who asks all of them.
  @Suite struct OnOneDatabase {
    private static let replicas = 3
    private static let burst = 60
    /// Tokens come back 20 in a second.
    private static let limits = ["address", "key", "credential"]
      .map { $0 + ":burst=60/3s,sustained=1200/1m" }.joined(separator: ";")
    /// (N−1)·U: U is the greatest of the largest cost (5), twice the rate in a report interval (10)
    /// and the burst over 4(N−1) (7).
    private static let unknown = 20

    /// Whom the client has met, each admission with the instants between which it happened.
    private final class Admissions: Sendable {
      struct One: Sendable {
        let asked: Int64
        let answered: Int64
      }

      private let state = Mutex(
        (list: [One](), strange: [Int](), shed: 0, isOver: false))

      var list: [One] { state.withLock { $0.list } }
      var strange: [Int] { state.withLock { $0.strange } }
      var isOver: Bool { state.withLock { $0.isOver } }

      func end() { state.withLock { $0.isOver = true } }

      func note(_ status: Int, _ one: One) {
        state.withLock { state in
          switch status {
          case 404: state.list.append(one)
          case 429: break
          default: state.strange.append(status)
          }
        }
      }

      /// How many were surely admitted from one instant to another.
      func count(from start: Int64, to end: Int64) -> Int {
        list.count { $0.asked >= start && $0.answered <= end }
      }

      /// By how many the most generous window surely exceeds the rate that it has: what a store
      /// with an admission's latest answer at its end and its earliest question at its start has
      /// given beyond what has come back meanwhile.
      func excess(perSecond rate: Double) -> Double {
        let all = list
        var most = 0.0
        // A window that begins with a question and ends with an answer holds every request that
        // was asked and answered in it.
        let questions = all.map(\.asked).sorted()
        let byAnswer = all.sorted { $0.answered < $1.answered }
        for start in stride(from: 0, to: questions.count, by: 7) {
          var count = 0.0
          for one in byAnswer where one.asked >= questions[start] {
            count += 1
            most = max(most, count - rate * Double(one.answered - questions[start]) / 1e9)
          }
        }
        return most
      }
    }

    /// Asks one replica on two connections, as fast as it answers, until the end.
    private static func ask(_ served: Served, _ admissions: Admissions, on stage: Stage)
      async throws
    {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          group.addTask(executorPreference: stage.loop) {
            var wire = try #require(await Wire.open(served.address, on: stage.loop))
            while !admissions.isOver {
              let asked = MonotonicInstant.now().nanoseconds
              switch await wire.exchange(Message.get("/none")) {
              case .answered(let answer):
                admissions.note(
                  answer.status,
                  .init(asked: asked, answered: MonotonicInstant.now().nanoseconds))
              case .notSent, .cut, .silent:
                await wire.close()
                wire = try #require(await Wire.open(served.address, on: stage.loop))
              }
              await stage.loop.sleep(for: .milliseconds(10))
            }
            await wire.close()
          }
        }
        try await group.waitForAll()
      }
    }

    private static func metric(_ name: String, of served: Served, _ stage: Stage) async throws
      -> Int
    {
      let text = try await stage.get(served.health, "/metrics").text
      let line = text.split(separator: "\n").first { $0.hasPrefix("colophon_\(name) ") }
      return try #require(line.flatMap { Int($0.split(separator: " ")[1]) }, "\(name)\n\(text)")
    }

    private static func allSay(
      _ name: String, _ value: Int, _ services: [Served], _ stage: Stage
    ) async throws -> Bool {
      for served in services where try await metric(name, of: served, stage) != value {
        return false
      }
      return true
    }

    private static func start(_ stage: Stage, _ database: MadeDatabase) async throws -> [Served] {
      var services: [Served] = []
      for _ in 0..<replicas {
        services.append(
          try await stage.serve(database.conninfo, ["COLOPHON_RATE_LIMITS": limits]))
      }
      // They have found each other and are in step.
      let started = services
      #expect(
        try await stage.comesToHold {
          guard try await allSay("rate_limit_replicas", replicas, started, stage) else {
            return false
          }
          return try await allSay("rate_limit_share", 1, started, stage)
        })
      return services
    }

    @Test func `three keep one limit, without it each its share, and are back soon`() async throws {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          let services = try await Self.start(stage, database)
          let admissions = Admissions()
          try await withThrowingTaskGroup(of: Void.self) { group in
            for served in services {
              group.addTask(executorPreference: stage.loop) {
                try await Self.ask(served, admissions, on: stage)
              }
            }
            func events() async throws {
              let start = MonotonicInstant.now().nanoseconds
              #expect(await stage.comesToHold { admissions.list.count > 400 })
              let inStep = MonotonicInstant.now().nanoseconds
              let rate =
                Double(admissions.count(from: start, to: inStep) - Self.burst)
                / (Double(inStep - start) / 1e9)
              note("three in step admit \(rate) in a second beyond the burst, of 20")
              #expect(rate > 15)

              // The database ends, and each falls to its share.
              try await cluster.freeze()
              let away = MonotonicInstant.now()
              #expect(
                try await stage.comesToHold {
                  try await Self.allSay(
                    "rate_limit_share", Self.replicas, services, stage)
                })
              let fallen = MonotonicInstant.now() - away
              note("all on their share \(fallen) after the database stopped")
              // The promise is a second, here and below, on a machine that does nothing else.
              #expect(fallen < .seconds(4))
              let alone = MonotonicInstant.now().nanoseconds
              let before = admissions.list.count
              #expect(await stage.comesToHold { admissions.list.count > before + 100 })
              let apart = MonotonicInstant.now().nanoseconds
              let shared =
                Double(admissions.count(from: alone, to: apart)) / (Double(apart - alone) / 1e9)
              note("three on their share admit \(shared) in a second, of 20")
              #expect((10...28).contains(shared), "neither open nor closed")

              try await cluster.thaw()
              let back = MonotonicInstant.now()
              #expect(
                try await stage.comesToHold {
                  try await Self.allSay("rate_limit_share", 1, services, stage)
                })
              let took = MonotonicInstant.now() - back
              note("all in step \(took) after the database was back")
              #expect(took < .seconds(3))
              let after = admissions.list.count
              #expect(await stage.comesToHold { admissions.list.count > after + 100 })

              // A crash loses what clients owe. Everybody brings what it knows, and is careful for
              // four seconds.
              try await cluster.restart(.immediate)
              let crashed = MonotonicInstant.now()
              for share in [Self.replicas, 1] {
                #expect(
                  try await stage.comesToHold {
                    try await Self.allSay("rate_limit_share", share, services, stage)
                  })
              }
              note("all in step \(MonotonicInstant.now() - crashed) after a crash of the database")
              let last = admissions.list.count
              #expect(await stage.comesToHold { admissions.list.count > last + 60 })
            }
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await events()) } catch { outcome = .failure(error) }
            admissions.end()
            try await group.waitForAll()
            try outcome.get()
          }
          let excess = admissions.excess(perSecond: 20)
          note("the most that a window has had over the rate: \(excess) of \(Self.burst)")
          #expect(excess <= Double(Self.burst + Self.unknown))
          #expect(excess > Double(Self.burst) / 2, "they were asked for more than there was")
          #expect(admissions.strange == [])
          var admitted = 0
          for served in services {
            admitted += try await Self.metric("rate_limit_admitted_total", of: served, stage)
            #expect(try await Self.metric("rate_limit_refused_total", of: served, stage) > 0)
          }
          #expect(admitted >= admissions.list.count)

          // Who ends leaves: nobody waits until it is missed.
          await services[2].program.send(15)
          #expect(try await services[2].program.exit() == .status(0))
          let left = try await stage.ask(
            database.conninfo, "select count(*) from colophon.rate_limit_replicas where id <> 0")
          #expect(left == ["2"])
          #expect(
            try await stage.comesToHold {
              try await Self.allSay("rate_limit_replicas", 2, Array(services[..<2]), stage)
            })
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }
  }
}
