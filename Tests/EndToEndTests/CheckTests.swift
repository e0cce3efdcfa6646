import EventLoop
import Glibc
import JSON
import Testing

extension TheProgram {
  @Suite struct Checking {
    /// Each breaks one thing of a database that is sound, and mends it again.
    private static let faults: [(breaking: String, mending: String, words: String)] = [
      (
        "alter role colophon_runtime superuser", "alter role colophon_runtime nosuperuser",
        "wrong role .* is a superuser"
      ),
      (
        "grant create on schema colophon to colophon_runtime",
        "revoke create on schema colophon from colophon_runtime",
        "wrong role .* may make tables"
      ),
      (
        "grant create on database sound to colophon_runtime",
        "revoke create on database sound from colophon_runtime",
        "wrong role .* may make schemas"
      ),
      (
        "grant colophon_owner to colophon_runtime", "revoke colophon_owner from colophon_runtime",
        "wrong role .* owns the tables"
      ),
      (
        "revoke select on colophon.posts from colophon_runtime",
        "grant select on colophon.posts to colophon_runtime",
        "wrong role .* the owner runs: grant select"
      ),
      (
        "grant update on colophon.schema_version to colophon_runtime",
        "revoke update on colophon.schema_version from colophon_runtime",
        "wrong role .* the owner runs: revoke insert"
      ),
      (
        "alter role colophon_runtime set default_transaction_read_only = on",
        "alter role colophon_runtime reset default_transaction_read_only",
        "wrong server .* refuses writes"
      ),
      (
        "alter role colophon_runtime set idle_session_timeout = '1min'",
        "alter role colophon_runtime reset idle_session_timeout",
        "note  idle sessions .* is 1min"
      ),
      (
        "alter role colophon_runtime connection limit 5",
        "alter role colophon_runtime connection limit -1", "wrong connections .* room for 5;"
      ),
      (
        "alter system set fsync = off", "alter system set fsync = on",
        "wrong durability .* fsync is off"
      ),
      (
        "alter system set full_page_writes = off", "alter system set full_page_writes = on",
        "wrong durability .* full_page_writes is off"
      ),
      (
        "alter table colophon.schema_version rename to other",
        "alter table colophon.other rename to schema_version", "wrong schema .* there is none"
      ),
      (
        "update colophon.schema_version set version = 99, oldest_binary = 98",
        "update colophon.schema_version set oldest_binary = 1, version = 6",
        "wrong schema .* needs a program of version 98"
      ),
    ]

    @Test func `says what is wrong with a database, one thing at a time`() async throws {
      try await Stage.run { stage in
        // A server as people have it: that of the other tests does without fsync.
        let dev = try await stage.start(["dev", "--empty", "--port", "0", "--data", "data"])
        let all = try await dev.line("Database: ")
        _ = try await dev.address()
        for sql in [
          "create role colophon_owner login", "create role colophon_runtime login",
          "create database sound owner colophon_owner",
          "create database ascii template template0 encoding 'SQL_ASCII' lc_collate 'C' "
            + "lc_ctype 'C'",
        ] { _ = try await stage.ask(all, sql) }
        let superuser = all + " dbname=sound"
        func conninfo(_ database: String, as role: String) -> String {
          "\(all) dbname=\(database) user=\(role)"
        }
        let owner = conninfo("sound", as: "colophon_owner")
        let runtime = conninfo("sound", as: "colophon_runtime")
        let made = try await stage.run(["migrate"], ["DATABASE_URL": owner])
        try #require(made.exit == .status(0), "\(made.errors)")
        // What only the administrator may do.
        for statement in made.output.split(separator: "\n") {
          _ = try await stage.ask(superuser, String(statement))
        }
        let environment = [
          "DATABASE_URL": runtime, "COLOPHON_PUBLIC_URL": "https://api.example.com",
          "COLOPHON_TRUSTED_PROXIES": "127.0.0.1",
        ]
        func check(_ changes: [String: String] = [:]) async throws -> Finished {
          try await stage.run(["check"], environment.merging(changes) { $1 })
        }
        func findsNothingWrong() async throws -> Bool {
          let checked = try await check()
          return checked.exit == .status(0)
            && !checked.output.split(separator: "\n").contains { $0.hasPrefix("wrong") }
        }
        #expect(await stage.comesToHold { (try? await findsNothingWrong()) == true })
        let sound = try await check()
        #expect(sound.output.contains("colophon_runtime may read and write rows, and nothing else"))
        #expect(sound.errors == "")

        for fault in Self.faults {
          let words = try Regex(fault.words)
          _ = try await stage.ask(superuser, fault.breaking)
          _ = try await stage.ask(superuser, "select pg_reload_conf()")
          var last = ""
          #expect(
            await stage.comesToHold {
              guard let checked = try? await check() else { return false }
              last = checked.output
              let isWrong = fault.words.hasPrefix("wrong")
              return checked.output.contains(words) && checked.exit == .status(isWrong ? 1 : 0)
            }, "\(fault.breaking): \(last)")
          _ = try await stage.ask(superuser, fault.mending)
          _ = try await stage.ask(superuser, "select pg_reload_conf()")
          #expect(
            await stage.comesToHold { (try? await findsNothingWrong()) == true },
            "\(fault.mending)")
        }
        let cases = [
          (
            "DATABASE_URL", runtime + " options='-c statement_timeout=1s'", "is 1s instead of 5s", 0
          ),
          ("DATABASE_URL", owner, "owns the tables", 1),
          ("DATABASE_URL", conninfo("ascii", as: "colophon_runtime"), "SQL_ASCII", 1),
          ("DATABASE_URL", "host=127.0.0.1 port=1 dbname=x", "cannot be reached", 1),
          ("COLOPHON_LISTNE", "127.0.0.1:1", "is not a variable of Colophon", 1),
        ]
        for (name, value, words, status) in cases {
          let checked = try await check([name: value])
          #expect(checked.output.contains(words), "\(checked.output)")
          #expect(checked.exit == .status(Int32(status)))
        }

        let json = try await stage.run(["check", "--json"], environment)
        let findings = try JSONReader.read(Array(json.output.utf8).span).arrayValue ?? []
        #expect(findings.count == sound.output.split(separator: "\n").count)
        #expect(findings.allSatisfy { $0["verdict"]?.stringValue != "wrong" })

        let server = try #require(OtherProcess.children(of: dev.pid).first)
        let processes = [server] + OtherProcess.children(of: server)
        for process in processes { OtherProcess.send(SIGSTOP, to: process) }
        let frozen = try await check()
        for process in processes { OtherProcess.send(SIGCONT, to: process) }
        #expect(frozen.exit == .status(1))
        #expect(frozen.output.contains(try Regex("wrong database .* no connection within")))
        await dev.send(SIGTERM)
        #expect(try await dev.exit() == .status(0))
        let stopped = try await check()
        #expect(stopped.exit == .status(1))
        #expect(stopped.output.contains(try Regex("wrong database .* cannot be reached")))
      }
    }
  }
}
