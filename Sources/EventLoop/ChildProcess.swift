import CLinux
import Glibc

/// A program started by this one, in a process group of its own.
///
/// It is told of the death of the thread that started it (`deathSignal`), so it must be started on a
/// thread that lives as long as the child should: the main thread's loop. Its end is an event of the
/// loop (pidfd_open(2)), awaited with `exit`.
@safe package actor ChildProcess: LoopBound {
  /// What to start. Everything not named is inherited.
  package struct Program: Sendable {
    /// The file to execute; no PATH is searched.
    package var path: String
    package var arguments: [String] = []
    /// `NAME=value` each; nil inherits.
    package var environment: [String]?
    package var folder: String?
    package var user: UserAccount?
    /// Sent to the child when the starting thread ends, however that happens.
    package var deathSignal: Int32?
    /// What it reads from standard input; nothing by default. It stands in memory, so nobody waits
    /// for the program to read it.
    package var input: [UInt8] = []
    package var output: Output = .inherited

    package init(_ path: String, _ arguments: [String] = []) {
      self.path = path
      self.arguments = arguments
    }
  }

  /// Where standard output and standard error go.
  package enum Output: Sendable {
    case inherited
    case discarded
    /// Gathered, for `run`: the last 64 KiB at most.
    case captured
    /// Appended to a file, which is made with mode 0600 where it is missing.
    case file(String)
  }

  /// How a program ended.
  package enum Exit: Sendable, Equatable {
    case status(Int32)
    case signal(Int32)
    /// Its time was over, and it was killed with all of its process group.
    case overdue
  }

  package nonisolated let loop: EventLoop
  package nonisolated let pid: Int32
  private let watched: Descriptor
  private let pipe: Descriptor?
  private var registration: EventLoop.Registration?
  private var pipeRegistration: EventLoop.Registration?
  private var waiting: [UnsafeContinuation<Exit, Never>] = unsafe []
  private var isOverdue = false
  /// How the program ended; nil while it runs.
  package private(set) var ended: Exit?
  private var captured: [UInt8] = []

  /// Starts the program. Throws when it cannot be executed.
  package static func start(
    _ program: Program, on loop: EventLoop
  ) async throws(SystemError) -> ChildProcess {
    loop.checkIsolated()
    let child = try ChildProcess(program, loop: loop)
    try await child.listen()
    return child
  }

  /// Runs a program to its end and returns how it ended and, with `.captured`, what it printed. One
  /// that takes longer than `limit` is killed, and so are those of its group that it has started.
  package static func run(
    _ program: Program, within limit: Duration? = nil, on loop: EventLoop
  ) async throws(SystemError) -> (exit: Exit, output: [UInt8]) {
    let child = try await start(program, on: loop)
    if let limit { await child.end(at: .now() + limit) }
    let exit = await child.exit()
    return (exit, await child.takeCaptured())
  }

  private init(_ program: Program, loop: EventLoop) throws(SystemError) {
    self.loop = loop
    let null = unsafe try Descriptor("open /dev/null", open("/dev/null", O_RDWR | O_CLOEXEC))
    let input = try Self.memory(holding: program.input)
    var output = Int32(1)
    var error = Int32(2)
    var reading: Descriptor?
    var writing: Descriptor?
    switch program.output {
    case .inherited: break
    case .discarded: (output, error) = (null.number, null.number)
    case .captured:
      var ends: [Int32] = [0, 0]
      if unsafe pipe2(&ends, O_CLOEXEC | O_NONBLOCK) != 0 { throw SystemError("pipe2") }
      reading = Descriptor(owning: ends[0])
      writing = Descriptor(owning: ends[1])
      _ = fcntl(ends[1], F_SETFL, 0)
      (output, error) = (ends[1], ends[1])
    case .file(let path):
      let file = try Descriptor(
        "open \(path)",
        unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600))
      (output, error) = (file.number, file.number)
      writing = consume file
    }
    let started = Self.spawn(
      program, input: Self.number(of: input) ?? null.number, output: output, error: error)
    _ = consume writing
    _ = consume input
    if started < 0 { throw SystemError("start \(program.path)", code: -started) }
    pid = started
    watched = try Descriptor("pidfd_open", pidfd_open(started, 0))
    pipe = consume reading
  }

  /// A file that has no name and no place but memory, to be read from its beginning; nil for
  /// nothing.
  private static func memory(holding content: [UInt8]) throws(SystemError) -> Descriptor? {
    if content.isEmpty { return nil }
    let file = try Descriptor(
      "memfd_create", unsafe memfd_create("standard input", UInt32(MFD_CLOEXEC)))
    var written = 0
    while written < content.count {
      switch file.write(content.span.extracting(written..<content.count)) {
      case .bytes(let count): written += count
      case .wouldBlock: continue
      case .failed(let code): throw SystemError("write standard input", code: code)
      }
    }
    if lseek(file.number, 0, SEEK_SET) != 0 { throw SystemError("lseek") }
    return file
  }

  private static func spawn(
    _ program: Program, input: Int32, output: Int32, error: Int32
  ) -> Int32 {
    var arguments = unsafe ([program.path] + program.arguments).map { unsafe strdup($0) }
    unsafe arguments.append(nil)
    var environment = unsafe (program.environment ?? Environment.entries()).map {
      unsafe strdup($0)
    }
    unsafe environment.append(nil)
    defer {
      unsafe arguments.forEach { unsafe free($0) }
      unsafe environment.forEach { unsafe free($0) }
    }
    let folder = unsafe program.folder.map { unsafe strdup($0)! }
    defer { unsafe free(folder) }
    return unsafe program.path.withCString { path in
      unsafe arguments.withUnsafeBufferPointer { arguments in
        unsafe environment.withUnsafeBufferPointer { environment in
          var child = unsafe colophon_child(
            path: path, arguments: arguments.baseAddress!, environment: environment.baseAddress!,
            folder: folder, user: program.user.map { Int32(bitPattern: $0.user) } ?? -1,
            group: program.user.map { Int32(bitPattern: $0.group) } ?? -1,
            death_signal: program.deathSignal ?? 0, input: input, output: output, error: error)
          return unsafe colophon_spawn(&child)
        }
      }
    }
  }

  private func listen() throws(SystemError) {
    registration = try loop.register(watched.number, for: .readable, token: 0, of: self)
    if let number = pipeNumber {
      pipeRegistration = try loop.register(number, for: .readable, token: 1, of: self)
    }
  }

  private var pipeNumber: Int32? { Self.number(of: pipe) }

  private static func number(of descriptor: borrowing Descriptor?) -> Int32? {
    switch descriptor {
    case .some(let descriptor): descriptor.number
    case .none: nil
    }
  }

  package func ready(_ token: Int, _ events: ReadyEvents) {
    if token == 1 {
      drainPipe()
      return
    }
    drainPipe()
    var information = unsafe siginfo_t()
    let code = unsafe waitid(P_PIDFD, id_t(watched.number), &information, WEXITED | WNOHANG)
    guard code == 0, unsafe information._sifields._sigchld.si_pid == pid else { return }
    let status = unsafe information._sifields._sigchld.si_status
    var exit: Exit = unsafe information.si_code == CLD_EXITED ? .status(status) : .signal(status)
    if isOverdue, exit == .signal(SIGKILL) { exit = .overdue }
    ended = exit
    if let registration { loop.unregister(registration) }
    if let pipeRegistration { loop.unregister(pipeRegistration) }
    registration = nil
    pipeRegistration = nil
    unsafe waiting.forEach { unsafe $0.resume(returning: exit) }
    unsafe waiting.removeAll()
  }

  private func drainPipe() {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      switch pipe?.read(into: &buffer) {
      case .bytes(let count):
        captured += buffer[..<count]
        if captured.count > 65_536 { captured.removeFirst(captured.count - 65_536) }
      case .ended, .failed:
        // A program may close its output long before it ends; the loop would spin on that news.
        if let pipeRegistration { loop.unregister(pipeRegistration) }
        pipeRegistration = nil
        return
      case .wouldBlock, nil: return
      }
    }
  }

  private func takeCaptured() -> [UInt8] { captured }

  /// Waits for the end of the program; may be asked by several and again.
  package func exit() async -> Exit {
    await unsafe withUnsafeContinuation { continuation in
      // Asked here: others may run before this task waits.
      if let ended {
        unsafe continuation.resume(returning: ended)
      } else {
        unsafe waiting.append(continuation)
      }
    }
  }

  private func end(at due: MonotonicInstant) { loop.schedule(0, of: self, at: due) }

  package func expired(_ token: Int) {
    if ended != nil { return }
    isOverdue = true
    // Not yet reaped, so that the number is still its own and its group's.
    _ = kill(-pid, SIGKILL)
  }

  /// Sends a signal, unless the program has ended and been reaped: its number may be another's then.
  package func send(_ signal: Int32) {
    if ended == nil { _ = kill(pid, signal) }
  }
}

/// A user of this machine, from its user database.
package struct UserAccount: Sendable, Equatable {
  package let name: String
  package let user: UInt32
  package let group: UInt32

  package init?(named name: String) {
    guard let entry = unsafe getpwnam(name) else { return nil }
    self.name = name
    user = unsafe entry.pointee.pw_uid
    group = unsafe entry.pointee.pw_gid
  }

  package init?(user: UInt32) {
    guard let entry = unsafe getpwuid(user) else { return nil }
    name = unsafe String(cString: entry.pointee.pw_name)
    self.user = user
    group = unsafe entry.pointee.pw_gid
  }

  /// The user this process runs as.
  package static var effectiveUser: UInt32 { geteuid() }
}
