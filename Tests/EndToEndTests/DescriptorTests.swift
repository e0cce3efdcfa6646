import EventLoop
import Glibc
import LocalPostgres
import Testing

extension TheProgram {
  @Suite struct WithoutDescriptors {
    @Test func `answers whom it has, rests meanwhile, and then takes those who waited`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let limit = 96
        let program = try await stage.start(
          command: ["/bin/sh", "-c", "ulimit -n \(limit) && exec \"$@\"", "sh"]
            + [Stage.executable, "serve"],
          [
            "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
            "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0", "COLOPHON_RATE_LIMITS": Stage.wideLimits,
          ])
        let address = try await program.address()
        let kept = try #require(await Wire.open(address, on: stage.loop))
        #expect(await kept.status(of: "/v1/posts") == 200)
        var others: [Wire] = []
        for _ in 0..<(2 * limit) {
          // The system takes connections for the program, which does not know of them yet.
          others.append(try #require(await Wire.open(address, on: stage.loop)))
        }
        #expect(await stage.comesToHold { Self.descriptors(program.pid) >= limit })
        let waiting = try #require(others.last)
        await waiting.send(Message.get("/v1/posts"))

        let start = Self.processorTime(program.pid)
        for _ in 0..<100 {
          #expect(await kept.status(of: "/v1/posts?limit=1") == 200)
          await stage.loop.sleep(for: .milliseconds(10))
        }
        let used = Self.processorTime(program.pid) - start
        note("without a descriptor left, a second and more took \(used) of processor time")
        #expect(used < .milliseconds(700), "it does not rest")

        for wire in others.dropLast() { await wire.close() }
        guard case .answered(let answer) = await waiting.answer() else {
          Issue.record("who had waited was not answered")
          return
        }
        #expect(answer.status == 200)
        await waiting.close()
        #expect(await stage.comesToHold { Self.connections(at: address) == 1 })
        #expect(try await stage.get(address, "/v1/posts").status == 200)
        await kept.close()
        await program.send(SIGTERM)
        #expect(try await program.exit() == .status(0))
      }
    }

    @Test func `has as many as the system allows, whatever it was started with`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let program = try await stage.start(
          command: ["/bin/sh", "-c", "ulimit -S -n 64 && ulimit -H -n 512 && exec \"$@\"", "sh"]
            + [Stage.executable, "serve"],
          [
            "DATABASE_URL": database.conninfo, "COLOPHON_LISTEN": "127.0.0.1:0",
            "COLOPHON_PRIVATE_LISTEN": "127.0.0.1:0",
          ])
        _ = try await program.address()
        let limits = String(
          decoding: try Files.read("/proc/\(program.pid)/limits"), as: UTF8.self)
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open") })
        #expect(line.split(separator: " ").dropFirst(3).prefix(2) == ["512", "512"], "\(line)")
      }
    }

    private static func descriptors(_ pid: Int32) -> Int {
      Files.names(in: "/proc/\(pid)/fd").count
    }

    /// Connections that whoever listens at an address still has a descriptor of. Unlike the number of
    /// its descriptors, that says nothing of its connections to the database, which come and go.
    private static func connections(at address: SocketAddress) -> Int {
      let port = ":" + String(address.port, radix: 16, uppercase: true)
      let table = String(
        decoding: (try? Files.read("/proc/net/tcp")) ?? [], as: UTF8.self)
      return table.split(separator: "\n").dropFirst().count { line in
        let fields = line.split(separator: " ")
        let (local, state, inode) = (fields[1], fields[3], fields[9])
        return local.hasSuffix(port) && state != "0A" && inode != "0"
      }
    }

    /// What all threads of a process have used, to a hundredth of a second.
    private static func processorTime(_ pid: Int32) -> Duration {
      let text = String(decoding: (try? Files.read("/proc/\(pid)/stat")) ?? [], as: UTF8.self)
      let fields = text.drop { $0 != ")" }.split(separator: " ")
      let ticks = fields.dropFirst(12).prefix(2).compactMap { Int($0) }.reduce(0, +)
      return .milliseconds(1000 * ticks / Int(sysconf(Int32(_SC_CLK_TCK))))
    }
  }
}

extension Wire {
  fileprivate func status(of target: String) async -> Int? {
    guard case .answered(let answer) = await exchange(Message.get(target)) else { return nil }
    return answer.status
  }
}
