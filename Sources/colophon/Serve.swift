import ContentAPI
import EventLoop
import Postgres

/// `colophon serve`.
struct Serve {
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let ending = try await Ending.start(on: loop)
    await (try await Database.openMade(configuration.databaseURL, on: loop)).close()
    let service = try await Service.start(
      configuration, databaseURL: configuration.databaseURL ?? "", on: loop)
    service.announce()
    _ = await ending.wait()
    Terminal.tryNote("Ending: requests under way are answered first.")
    await service.drain(within: configuration.drain)
    return .done
  }
}
