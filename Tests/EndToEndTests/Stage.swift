import EventLoop
import Glibc
import LocalPostgres
import Postgres
import Synchronization
import Testing
import Turns

/// Everything that starts the real program. Two tests at a time: most of them wait half of their
/// time, and use up what processors there are in the other half.
@Suite(.turnsOfTwo) struct TheProgram {}

/// A loop, a temporary folder and the programs of one test; all are gone when the test is over.
struct Stage: Sendable {
  let loop: EventLoop
  let folder: String
  private let programs: Programs

  private final class Programs: Sendable {
    let list = Mutex<[ChildProcess]>([])
    let count = Atomic(0)
  }

  /// Runs `body` on the thread of a new loop. What it has started and not ended is killed.
  static func run<Result: Sendable>(
    _ body: @Sendable @escaping (Stage) async throws -> Result
  ) async throws -> Result {
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    let folder = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-program-")
    defer { Files.remove(folder) }
    // Root's PostgreSQL is another user's, who has to get in.
    try Files.setMode(folder, 0o711)
    let stage = Stage(loop: loop, folder: folder, programs: Programs())
    let result = await Task(executorPreference: loop) { try await body(stage) }.result
    await Task(executorPreference: loop) { await stage.killPrograms() }.value
    return try result.get()
  }

  private func killPrograms() async {
    for program in programs.list.withLock({ $0 }) where await program.ended == nil {
      let children = OtherProcess.children(of: program.pid)
      await program.send(SIGKILL)
      _ = await program.exit()
      // PostgreSQL hears of it and shuts down; its folder can be removed only after that.
      _ = await comesToHold(within: .seconds(30)) {
        children.allSatisfy { OtherProcess.arguments($0).isEmpty }
      }
    }
  }

  /// The program, which the build has put beside the bundle of the tests.
  static let executable: String = {
    let bundle = Files.resolve("/proc/self/exe") ?? ""
    return bundle.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/colophon"
  }()

  /// Starts `colophon` with `arguments`. Of the environment it gets what does not concern it.
  func start(
    _ arguments: [String], _ environment: [String: String] = [:], in folder: String? = nil
  ) async throws -> Program {
    try await start(command: [Self.executable] + arguments, environment, in: folder)
  }

  /// Starts any program; `command` begins with its path.
  func start(
    command: [String], _ environment: [String: String] = [:], in folder: String? = nil
  ) async throws -> Program {
    let (number, _) = programs.count.wrappingAdd(1, ordering: .relaxed)
    let (output, errors) = ("\(self.folder)/output-\(number)", "\(self.folder)/errors-\(number)")
    // The shell parts the two streams and then becomes the program.
    var shell = ChildProcess.Program(
      "/bin/sh", ["-c", "exec 2>>\"$0\"; exec \"$@\"", errors] + command)
    shell.environment =
      Environment.entries().filter { entry in
        !["COLOPHON_", "DATABASE_URL=", "PG"].contains { entry.hasPrefix($0) }
      } + environment.map { "\($0)=\($1)" }
    shell.folder = folder ?? self.folder
    shell.deathSignal = SIGKILL
    shell.output = .file(output)
    let process = try await ChildProcess.start(shell, on: loop)
    programs.list.withLock { $0.append(process) }
    return Program(process: process, outputFile: output, errorFile: errors, loop: loop)
  }

  /// Runs `colophon` to its end.
  func run(
    _ arguments: [String], _ environment: [String: String] = [:], in folder: String? = nil
  ) async throws -> Finished {
    try await start(arguments, environment, in: folder).finished()
  }

  /// The rows of `sql`, first column.
  func ask(_ conninfo: String, _ sql: String) async throws -> [String] {
    let connection = try await Connection.open(
      conninfo, on: loop, deadline: .now() + .seconds(60))
    do {
      let rows = try await connection.query(sql)
      await connection.close()
      return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    } catch {
      await connection.close()
      throw error
    }
  }

  /// Waits until `condition` holds; whether it came to hold in time.
  func comesToHold(
    within patience: Duration = .seconds(60), _ condition: () async throws -> Bool
  ) async rethrows -> Bool {
    let deadline = MonotonicInstant.now() + patience
    while try await !condition() {
      if .now() > deadline { return false }
      await loop.sleep(for: .milliseconds(5))
    }
    return true
  }
}

/// A program that a stage has started.
struct Program: Sendable {
  let process: ChildProcess
  fileprivate let outputFile: String
  fileprivate let errorFile: String
  fileprivate let loop: EventLoop

  var pid: Int32 { process.pid }
  /// What it has written to standard output so far.
  var output: String { Self.text(outputFile) }
  /// What it has written to standard error so far.
  var errors: String { Self.text(errorFile) }

  private static func text(_ path: String) -> String {
    String(decoding: (try? Files.read(path)) ?? [], as: UTF8.self)
  }

  func send(_ signal: Int32) async { await process.send(signal) }

  /// Waits for its end; fails the test when that does not come in time.
  func exit(
    within patience: Duration = .seconds(90), at location: SourceLocation = #_sourceLocation
  ) async throws -> ChildProcess.Exit {
    let deadline = MonotonicInstant.now() + patience
    while await process.ended == nil {
      if .now() > deadline {
        Issue.record("it still runs after \(patience)\n\(errors)", sourceLocation: location)
        throw Overdue()
      }
      await loop.sleep(for: .milliseconds(5))
    }
    return await process.exit()
  }

  func finished() async throws -> Finished {
    let exit = try await exit()
    return Finished(exit: exit, output: output, errors: errors)
  }

  /// Waits for the rest of a line of standard output that begins with `prefix`.
  func line(
    _ prefix: String, within patience: Duration = .seconds(90),
    at location: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let deadline = MonotonicInstant.now() + patience
    while true {
      let ended = await process.ended
      // The last line may have no end yet.
      let lines = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      if let line = lines.first(where: { $0.hasPrefix(prefix) }) {
        return String(line.dropFirst(prefix.count))
      }
      if ended != nil || .now() > deadline {
        Issue.record(
          "no line “\(prefix)”, \(ended.map { "\($0)" } ?? "still running"):\n\(output)\(errors)",
          sourceLocation: location)
        throw Overdue()
      }
      await loop.sleep(for: .milliseconds(5))
    }
  }

  /// Where it serves, once it says so.
  func address(at location: SourceLocation = #_sourceLocation) async throws -> SocketAddress {
    try #require(SocketAddress(try await line("listening on http://", at: location)))
  }

  /// Where its health is told, once it says so.
  func privateAddress(at location: SourceLocation = #_sourceLocation) async throws -> SocketAddress
  {
    let line = try await line("private, for health checks: http://", at: location)
    return try #require(SocketAddress(line))
  }
}

/// What became of a program that has ended.
struct Finished: Sendable {
  let exit: ChildProcess.Exit
  let output: String
  let errors: String
}

/// Something did not happen in time; what, stands in the issue that was recorded.
struct Overdue: Error {}
