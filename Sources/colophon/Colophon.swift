import ContentAPI
import EventLoop
import Glibc

/// The program: reads the command line, makes the main thread an event loop and runs one command on
/// it. The commands wire the parts together and decide nothing about content.
@main
enum Colophon {
  static let version = "0.1.0"

  /// The signals that end a server in order. They end every other command at once, as usual.
  static let signals = [SIGTERM, SIGINT]

  static func main() {
    Terminal.openMissing()
    let status: Status
    do {
      let command = try Command(arguments: Array(CommandLine.arguments.dropFirst()))
      // Before any other thread exists, so that every one of them inherits the mask.
      Signals.block(command.serves ? signals : [])
      let environment = try Credentials.added(to: Environment.variables())
      let loop = try EventLoop()
      status = loop.run { await run(command, environment: environment, loop: loop) }
    } catch let usage as UsageError {
      Terminal.note("colophon: \(usage.message)\nTry: colophon --help")
      status = .usage
    } catch let failure as Failure {
      Terminal.note("colophon: \(failure.message)")
      status = .failed
    } catch {
      Terminal.note("colophon: \(error)")
      status = .failed
    }
    exit(status.rawValue)
  }

  /// What the shell is told.
  enum Status: Int32, Sendable {
    case done = 0
    case failed = 1
    case usage = 2
  }

  private static func run(
    _ command: Command, environment: [String: String], loop: EventLoop
  ) async -> Status {
    do {
      switch command {
      case .help(let topic): Terminal.print(Help.text(of: topic))
      case .version: Terminal.print("colophon \(version)")
      case .dev(let options):
        let configuration = try Configuration(environment)
        return try await Dev(options: options, configuration: configuration, loop: loop).run()
      case .serve:
        return try await Serve(
          configuration: try Configuration(environment), supervisor: Supervisor(environment),
          loop: loop
        ).run()
      case .migrate:
        return try await Migrate(configuration: try Configuration(environment), loop: loop).run()
      case .check(let asJSON):
        return try await Check(asJSON: asJSON, environment: environment, loop: loop).run()
      case .key(let action):
        let configuration = try Configuration(environment)
        return try await Key(action: action, configuration: configuration, loop: loop).run()
      case .mail(let action):
        let configuration = try Configuration(environment)
        return try await Mail(action: action, configuration: configuration, loop: loop).run()
      case .top(let address):
        let configuration = try Configuration(environment)
        return try await Top(address ?? configuration.privateListen, on: loop).run()
      case .importing(let paths, let dryRun):
        let configuration = try Configuration(environment)
        return try await Import(
          paths: paths, isRehearsal: dryRun, configuration: configuration, loop: loop
        ).run()
      case .exporting(let folder):
        let configuration = try Configuration(environment)
        return try await Export(folder: folder, configuration: configuration, loop: loop).run()
      }
      return .done
    } catch let error as ConfigurationError {
      for fault in error.faults { Terminal.note("colophon: \(fault)") }
      Terminal.note("The variables are listed by: colophon help serve")
      return .usage
    } catch let failure as Failure {
      Terminal.note("colophon: \(failure.message)")
      return .failed
    } catch {
      Terminal.note("colophon: \(error)")
      return .failed
    }
  }
}

/// A command that could not do its work; the message says what happened and what to do next.
struct Failure: Error {
  let message: String

  init(_ message: String) { self.message = message }
}
