import ContentAPI
import EventLoop
import Postgres

/// `colophon serve`.
struct Serve {
  private let configuration: Configuration
  private let loop: EventLoop

  init(_ configuration: Configuration, loop: EventLoop) {
    self.configuration = configuration
    self.loop = loop
  }

  func run() async throws -> Colophon.Status {
    let ending = try await Ending.start(on: loop)
    try await checkSchema()
    let loops = try startLoops(besides: loop)
    let service = try await Service.start(
      configuration, databaseURL: configuration.databaseURL ?? "", loops: loops)
    guard await service.isReady(within: .seconds(30), on: loop) else {
      throw Failure("the database did not become ready within 30 seconds")
    }
    service.announce()
    await ending.wait()
    Terminal.note("Ending: requests under way are answered first.")
    await service.drain(within: configuration.drain)
    return .done
  }

  /// Refuses a database that this version cannot serve, and says which command mends it.
  private func checkSchema() async throws {
    let connection = try await Database.open(configuration.databaseURL, on: loop)
    let standing = try await Database.explaining { try await Schema.standing(connection) }
    await connection.close()
    switch standing {
    case .serves: return
    case .missing: throw Failure("the database is not made yet; run: colophon migrate")
    case .older(let version):
      throw Failure(
        "the database has version \(version), this program needs \(Schema.version); "
          + "run: colophon migrate")
    case .newer(let oldest):
      throw Failure(
        "the database needs a program of version \(oldest) or newer, this one is \(Schema.version); "
          + "install the newer program")
    }
  }
}
