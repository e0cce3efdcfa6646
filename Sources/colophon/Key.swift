import ContentAPI
import EventLoop
import JSON
import Postgres

/// `colophon key`: the key alone on standard output, words on standard error.
struct Key {
  let action: Command.KeyAction
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let connection = try await Database.openMade(configuration.databaseURL, on: loop)
    let register = KeyRegister(connection)
    let status = try await Database.explaining { try await perform(on: register) }
    await connection.close()
    return status
  }

  private func perform(on register: KeyRegister) async throws -> Colophon.Status {
    switch action {
    case .create(let name, let scopes):
      let key = APIKey(random: RandomBytes.make(30))
      try await register.create(name: name, scopes: scopes, key: key)
      Terminal.print(key.text)
      Terminal.note("This is the key \(key.id). It is shown this once; only a digest is kept.")
    case .list(let asJSON): list(try await register.list(), asJSON: asJSON)
    case .rotate(let id):
      switch try await register.rotate(id, to: APIKey(random: RandomBytes.make(30))) {
      case .rotated(let key):
        Terminal.print(key.text)
        Terminal.note(
          "This is the key \(key.id). \(id) works too until: colophon key revoke \(id)")
      case .unknown: throw Failure("there is no active key \(id); see: colophon key list")
      case .tooMany(let active):
        throw Failure(
          "two keys of this account are active: \(active.joined(separator: " and ")); "
            + "revoke the one that is not used any more first")
      }
    case .revoke(let id):
      guard try await register.revoke(id) else {
        throw Failure("there is no key \(id); see: colophon key list")
      }
      Terminal.note("\(id) is revoked; it stops working within 8 seconds.")
    }
    return .done
  }

  private func list(_ entries: [KeyRegister.Entry], asJSON: Bool) {
    if asJSON {
      var json = JSONWriter()
      json.beginArray()
      for entry in entries { entry.write(to: &json) }
      json.endArray()
      Terminal.print(String(decoding: json.bytes, as: UTF8.self))
      return
    }
    if entries.isEmpty {
      Terminal.note("There are no keys; make one: colophon key create NAME --scope posts:write")
    }
    for entry in entries {
      Terminal.print(
        [
          entry.id, entry.name, entry.scopes.joined(separator: ","),
          entry.lastUsedAt ?? "never used", entry.state,
        ].joined(separator: "\t"))
    }
  }
}
