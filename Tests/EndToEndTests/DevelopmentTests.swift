import EventLoop
import Glibc
import JSON
import LocalPostgres
import Synchronization
import Testing

extension TheProgram {
  @Suite struct Developing {
    @Test func `starts with samples, a key and lines that work as they are printed`()
      async throws
    {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let dev = try await stage.dev(data)
        _ = try await dev.privateAddress()
        let address = try await dev.address()
        let key = try await dev.line("API key: ")
        #expect(key.hasPrefix("colophon_"))
        #expect(Files.status(data + "/key")?.mode == 0o600)
        #expect(!OtherProcess.arguments(dev.pid).joined(separator: " ").contains(key))

        let list = try await stage.get(address, "/v1/posts?limit=100")
        #expect(list.status == 200)
        let posts = try JSONReader.read(list.body.span)
        #expect((25...35).contains(posts["data"]?.arrayValue?.count ?? 0))
        #expect(
          posts["meta"]?["total"]?.integerValue == posts["data"]?.arrayValue?.count)

        // As a person would do who copies all the lines.
        _ = try await dev.line("Try:")
        _ = try await dev.line("  curl http://\(address)/v1/posts/hello")
        let printed = dev.output
        let lines = try #require(printed.split(separator: "Try:\n").last)
        let folder = stage.folder + "/typed"
        try Files.makeFolder(folder, mode: 0o755)
        let telling = "curl -sS -w '\\n%{http_code}\\n' "
        let script = String(lines).replacing("curl ", with: telling)
        let typed = try await stage.start(command: ["/bin/sh", "-ec", script], in: folder)
          .finished()
        #expect(typed.exit == .status(0), "\(typed.errors)")
        let answers = typed.output.split(separator: "\n")
        try #require(answers.count == 6, "\(typed.output)")
        #expect([answers[1], answers[3], answers[5]] == ["200", "201", "200"])
        let hello = try JSONReader.read(Array(answers[5 - 1].utf8).span)
        #expect(hello["title"]?.stringValue == "Hello")
        #expect(hello["tags"] == .array([.string("first")]))
        #expect(hello["status"]?.stringValue == "published")
        #expect(hello["body"]?.stringValue?.contains("Hello from a file.") == true)
        #expect(answers[2] == answers[4], "what was answered is not what is read")

        await dev.send(SIGINT)
        #expect(try await dev.exit() == .status(0))
        #expect(runningWith(data) == [])
      }
    }

    @Test func `keeps data and key, and lets a sample that was deleted be gone`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        var start = MonotonicInstant.now()
        var dev = try await stage.dev(data)
        var address = try await dev.address()
        note("dev, first start: \(MonotonicInstant.now() - start)")
        let key = try await dev.line("API key: ")
        let list = try await stage.get(address, "/v1/posts?limit=1")
        let slug = try #require(
          try JSONReader.read(list.body.span)["data"]?.arrayValue?.first?["slug"]?.stringValue)
        let deleted = try await stage.ask(
          address, Message.send("DELETE", "/v1/posts/\(slug)", key: key, body: ""))
        #expect(deleted.status == 204)
        let kept = try await stage.ask(
          address,
          Message.send("PUT", "/v1/posts/kept", key: key, body: #"{"title":"Kept","body":"."}"#))
        #expect(kept.status == 201)
        await dev.send(SIGTERM)
        #expect(try await dev.exit() == .status(0))

        start = .now()
        dev = try await stage.dev(data)
        address = try await dev.address()
        note("dev, second start: \(MonotonicInstant.now() - start)")
        #expect(try await dev.line("API key: ") == key)
        let authorization = "Authorization: Bearer \(key)"
        #expect(try await stage.get(address, "/v1/posts/kept", [authorization]).status == 200)
        #expect(try await stage.get(address, "/v1/posts/\(slug)").status == 404)
      }
    }

    @Test func `takes any free port and serves no samples when it is told so`() async throws {
      try await Stage.run { stage in
        // The folder is the default one, in the current folder.
        let here = stage.folder + "/here"
        try Files.makeFolder(here, mode: 0o755)
        let dev = try await stage.start(["dev", "--port=0", "--empty"], in: here)
        let list = try await stage.get(try await dev.address(), "/v1/posts")
        #expect(list.status == 200)
        #expect(try JSONReader.read(list.body.span)["data"] == .array([]))
        #expect(Files.status(here + "/.colophon/key")?.mode == 0o600)
      }
    }

    @Test func `a second one on the same folder says so and leaves the first alone`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let first = try await stage.dev(data, ["--empty"])
        let address = try await first.address()
        let second = try await stage.dev(data).finished()
        #expect(second.exit == .status(1))
        #expect(second.output == "")
        #expect(second.errors.contains(data))
        #expect(second.errors.contains("in use"))
        #expect(try await stage.get(address, "/v1/posts").status == 200)
      }
    }

    @Test func `leaves nothing behind when it is killed, and starts again`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let killed = try await stage.dev(data, ["--empty"])
        let key = try await killed.line("API key: ")
        let put = Message.send(
          "PUT", "/v1/posts/kept", key: key,
          body: #"{"title":"Kept","body":".","status":"published"}"#)
        #expect(try await stage.ask(try await killed.address(), put).status == 201)
        await killed.send(SIGKILL)
        #expect(try await killed.exit() == .signal(SIGKILL))
        let death = MonotonicInstant.now()
        #expect(await stage.comesToHold { runningWith(data) == [] })
        note("PostgreSQL was gone \(MonotonicInstant.now() - death) after a SIGKILL of dev")

        let next = try await stage.dev(data, ["--empty"])
        #expect(try await stage.get(try await next.address(), "/v1/posts/kept").status == 200)
        #expect(try await next.line("API key: ") == key)
      }
    }

    @Test(arguments: [0, 1, 2])
    func `starts after it was killed in the middle of its first start`(_ part: Int) async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let killed = try await stage.dev(data)
        let sign = ["/lock", "/cluster/postmaster.pid", "/key"][part]
        #expect(await stage.comesToHold { Files.status(data + sign) != nil })
        await killed.send(SIGKILL)
        _ = try await killed.exit()
        let next = try await stage.dev(data)
        let list = try await stage.get(try await next.address(), "/v1/posts?limit=1")
        let total = try JSONReader.read(list.body.span)["meta"]?["total"]?.integerValue ?? 0
        #expect((25...35).contains(total))
        let key = try await next.line("API key: ")
        let put = Message.send("PUT", "/v1/posts/a", key: key, body: #"{"title":"A","body":"."}"#)
        #expect(try await stage.ask(try await next.address(), put).status == 201)
      }
    }

    @Test func `ends its start when it is told to end`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let dev = try await stage.dev(data)
        #expect(await stage.comesToHold { Files.status(data + "/lock") != nil })
        await dev.send(SIGINT)
        #expect(try await dev.exit() == .status(0))
        #expect(runningWith(data) == [])
      }
    }

    @Test func `says so and ends when its PostgreSQL is ended by somebody else`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let dev = try await stage.dev(data, ["--empty"])
        _ = try await dev.address()
        let postgres = try #require(OtherProcess.children(of: dev.pid).first)
        OtherProcess.send(SIGQUIT, to: postgres)
        #expect(try await dev.exit() == .status(1))
        #expect(dev.errors.contains("PostgreSQL has ended"), "\(dev.errors)")
        #expect(dev.errors.contains(data + "/server.log"))
        #expect(runningWith(data) == [])
        let next = try await stage.dev(data, ["--empty"])
        #expect(try await stage.get(try await next.address(), "/v1/posts").status == 200)
      }
    }

    @Test func `as root, names a folder that PostgreSQL's user can reach`() async throws {
      // Whoever is not root can reach all folders of his own, and has nothing to be told.
      let isRoot = UserAccount.effectiveUser == 0
      try await Stage.run { stage in
        let closed = stage.folder + "/closed"
        try Files.makeFolder(closed, mode: 0o700)
        let dev = try await stage.dev(closed + "/data", ["--empty"])
        if !isRoot {
          _ = try await dev.address()
          return
        }
        let refused = try await dev.finished()
        #expect(refused.exit == .status(1))
        #expect(refused.output == "")
        #expect(Files.status(closed + "/data") == nil)
        let words = refused.errors.split { $0 == " " || $0 == "\n" }.map(String.init)
        let option = try #require(words.firstIndex(of: "--data"), "\(refused.errors)")
        let folder = words[option + 1]
        let isNew = Files.status(folder) == nil
        defer { if isNew { Files.remove(folder) } }
        let working = try await stage.dev(folder, ["--empty"])
        #expect(try await stage.get(try await working.address(), "/v1/posts").status == 200)
        await working.send(SIGTERM)
        #expect(try await working.exit() == .status(0))
      }
    }

    @Test func `a port that is taken ends it, and PostgreSQL with it`() async throws {
      try await Stage.run { stage in
        let data = stage.folder + "/data"
        let free = try #require(SocketAddress("127.0.0.1:0"))
        let taken = try Socket.listen(on: free, sharingPort: false)
        let port = try taken.localAddress().port
        let dev = try await stage.dev(data, ["--port", "\(port)"]).finished()
        #expect(dev.exit == .status(1))
        #expect(dev.output == "")
        #expect(dev.errors.contains("127.0.0.1:\(port)"))
        #expect(dev.errors.contains("taken"))
        #expect(runningWith(data) == [])
      }
    }
  }
}

extension Stage {
  /// Starts `colophon dev` on a free port, unless `options` name one.
  fileprivate func dev(_ data: String, _ options: [String] = []) async throws -> Program {
    let port = options.contains("--port") ? [] : ["--port", "0"]
    return try await start(["dev", "--data", data] + port + options)
  }
}

/// What runs and names `folder` on its command line.
private func runningWith(_ folder: String) -> [[String]] {
  Files.names(in: "/proc").compactMap { Int32($0) }.map(OtherProcess.arguments).filter {
    $0.contains { $0.contains(folder) }
  }
}

/// A figure for whoever reads the output.
func note(_ text: String) { Terminal.note("    " + text) }
