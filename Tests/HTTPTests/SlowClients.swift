import EventLoop
import HTTP
import Testing
import Turns

@Suite(.turns) struct SlowClients {
  private static let short: Timeouts = {
    var timeouts = Timeouts()
    timeouts.head = .milliseconds(500)
    timeouts.content = .milliseconds(500)
    timeouts.idle = .milliseconds(500)
    timeouts.send = .milliseconds(500)
    timeouts.linger = .milliseconds(500)
    return timeouts
  }()

  @Test func `of a head get 408, also when a byte comes now and then`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send("GET / HTTP/1.1\r\nX: ")
      // Bytes go on coming until the answer is there: the time for a head is a total.
      while !client.read(until: .now() + .milliseconds(5)), !client.isEnded {
        if !client.send("a") { break }
      }
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.status) == [408])
      #expect(answers.first?.closes == true)
    }
  }

  @Test func `of a content get 408, also when a byte comes now and then`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send(post("/", "Content-Length: 100000\r\n"))
      while !client.read(until: .now() + .milliseconds(5)), !client.isEnded {
        if !client.send("a") { break }
      }
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.status) == [408])
      #expect(site.probe.finished == 1)
    }
  }

  @Test func `that say nothing are closed without a word`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let fresh = try site.client()
      #expect(fresh.answersToTheEnd().isEmpty)
      #expect(fresh.isEnded)
      let kept = try site.client()
      kept.send(get("/"))
      #expect(kept.answersToTheEnd().map(\.status) == [200])
      #expect(kept.isEnded)
    }
  }

  @Test func `whose request is handled are waited for`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send(get("/late"))
      #expect(await site.reached("/late"))
      // Clients that began later are given up first.
      #expect(try site.client().answersToTheEnd().isEmpty)
      #expect(try site.client().answersToTheEnd().isEmpty)
      site.probe.open()
      #expect(client.answer()?.text == "GET /late\n")
    }
  }

  @Test func `that do not take their answer are cut`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send(get("/large/50000000"))
      #expect(await site.reached("/large/50000000"))
      #expect(await site.isDeserted())
      client.readToTheEnd()
      // The kernel has taken little more for it than the client's own buffer holds.
      #expect(client.received.count < 1_000_000, "\(client.received.count)")
    }
  }

  @Test func `that take their answer steadily get all of it`() async throws {
    var timeouts = Timeouts()
    timeouts.send = .seconds(20)
    try await Site.run(timeouts: timeouts) { site in
      let client = try site.client()
      client.send(get("/large/20000000") + get("/b"))
      #expect(client.answer()?.content.count == 20_000_000)
      #expect(client.answer()?.text == "GET /b\n")
    }
  }

  @Test func `that never stop sending behind the last answer are cut`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send("BREW / HTTP/1.1\r\n\r\n")
      let piece = [UInt8](repeating: 0x61, count: 65_536)
      let deadline = MonotonicInstant.now() + RawClient.patience
      while client.send(piece), .now() < deadline {}
      #expect(.now() < deadline)
      #expect(await site.isDeserted())
    }
  }

  @Test func `that never send a content that nobody reads are cut`() async throws {
    try await Site.run(timeouts: Self.short) { site in
      let client = try site.client()
      client.send(post("/ignore", "Content-Length: 5\r\n", "hell"))
      #expect(client.answersToTheEnd().map(\.text) == ["ignored"])
      #expect(await site.isDeserted())
    }
  }
}

@Suite(.turns) struct LostClients {
  @Test func `cost nothing while their request goes on`() async throws {
    try await Site.run { site in
      let clock = ProcessorClock(loop: site.loop)
      var lost: RawClient? = try site.client()
      lost?.send(get("/late"))
      lost?.resetAtEnd()
      let half = try site.client()
      half.send(get("/late/half"))
      half.finishSending()
      #expect(await site.reached("/late"))
      #expect(await site.reached("/late/half"))
      lost = nil
      #expect(await site.eventually { await site.server.openConnections().busy == 1 })
      // A hundred turns of the loop at least: one that is told of the same end again and again
      // would use all of their time.
      let start = await clock.read()
      for _ in 0..<100 { await site.loop.sleep(for: .milliseconds(2)) }
      let used = await clock.read() - start
      #expect(used < .milliseconds(100))
      site.probe.open()
      #expect(half.answersToTheEnd().map(\.text) == ["GET /late/half\n"])
      #expect(await site.eventually { site.probe.finished == 2 })
      #expect(await site.isDeserted())
    }
  }

  @Test func `end the reading of their content`() async throws {
    try await Site.run { site in
      var lost: RawClient? = try site.client()
      lost?.send(post("/", "Content-Length: 5\r\n", "hell"))
      lost?.resetAtEnd()
      #expect(await site.reached("/"))
      lost = nil
      #expect(await site.eventually { site.probe.finished == 1 })
      #expect(await site.isDeserted())
    }
  }

  @Test func `in the middle of many answers have none of the rest handled`() async throws {
    try await Site.run { site in
      var lost: RawClient? = try site.client()
      lost?.send(get("/hold") + get("/large/100000") + get("/canary"))
      lost?.resetAtEnd()
      #expect(await site.reached("/hold"))
      lost = nil
      site.probe.open()
      let client = try site.client()
      client.send(get("/b"))
      #expect(client.answer()?.text == "GET /b\n")
      #expect(site.probe.paths == ["/hold", "/large/100000", "/b"])
      #expect(await site.server.openConnections().idle == 1)
    }
  }

  @Test func `leave their place to others, who do not get their answers`() async throws {
    try await Site.run { site in
      var lost: RawClient? = try site.client()
      lost?.send(get("/late"))
      lost?.resetAtEnd()
      #expect(await site.reached("/late"))
      lost = nil
      #expect(await site.isDeserted())
      let other = try site.client()
      other.send(get("/late/other"))
      #expect(await site.reached("/late/other"))
      site.probe.open()
      #expect(other.answer()?.text == "GET /late/other\n")
      other.send(get("/b"))
      #expect(other.answer()?.text == "GET /b\n")
    }
  }
}
