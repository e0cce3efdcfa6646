import CLinux
import Glibc
import Synchronization

/// One thread, one epoll: descriptors, deadlines and Swift tasks in turns.
///
/// A tick waits for events, hands each to the actor that registered its descriptor, fires the timers
/// that are due, runs the jobs that became runnable, and then lets everybody who gathered output send
/// it. The loop is a serial executor (actors live on it) and a task executor (their tasks stay on
/// it), so request code never changes threads.
///
/// Owner: whoever called `run` or `start`. `enqueue`, `stop` and the executor questions may be asked
/// from any thread; everything else only on the loop's own, which is checked.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  /// Names a registration. The generation tells a stale event, for a descriptor that was closed
  /// earlier in the same tick and whose slot was taken again, from a fresh one.
  package struct Registration: Sendable, Equatable {
    fileprivate let slot: UInt32
    fileprivate let generation: UInt32
    fileprivate let number: Int32
  }

  private struct Slot {
    var generation: UInt32 = 0
    var token = 0
    var owner: (any LoopBound)?
  }

  @safe private enum TimerAction {
    case expire(any LoopBound, token: Int)
    case resume(UnsafeContinuation<Void, Never>)
  }

  private struct Inbox {
    var jobs: [UnownedJob] = []
    var isSignalled = false
    var isStopped = false
  }

  // Of the loop's thread alone.
  private let epoll: Descriptor
  private let wakeUp: Descriptor
  private var slots: [Slot] = []
  private var freeSlots: [UInt32] = []
  private var timers = TimerQueue<TimerAction>()
  private var observers: [any LoopBound] = []
  private var jobs: [UnownedJob] = []
  private var tickInstant = MonotonicInstant.now()
  private var waitsPrecisely = true
  private let enter = Entrances()

  // Shared.
  private let inbox = Locked(Inbox())
  private let thread = Atomic<UInt>(0)

  private static let wakeUpData = UInt64.max

  package init() throws(SystemError) {
    epoll = try Descriptor("epoll_create1", epoll_create1(Int32(EPOLL_CLOEXEC)))
    wakeUp = try Descriptor(
      "eventfd", eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)))
    var event = unsafe epoll_event(
      events: EPOLLIN.rawValue, data: epoll_data_t(u64: Self.wakeUpData))
    if unsafe epoll_ctl(epoll.number, EPOLL_CTL_ADD, wakeUp.number, &event) != 0 {
      throw SystemError("epoll_ctl")
    }
  }

  // The executor

  package func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    if isOnThread {
      jobs.append(unowned)
      return
    }
    inbox.withLock { inbox in
      inbox.jobs.append(unowned)
      if !inbox.isSignalled {
        inbox.isSignalled = true
        signal()
      }
    }
  }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(ordinary: self)
  }

  package func checkIsolated() {
    precondition(isOnThread, "this belongs to another event loop's thread")
  }

  package func isIsolatingCurrentContext() -> Bool? { isOnThread }

  private var isOnThread: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  private func signal() {
    var one: UInt64 = 1
    // An eventfd refuses only when its counter is full, and then the loop is awake anyway.
    _ = unsafe write(wakeUp.number, &one, 8)
  }

  // Running

  /// Runs `body` as a task on this loop, on the calling thread, and returns what it returns; then
  /// the loop rests and may be run again. A program's main thread becomes a loop this way.
  package func run<Result: Sendable>(
    _ body: @Sendable @escaping () async -> Result
  ) -> Result {
    takeThread()
    defer { thread.store(0, ordering: .releasing) }
    let result = Locked<Result?>(nil)
    inbox.withLock { $0.isStopped = false }
    Task.immediate(executorPreference: self) {
      let value = await body()
      result.withLock { $0 = value }
      self.stop()
    }
    turn()
    guard let value = result.withLock({ $0 }) else {
      preconditionFailure("the loop was stopped before its task ended")
    }
    return value
  }

  /// Runs on a new thread until `stop`.
  package func start() throws(SystemError) {
    var identity = pthread_t()
    let argument = unsafe Unmanaged.passRetained(self).toOpaque()
    let code = unsafe pthread_create(
      &identity, nil,
      { argument in
        let loop = unsafe Unmanaged<EventLoop>.fromOpaque(argument!).takeRetainedValue()
        loop.takeThread()
        loop.turn()
        return nil
      }, argument)
    if code != 0 {
      unsafe Unmanaged<EventLoop>.fromOpaque(argument).release()
      throw SystemError("pthread_create", code: code)
    }
    pthread_detach(identity)
  }

  /// Ends the loop after the tick it is in. May be called from any thread.
  package func stop() {
    inbox.withLock { inbox in
      inbox.isStopped = true
      signal()
    }
  }

  private func takeThread() {
    let (taken, _) = thread.compareExchange(
      expected: 0, desired: UInt(pthread_self()), ordering: .acquiringAndReleasing)
    precondition(taken, "an event loop runs on one thread at a time")
  }

  private func turn() {
    let capacity = 256
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
    defer { unsafe events.deallocate() }
    while true {
      runJobs()
      for observer in observers { enter.tickEnded(observer) }
      if jobs.isEmpty, inbox.withLock({ $0.isStopped && $0.jobs.isEmpty }) { return }

      // With jobs left it only looks, so that a task that never rests starves neither descriptors
      // nor timers.
      let count = unsafe wait(
        for: events, capacity, until: jobs.isEmpty ? timers.nextDue : tickInstant)
      tickInstant = .now()
      // Only a signal handler's interruption is expected here; the next turn waits again.
      if count > 0 {
        for index in 0..<Int(count) { unsafe deliver(events[index]) }
      }
      fireTimers()
    }
  }

  /// Waits for events until an instant, for ever without one; how many there are.
  ///
  /// Kernels before 5.11, and sandboxes that do not know the call, count in milliseconds. Those are
  /// rounded up: a deadline may be noticed late, never early, or the loop would spin until it.
  private func wait(
    for events: UnsafeMutablePointer<epoll_event>, _ capacity: Int, until due: MonotonicInstant?
  ) -> Int32 {
    let left = due.map { max(0, ($0 - .now()).wholeNanoseconds) }
    if waitsPrecisely {
      var time = timespec()
      if let left {
        (time.tv_sec, time.tv_nsec) = (Int(left / 1_000_000_000), Int(left % 1_000_000_000))
      }
      let count =
        left == nil
        ? unsafe epoll_pwait2(epoll.number, events, Int32(capacity), nil, nil)
        : unsafe epoll_pwait2(epoll.number, events, Int32(capacity), &time, nil)
      if count >= 0 || errno == EINTR { return count }
      waitsPrecisely = false
    }
    let milliseconds = left.map { Int32(clamping: $0 / 1_000_000 + ($0 % 1_000_000 > 0 ? 1 : 0)) }
    return unsafe epoll_wait(epoll.number, events, Int32(capacity), milliseconds ?? -1)
  }

  private func deliver(_ event: epoll_event) {
    let data = unsafe event.data.u64
    if data == Self.wakeUpData {
      var count: UInt64 = 0
      _ = unsafe read(wakeUp.number, &count, 8)
      inbox.withLock { inbox in
        inbox.isSignalled = false
        jobs.append(contentsOf: inbox.jobs)
        inbox.jobs.removeAll(keepingCapacity: true)
      }
      return
    }
    let slot = slots[Int(data & 0xffff_ffff)]
    guard let owner = slot.owner, slot.generation == UInt32(data >> 32) else { return }
    let events = unsafe ReadyEvents(rawValue: event.events)
    enter.ready(owner, slot.token, events)
  }

  private func fireTimers() {
    while let action = timers.takeDue(at: tickInstant) {
      switch action {
      case .expire(let owner, let token): enter.expired(owner, token)
      case .resume(let continuation): unsafe continuation.resume()
      }
    }
  }

  private func runJobs() {
    // Jobs that a job makes runnable run in the same tick, but no more than a bound of them, so that
    // a task that always has something to do cannot starve the descriptors.
    var index = 0
    while index < jobs.count && index < 10_000 {
      let job = jobs[index]
      index += 1
      unsafe job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }
    jobs.removeFirst(index)
  }

  // Descriptors

  /// Watches a descriptor for its owner, level-triggered: readiness is told again until it is used.
  package func register(
    _ number: Int32, for interest: Interest, token: Int, of owner: any LoopBound
  ) throws(SystemError) -> Registration {
    checkIsolated()
    precondition(owner.loop === self, "an actor is entered on its own loop alone")
    let index = freeSlots.popLast() ?? UInt32(slots.count)
    if index == slots.count { slots.append(Slot()) }
    let registration = Registration(
      slot: index, generation: slots[Int(index)].generation, number: number)
    var event = unsafe event(registration, interest)
    if unsafe epoll_ctl(epoll.number, EPOLL_CTL_ADD, number, &event) != 0 {
      let failure = SystemError("epoll_ctl")
      freeSlots.append(index)
      throw failure
    }
    slots[Int(index)].owner = owner
    slots[Int(index)].token = token
    return registration
  }

  /// Changes what a registered descriptor is watched for; nothing at all is allowed.
  package func watch(_ registration: Registration, for interest: Interest) {
    checkIsolated()
    var event = unsafe event(registration, interest)
    let code = unsafe epoll_ctl(epoll.number, EPOLL_CTL_MOD, registration.number, &event)
    precondition(code == 0, "a registered descriptor was closed before it was unregistered")
  }

  /// Must come before the descriptor is closed. Events of it that this tick has already fetched are
  /// dropped.
  package func unregister(_ registration: Registration) {
    checkIsolated()
    var event = unsafe epoll_event()
    _ = unsafe epoll_ctl(epoll.number, EPOLL_CTL_DEL, registration.number, &event)
    let index = Int(registration.slot)
    guard slots[index].generation == registration.generation else { return }
    slots[index].owner = nil
    slots[index].generation &+= 1
    freeSlots.append(registration.slot)
  }

  private func event(_ registration: Registration, _ interest: Interest) -> epoll_event {
    unsafe epoll_event(
      events: interest.rawValue,
      data: epoll_data_t(u64: UInt64(registration.generation) << 32 | UInt64(registration.slot)))
  }

  // Time

  /// The instant at which this tick's events were fetched: good for deadlines, costs nothing.
  package var now: MonotonicInstant {
    checkIsolated()
    return tickInstant
  }

  /// Calls `expired(token)` of the owner once, at `due` or within a millisecond after it. There is no
  /// cancelling: an owner that has lost interest ignores the call.
  package func schedule(_ token: Int, of owner: any LoopBound, at due: MonotonicInstant) {
    checkIsolated()
    precondition(owner.loop === self, "an actor is entered on its own loop alone")
    timers.add(.expire(owner, token: token), due: due)
  }

  /// Suspends the task for at least this long. Bounded waits only: cancellation does not end it.
  package func sleep(for duration: Duration) async {
    let due = MonotonicInstant.now() + duration
    await sleep(until: due)
  }

  /// As `sleep(for:)`, until an instant.
  package func sleep(until due: MonotonicInstant) async {
    await Sleeper(loop: self).sleep(until: due)
  }

  fileprivate func addSleeper(
    _ continuation: UnsafeContinuation<Void, Never>, due: MonotonicInstant
  ) {
    checkIsolated()
    unsafe timers.add(.resume(continuation), due: due)
  }

  /// From now on the actor's `tickEnded` is called at the end of each tick.
  package func observeTicks(_ observer: any LoopBound) {
    checkIsolated()
    precondition(observer.loop === self, "an actor is entered on its own loop alone")
    observers.append(observer)
  }

  package func stopObservingTicks(_ observer: any LoopBound) {
    checkIsolated()
    observers.removeAll { $0 === observer }
  }
}

/// The methods of a `LoopBound`, to be called by its loop.
///
/// On the loop's thread an actor of the loop may be entered without waiting. `assumeIsolated` does
/// that with a closure, for which it allocates twice, each time; this takes the isolation off the
/// methods in the same way, once.
private struct Entrances {
  let ready: (any LoopBound, Int, ReadyEvents) -> Void = unsafe unsafeBitCast(
    { (owner: isolated any LoopBound, token, events) in owner.ready(token, events) }
      as (isolated any LoopBound, Int, ReadyEvents) -> Void,
    to: ((any LoopBound, Int, ReadyEvents) -> Void).self)
  let expired: (any LoopBound, Int) -> Void = unsafe unsafeBitCast(
    { (owner: isolated any LoopBound, token) in owner.expired(token) }
      as (isolated any LoopBound, Int) -> Void,
    to: ((any LoopBound, Int) -> Void).self)
  let tickEnded: (any LoopBound) -> Void = unsafe unsafeBitCast(
    { (owner: isolated any LoopBound) in owner.tickEnded() } as (isolated any LoopBound) -> Void,
    to: ((any LoopBound) -> Void).self)
}

/// Brings a task onto the loop before it adds itself to the loop's timers.
private actor Sleeper: LoopBound {
  let loop: EventLoop

  init(loop: EventLoop) { self.loop = loop }

  func sleep(until due: MonotonicInstant) async {
    await unsafe withUnsafeContinuation { continuation in
      unsafe loop.addSleeper(continuation, due: due)
    }
  }
}
