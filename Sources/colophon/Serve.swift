import ContentAPI
import EventLoop
import Postgres

/// `colophon serve`.
struct Serve {
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    try configuration.checkServing()
    let ending = try await Ending.start(on: loop)
    await (try await Database.openMade(configuration.databaseURL, on: loop)).close()
    var mail: MailTransport?
    if configuration.mailFrom != nil {
      mail = .sendmail(path: configuration.sendmail)
      if !Files.isExecutable(configuration.sendmail) {
        Terminal.note(
          "colophon: \(configuration.sendmail) is no program; handing mails over fails until it is "
            + "one, or COLOPHON_SENDMAIL names another")
      }
    } else {
      Terminal.note(
        "colophon: without COLOPHON_MAIL_FROM no mail leaves; who signs up waits for it")
    }
    let service = try await Service.start(
      configuration, databaseURL: configuration.databaseURL ?? "",
      standbyURL: configuration.readDatabaseURL, mail: mail, on: loop)
    service.announce()
    _ = await ending.wait()
    Terminal.tryNote("Ending: requests under way are answered first.")
    await service.drain(within: configuration.drain)
    return .done
  }
}
