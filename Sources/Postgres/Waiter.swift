/// A suspended caller. Whoever holds it resumes it, once; a second time does nothing, and letting
/// go of it unresumed is a defect that stops the program rather than leaving a request hanging.
@safe final class Waiter<Value> {
  private var continuation: UnsafeContinuation<Value, Never>?

  private init(_ continuation: UnsafeContinuation<Value, Never>) {
    unsafe self.continuation = unsafe continuation
  }

  deinit { precondition(!isWaiting, "a caller was forgotten") }

  /// Suspends the calling task until the waiter that `body` was given is resumed.
  static func wait(_ body: (Waiter<Value>) -> Void) async -> Value
  where Value: Sendable {
    await unsafe withUnsafeContinuation { continuation in
      body(unsafe Waiter(continuation))
    }
  }

  var isWaiting: Bool { unsafe continuation != nil }

  func resume(_ value: sending Value) {
    let waiting = unsafe continuation
    unsafe continuation = nil
    unsafe waiting?.resume(returning: value)
  }
}
