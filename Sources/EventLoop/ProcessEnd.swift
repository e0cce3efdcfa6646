import Glibc
import Synchronization

/// What is to be done when this process ends by exit(3) or by returning from its main function; a
/// process that is killed does none of it.
package enum ProcessEnd {
  private static let actions = Mutex<[@Sendable () -> Void]?>(nil)

  /// Calls `action` at the end, on the thread that calls exit while the others still run; the last
  /// one added goes first.
  package static func add(_ action: @Sendable @escaping () -> Void) {
    actions.withLock { actions in
      if actions == nil {
        atexit { ProcessEnd.run() }
        actions = []
      }
      actions?.append(action)
    }
  }

  private static func run() {
    let all = actions.withLock { $0 ?? [] }
    for action in all.reversed() { action() }
  }
}
