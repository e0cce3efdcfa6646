import EventLoop
import JSON
import LocalPostgres
import Synchronization
import Testing

/// What was written and what was read, of posts that are written by one client each, and whether
/// every read was as new as it must be.
final class ContentHistory: Sendable {
  /// One write of a post: what it made of it, and when it was under way.
  struct Write: Sendable {
    let isThere: Bool
    /// By which server.
    let server: Int
    let began: MonotonicInstant
    /// Nil while it has not been acknowledged, and for ever when its outcome is not known.
    var acknowledged: MonotonicInstant?
  }

  /// One read, as its client saw it.
  struct Read {
    let server: Int
    let began: MonotonicInstant
    let ended: MonotonicInstant
    /// Seconds, nil without the field.
    let age: Int?
  }

  struct Tally: Sendable {
    var reads = 0
    var writes = 0
    var aged = 0
    var refused = 0
    var wrong: [String] = []
    /// Posts that were read as they had been before a write of the other server was acknowledged,
    /// and the longest time that had passed since.
    var behind = 0
    var mostBehind = Duration.zero
  }

  /// What another server has acknowledged has to be seen after this.
  static let bound = Duration.seconds(1)
  /// A server that the machine stops for a while, between taking the time and answering, cannot
  /// know; the machine of the tests does that.
  static let grace = Duration.milliseconds(250)

  /// By slug. A write's place is the number of what it wrote; the first is that there is nothing.
  private let state = Mutex(
    (posts: [String: [Write]](), tally: Tally(), isOver: false, isPaused: false))

  var tally: Tally { state.withLock { $0.tally } }
  var isOver: Bool { state.withLock { $0.isOver } }
  func end() { state.withLock { $0.isOver = true } }
  /// The one server that writes for the time being, nil while both do. What a server has written
  /// makes it forget everything: only one that writes nothing shows what it hears of others.
  var writer: Int? {
    let span = (MonotonicInstant.now() - start).wholeNanoseconds / 3_000_000_000
    return [nil, 0, 1][Int(span % 3)]
  }
  private let start = MonotonicInstant.now()

  /// Whether nothing is to be written for the time being.
  var isPaused: Bool { state.withLock { $0.isPaused } }
  func pause(_ isPaused: Bool) { state.withLock { $0.isPaused = isPaused } }

  /// The number of a write that is about to be sent.
  func begin(_ slug: String, isThere: Bool, server: Int) -> Int {
    state.withLock { state in
      let now = MonotonicInstant.now()
      let nothing = Write(
        isThere: false, server: server, began: now + .seconds(-10), acknowledged: now + .seconds(-9)
      )
      state.posts[slug, default: [nothing]].append(
        Write(isThere: isThere, server: server, began: now))
      state.tally.writes += 1
      return state.posts[slug, default: []].count - 1
    }
  }

  func acknowledge(_ slug: String, _ number: Int) {
    state.withLock { $0.posts[slug]?[number].acknowledged = MonotonicInstant.now() }
  }

  func fail(_ text: String) { state.withLock { $0.tally.wrong.append(text) } }
  func refuse() { state.withLock { $0.tally.refused += 1 } }

  /// What may have been seen of a post: numbers of writes.
  private static func window(_ writes: [Write], _ read: Read, late: Duration) -> ClosedRange<Int> {
    let trust = max(bound, read.age.map { .seconds($0) } ?? .zero) + late
    var (first, last) = (0, 0)
    for (number, write) in writes.enumerated() {
      if write.began <= read.ended { last = number }
      guard let acknowledged = write.acknowledged else { continue }
      let limit = write.server == read.server ? read.began : read.began + (.zero - trust)
      if acknowledged < limit { first = number }
    }
    return first...max(first, last)
  }

  /// Checks what a read shows of posts: the number that each has, nil of those that are not there.
  func check(_ read: Read, _ shown: [String: Int?], _ what: String) {
    state.withLock { state in
      state.tally.reads += 1
      if read.age != nil { state.tally.aged += 1 }
      for (slug, number) in shown {
        guard let writes = state.posts[slug] else { continue }
        let window = Self.window(writes, read, late: Self.grace)
        let isRight =
          if let number {
            window.contains(number) && writes[number].isThere
          } else {
            window.contains { !writes[$0].isThere }
          }
        if !isRight {
          state.tally.wrong.append(
            "\(what) at \(read.server): \(slug) is \(number.map { "\($0)" } ?? "gone"), not one of "
              + "\(window) \(window.map { writes[$0].isThere }), age \(read.age ?? 0)")
        }
        guard let number, let next = writes.indices.dropFirst(number + 1).first,
          let known = writes[next].acknowledged, known < read.began
        else { continue }
        state.tally.behind += 1
        if read.age == nil {
          state.tally.mostBehind = max(state.tally.mostBehind, read.began - known)
        }
      }
    }
  }

  /// Checks how many posts a read counts.
  func check(_ read: Read, count: Int, _ what: String) {
    state.withLock { state in
      state.tally.reads += 1
      if read.age != nil { state.tally.aged += 1 }
      var (least, most) = (0, 0)
      for writes in state.posts.values {
        let window = Self.window(writes, read, late: Self.grace)
        if window.allSatisfy({ writes[$0].isThere }) { least += 1 }
        if window.contains(where: { writes[$0].isThere }) { most += 1 }
      }
      if !(least...most).contains(count) {
        state.tally.wrong.append(
          "\(what) at \(read.server) counts \(count), not \(least) to \(most), age \(read.age ?? 0)"
        )
      }
    }
  }

  var slugs: [String] { state.withLock { Array($0.posts.keys) } }
}

extension TheProgram {
  /// Two servers on one database, both written and read: what a client reads is as new as README
  /// says, whichever server it asks.
  @Suite struct CachedHistories {
    private static let tag = "history"
    private static let writers = 5

    private struct Theatre: Sendable {
      let stage: Stage
      let servers: [Served]
      let key: String
      let history: ContentHistory
      /// Whether the database goes away: 503 is in order.
      let isAwayAtTimes: Bool

      func answer(_ wire: inout Wire?, _ server: Int, _ request: [UInt8]) async -> Answer? {
        if wire == nil { wire = await Wire.open(servers[server].address, on: stage.loop) }
        guard let open = wire else { return nil }
        guard case .answered(let answer) = await open.exchange(request) else {
          await open.close()
          wire = nil
          return nil
        }
        return answer
      }

      /// Writes one post over and over, by either server, and reads it after each write.
      func write(_ writer: Int, seed: UInt64) async {
        var random = SplitMix(seed: seed)
        var wires: [Wire?] = [nil, nil]
        var generation = 0
        var isThere = false
        while !history.isOver {
          let slug = "post-\(writer)-\(generation)"
          let server = history.writer ?? Int(random.next(below: 2))
          let deletes = isThere && random.next(below: 4) == 0
          let number = history.begin(slug, isThere: !deletes, server: server)
          let json = #"{"title":"\#(number)","body":"b","status":"published","tags":["\#(tag)"]}"#
          let request =
            deletes
            ? Message.send("DELETE", "/v1/posts/\(slug)?permanently=true", key: key, body: "")
            : isThere && random.next(below: 2) == 0
              ? Message.send(
                "PATCH", "/v1/posts/\(slug)", key: key, body: #"{"title":"\#(number)"}"#)
              : Message.send("PUT", "/v1/posts/\(slug)", key: key, body: json)
          let answer = await answer(&wires[server], server, request)
          if let answer, (200..<300).contains(answer.status) {
            history.acknowledge(slug, number)
            isThere = !deletes
            await read("/v1/posts/\(slug)", &wires[server], server)
          } else {
            // Nobody knows whether it was done, or will be: this post is left as it is.
            if !isAwayAtTimes {
              history.fail("\(slug): \(answer?.status ?? 0) \(answer?.text ?? "")")
            }
            history.refuse()
            generation += 1
            isThere = false
            await stage.loop.sleep(for: .milliseconds(100))
          }
          let pause = random.next(below: 8) == 0 ? 1500 : 200
          await stage.loop.sleep(for: .milliseconds(Int64(random.next(below: UInt64(pause)))))
          while history.isPaused, !history.isOver {
            await stage.loop.sleep(for: .milliseconds(5))
          }
        }
        for wire in wires { await wire?.close() }
      }

      func read(_ server: Int, seed: UInt64) async {
        var random = SplitMix(seed: seed)
        var wire: Wire?
        while !history.isOver {
          let slugs = history.slugs
          let post = slugs.isEmpty ? "none" : slugs[Int(random.next(below: UInt64(slugs.count)))]
          let targets = [
            "/v1/posts/\(post)", "/v1/posts?tag=\(tag)&limit=100", "/v1/tags/\(tag)", "/v1/archive",
            "/v1/changes?limit=100", "/v1/posts?limit=100",
          ]
          await read(targets[Int(random.next(below: 6))], &wire, server)
          await stage.loop.sleep(for: .milliseconds(Int64(random.next(below: 6))))
        }
        await wire?.close()
      }

      func read(_ target: String, _ wire: inout Wire?, _ server: Int) async {
        let began = MonotonicInstant.now()
        guard let answer = await answer(&wire, server, Message.get(target)) else {
          history.fail("\(target): no answer")
          return
        }
        let read = ContentHistory.Read(
          server: server, began: began, ended: .now(), age: answer["age"].flatMap { Int($0) })
        if answer.status == 503, isAwayAtTimes { return history.refuse() }
        let json = (try? JSONReader.read(answer.body.span)) ?? .null
        func number(_ post: JSONValue?) -> Int? { post?["title"]?.stringValue.flatMap { Int($0) } }
        let data = json["data"]?.arrayValue ?? []
        switch (target.prefix { $0 != "?" }, answer.status) {
        case (let path, 404) where path.hasPrefix("/v1/posts/"):
          history.check(read, [String(path.dropFirst(10)): nil], target)
        case (let path, 200) where path.hasPrefix("/v1/posts/"):
          history.check(read, [String(path.dropFirst(10)): number(json) ?? -1], target)
        case ("/v1/posts", 200), ("/v1/changes", 200):
          // Those that were begun after the answer came cannot be wrong by not being there.
          var shown: [String: Int?] = [:]
          for slug in history.slugs { shown.updateValue(nil, forKey: slug) }
          for item in data where item["type"]?.stringValue != "tag" {
            guard let slug = item["slug"]?.stringValue, slug.hasPrefix("post-") else { continue }
            shown[slug] = number(item["resource"] ?? item) ?? -1
          }
          history.check(read, shown, target)
        case ("/v1/tags/\(Self.name)", 200):
          history.check(read, count: json["posts_count"]?.integerValue ?? -1, target)
        case ("/v1/tags/\(Self.name)", 404): history.check(read, count: 0, target)
        case ("/v1/archive", 200):
          let count = data.reduce(0) { sum, year in
            sum + (year["posts_count"]?.integerValue ?? year["count"]?.integerValue ?? -1000)
          }
          history.check(read, count: count, target)
        default: history.fail("\(target): \(answer.status) \(answer.text)")
        }
      }

      private static var name: String { CachedHistories.tag }
      private var tag: String { CachedHistories.tag }

      func count(_ name: String) async throws -> Int {
        var sum = 0
        for served in servers {
          let text = try await stage.get(served.health, "/metrics").text
          let line = text.split(separator: "\n").first { $0.hasPrefix("colophon_\(name) ") }
          sum += try #require(line.flatMap { Int($0.split(separator: " ")[1]) }, "\(name)\n\(text)")
        }
        return sum
      }
    }

    private static func run(
      _ stage: Stage, _ database: MadeDatabase, isAwayAtTimes: Bool,
      _ events: @Sendable (ContentHistory) async throws -> Void
    ) async throws {
      let seed = UInt64.random(in: 0...999_999_999)
      var random = SplitMix(seed: seed)
      let history = ContentHistory()
      let theatre = Theatre(
        stage: stage,
        servers: [
          try await stage.serve(database.conninfo), try await stage.serve(database.conninfo),
        ],
        key: database.key, history: history, isAwayAtTimes: isAwayAtTimes)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<writers {
          let seed = random.next()
          group.addTask(executorPreference: stage.loop) { await theatre.write(writer, seed: seed) }
        }
        for reader in 0..<6 {
          let seed = random.next()
          group.addTask(executorPreference: stage.loop) {
            await theatre.read(reader % 2, seed: seed)
          }
        }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await events(history)) } catch { outcome = .failure(error) }
        history.end()
        try await group.waitForAll()
        try outcome.get()
      }
      let tally = history.tally
      let hits = try await theatre.count("cache_hits_total")
      let stale = try await theatre.count("cache_stale_hits_total")
      let misses = try await theatre.count("cache_misses_total")
      let joined = try await theatre.count("cache_joined_total")
      note(
        """
        \(tally.writes) writes and \(tally.reads) reads, \(hits) from memory (\(stale) with an \
        age), \(misses) of the database and \(joined) with others; \(tally.behind) posts were seen \
        as before a write of the other server, at most \(tally.mostBehind) behind; \(tally.refused) \
        requests were refused; seed \(seed)
        """)
      #expect(tally.wrong.prefix(20) == [], "seed \(seed), \(tally.wrong.count) in all")
      #expect(hits * 10 > tally.reads, "memory was hardly tried")
      #expect(misses > 100, "writes were hardly tried")
      #expect(tally.aged >= stale / 2)
      if isAwayAtTimes { #expect(stale > 0) }
    }

    @Test func `show no read older than its server's writes, or than a second`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        try await Self.run(stage, database, isAwayAtTimes: false) { history in
          let end = MonotonicInstant.now() + .seconds(12)
          _ = await stage.comesToHold {
            MonotonicInstant.now() > end && history.tally.reads > 2000
              || !history.tally.wrong.isEmpty
          }
        }
      }
    }

    @Test func `show none either when the database goes away, comes back and crashes`() async throws
    {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        do {
          let database = try await MadeDatabase.make(in: cluster, stage)
          try await Self.run(stage, database, isAwayAtTimes: true) { history in
            func go(_ reads: Int, aged: Bool = false) async {
              let (before, agedBefore) = (history.tally.reads, history.tally.aged)
              #expect(
                await stage.comesToHold {
                  history.tally.reads > before + reads
                    && (!aged || history.tally.aged > agedBefore + 50)
                    || !history.tally.wrong.isEmpty
                })
            }
            await go(1000)
            // So that something is in memory.
            history.pause(true)
            await go(500)
            try await cluster.freeze()
            history.pause(false)
            await go(100, aged: true)
            try await cluster.thaw()
            await go(1000)
            try await cluster.restart(.immediate)
            await go(1000)
            try await cluster.restart(.fast)
            await go(1000)
          }
        } catch {
          await cluster.stop()
          throw error
        }
        await cluster.stop()
      }
    }
  }
}
