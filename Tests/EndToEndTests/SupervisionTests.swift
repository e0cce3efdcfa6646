import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct Supervised {
    @Test(arguments: ["/", "@"])
    func `tells its supervisor that it serves, that it lives and that it ends`(_ kind: String)
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let name = kind + stage.folder.dropFirst() + "/notify"
        let supervisor = try await stage.superviseAt(name)
        let served = try await stage.serve(
          database.conninfo, ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "300000"])
        let ready = try await supervisor.line("READY=1")
        #expect(ready.contains("|STATUS=Serving on http://\(served.address)"))
        #expect(
          await stage.comesToHold { supervisor.output.matches(of: /WATCHDOG=1/).count >= 4 })
        await served.program.send(SIGTERM)
        let ending = try await supervisor.line("STOPPING=1")
        #expect(ending.hasPrefix("|EXTEND_TIMEOUT_USEC=30000000|STATUS=Ending"))
        #expect(try await served.program.exit() == .status(0))
        #expect(supervisor.output.matches(of: /READY=1/).count == 1)
      }
    }

    @Test func `goes on telling that it lives while the database does not, and what is missing`()
      async throws
    {
      try await Stage.run { stage in
        let cluster = try await TestCluster.start()
        let database = try await MadeDatabase.make(in: cluster, stage)
        let supervisor = try await stage.superviseAt(stage.folder + "/notify")
        let served = try await stage.serve(
          database.conninfo,
          ["NOTIFY_SOCKET": stage.folder + "/notify", "WATCHDOG_USEC": "3000000"])
        _ = try await supervisor.line("READY=1")
        try await cluster.freeze()
        _ = try await supervisor.line(
          "STATUS=Serving on http://\(served.address), but the database cannot be used")
        let before = supervisor.output.matches(of: /WATCHDOG=1/).count
        #expect(
          await stage.comesToHold {
            supervisor.output.matches(of: /WATCHDOG=1/).count > before + 1
          })
        try await cluster.thaw()
        #expect(
          await stage.comesToHold {
            supervisor.output.split(separator: "\n").last {
              $0.contains("STATUS=")
            }?.hasPrefix("STATUS=Serving on http://\(served.address)|WATCHDOG") == true
          })
        await cluster.stop()
      }
    }

    @Test(arguments: ["/nobody/is/there", "@nobody", "relative", "@", ""])
    func `serves also when nobody hears it`(_ name: String) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let served = try await stage.serve(database.conninfo, ["NOTIFY_SOCKET": name])
        #expect(try await stage.health(served, "/livez") == 200)
        await served.program.send(SIGTERM)
        #expect(try await served.program.exit() == .status(0))
      }
    }

    @Test(arguments: ["", "public:private", "colophon.socket:colophon-private.socket"])
    func `serves the sockets that it is given`(_ names: String) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (program, addresses) = try await stage.serveGiven(2, names: names, database.conninfo)
        #expect(try await program.address() == addresses[0])
        #expect(try await program.privateAddress() == addresses[1])
        #expect(try await stage.get(addresses[0], "/v1/posts").status == 200)
        #expect(try await stage.get(addresses[1], "/readyz").status == 200)
        await program.send(SIGTERM)
        #expect(try await program.exit() == .status(0))
      }
    }

    @Test func `goes by the names of the sockets before their order`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (both, addresses) = try await stage.serveGiven(
          2, names: "private:public", database.conninfo)
        #expect(try await both.address() == addresses[1])
        #expect(try await both.privateAddress() == addresses[0])
        // Of one alone the other address is the configured one.
        let (one, given) = try await stage.serveGiven(1, names: "private", database.conninfo)
        #expect(try await one.privateAddress() == given[0])
        #expect(try await one.address() != given[0])
      }
    }

    @Test(arguments: [(3, ""), (2, "public:public"), (2, "public:web")])
    func `refuses sockets that it cannot tell apart`(_ count: Int, _ names: String) async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (program, _) = try await stage.serveGiven(count, names: names, database.conninfo)
        let refused = try await program.finished()
        #expect(refused.exit == .status(1))
        #expect(refused.errors.contains("one named public and one named private"))
      }
    }

    @Test func `refuses a number that is no listening socket, and takes none meant for another`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let program = try await stage.start(
          command: ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3</dev/null", "sh"]
            + [Stage.executable, "serve"], ["DATABASE_URL": database.conninfo])
        let refused = try await program.finished()
        #expect(refused.exit == .status(1))
        #expect(refused.errors.contains("socket 3, passed by LISTEN_FDS"))

        let served = try await stage.serve(
          database.conninfo, ["LISTEN_PID": "1", "LISTEN_FDS": "1"])
        #expect(try await stage.health(served, "/readyz") == 200)
      }
    }

    /// Every client opens a connection for each request, over three restarts.
    @Test func `is started again on its socket without a client that is refused`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (keeper, addresses) = try await stage.serveGiven(
          1, names: "public", database.conninfo, ["COLOPHON_DRAIN_SECONDS": "2"], restarting: true)
        func current() async throws -> Int32 {
          var pid: Int32?
          #expect(
            await stage.comesToHold {
              pid = OtherProcess.children(of: keeper.pid).first {
                OtherProcess.arguments($0).last == "serve"
              }
              return pid != nil
            })
          return try #require(pid)
        }
        var pids: Set<Int32> = []
        do {
          for round in 1...3 {
            let pid = try await current()
            pids.insert(pid)
            #expect(
              await stage.comesToHold {
                keeper.output.matches(of: /listening on/).count == round
              })
            for _ in 0..<20 {
              #expect(try await stage.get(addresses[0], "/v1/posts").status == 200)
            }
            OtherProcess.send(SIGTERM, to: pid)
            // Whoever comes now meets the one that ends, or waits for the next.
            while OtherProcess.exists(pid) {
              #expect(try await stage.get(addresses[0], "/v1/posts").status == 200)
            }
          }
          #expect(try await stage.get(addresses[0], "/v1/posts").status == 200)
          pids.insert(try await current())
          #expect(pids.count == 4)
        } catch {
          Issue.record(error)
        }
        await keeper.send(SIGKILL)
        _ = try await keeper.exit()
        for pid in pids { OtherProcess.send(SIGKILL, to: pid) }
      }
    }

    @Test func `deals the connections of one socket out to all of its loops`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (program, addresses) = try await stage.serveGiven(1, names: "", database.conninfo)
        _ = try await program.address()
        let load = Load(addresses[0], key: database.key, expecting: .served)
        let tally = await load.run(connections: 64, requests: 40, on: stage)
        #expect(tally.failures == [])
        #expect(tally.successes == 64 * 40)
        // A loop is a thread; each of them has worked.
        let threads = Files.names(in: "/proc/\(program.pid)/task").compactMap { thread in
          (try? Files.read("/proc/\(program.pid)/task/\(thread)/schedstat")).flatMap {
            Int(String(decoding: $0, as: UTF8.self).split(separator: " ")[0])
          }
        }
        #expect(threads.count { $0 > 5_000_000 } >= min(2, Environment.processorCount()))
      }
    }

    @Test func `takes variables from files, where the environment does not set them`() async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        func put(_ text: String, _ name: String) throws {
          try Files.write(Array(text.utf8), to: stage.folder + "/" + name, mode: 0o600)
        }
        try put(database.conninfo + "\n", "DATABASE_URL")
        try put("https://api.example.com", "COLOPHON_PUBLIC_URL")
        try put("what is not one of its variables", "OTHER")
        let folder = ["CREDENTIALS_DIRECTORY": stage.folder]
        #expect(try await stage.run(["key", "list"], folder).exit == .status(0))
        let program = try await stage.start(
          ["serve"],
          folder.merging([
            "COLOPHON_LISTEN": "127.0.0.1:0", "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0",
          ]) { $1 })
        let list = try await stage.get(try await program.address(), "/v1/posts?limit=1")
        #expect(list["link"]?.contains("<https://api.example.com/v1/posts?") == true)
        let environment = try Files.read("/proc/\(program.pid)/environ")
        let shown = String(decoding: environment, as: UTF8.self)
        #expect(shown.contains(stage.folder))
        #expect(!shown.contains(database.conninfo))

        let overruled = try await stage.run(
          ["key", "list"], folder.merging(["DATABASE_URL": "host=/nowhere"]) { $1 })
        #expect(overruled.errors.contains("cannot connect to the database"))
        try put("8080", "COLOPHON_LISTEN")
        #expect(try await stage.run(["key", "list"], folder).exit == .status(2))
        Files.remove(stage.folder + "/COLOPHON_LISTEN")
        try Files.makeFolder(stage.folder + "/COLOPHON_LISTEN", mode: 0o700)
        let unreadable = try await stage.run(["key", "list"], folder)
        #expect(unreadable.exit == .status(1))
        #expect(unreadable.errors.contains("the credential COLOPHON_LISTEN cannot be read"))
      }
    }
  }
}

extension Stage {
  /// Starts somebody who receives datagrams at `name`, a path or an abstract name behind @, and
  /// writes each as a line with | between its lines.
  fileprivate func superviseAt(_ name: String) async throws -> Program {
    let program = try await start(command: [
      "/usr/bin/perl", "-MIO::Socket::UNIX", "-e",
      """
      $| = 1; ($at = shift) =~ s/^@/\\0/;
      $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $at) or die $!;
      print "here\\n";
      while (defined $socket->recv($_, 8192)) { s/\\n/|/g; print "$_\\n" }
      """, name,
    ])
    _ = try await program.line("here")
    return program
  }

  /// Starts `colophon serve` with so many sockets on free ports, as systemd does; with `restarting`,
  /// again whenever it has ended, from a process that keeps the sockets.
  fileprivate func serveGiven(
    _ count: Int, names: String, _ conninfo: String, _ environment: [String: String] = [:],
    restarting: Bool = false
  ) async throws -> (Program, [SocketAddress]) {
    var environment = environment
    environment["DATABASE_URL"] = conninfo
    environment["COLOPHON_LISTEN"] = "127.0.0.1:0"
    environment["COLOPHON_PRIVATE_LISTEN"] = "127.0.0.1:0"
    environment["COLOPHON_RATE_LIMITS"] = Self.wideLimits
    environment["LISTEN_FDNAMES"] = names
    environment["LISTEN_FDS"] = "\(count)"
    let program = try await start(
      command: [
        "/usr/bin/perl", "-MIO::Socket::INET", "-e",
        """
        $| = 1; $^F = 10; ($count, $again) = splice @ARGV, 0, 2;
        for (1 .. $count) {
          push @all, IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128) or die $!;
          print 'given 127.0.0.1:', $all[-1]->sockport, "\\n";
        }
        while ($again and $child = fork) { waitpid $child, 0 }
        $ENV{LISTEN_PID} = $$; exec @ARGV;
        """, "\(count)", restarting ? "1" : "", Self.executable, "serve",
      ], environment)
    var addresses: [SocketAddress] = []
    #expect(
      await comesToHold {
        addresses = program.output.matches(of: /given (.*)\n/).compactMap {
          SocketAddress(String($0.output.1))
        }
        return addresses.count == count
      })
    return (program, addresses)
  }
}
