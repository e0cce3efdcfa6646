import EventLoop
import HTTP

/// The answers to public reads that one loop keeps, as bytes, and the reads under way.
///
/// Only what everybody is given is kept: the answer to a request without a credential, in the form
/// that is given to who asks for no other. An answer is used as long as the content has the number
/// under which it was read (`ContentPosition`). Every loop has a cache of its own: what is popular
/// is in each of them, and nobody waits for its lock, which is there for whoever counts.
package final class ResponseCache: Sendable {
  package let position: ContentPosition
  private let state: Locked<State>

  private struct State {
    var store: CacheStore<CachedAnswer>
    /// The reads under way, and who else waits for each.
    var flights: [Flight: [CheckedContinuation<Result<Reply, any Error>?, Never>]] = [:]
    var counts = Counts()
    /// Lent to each prompt answer for its own field lines, and used again when that is written.
    var ownFields: [UInt8] = []
  }

  /// What has become of reads, since the start.
  package struct Counts: Sendable {
    /// Answered from memory, and how many of those unconfirmed, with their age.
    package var hits = 0
    package var staleHits = 0
    /// Read, and waited for with somebody who was reading the same already.
    package var misses = 0
    package var joined = 0
    /// What is kept now.
    package var answers = 0
    package var bytes = 0

    package init() {}

    package mutating func add(_ other: Counts) {
      hits += other.hits
      staleHits += other.staleHits
      misses += other.misses
      joined += other.joined
      answers += other.answers
      bytes += other.bytes
    }

    fileprivate mutating func hit(_ standing: ContentPosition.Standing) {
      hits += 1
      if standing != .current { staleHits += 1 }
    }
  }

  /// A read under way, for all who want the same.
  private struct Flight: Hashable {
    let target: [UInt8]
    /// Of the content when it began. A reader that comes later than a change does not join it.
    let number: UInt64
    /// The span of time in which it began. Nor does a reader that comes so much later that a change
    /// would be known only if the database could be asked.
    let round: Int64
  }

  /// - Parameter capacity: what may be kept, in bytes.
  package init(capacity: Int, position: ContentPosition) {
    self.position = position
    var state = State(store: CacheStore(capacity: capacity))
    state.ownFields.reserveCapacity(1024)
    self.state = Locked(state)
  }

  package var counts: Counts {
    state.withLock { state in
      var counts = state.counts
      counts.answers = state.store.count
      counts.bytes = state.store.weight
      return counts
    }
  }

  /// An answer that is at hand, and what there is to say of it.
  struct Found {
    let answer: PromptAnswer
    let route: RouteNumber
    let outcome: AnsweredRequest.CacheOutcome
  }

  private static func outcome(
    _ standing: ContentPosition.Standing
  ) -> AnsweredRequest.CacheOutcome {
    standing == .current ? .hit : .stale
  }

  /// The answer that is at hand for a read without a credential, if its client has the quota.
  ///
  /// - Parameters:
  ///   - admit: takes a cost in quarters of tokens from the client's quota; false when it cannot.
  ///   - name: adds the field line with the request's id.
  func promptAnswer(
    to head: RequestHead, now: MonotonicInstant, admit: (Int) -> Bool,
    name: (inout [UInt8]) -> Void
  ) -> Found? {
    state.withLock { state in
      guard let answer = state.store.answer(to: head) else { return nil }
      let standing = position.standing(of: answer.number, now: now)
      // Of an array that another holds too, the next line would be written into a copy.
      var own: [UInt8] = []
      swap(&own, &state.ownFields)
      defer { state.ownFields = own }
      own.removeAll(keepingCapacity: true)
      guard let status = answer.promptStatus(for: head, standing, now: now, ownFields: &own),
        admit(status == 304 ? answer.cost.rawValue : answer.cost.rawValue * 4)
      else { return nil }
      name(&own)
      state.counts.hit(standing)
      return Found(
        answer: answer.promptAnswer(status, ownFields: own), route: answer.route,
        outcome: Self.outcome(standing))
    }
  }

  /// What is kept for a read, or else what `read` finds: once for all who ask for it meanwhile,
  /// unless content has changed since it began.
  ///
  /// - Parameter finish: adds to an answer what those to all readers have.
  func reply(
    to call: RouteCall, now: MonotonicInstant, finish: (inout Response) -> Void,
    read: () async throws -> Reply
  ) async throws -> Reply {
    let kept: Representation? = state.withLock { state in
      guard let answer = state.store.answer(to: call.head) else { return nil }
      let standing = position.standing(of: answer.number, now: now)
      let shown = answer.representation(standing, now: now)
      if shown != nil {
        state.counts.hit(standing)
        call.trail.cache = Self.outcome(standing)
      }
      return shown
    }
    if let kept { return .representation(kept) }
    guard let target = call.head.target.withOriginForm({ $0.bytes }) else {
      return try await read()
    }
    let flight = Flight(
      target: target, number: position.number,
      round: now.nanoseconds / ContentPosition.trust.wholeNanoseconds)
    while !begin(flight) {
      if let result = await join(flight) {
        call.trail.cache = .joined
        return try result.get()
      }
    }
    call.trail.cache = .miss
    let result: Result<Reply, any Error>
    do { result = .success(try await read()) } catch { result = .failure(error) }
    var answer: CachedAnswer?
    // What a standby has is not known to be what the primary has.
    if case .success(.representation(let shown)) = result, shown.isPublic, shown.age == nil {
      answer = CachedAnswer(
        target: target, shown, number: flight.number, asked: now, of: call.route.number,
        cost: call.route.cost(of: call.head), finish: finish)
    }
    let waiting = state.withLock { state in
      if let answer, position.number == flight.number { state.store.keep(answer) }
      return state.flights.removeValue(forKey: flight)
    }
    for continuation in waiting ?? [] { continuation.resume(returning: result) }
    return try result.get()
  }

  /// False when the same read is under way.
  private func begin(_ flight: Flight) -> Bool {
    state.withLock { state in
      guard state.flights[flight] == nil else { return false }
      state.flights[flight] = []
      state.counts.misses += 1
      return true
    }
  }

  /// What the read found that is under way; nil when it has ended meanwhile, as other tasks of the
  /// loop may run before this one waits.
  private func join(_ flight: Flight) async -> Result<Reply, any Error>? {
    await withCheckedContinuation { continuation in
      let isUnderWay = state.withLock { state in
        guard state.flights[flight] != nil else { return false }
        state.flights[flight]?.append(continuation)
        state.counts.joined += 1
        return true
      }
      if !isUnderWay { continuation.resume(returning: nil) }
    }
  }
}

extension CacheStore<CachedAnswer> {
  /// The answer that is kept for the target of a request.
  fileprivate mutating func answer(to head: RequestHead) -> CachedAnswer? {
    guard let hash = head.target.withOriginForm({ Self.hash($0) }), let place = find(hash),
      let answer = use(place), head.target.withOriginForm({ answer.isOf($0) }) == true
    else { return nil }
    return answer
  }

  fileprivate mutating func keep(_ answer: CachedAnswer) {
    let target = answer.target
    keep(answer, hash: Self.hash(target.span), weight: answer.weight)
  }

  /// Seeded for the process: whoever does not know the seed cannot choose targets that fall together.
  private static func hash(_ target: Span<UInt8>) -> UInt64 {
    var hasher = Hasher()
    var word: UInt64 = 0
    for index in target.indices {
      word = word << 8 | UInt64(target[index])
      if index & 7 == 7 {
        hasher.combine(word)
        word = 0
      }
    }
    hasher.combine(word)
    hasher.combine(target.count)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }
}

extension CachedAnswer {
  fileprivate func isOf(_ target: Span<UInt8>) -> Bool {
    guard target.count == self.target.count else { return false }
    for index in target.indices where target[index] != self.target[index] { return false }
    return true
  }
}

extension Span<UInt8> {
  fileprivate var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for index in indices { bytes.append(self[index]) }
    return bytes
  }
}
