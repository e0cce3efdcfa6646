import EventLoop
import Glibc
import Testing
import Turns

/// Something that lives on a loop and writes down what happens to it.
private actor Diary: LoopBound {
  let loop: EventLoop
  private(set) var entries: [String] = []

  init(loop: EventLoop) { self.loop = loop }

  func write(_ entry: String) {
    loop.checkIsolated()
    entries.append(entry)
  }

  func scheduleInReverse() {
    let now = MonotonicInstant.now()
    for token in [3, 1, 2] {
      loop.schedule(token, of: self, at: now + .milliseconds(token))
    }
  }

  func expired(_ token: Int) { write("\(token)") }
}

@Suite(.turns) struct EventLoopRun {
  @Test func `returns what its task returns, and may be run again`() throws {
    let loop = try EventLoop()
    #expect(loop.run { 41 } == 41)
    #expect(
      loop.run {
        await loop.sleep(for: .milliseconds(1))
        return 42
      } == 42)
  }

  @Test func `keeps the methods of an actor on its own thread, whoever calls`() async throws {
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    let diary = Diary(loop: loop)
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<100 { group.addTask { await diary.write("\(index)") } }
    }
    let entries = await diary.entries
    #expect(Set(entries) == Set((0..<100).map { "\($0)" }))
  }

  @Test func `lets a task with its preference start and go on on its thread`() async throws {
    let loop = try EventLoop()
    let diary = Diary(loop: loop)
    let stayed = loop.run {
      var stayed = loop.isIsolatingCurrentContext() == true
      await diary.write("hello")
      stayed = stayed && loop.isIsolatingCurrentContext() == true
      await loop.sleep(for: .milliseconds(1))
      return stayed && loop.isIsolatingCurrentContext() == true
    }
    #expect(stayed)
    #expect(loop.isIsolatingCurrentContext() == false)
  }

  @Test func `fires timers in the order they come due`() throws {
    let loop = try EventLoop()
    let diary = Diary(loop: loop)
    let entries = loop.run {
      await diary.scheduleInReverse()
      while await diary.entries.count < 3 { await loop.sleep(for: .milliseconds(1)) }
      return await diary.entries
    }
    #expect(entries == ["1", "2", "3"])
  }

  @Test func `fires timers while a task never rests`() throws {
    let loop = try EventLoop()
    let diary = Diary(loop: loop)
    let entries = loop.run {
      await diary.scheduleInReverse()
      let deadline = MonotonicInstant.now() + .seconds(60)
      while await diary.entries.isEmpty, .now() < deadline { await Task.yield() }
      return await diary.entries
    }
    #expect(entries.first == "1")
  }
}

@Suite struct Timers {
  @Test func `give up the earliest first and equal ones in their order`() {
    var queue = TimerQueue<Int>()
    var generator = SystemRandomNumberGenerator()
    var expected: [(due: Int64, order: Int)] = []
    for order in 0..<1000 {
      let due = Int64.random(in: 0..<50, using: &generator)
      expected.append((due, order))
      queue.add(order, due: MonotonicInstant(nanoseconds: due))
    }
    expected.sort { ($0.due, $0.order) < ($1.due, $1.order) }
    #expect(queue.takeDue(at: MonotonicInstant(nanoseconds: -1)) == nil)
    var taken: [Int] = []
    while let order = queue.takeDue(at: .distantFuture) { taken.append(order) }
    #expect(taken == expected.map(\.order))
    #expect(queue.nextDue == nil)
  }
}

@Suite(.turns) struct ProcessesOfOurs {
  @Test func `tell how they ended and what they printed`() throws {
    let loop = try EventLoop()
    let (exit, output) = try loop.run { () -> (ChildProcess.Exit, [UInt8])? in
      try? await ChildProcess.run(Self.shell("echo out; echo err >&2; exit 3"), on: loop)
    }.unwrapped()
    #expect(exit == .status(3))
    #expect(String(decoding: output, as: UTF8.self) == "out\nerr\n")
  }

  @Test func `are named in the error when they cannot be started`() throws {
    let loop = try EventLoop()
    let message = loop.run {
      do throws(SystemError) {
        _ = try await ChildProcess.start(.init("/nonexistent/program"), on: loop)
        return ""
      } catch {
        return error.description
      }
    }
    #expect(message == "start /nonexistent/program: No such file or directory")
  }

  @Test func `can be ended by a signal`() throws {
    let loop = try EventLoop()
    let exit = try loop.run { () -> ChildProcess.Exit? in
      guard let child = try? await ChildProcess.start(Self.shell("sleep 60"), on: loop) else {
        return nil
      }
      await child.send(SIGKILL)
      return await child.exit()
    }.unwrapped()
    #expect(exit == .signal(SIGKILL))
  }

  @Test func `end with the thread that started them`() async throws {
    let loop = try EventLoop()
    try loop.start()
    let pid = try #require(await Starter(loop: loop).start())
    loop.stop()
    let clock = try EventLoop()
    try clock.start()
    defer { clock.stop() }
    // The child becomes a zombie of this process when the loop's thread is gone.
    var status: Int32 = 0
    var reaped: Int32 = 0
    let deadline = MonotonicInstant.now() + .seconds(60)
    while reaped == 0, MonotonicInstant.now() < deadline {
      reaped = unsafe waitpid(pid, &status, WNOHANG)
      await clock.sleep(for: .milliseconds(2))
    }
    #expect(reaped == pid)
    #expect(status & 0x7f == SIGTERM)
  }

  @Test(arguments: [0, 1, 60_000, 200_000])
  func `read what they are given, whole and without anybody waiting`(_ count: Int) throws {
    let loop = try EventLoop()
    let input = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let (exit, output) = try loop.run { () -> (ChildProcess.Exit, [UInt8])? in
      var program = Self.shell("exec cat")
      program.input = input
      return try? await ChildProcess.run(program, on: loop)
    }.unwrapped()
    #expect(exit == .status(0))
    // Of what they print the end is kept.
    #expect(output == input.suffix(65_536))
  }

  @Test func `are killed with all that they have started when their time is over`() throws {
    let loop = try EventLoop()
    let (exit, output) = try loop.run { () -> (ChildProcess.Exit, [UInt8])? in
      try? await ChildProcess.run(
        Self.shell("sleep 60 & echo $!; trap '' TERM; wait; wait"), within: .milliseconds(300),
        on: loop)
    }.unwrapped()
    #expect(exit == .overdue)
    let started = try #require(
      Int32(String(decoding: output, as: UTF8.self).split(separator: "\n").joined()))
    let deadline = MonotonicInstant.now() + .seconds(60)
    // Init reaps it, or nobody does and it stays a zombie, which has no arguments.
    while !OtherProcess.arguments(started).isEmpty, MonotonicInstant.now() < deadline {
      loop.run { await loop.sleep(for: .milliseconds(2)) }
    }
    #expect(OtherProcess.arguments(started).isEmpty)
  }

  @Test func `are not killed when they end in time`() throws {
    let loop = try EventLoop()
    let (exit, _) = try loop.run { () -> (ChildProcess.Exit, [UInt8])? in
      try? await ChildProcess.run(Self.shell("exit 75"), within: .seconds(60), on: loop)
    }.unwrapped()
    #expect(exit == .status(75))
  }

  static func shell(_ script: String) -> ChildProcess.Program {
    var program = ChildProcess.Program("/bin/sh", ["-c", script])
    program.output = .captured
    return program
  }

  private actor Starter: LoopBound {
    let loop: EventLoop
    init(loop: EventLoop) { self.loop = loop }

    func start() async -> Int32? {
      var program = ChildProcess.Program("/bin/sleep", ["60"])
      program.deathSignal = SIGTERM
      return try? await ChildProcess.start(program, on: loop).pid
    }
  }
}

extension Optional {
  fileprivate func unwrapped() throws -> Wrapped { try #require(self) }
}

@Suite struct SocketAddresses {
  @Test(arguments: ["127.0.0.1:8080", "[::1]:0", "0.0.0.0:65535", "[2001:db8::1]:9090"])
  func `read what they write`(text: String) throws {
    #expect(SocketAddress(text)?.description == text)
  }

  @Test(arguments: [
    "", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "127.0.0.1:+1",
    "[127.0.0.1]:80", "1.2.3:80", "127.0.0.1:8o",
  ])
  func `refuse everything else`(text: String) {
    #expect(SocketAddress(text) == nil)
  }
}
