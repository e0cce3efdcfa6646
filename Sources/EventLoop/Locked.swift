import Glibc

/// A value behind a lock of the system, for what a loop shares with other threads. `withLock` runs
/// the body alone and must not be called again from within it.
///
/// The standard library's `Mutex` would do as well, but it is a futex that ThreadSanitizer cannot see
/// into: every hand-over of a job would be reported as a race. A pthread mutex it knows.
@safe package struct Locked<Value>: ~Copyable, @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  // The lock sees to exclusive access: a property would have that checked once more.
  private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

  package init(_ value: Value) {
    unsafe pthread_mutex_init(lock, nil)
    unsafe self.value.initialize(to: value)
  }

  deinit {
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
    unsafe value.deinitialize(count: 1)
    unsafe value.deallocate()
  }

  package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    return unsafe body(&value.pointee)
  }
}
