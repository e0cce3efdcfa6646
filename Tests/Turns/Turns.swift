import EventLoop
package import Testing

/// Lets the tests of a suite take turns, so many at a time, each on a thread of its own.
///
/// Swift Testing starts all tests of all targets at once, and Swift's pool has a thread for each
/// processor: who waits there in a system call, or computes for long, stops everybody else, and who
/// measures time there measures the others. A test with this trait touches the pool only between
/// its turns.
package struct Turns: SuiteTrait, TestTrait, TestScoping {
  /// For whatever waits for the system or for a deadline, in whatever target.
  package static let few = Turns(4)
  /// For programs that need a processor each.
  package static let two = Turns(2)

  private let places: Places

  private init(_ count: Int) { places = Places(count) }

  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await places.run {
      let loop = try EventLoop()
      try loop.start()
      defer { loop.stop() }
      try await withTaskExecutorPreference(loop) { try await function() }
    }
  }
}

/// So many may be inside at a time; the others wait for one to leave, in their order.
package actor Places {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// Places for `count` at a time.
  package init(_ count: Int) { free = count }

  /// Runs `body` when there is a place for it.
  package nonisolated func run(_ body: () async throws -> Void) async throws {
    await enter()
    do {
      try await body()
    } catch {
      await leave()
      throw error
    }
    await leave()
  }

  private func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  private func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

extension Trait where Self == Turns {
  /// A few tests at a time, of all targets together.
  package static var turns: Self { .few }
  /// Two tests at a time, however many others there are.
  package static var turnsOfTwo: Self { .two }
}
