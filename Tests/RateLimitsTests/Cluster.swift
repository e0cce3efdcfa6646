import RateLimits

/// Replicas, a database and one client in simulated time: whatever happens comes from a seed.
struct Cluster: Sendable {
  private(set) var now: Int64
  private(set) var stations: [Station] = []
  private var ledger = Ledger(epoch: 1)
  private var queue: [Event] = []
  private var order: UInt64 = 0
  private var random: Random
  private let limits: Limits
  private let client = Client.address(0, 0xFFFF_C000_0207)
  /// What goes wrong in the network.
  var network = Network()
  private var isDatabaseUp = true
  /// The server's clock less the true time.
  private var wallOffset: Int64 = 0
  private(set) var burst: Judge
  private(set) var sustained: Judge
  private(set) var admitted: Int64 = 0
  /// What reports have carried.
  private(set) var lines = 0

  struct Network: Sendable {
    var latency = 1...5
    /// Per mille of messages that take up to a second.
    var slow = 0
    /// Per mille of reports that are lost on the way, and of answers.
    var lost = 0
  }

  /// One replica and its table.
  struct Station: Sendable {
    var replica: Replica
    var table: BucketTable
    /// Its clock less the true time.
    let offset: Int64
    var isUp = true
    var held: [BucketTable.Held] = []
    /// The number of the report under way.
    var number: UInt64 = 0

    /// Whether that report is under way and somebody waits for it.
    func awaits(_ number: UInt64) -> Bool {
      isUp && self.number == number && !replica.isIdle
    }

    mutating func begin(now: Int64) -> Report {
      var lines: [Report.Line] = []
      if replica.reports { table.cut(most: 1_000, into: &lines, &held, now: now) }
      let heading = replica.begin(isComplete: table.isReported, now: now)
      table.regime = replica.regime
      number += 1
      return Report(
        replica: replica.id, time: heading.time, isSettled: heading.isSettled,
        view: heading.view, lines: lines)
    }

    mutating func finish(_ answer: Answer, now: Int64) {
      let effect = replica.answered(answer, now: now)
      table.regime = replica.regime
      for (held, deficits) in zip(held, answer.deficits) {
        table.settle(held, deficits, now: now)
      }
      held = []
      if effect != .none {
        table.reportEverything(areUnknown: effect == .reportEverything, now: now)
      }
    }

    mutating func fail(isUnknown: Bool, now: Int64) {
      replica.failed(isUnknown: isUnknown, now: now)
      table.regime = replica.regime
      for held in held { table.restore(held) }
      held = []
    }
  }

  /// Follows what has been admitted: the most that any window has had over the rate.
  struct Judge: Sendable {
    private let interval: Int64
    private var deficit: Int64 = 0
    private var last: Int64 = 0
    /// Nanoseconds of tokens.
    private(set) var most: Int64 = 0

    init(_ quota: Quota) {
      interval = quota.interval
    }

    mutating func note(_ cost: Int64, at now: Int64) {
      deficit = max(0, deficit - (now - last)) + cost * interval
      last = now
      most = max(most, deficit)
    }
  }

  private enum Kind: Sendable {
    case tick(Int)
    case arrival(Int, Report, number: UInt64, back: Int64, isAnswerLost: Bool)
    case answer(Int, Answer, number: UInt64)
    case failure(Int, number: UInt64, isUnknown: Bool)
    case demand(Int, count: Int, cost: Int)
    case start
    case crash(Int)
    case database(isUp: Bool, loses: Bool)
    case step(Int64)
  }

  private struct Event: Sendable {
    let time: Int64
    let order: UInt64
    let kind: Kind
  }

  init(_ limits: Limits, seed: UInt64) {
    self.limits = limits
    random = Random(seed)
    burst = Judge(limits.burst)
    sustained = Judge(limits.sustained)
    now = 1_000_000_000
  }

  /// Another history from here on.
  mutating func reseed(_ seed: UInt64) {
    random = Random(seed)
  }

  mutating func start(after delay: Int64 = 0) { schedule(.start, after: delay) }

  mutating func crash(_ index: Int, after delay: Int64) { schedule(.crash(index), after: delay) }

  mutating func demand(_ index: Int, count: Int, cost: Int, after delay: Int64) {
    schedule(.demand(index, count: count, cost: cost), after: delay)
  }

  mutating func stopDatabase(after delay: Int64, for length: Int64, loses: Bool) {
    schedule(.database(isUp: false, loses: loses), after: delay)
    schedule(.database(isUp: true, loses: false), after: delay + length)
  }

  mutating func stepClock(by step: Int64, after delay: Int64) {
    schedule(.step(step), after: delay)
  }

  var areInStep: Bool {
    stations.allSatisfy { !$0.isUp || now + $0.offset < $0.table.regime.inStepUntil }
  }

  private mutating func schedule(_ kind: Kind, after delay: Int64) {
    let event = Event(time: now + max(0, delay), order: order, kind: kind)
    order += 1
    // Events are few and most are near: from the end, where the next one is.
    var index = queue.count
    while index > 0, queue[index - 1].time <= event.time { index -= 1 }
    queue.insert(event, at: index)
  }

  /// Lets this much time pass.
  mutating func run(_ length: Int64) {
    let end = now + length
    while let event = queue.last, event.time <= end {
      queue.removeLast()
      now = event.time
      happen(event.kind)
    }
    now = end
  }

  private mutating func happen(_ kind: Kind) {
    switch kind {
    case .tick(let index): tick(index)
    case .arrival(let index, let report, let number, let back, let isAnswerLost):
      guard isDatabaseUp else {
        schedule(.failure(index, number: number, isUnknown: false), after: back)
        return
      }
      let answer = ledger.exchange(report, wall: now + wallOffset)
      if !isAnswerLost { schedule(.answer(index, answer, number: number), after: back) }
    case .answer(let index, let answer, let number):
      if stations[index].awaits(number) {
        stations[index].finish(answer, now: now + stations[index].offset)
        if stations[index].replica.isHasty { report(index) }
      }
    case .failure(let index, let number, let isUnknown):
      if stations[index].awaits(number) {
        stations[index].fail(isUnknown: isUnknown, now: now + stations[index].offset)
      }
    case .demand(let index, let count, let cost): ask(index, count, cost)
    case .start:
      let offset = Int64(random.below(1_000_000)) * 1_000_000
      var station = Station(
        replica: Replica(id: UInt64(stations.count + 1) &* 0x9E37_79B9),
        table: BucketTable(
          sets: 1, width: 1,
          limits: ClassLimits { _ in limits }),
        offset: offset)
      station.table.regime = station.replica.regime
      stations.append(station)
      tick(stations.count - 1)
    case .crash(let index):
      if index < stations.count { stations[index].isUp = false }
    case .database(let isUp, let loses):
      isDatabaseUp = isUp
      if loses { ledger.lose(epoch: random.next()) }
    case .step(let step): wallOffset += step
    }
  }

  private mutating func tick(_ index: Int) {
    guard stations[index].isUp else { return }
    schedule(.tick(index), after: random.milliseconds(200...300))
    report(index)
  }

  private mutating func report(_ index: Int) {
    guard stations[index].replica.isIdle else { return }
    let report = stations[index].begin(now: now + stations[index].offset)
    let number = stations[index].number
    lines += report.lines.count
    let there = latency()
    if there < Replica.patience && !random.happens(network.lost) {
      schedule(
        .arrival(
          index, report, number: number, back: latency(),
          isAnswerLost: random.happens(network.lost)), after: there)
    }
    schedule(.failure(index, number: number, isUnknown: true), after: Replica.patience)
  }

  private mutating func latency() -> Int64 {
    random.happens(network.slow)
      ? random.milliseconds(1...1_000) : random.milliseconds(network.latency)
  }

  private mutating func ask(_ index: Int, _ count: Int, _ cost: Int) {
    guard index < stations.count, stations[index].isUp, stations[index].replica.isReady
    else { return }
    let local = now + stations[index].offset
    for _ in 0..<count {
      guard
        case .admitted = stations[index].table.admit(
          HashedClient(client, KeyedHash(seed: (1, 2))), nil, Amount(tokens: cost), now: local)
      else { return }
      admitted += Int64(cost)
      burst.note(Int64(cost), at: now)
      sustained.note(Int64(cost), at: now)
    }
    if stations[index].table.isUrgent { report(index) }
  }
}
