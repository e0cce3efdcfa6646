import EventLoop
import HTTP
import Synchronization

/// The keyed writes under way in this process, and who waits for them. All loops share it: of many
/// requests under one key only the first goes to the database, the others wait here, as
/// continuations, for what becomes of it.
package final class KeysInFlight: Sendable {
  /// What a request finds whose key is new here, or not.
  enum Entrance: Sendable {
    /// It is the first, and has to `leave`.
    case first
    /// The same request is under way.
    case same
    /// Another request is under way under this key.
    case another
  }

  /// What becomes of one that waits.
  enum Ending: Sendable {
    /// The first was answered, and so is this one.
    case answered(KeptAnswer)
    /// The first was refused because of the key, and so is this one.
    case refused(Problem)
    /// The first came to nothing that is kept: somebody else may try.
    case again
    case timedOut
    /// Too many wait already.
    case crowded
  }

  private struct Entry {
    let fingerprint: [UInt8]
    var waiting: [Int: CheckedContinuation<Ending, Never>] = [:]
  }

  private struct State {
    var entries: [WriteName: Entry] = [:]
    /// Which key each one waits for.
    var names: [Int: WriteName] = [:]
    var serial = 0
  }

  private let state = Locked(State())
  private let unkeyed = Atomic<UInt64>(0)
  private let process = RandomBytes.make(16).map { String($0, radix: 16) }.joined(separator: "-")
  let counters = WriteCounters()

  package static let maximumWaiting = 64

  package init() {}

  /// How often what has happened since the start.
  package var counts: WriteCounters.Counts { counters.counts }

  /// How many wait, for tests and metrics.
  package var waiting: Int { state.withLock { $0.names.count } }

  /// A name for a write without a key, that no other write of any process has.
  func makeName() -> WriteName {
    let number = unkeyed.wrappingAdd(1, ordering: .relaxed).newValue
    return WriteName(scope: WriteName.unkeyed, key: "\(process)-\(number)")
  }

  func enter(_ name: WriteName, _ fingerprint: [UInt8]) -> Entrance {
    state.withLock { state in
      guard let entry = state.entries[name] else {
        state.entries[name] = Entry(fingerprint: fingerprint)
        return .first
      }
      return entry.fingerprint == fingerprint ? .same : .another
    }
  }

  /// Whether a write of this name is under way here.
  func contains(_ name: WriteName) -> Bool { state.withLock { $0.entries[name] != nil } }

  func leave(_ name: WriteName, _ ending: Ending) {
    let waiting = state.withLock { state in
      let waiting = state.entries.removeValue(forKey: name)?.waiting ?? [:]
      for number in waiting.keys { state.names[number] = nil }
      return waiting
    }
    for continuation in waiting.values { continuation.resume(returning: ending) }
  }

  /// Has the continuation resumed when the write of this name ends; its number, for `giveUp`, or
  /// nil when it has been resumed already.
  fileprivate func join(
    _ name: WriteName, _ continuation: CheckedContinuation<Ending, Never>
  ) -> Int? {
    let (number, ending): (Int?, Ending?) = state.withLock { state in
      guard let count = state.entries[name]?.waiting.count else { return (nil, .again) }
      guard count < Self.maximumWaiting else { return (nil, .crowded) }
      state.serial += 1
      state.entries[name]?.waiting[state.serial] = continuation
      state.names[state.serial] = name
      return (state.serial, nil)
    }
    if let ending { continuation.resume(returning: ending) }
    return number
  }

  fileprivate func giveUp(_ number: Int) {
    let continuation = state.withLock { state -> CheckedContinuation<Ending, Never>? in
      guard let name = state.names.removeValue(forKey: number) else { return nil }
      return state.entries[name]?.waiting.removeValue(forKey: number)
    }
    continuation?.resume(returning: .timedOut)
  }
}

/// Where the requests of one loop wait, each no longer than it has time.
actor WaitingRoom: LoopBound {
  nonisolated let loop: EventLoop
  private let inFlight: KeysInFlight

  init(_ inFlight: KeysInFlight, loop: EventLoop) {
    self.inFlight = inFlight
    self.loop = loop
  }

  func wait(for name: WriteName, until end: MonotonicInstant) async -> KeysInFlight.Ending {
    await withCheckedContinuation { continuation in
      if let number = inFlight.join(name, continuation) {
        loop.schedule(number, of: self, at: end)
      }
    }
  }

  func expired(_ token: Int) { inFlight.giveUp(token) }
}

/// Who sent a write, and what he calls it.
struct WriteName: Sendable, Hashable {
  /// The account behind the key, so that two callers never meet and a rotated key keeps its names.
  let scope: String
  let key: String

  /// The scope of writes without a key. No account has this name: those are UUIDs.
  static let unkeyed = "unkeyed"

  /// What the scopes of strangers begin with; the route follows.
  static let anonymous = "anonymous "

  init(scope: String, key: String) {
    self.scope = scope
    self.key = key
  }

  /// The name of what a stranger sends: only the same request with the same key has it too.
  init(route: Route, key: IdempotencyKey, fingerprint: [UInt8]) {
    scope = "\(Self.anonymous)\(route.method.rawValue) \(route.template)"
    let digest = SHA256.digest(of: Array("\(key.text) ".utf8) + fingerprint)
    self.key = BaseEncoding.base64URL.encode(digest)
  }
}

/// What has become of writes since the start.
package final class WriteCounters: Sendable {
  package struct Counts: Sendable, Equatable {
    /// Keyed writes that ran and were kept.
    package var runs = 0
    /// Answers that had been given before.
    package var replays = 0
    /// Keys that came with another request.
    package var mismatches = 0
    /// Requests that waited for another of the same key.
    package var waits = 0
    /// COMMITs whose outcome was not known at once, of writes without a key too.
    package var unknownOutcomes = 0
    /// How often a write has waited for the database.
    package var roundTrips = 0

    package init() {}
  }

  private let state = Locked(Counts())

  func note(_ change: (inout Counts) -> Void) {
    state.withLock { change(&$0) }
  }

  var counts: Counts { state.withLock { $0 } }
}
