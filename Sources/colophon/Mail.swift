import ContentAPI
import EventLoop
import JSON
import Postgres

/// `colophon mail`: the mails that have not left.
struct Mail {
  let action: Command.MailAction
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let connection = try await Database.openMade(configuration.databaseURL, on: loop)
    let register = MailRegister(connection)
    let status = try await Database.explaining { try await perform(on: register) }
    await connection.close()
    return status
  }

  private func perform(on register: MailRegister) async throws -> Colophon.Status {
    switch action {
    case .list(let asJSON): list(try await register.list(), asJSON: asJSON)
    case .retry(let id?):
      guard try await register.retry(id) == 1 else {
        throw Failure("there is no dead mail \(id); see: colophon mail list")
      }
      Terminal.note("\(id) goes to sendmail within seconds, if a server runs that sends mail.")
    case .retry(nil):
      let count = try await register.retry(nil)
      Terminal.note(
        count == 0
          ? "There are no dead mails."
          : "\(count) dead \(count == 1 ? "mail goes" : "mails go") to sendmail now, one by one, "
            + "if a server runs that sends mail.")
    }
    return .done
  }

  private func list(_ entries: [MailRegister.Entry], asJSON: Bool) {
    if asJSON {
      var json = JSONWriter()
      json.beginArray()
      for entry in entries { entry.write(to: &json) }
      json.endArray()
      Terminal.print(String(decoding: json.bytes, as: UTF8.self))
      return
    }
    if entries.isEmpty { Terminal.note("Every mail has left.") }
    for entry in entries {
      Terminal.print(
        [
          entry.id, entry.email, entry.state, "\(entry.attempts) of \(MailBackoff.attempts)",
          entry.nextAttemptAt.map { "again " + $0 } ?? "dead " + (entry.deadAt ?? ""),
          entry.failure ?? "not tried yet",
        ].joined(separator: "\t"))
    }
  }
}
