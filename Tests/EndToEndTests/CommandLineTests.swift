import EventLoop
import Glibc
import JSON
import LocalPostgres
import Postgres
import Testing

extension TheProgram {
  @Suite struct OnTheCommandLine {
    @Test func `tells how it is used`() async throws {
      try await Stage.run { stage in
        for arguments in [["--help"], ["-h"], ["help"]] {
          let help = try await stage.run(arguments)
          #expect(help.exit == .status(0))
          for command in [
            "dev", "serve", "migrate", "check", "import", "export", "key", "mail", "top",
          ] {
            #expect(help.output.contains("\n  \(command) "), "\(arguments)")
          }
          #expect(help.errors == "")
        }
        for arguments in [["help", "serve"], ["serve", "--help"]] {
          let help = try await stage.run(arguments)
          #expect(help.exit == .status(0))
          #expect(help.output.contains("Usage: colophon serve"))
          for variable in ["DATABASE_URL", "COLOPHON_LISTEN", "COLOPHON_PRIVATE_LISTEN"] {
            #expect(help.output.contains(variable), "\(arguments)")
          }
        }
        for command in [
          "dev", "migrate", "check", "import", "export", "key", "mail", "top",
        ] {
          let help = try await stage.run(["help", command])
          #expect(help.exit == .status(0))
          #expect(help.output.contains("Usage: colophon \(command)"))
        }
        let version = try await stage.run(["--version"])
        #expect(version.exit == .status(0))
        let words = version.output.split { $0 == " " || $0 == "\n" }
        #expect(words.count == 2 && words.first == "colophon", "\(version.output)")
      }
    }

    @Test(arguments: [
      [], ["server"], ["--hlep"], ["help", "server"], ["serve", "now"], ["serve", "--port", "1"],
      ["migrate", "--dry-run"], ["check", "--xml"], ["check", "--json", "now"], ["dev", "--port"],
      ["dev", "--port", "65536"],
      ["dev", "--port", "-1"], ["dev", "--port", "+1"], ["dev", "--prot", "1"], ["dev", "here"],
      ["dev", "--data", ""], ["key"], ["key", "show"], ["key", "create"],
      ["key", "create", "--scope", "posts:write"], ["key", "create", "laptop"],
      ["key", "create", "laptop", "--scope"], ["key", "create", "laptop", "--scope", ""],
      ["key", "create", "laptop", "--scope", "posts:read"],
      ["key", "create", "", "--scope", "posts:write"],
      ["key", "create", "two\nlines", "--scope", "posts:write"], ["key", "list", "--xml"],
      ["mail"], ["mail", "show"], ["mail", "list", "--dead"], ["mail", "list", "all"],
      ["mail", "retry"], ["mail", "retry", ""], ["mail", "retry", "--none"],
      ["mail", "retry", "--all", "one"], ["key", "rotate"], ["key", "revoke"],
      ["key", "revoke", "one", "two"], ["top", "localhost"], ["top", "127.0.0.1:0"],
      ["top", "127.0.0.1:1", "now"], ["import"], ["import", "--dry-run"],
      ["import", "--force", "a.md"], ["import", "-", "a.md"], ["import", "a.md", ""], ["export"],
      ["export", ""], ["export", "--all"], ["export", "one", "two"],
    ])
    func `does not run what it does not understand`(_ arguments: [String]) async throws {
      try await Stage.run { stage in
        let refused = try await stage.run(arguments)
        #expect(refused.exit == .status(2))
        #expect(refused.output == "")
        #expect(refused.errors.hasPrefix("colophon: "))
        #expect(refused.errors.contains("colophon --help"))
      }
    }

    @Test(arguments: [
      ["serve"], ["migrate"], ["dev", "--port", "0"], ["key", "list"], ["mail", "list"],
      ["import", "a.md"], ["export", "out"],
    ])
    func `refuses variables that it does not know or cannot read, naming all of them`(
      _ arguments: [String]
    ) async throws {
      try await Stage.run { stage in
        let refused = try await stage.run(
          arguments,
          [
            "COLOPHON_LISTNE": "127.0.0.1:1", "COLOPHON_LISTEN": "localhost:8080",
            "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:65536", "COLOPHON_DRAIN_SECONDS": "1.5",
            "COLOPHON_PUBLIC_URL": "api.example.com",
          ])
        #expect(refused.exit == .status(2))
        for variable in [
          "COLOPHON_LISTNE", "COLOPHON_LISTEN", "COLOPHON_PRIVATE_LISTEN",
          "COLOPHON_DRAIN_SECONDS", "COLOPHON_PUBLIC_URL",
        ] {
          #expect(refused.errors.contains(variable + " "))
        }
        #expect(Files.status(stage.folder + "/.colophon") == nil)
      }
    }

    @Test(arguments: [
      ["serve"], ["migrate"], ["key", "list"], ["mail", "list"], ["import", "a.md"],
      ["export", "out"],
    ])
    func `says what to do when no database is named, or one that is not there`(
      _ arguments: [String]
    ) async throws {
      try await Stage.run { stage in
        let unnamed = try await stage.run(arguments)
        #expect(unnamed.exit == .status(1))
        #expect(unnamed.output == "")
        #expect(unnamed.errors.contains("DATABASE_URL"))
        #expect(unnamed.errors.contains("colophon dev"))

        let missing = try await stage.run(
          arguments, ["DATABASE_URL": "postgresql://someone:hidden@127.0.0.1:1/colophon"])
        #expect(missing.exit == .status(1))
        #expect(missing.errors.contains("cannot connect to the database"))
        #expect(!missing.errors.contains("hidden"))

        let malformed = try await stage.run(arguments, ["DATABASE_URL": "postgresql://[:hidden"])
        #expect(malformed.exit == .status(1))
        #expect(!malformed.errors.contains("fatal"), "\(malformed.errors)")
      }
    }
  }

  @Suite struct Migrating {
    @Test func `makes a database once, and says so before`() async throws {
      try await Stage.run { stage in
        let database = try await TestCluster.shared.makeDatabase()
        let environment = [
          "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
          "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0",
        ]
        for arguments in [
          ["serve"], ["key", "list"], ["key", "create", "laptop", "--scope", "posts:write"],
          ["key", "rotate", "b0e2ja1evxzfxjyn"], ["mail", "list"], ["mail", "retry", "--all"],
          ["import", "a.md"], ["export", "out"],
        ] {
          let refused = try await stage.run(arguments, environment)
          #expect(refused.exit == .status(1))
          #expect(refused.output == "")
          #expect(refused.errors.contains("colophon migrate"), "\(arguments)")
        }
        for _ in 0..<2 {
          let migrated = try await stage.run(["migrate"], environment)
          #expect(migrated.exit == .status(0), "\(migrated.errors)")
        }
        let counts = try await stage.ask(
          database.conninfo, "select count(*) from colophon.schema_version")
        #expect(counts == ["1"])
      }
    }

    @Test func `several at once make it once`() async throws {
      try await Stage.run { stage in
        let database = try await TestCluster.shared.makeDatabase()
        var all: [Program] = []
        for _ in 0..<4 {
          all.append(try await stage.start(["migrate"], ["DATABASE_URL": database.conninfo]))
        }
        for program in all {
          let migrated = try await program.finished()
          #expect(migrated.exit == .status(0), "\(migrated.errors)")
        }
      }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `can be ended while it waits for another`(_ signal: Int32) async throws {
      try await Stage.run { stage in
        let database = try await TestCluster.shared.makeDatabase()
        let other = try await Connection.open(
          database.conninfo, on: stage.loop, deadline: .now() + .seconds(60))
        _ = try await other.query(
          "select pg_advisory_lock(hashtextextended('colophon.migrate', 0))")
        let migrate = try await stage.start(["migrate"], ["DATABASE_URL": database.conninfo])
        let waiting = """
          select count(*) from pg_locks l join pg_database d on d.oid = l.database
          where datname = current_database() and locktype = 'advisory' and not granted
          """
        #expect(
          try await stage.comesToHold {
            try await stage.ask(database.conninfo, waiting) == ["1"]
          })
        await migrate.send(signal)
        #expect(try await migrate.exit() == .signal(signal))
        await other.close()
      }
    }

    @Test func `prints what its role may not do, until somebody has done it`() async throws {
      try await Stage.run { stage in
        let database = try await TestCluster.shared.makeDatabase()
        let (owner, runtime) = ("owner_of_\(database.name)", "runtime_of_\(database.name)")
        for statement in [
          "create role \(owner) login", "create role \(runtime) login",
          "grant create on database \(database.name) to \(owner)",
          "revoke connect on database \(database.name) from public",
          "grant connect on database \(database.name) to \(owner)",
        ] { _ = try await stage.ask(database.conninfo, statement) }
        let environment = [
          "DATABASE_URL": database.conninfo + " user=\(owner)", "COLOPHON_RUNTIME_ROLE": runtime,
        ]
        for _ in 0..<2 {
          let migrated = try await stage.run(["migrate"], environment)
          #expect(migrated.exit == .status(0), "\(migrated.errors)")
          #expect(
            migrated.output.split(separator: "\n") == [
              "revoke temporary on database \(database.name) from public;",
              "grant connect on database \(database.name) to \(runtime);",
            ])
        }
        let printed = try await stage.run(["migrate"], environment).output
        for statement in printed.split(separator: "\n") {
          _ = try await stage.ask(database.conninfo, String(statement))
        }
        #expect(try await stage.run(["migrate"], environment).output == "")
        let served = try await stage.serve(database.conninfo + " user=\(runtime)")
        #expect(try await stage.get(served.address, "/v1/posts").status == 200)
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        for role in [runtime, owner] {
          _ = try await stage.ask(database.conninfo, "drop owned by \(role) cascade")
          _ = try await stage.ask(database.conninfo, "drop role \(role)")
        }
      }
    }

    @Test func `a database that needs a newer program is not touched`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        _ = try await stage.ask(
          database.conninfo,
          "update colophon.schema_version set version = 1001, oldest_binary = 1000")
        for arguments in [
          ["serve"], ["migrate"], ["key", "list"],
          ["key", "create", "laptop", "--scope", "posts:write"],
        ] {
          let refused = try await stage.run(
            arguments,
            [
              "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
              "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0",
            ])
          #expect(refused.exit == .status(1), "\(arguments)")
          #expect(refused.output == "")
          #expect(refused.errors.contains("install the newer program"), "\(arguments)")
        }
        // A newer layout that older programs still work on is served.
        _ = try await stage.ask(
          database.conninfo, "update colophon.schema_version set oldest_binary = 1")
        let served = try await stage.serve(database.conninfo)
        #expect(try await stage.get(served.address, "/v1/posts").status == 200)
      }
    }

    @Test func `lets the runtime role serve and nothing else`() async throws {
      try await Stage.run { stage in
        let database = try await TestCluster.shared.makeDatabase()
        let role = "reader of \(database.name)"
        let environment = ["DATABASE_URL": database.conninfo, "COLOPHON_RUNTIME_ROLE": role]
        // Without the role the statements to run are printed, and they are the right ones.
        let unmade = try await stage.run(["migrate"], environment)
        #expect(unmade.exit == .status(0), "\(unmade.errors)")
        #expect(unmade.output.contains("create role "))
        let connection = unmade.output.split(separator: "\n").map(String.init)
        for statement in connection { _ = try await stage.ask(database.conninfo, statement) }
        let made = try await stage.run(["migrate"], environment)
        #expect(made.exit == .status(0))
        #expect(made.output == "")

        let key = try await stage.run(
          ["key", "create", "tests", "--scope", "posts:write"], environment
        ).output.split(separator: "\n").joined()
        let conninfo = database.conninfo + " " + ConnectionString.setting("user", role)
        let served = try await stage.serve(conninfo)
        let post = #"{"title":"Served","body":"By another role.","status":"published"}"#
        let tries: [(Int, [UInt8])] = [
          (201, Message.send("PUT", "/v1/posts/a", key: key, body: post)),
          (201, Message.send("POST", "/v1/posts", key: key, body: post)),
          (200, Message.send("PUT", "/v1/posts/a", key: key, body: post)),
          (200, Message.get("/v1/posts/a")), (200, Message.get("/v1/posts?limit=1")),
          (200, Message.get("/openapi.yaml")),
          (204, Message.send("DELETE", "/v1/posts/a", key: key, body: "")),
        ]
        for (status, request) in tries {
          let answer = try await stage.ask(served.address, request)
          #expect(answer.status == status, "\(answer.text) \(served.program.errors)")
        }
        for statement in [
          "create table colophon.more ()", "truncate colophon.posts",
          "create temporary table mine ()", "update colophon.schema_version set version = 2",
        ] {
          await #expect(throws: (any Error).self, "\(statement)") {
            _ = try await stage.ask(conninfo, statement)
          }
        }
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
        _ = try await stage.ask(
          database.conninfo,
          "drop owned by \(ConnectionString.identifier(role))")
        _ = try await stage.ask(
          database.conninfo, "drop role \(ConnectionString.identifier(role))")
      }
    }
  }

  @Suite struct Keys {
    @Test func `are printed alone, listed without their secret, rotated and revoked`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let environment = ["DATABASE_URL": database.conninfo]
        let made = try await stage.run(
          ["key", "create", "a laptop", "--scope", "posts:write"], environment)
        #expect(made.exit == .status(0))
        #expect(made.output.hasSuffix("\n"))
        let key = String(made.output.dropLast())
        let id = String(key.dropFirst("colophon_".count).prefix(16))
        #expect(key.hasPrefix("colophon_") && !key.contains(where: \.isWhitespace))
        #expect(made.errors.contains(id))
        #expect(!made.errors.contains(key))

        let served = try await stage.serve(database.conninfo)
        func publish(with key: String) async throws -> Int {
          let request = Message.send(
            "PUT", "/v1/posts/kept", key: key, body: #"{"title":"Kept","body":"."}"#)
          return try await stage.ask(served.address, request).status
        }
        #expect(try await publish(with: key) == 201)

        let rotated = try await stage.run(["key", "rotate", id], environment)
        #expect(rotated.exit == .status(0))
        let newKey = String(rotated.output.dropLast())
        #expect(newKey != key && newKey.hasPrefix("colophon_"))
        #expect(!rotated.errors.contains(newKey))
        #expect(try await publish(with: key) == 200)
        #expect(try await publish(with: newKey) == 200)
        let third = try await stage.run(["key", "rotate", id], environment)
        #expect(third.exit == .status(1))
        #expect(third.output == "")
        #expect(third.errors.contains("revoke"))

        let revoked = try await stage.run(["key", "revoke", id], environment)
        #expect(revoked.exit == .status(0))
        #expect(revoked.output == "")
        let revocation = MonotonicInstant.now()
        // Each processor has verified it for itself, and connections are dealt out among them.
        let isForgotten = try await stage.comesToHold(within: .seconds(60)) {
          for _ in 0..<16 where try await publish(with: key) != 401 { return false }
          return true
        }
        #expect(isForgotten)
        note("a revoked key was refused everywhere \(MonotonicInstant.now() - revocation) later")
        #expect(try await publish(with: newKey) == 200)

        let list = try await stage.run(["key", "list"], environment)
        #expect(list.exit == .status(0))
        let lines = list.output.split(separator: "\n").map { $0.split(separator: "\t") }
        #expect(lines.count == 3)
        let line = lines.first { $0.first.map(String.init) == id }
        #expect(line?.map(String.init).prefix(3) == [id, "a laptop", "posts:write"])
        #expect(line?.last == "revoked")
        let json = try await stage.run(["key", "list", "--json"], environment)
        #expect(json.exit == .status(0))
        let entries = try JSONReader.read(Array(json.output.utf8).span).arrayValue ?? []
        let entry = try #require(entries.first { $0["id"]?.stringValue == id })
        #expect(entry["name"]?.stringValue == "a laptop")
        #expect(entry["state"]?.stringValue == "revoked")
        #expect(entry["last_used_at"]?.stringValue?.hasSuffix("Z") == true)
        for text in [list.output, json.output] {
          #expect(!text.contains(key.suffix(39)))
          #expect(!text.contains(newKey.suffix(39)))
        }

        for action in ["rotate", "revoke"] {
          let unknown = try await stage.run(["key", action, "0000000000000000"], environment)
          #expect(unknown.exit == .status(1))
          #expect(unknown.errors.contains("colophon key list"))
        }
        let gone = try await stage.run(["key", "rotate", id], environment)
        #expect(gone.exit == .status(1))
      }
    }
  }
}
