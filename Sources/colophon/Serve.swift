import ContentAPI
import EventLoop
import Postgres

/// `colophon serve`.
struct Serve {
  let configuration: Configuration
  let supervisor: Supervisor
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    try configuration.checkServing()
    let given = try GivenListeners(try supervisor.listeners())
    let log = try Log.standard(configuration.logLevel)
    defer { log.finish(within: Log.patience) }
    let observer = Observer(log)
    let ending = try await Ending.start(on: loop)
    await (try await Database.openMade(configuration.databaseURL, on: loop)).close()
    var mail: MailTransport?
    if configuration.mailFrom != nil {
      mail = .sendmail(path: configuration.sendmail)
      if !Files.isExecutable(configuration.sendmail) {
        observer.note(.noSendmail(path: configuration.sendmail))
      }
    } else {
      observer.note(.mailStays)
    }
    let service = try await Service.start(
      configuration, databaseURL: configuration.databaseURL ?? "",
      standbyURL: configuration.readDatabaseURL, mail: mail, log: log, given: given, on: loop)
    service.announce()
    let supervision = Supervision(of: service, by: supervisor, on: loop)
    Task.immediate(executorPreference: loop) { await supervision.run() }
    _ = await ending.wait()
    await supervision.ends(within: configuration.drain)
    await service.drain(within: configuration.drain)
    return .done
  }
}
