/// The tasks of a worker that answer requests, and the requests that none of them has taken yet.
///
/// A task that has answered rests until it is called upon again, up to a bound of them: the memory of
/// a task grows in its first request, and to call it again is cheaper than to begin another. For each
/// request one task is called, and it does not matter which of them takes it.
struct RestingTasks<Request> {
  private var requests: [Request] = []
  private var resting: [CheckedContinuation<Bool, Never>] = []
  private var haveEnded = false

  private static var most: Int { 64 }

  /// Takes a request in and calls a task for it; false when none rests, so that one has to begin.
  mutating func call(for request: Request) -> Bool {
    requests.append(request)
    guard let task = resting.popLast() else { return false }
    task.resume(returning: true)
    return true
  }

  /// What is to be answered next; nil when another task was faster.
  mutating func next() -> Request? { requests.popLast() }

  /// Has a task wait until it is called upon (true), or ends it because there is no need to wait.
  mutating func rest(_ task: CheckedContinuation<Bool, Never>) {
    if haveEnded || resting.count >= Self.most {
      task.resume(returning: false)
    } else {
      resting.append(task)
    }
  }

  /// Ends those that rest, and from now on whoever would.
  mutating func end() {
    haveEnded = true
    while let task = resting.popLast() { task.resume(returning: false) }
  }
}
