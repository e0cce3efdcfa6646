import CLinux
import Glibc
import Synchronization

/// Writes lines to a descriptor from a thread of its own, so that whoever has one to write never
/// waits for whoever reads them: a terminal that is held, a pipe nobody empties, a slow disk.
///
/// Lines gather in lanes, one for each loop, which are bounded: what does not fit is lost and counted.
/// The thread sleeps until there is something, lets it gather for a moment, and writes all of a lane
/// at once; lines of one lane keep their order.
@safe package final class LineWriter: @unchecked Sendable {
  /// Where one loop, or anybody else, puts its lines. May be used from any thread; several that use
  /// one wait for each other, for as long as a line takes to be put down.
  package final class Lane: Sendable {
    private struct State {
      var lines: [UInt8] = []
      /// Since the start, and how many of them the writer has heard of.
      var lost = 0
      var told = 0
    }

    private let state = Locked(State())
    private let writer: LineWriter
    private let capacity: Int

    fileprivate init(_ writer: LineWriter, capacity: Int) {
      self.writer = writer
      self.capacity = capacity
    }

    /// Puts one line down: `body` appends it, its end included, and nothing else. Nothing is
    /// allocated once there have been as many bytes as there are at a time.
    ///
    /// - Parameter limit: bytes that the line has at most; when they do not fit it is lost.
    package func append(atMost limit: Int, _ body: (inout [UInt8]) -> Void) {
      let (before, after) = state.withLock { state in
        let before = state.lines.count
        if before + limit > capacity {
          state.lost += 1
          return (before, before)
        }
        body(&state.lines)
        return (before, state.lines.count)
      }
      if before == 0, after > 0 { writer.wake(isUrgent: false) }
      if before < Self.urgent, after >= Self.urgent { writer.wake(isUrgent: true) }
    }

    /// So many bytes are not left to gather any more.
    private static var urgent: Int { 131_072 }

    /// Changes the lines that have gathered for an empty array; how many were lost since the last
    /// time.
    fileprivate func take(_ lines: inout [UInt8]) -> Int {
      state.withLock { state in
        swap(&state.lines, &lines)
        defer { state.told = state.lost }
        return state.lost - state.told
      }
    }

    fileprivate var lost: Int { state.withLock { $0.lost } }
  }

  private let descriptor: Int32
  private let capacity: Int
  private let lanes = Locked<[Lane]>([])
  /// Lines that were taken from their lanes and could not be written.
  private let unwritten = Atomic(0)
  private let noteLost: @Sendable (Int) -> [UInt8]

  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // Under the lock: what the thread is wanted for, and whether it is gone.
  private var isWanted = false
  private var isUrgent = false
  private var isEnding = false
  private var hasEnded = false

  /// How long lines gather.
  private static let pause = Duration.milliseconds(20)

  /// - Parameters:
  ///   - descriptor: stays the caller's, and open for as long as the process lives.
  ///   - capacity: bytes that a lane holds.
  ///   - noteLost: the line that says how many were lost before it.
  package init(
    to descriptor: Int32, capacity: Int = 1 << 20,
    noteLost: @Sendable @escaping (Int) -> [UInt8]
  ) {
    self.descriptor = descriptor
    self.capacity = capacity
    self.noteLost = noteLost
    unsafe pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(changed, &attributes)
  }

  deinit {
    unsafe pthread_cond_destroy(changed)
    unsafe changed.deallocate()
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
  }

  /// Starts the thread, which lives until `finish`. Lanes may be made and filled before.
  package func start() throws(SystemError) {
    var identity = pthread_t()
    let argument = unsafe Unmanaged.passRetained(self).toOpaque()
    let code = unsafe pthread_create(
      &identity, nil,
      { argument in
        unsafe Unmanaged<LineWriter>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument)
    if code != 0 {
      unsafe Unmanaged<LineWriter>.fromOpaque(argument).release()
      throw SystemError("pthread_create", code: code)
    }
    pthread_detach(identity)
  }

  package func makeLane() -> Lane {
    let lane = Lane(self, capacity: capacity)
    lanes.withLock { $0.append(lane) }
    return lane
  }

  /// Lines that were lost since the start, because nobody took them in time or at all.
  package var lostLines: Int {
    lanes.withLock { $0 }.reduce(unwritten.load(ordering: .relaxed)) { $0 + $1.lost }
  }

  /// Writes what is there and ends the thread; what cannot be written within `bound` is left.
  package func finish(within bound: Duration) {
    let end = MonotonicInstant.now() + bound
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    isEnding = true
    unsafe pthread_cond_broadcast(changed)
    while !hasEnded, .now() < end { wait(until: end) }
  }

  fileprivate func wake(isUrgent: Bool) {
    unsafe pthread_mutex_lock(lock)
    isWanted = true
    if isUrgent { self.isUrgent = true }
    unsafe pthread_cond_broadcast(changed)
    unsafe pthread_mutex_unlock(lock)
  }

  // The thread

  private func run() {
    var lines: [UInt8] = []
    var unsaid = 0
    while true {
      let isLast = waitForLines()
      for lane in lanes.withLock({ $0 }) {
        unsaid += lane.take(&lines)
        if !lines.isEmpty {
          let written = write(lines)
          let failed = lines.count { $0 == Self.lineFeed } - written
          unwritten.add(failed, ordering: .relaxed)
          unsaid += failed
          lines.removeAll(keepingCapacity: true)
          if written == 0 { continue }
        }
        if unsaid > 0, write(noteLost(unsaid)) == 1 { unsaid = 0 }
      }
      if isLast { break }
    }
    unsafe pthread_mutex_lock(lock)
    hasEnded = true
    unsafe pthread_cond_broadcast(changed)
    unsafe pthread_mutex_unlock(lock)
  }

  /// Returns when lines have gathered for a moment, or are many, or there will be no more: then true.
  private func waitForLines() -> Bool {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    while !isWanted, !isEnding { unsafe pthread_cond_wait(changed, lock) }
    let due = MonotonicInstant.now() + Self.pause
    while !isUrgent, !isEnding, .now() < due { wait(until: due) }
    // What comes from now on asks anew.
    isWanted = false
    isUrgent = false
    return isEnding
  }

  /// With the lock held.
  private func wait(until due: MonotonicInstant) {
    var time = timespec()
    time.tv_sec = Int(due.nanoseconds / 1_000_000_000)
    time.tv_nsec = Int(due.nanoseconds % 1_000_000_000)
    _ = unsafe pthread_cond_timedwait(changed, lock, &time)
  }

  /// Writes lines, however long that takes; how many of them are out whole.
  private func write(_ lines: [UInt8]) -> Int {
    var done = 0
    while done < lines.count {
      let count = unsafe lines.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done)
      }
      if count >= 0 {
        done += count
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        // Somebody who shares the descriptor has made it so that it does not wait.
        var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&state, 1, -1)
      default: return lines[..<done].count { $0 == Self.lineFeed }
      }
    }
    return lines.count { $0 == Self.lineFeed }
  }

  private static let lineFeed = UInt8(ascii: "\n")
}
