import EventLoop
import Glibc
import JSON
import Postgres
import Testing

/// A program that takes mail as sendmail does, and does with it what files in its folder say.
private struct Sendmail: Sendable {
  let folder: String
  var path: String { folder + "/sendmail" }

  init(on stage: Stage) throws {
    folder = stage.folder + "/mail"
    try Files.makeFolder(folder, mode: 0o755)
    let script = """
      #!/bin/sh
      file=$(mktemp '\(folder)/taking-XXXXXX')
      cat >"$file"
      mv "$file" "\(folder)/mail-${file##*taking-}"
      [ ! -e '\(folder)/talks' ] || cat "\(folder)/mail-${file##*taking-}" >&2
      while [ -e '\(folder)/waits' ]; do sleep 0.01; done
      [ ! -e '\(folder)/fails' ] || exit 75
      """
    try Files.write(Array(script.utf8), to: path, mode: 0o755)
  }

  func set(_ name: String, _ isSet: Bool) throws {
    if isSet {
      try Files.write([], to: folder + "/" + name, mode: 0o644)
    } else {
      Files.remove(folder + "/" + name)
    }
  }

  var mails: [String] {
    Files.names(in: folder).filter { $0.hasPrefix("mail-") }.map {
      String(decoding: (try? Files.read(folder + "/" + $0)) ?? [], as: UTF8.self)
    }
  }

  /// The values of a field in all mails.
  func values(of field: String) -> [String] {
    mails.flatMap { $0.split(separator: "\n") }.filter { $0.hasPrefix(field + ": ") }.map {
      String($0.dropFirst(field.utf8.count + 2))
    }
  }

  var tokens: [String] {
    mails.flatMap { $0.matches(of: /token=([A-Za-z0-9_-]{43})/) }.map { String($0.output.1) }
  }
}

extension Stage {
  fileprivate func serveMail(
    _ database: MadeDatabase, _ sendmail: Sendmail, _ environment: [String: String] = [:]
  ) async throws -> Served {
    let mail = [
      "COLOPHON_MAIL_FROM": "news@example.com", "COLOPHON_SENDMAIL": sendmail.path,
      "COLOPHON_PUBLIC_URL": "https://api.example.com",
    ]
    return try await serve(database.conninfo, environment.merging(mail) { one, _ in one })
  }

  fileprivate func signUp(_ email: String, at address: SocketAddress) async throws -> Int {
    let body = #"{"email":"\#(email)"}"#
    let head = Message.head(
      "POST /v1/newsletter/subscriptions",
      ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"])
    return try await ask(address, Array((head + body).utf8)).status
  }

  fileprivate func state(_ database: MadeDatabase) async throws -> [String] {
    try await ask(
      database.conninfo,
      """
      select concat_ws(' ', case when sent_at is not null then 'sent' when dead_at is not null
        then 'dead' else 'waiting' end, attempts) from colophon.mails order by ordered_at
      """)
  }
}

extension TheProgram {
  @Suite struct Mailing {
    @Test func `sends what was asked for, and tells the log neither address nor link`()
      async throws
    {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        let served = try await stage.serveMail(database, sendmail)
        let start = MonotonicInstant.now()
        #expect(try await stage.signUp("Ada@Example.org", at: served.address) == 202)
        #expect(await stage.comesToHold { sendmail.mails.count == 1 })
        note("a mail was in sendmail's hands \(MonotonicInstant.now() - start) after its sign-up")
        #expect(try await stage.comesToHold { try await stage.state(database) == ["sent 1"] })
        #expect(sendmail.values(of: "To") == ["Ada@Example.org"])
        #expect(sendmail.values(of: "From") == ["news@example.com"])
        #expect(sendmail.values(of: "List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"])
        #expect(
          sendmail.values(of: "List-Unsubscribe").allSatisfy {
            $0.hasPrefix("<https://api.example.com/newsletter/unsubscribe?token=")
          })
        // Twice the same within the hour is one mail.
        #expect(try await stage.signUp("ada@example.org", at: served.address) == 202)

        // What sendmail prints may hold anything.
        try sendmail.set("talks", true)
        try sendmail.set("fails", true)
        #expect(try await stage.signUp("eve@example.org", at: served.address) == 202)
        #expect(await stage.comesToHold { served.program.errors.contains("attempt 1 failed") })
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        let log = served.program.errors + served.program.output
        #expect(log.contains("handed over"))
        #expect(log.contains("temporary failure"))
        #expect(!log.lowercased().contains("@example.org"))
        #expect(sendmail.tokens.count >= 6)
        for token in sendmail.tokens { #expect(!log.contains(token.prefix(20))) }
      }
    }

    @Test func `sends a mail again, as the same one, when it was killed before it could note it`()
      async throws
    {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        let killed = try await stage.serveMail(database, sendmail)
        try sendmail.set("waits", true)
        #expect(try await stage.signUp("ada@example.org", at: killed.address) == 202)
        #expect(await stage.comesToHold { sendmail.mails.count == 1 })
        let death = MonotonicInstant.now()
        await killed.program.send(SIGKILL)
        #expect(try await killed.program.exit() == .signal(SIGKILL))
        try sendmail.set("waits", false)
        #expect(try await stage.state(database) == ["waiting 1"])

        _ = try await stage.serveMail(database, sendmail)
        #expect(await stage.comesToHold { sendmail.mails.count == 2 })
        let took = MonotonicInstant.now() - death
        note("after a SIGKILL the mail went again within \(took)")
        #expect(took < .seconds(30), "25 s on a machine that does nothing else")
        #expect(try await stage.comesToHold { try await stage.state(database) == ["sent 2"] })
        #expect(Set(sendmail.values(of: "Message-ID")).count == 1)
        #expect(sendmail.values(of: "Message-ID").count == 2)
      }
    }

    @Test func `finishes the mail in hand when it is told to end`() async throws {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        let served = try await stage.serveMail(database, sendmail)
        try sendmail.set("waits", true)
        #expect(try await stage.signUp("ada@example.org", at: served.address) == 202)
        #expect(await stage.comesToHold { sendmail.mails.count == 1 })
        await served.program.send(SIGTERM)
        #expect(
          await stage.comesToHold { (try? await stage.health(served, "/readyz")) == 503 })
        try sendmail.set("waits", false)
        #expect(try await served.program.exit() == .status(0))
        #expect(try await stage.state(database) == ["sent 1"])
      }
    }

    @Test func `ends within its bound when sendmail does not, and leaves no process`()
      async throws
    {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        let served = try await stage.serveMail(
          database, sendmail, ["COLOPHON_DRAIN_SECONDS": "1"])
        try sendmail.set("waits", true)
        #expect(try await stage.signUp("ada@example.org", at: served.address) == 202)
        #expect(await stage.comesToHold { sendmail.mails.count == 1 })
        let children = OtherProcess.children(of: served.program.pid)
        #expect(children.count == 1)
        let start = MonotonicInstant.now()
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        #expect(MonotonicInstant.now() - start < .seconds(8))
        #expect(
          await stage.comesToHold {
            children.allSatisfy { OtherProcess.arguments($0).isEmpty }
          })
        #expect(try await stage.state(database) == ["waiting 1"])
      }
    }

    @Test func `of two servers each mail is sent by one`() async throws {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        let servers = [
          try await stage.serveMail(database, sendmail),
          try await stage.serveMail(database, sendmail),
        ]
        _ = try await stage.ask(
          database.conninfo,
          """
          with s as (
            insert into colophon.subscriptions (email, address)
            select a, a from (select 'reader' || n || '@example.org' a
              from generate_series(1, 60) n) as readers
            returning id
          )
          insert into colophon.mails (subscription_id) select s.id from s
          """)
        #expect(
          try await stage.comesToHold {
            try await stage.state(database) == Array(repeating: "sent 1", count: 60)
          })
        #expect(sendmail.mails.count == 60)
        #expect(Set(sendmail.values(of: "To")).count == 60)
        #expect(Set(sendmail.values(of: "Message-ID")).count == 60)
        var shares: [Int] = []
        // A mail has left before the log says so.
        #expect(
          await stage.comesToHold {
            shares = servers.map {
              $0.program.errors.split(separator: "\n").count {
                $0.contains(#""event":"mail_left""#)
              }
            }
            return shares.reduce(0, +) == 60
          })
        note("two servers sent \(shares) of 60 mails")
        #expect(shares.allSatisfy { $0 > 0 })
      }
    }

    @Test func `lists the dead, and sends them again when it is told to`() async throws {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        try sendmail.set("fails", true)
        let database = try await MadeDatabase.make()
        let environment = ["DATABASE_URL": database.conninfo]
        let empty = try await stage.run(["mail", "list"], environment)
        #expect(empty.exit == .status(0) && empty.output == "")
        #expect(empty.errors.contains("Every mail has left"))

        let served = try await stage.serveMail(database, sendmail)
        #expect(try await stage.signUp("ada@example.org", at: served.address) == 202)
        let start = MonotonicInstant.now()
        #expect(await stage.comesToHold { sendmail.mails.count == 2 })
        note("the second attempt came within \(MonotonicInstant.now() - start) of the sign-up")
        #expect(MonotonicInstant.now() - start < .seconds(20))
        // The waits in between are hours, so the last attempt is brought near.
        let bring = "update colophon.mails set attempts = 11, next_attempt_at = colophon.clock()"
        _ = try await stage.ask(database.conninfo, bring)
        #expect(try await stage.comesToHold { try await stage.state(database) == ["dead 12"] })
        #expect(
          await stage.comesToHold { served.program.errors.contains("dead after 12 attempts") })

        #expect(
          try await stage.comesToHold {
            try await stage.get(served.health, "/metrics").text.contains("colophon_mails_dead 1\n")
          })

        let list = try await stage.run(["mail", "list"], environment)
        #expect(list.exit == .status(0) && list.errors == "")
        let columns = list.output.split(separator: "\n").map { $0.split(separator: "\t") }
        try #require(columns.count == 1 && columns[0].count == 6, "\(list.output)")
        let id = String(columns[0][0])
        #expect(columns[0][1...3] == ["ada@example.org", "dead", "12 of 12"])
        #expect(columns[0][5] == "sendmail ended with status 75 (temporary failure)")
        let json = try await stage.run(["mail", "list", "--json"], environment)
        let entry = try JSONReader.read(Array(json.output.utf8).span).arrayValue?.first
        #expect(entry?["id"]?.stringValue == id)
        #expect(entry?["state"]?.stringValue == "dead")
        #expect(entry?["attempts"]?.integerValue == 12)
        #expect(entry?["next_attempt_at"] == .null)
        #expect(entry?["dead_at"]?.stringValue?.hasSuffix("Z") == true)

        let unknown = try await stage.run(["mail", "retry", "none"], environment)
        #expect(unknown.exit == .status(1))
        #expect(unknown.errors.contains("colophon mail list"))
        #expect(sendmail.values(of: "Message-ID").count == 3)
        try sendmail.set("fails", false)
        let retried = try await stage.run(["mail", "retry", id], environment)
        #expect(retried.exit == .status(0) && retried.output == "")
        #expect(try await stage.comesToHold { try await stage.state(database) == ["sent 1"] })
        #expect(sendmail.values(of: "Message-ID").count == 4)
        #expect(Set(sendmail.values(of: "Message-ID")).count == 1)
        #expect(sendmail.values(of: "Message-ID").first?.hasPrefix("<\(id)@") == true)
        let none = try await stage.run(["mail", "retry", "--all"], environment)
        #expect(none.exit == .status(0))
        #expect(none.errors.contains("no dead mails"))
      }
    }

    @Test func `does not start where mails would have no links`() async throws {
      try await Stage.run { stage in
        let refused = try await stage.run(
          ["serve"],
          [
            "DATABASE_URL": "postgresql://127.0.0.1:1/none",
            "COLOPHON_MAIL_FROM": "news@example.com",
          ])
        #expect(refused.exit == .status(2))
        #expect(refused.errors.contains("COLOPHON_PUBLIC_URL"))
      }
    }

    @Test func `goes on when there is no sendmail, and says so`() async throws {
      try await Stage.run { stage in
        let sendmail = try Sendmail(on: stage)
        let database = try await MadeDatabase.make()
        Files.remove(sendmail.path)
        let served = try await stage.serveMail(database, sendmail)
        #expect(served.program.errors.contains(sendmail.path))
        #expect(try await stage.signUp("ada@example.org", at: served.address) == 202)
        #expect(await stage.comesToHold { served.program.errors.contains("could not be started") })
        #expect(try await stage.get(served.address, "/v1/posts").status == 200)
      }
    }

    @Test func `is shown by dev instead of sent`() async throws {
      try await Stage.run { stage in
        let dev = try await stage.start(
          ["dev", "--port", "0", "--empty", "--data", stage.folder + "/data"])
        let address = try await dev.address()
        #expect(try await stage.signUp("ada@example.org", at: address) == 202)
        #expect(try await dev.line("To: ") == "ada@example.org")
        #expect(await stage.comesToHold { dev.output.contains("--- end of the mail") })
        let link = try #require(
          dev.output.split(separator: "\n").first { $0.contains("/newsletter/confirm?token=") })
        #expect(link.hasPrefix("http://\(address)/newsletter/confirm?token="))
        let page = try await stage.get(
          address, String(link.dropFirst("http://\(address)".utf8.count)))
        #expect(page.status == 200)
        await dev.send(SIGTERM)
        #expect(try await dev.exit() == .status(0))
      }
    }
  }
}
