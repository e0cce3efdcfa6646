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
    await (try await Database.openMade(configuration.databaseURL, on: loop)).close()
    let loops = try startLoops(besides: loop)
    let service = try await Service.start(
      configuration, databaseURL: configuration.databaseURL ?? "", loops: loops)
    guard await service.isReady(within: .seconds(30), on: loop) else {
      throw Failure("the database did not become ready within 30 seconds")
    }
    service.announce()
    _ = await ending.wait()
    Terminal.tryNote("Ending: requests under way are answered first.")
    await service.drain(within: configuration.drain)
    return .done
  }
}
