import ContentAPI
import EventLoop
import LocalPostgres
import Postgres
import Synchronization
import Testing

/// A program that takes mail as sendmail does and keeps it in a folder, with what it was called with.
/// Tests tell it by files there how to behave.
struct FakeSendmail: Sendable {
  let folder: String
  var path: String { folder + "/sendmail" }

  /// Runs `body` with one.
  static func run(_ body: (FakeSendmail) async throws -> Void) async throws {
    let sendmail = FakeSendmail(
      folder: try Files.makeTemporaryFolder(prefix: "/tmp/colophon-sendmail-"))
    defer { Files.remove(sendmail.folder) }
    let script = """
      #!/bin/sh
      folder='\(sendmail.folder)'
      file=$(mktemp "$folder/taking-XXXXXX")
      printf '%s\\n' "$@" >"$file.arguments"
      env >"$file.environment"
      cat >"$file"
      name=mail-${file##*taking-}
      mv "$file.arguments" "$folder/$name.arguments"
      mv "$file.environment" "$folder/$name.environment"
      mv "$file" "$folder/$name.mail"
      [ ! -e "$folder/talks" ] || cat "$folder/$name.mail" >&2
      while [ -e "$folder/waits" ]; do sleep 0.01; done
      if [ -e "$folder/status" ]; then read status <"$folder/status"; exit "$status"; fi
      """
    try Files.write(Array(script.utf8), to: sendmail.path, mode: 0o755)
    try await body(sendmail)
  }

  /// Makes it end with a status, or with 0 again.
  func fail(with status: Int?) throws {
    Files.remove(folder + "/status")
    if let status {
      try Files.write(Array("\(status)\n".utf8), to: folder + "/status", mode: 0o644)
    }
  }

  /// Makes it wait, after it has taken a mail and before it ends.
  func setWaits(_ waits: Bool) throws {
    if waits {
      try Files.write([], to: folder + "/waits", mode: 0o644)
    } else {
      Files.remove(folder + "/waits")
    }
  }

  /// Makes it print the mails that it gets.
  func talk() throws { try Files.write([], to: folder + "/talks", mode: 0o644) }

  private func contents(_ ending: String) throws -> [String] {
    try Files.names(in: folder).filter { $0.hasPrefix("mail-") && $0.hasSuffix(ending) }.map {
      String(decoding: try Files.read(folder + "/" + $0), as: UTF8.self)
    }
  }

  /// What it has got, in no order.
  func mails() throws -> [ReadMail] { try contents(".mail").map { try ReadMail($0) } }
  func arguments() throws -> [[String]] {
    try contents(".arguments").map {
      $0.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
  }
  func environments() throws -> [String] { try contents(".environment") }
}

/// Everything that a worker has told.
final class MailEvents: Sendable {
  private let list = Mutex<[MailEvent]>([])
  var all: [MailEvent] { list.withLock { $0 } }
  func add(_ event: MailEvent) { list.withLock { $0.append(event) } }
}

extension Site {
  /// Orders a mail as a sign-up does; its id.
  @discardableResult
  func orderMail(to email: String, status: String = "pending") async throws -> String {
    try await value(
      """
      with s as (
        insert into colophon.subscriptions (email, address, status, confirmed_at)
        values ($1::text, lower($1::text), $2::text,
          case when $2::text = 'active' then colophon.clock() end)
        returning id
      )
      insert into colophon.mails (subscription_id) select s.id from s returning id
      """, [.text(email), .text(status)]) ?? ""
  }

  nonisolated func worker(
    _ transport: MailTransport, _ events: MailEvents = MailEvents()
  ) throws -> MailWorker {
    MailWorker(
      pool: pool, transport: transport, sender: try MailAddress("news@example.com"),
      publicURL: "https://api.example.com"
    ) { events.add($0) }
  }

  /// Everything in the database, as pg_dump writes it.
  func dump() async throws -> String {
    let folder = try await ServerPrograms.find(on: loop).folder
    var program = ChildProcess.Program(
      folder + "/pg_dump", ["--inserts", "-f", "/dev/stdout", "-n", "colophon", superuser])
    let file = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-dump-")
    defer { Files.remove(file) }
    program.output = .file(file + "/dump")
    let exit = try await ChildProcess.run(program, on: loop).exit
    try #require(exit == .status(0))
    return String(decoding: try Files.read(file + "/dump"), as: UTF8.self)
  }

  /// Waits until `condition` holds.
  func wait(until condition: () async throws -> Bool) async throws {
    let deadline = MonotonicInstant.now() + .seconds(60)
    while try await !condition() {
      guard .now() < deadline else { throw NeverHeld() }
      await loop.sleep(for: .milliseconds(5))
    }
  }
}

struct NeverHeld: Error {}
