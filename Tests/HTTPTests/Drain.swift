import EventLoop
import HTTP
import Testing
import Turns

@Suite(.turns) struct Drain {
  /// Drains on the site's loop, whatever this test's thread waits for.
  private func drain(_ site: Site, within bound: Duration) -> Task<Duration, Never> {
    Task(executorPreference: site.loop) {
      let start = MonotonicInstant.now()
      await site.server.drain(within: bound)
      return .now() - start
    }
  }

  /// Asks over new connections until an answer says that the server is about to end.
  private func drainBegan(_ site: Site) async throws -> Bool {
    try await site.eventually {
      let client = try site.client()
      client.send(get("/begun"))
      return client.answer()?.closes == true
    }
  }

  @Test func `finishes what is handled, answers who comes, and ends kept connections`()
    async throws
  {
    try await Site.run { site in
      let busy = try site.client()
      busy.send(get("/late"))
      let kept = try site.client()
      kept.send(get("/a"))
      #expect(kept.answer()?.closes == false)
      #expect(await site.reached("/late"))

      let drained = drain(site, within: .seconds(60))
      #expect(try await drainBegan(site))
      kept.send(get("/b"))
      #expect(kept.answersToTheEnd().map(\.closes) == [true])
      let fresh = try site.client()
      fresh.send(get("/c"))
      #expect(fresh.answersToTheEnd().map(\.closes) == [true])
      site.probe.open()
      let answers = busy.answersToTheEnd()
      #expect(answers.map(\.text) == ["GET /late\n"])
      #expect(answers.first?.closes == true)
      #expect(await drained.value < .seconds(60))
      let late = try? site.client()
      late?.send(get("/d"))
      #expect(late?.answer() == nil)
    }
  }

  @Test func `is over soon when nobody is there`() async throws {
    try await Site.run { site in
      #expect(await drain(site, within: .seconds(20)).value < .seconds(5))
    }
  }

  @Test func `ends within its bound, whoever does not`() async throws {
    try await Site.run { site in
      let stuck = try site.client()
      stuck.send(get("/late"))
      let slow = try site.client()
      slow.send("GET / HT")
      #expect(await site.reached("/late"))
      #expect(await drain(site, within: .milliseconds(400)).value < .seconds(5))
      #expect(stuck.answersToTheEnd().isEmpty)
      #expect(stuck.isEnded)
      #expect(try await site.eventually { try site.descriptors() == 0 })
    }
  }

  @Test func `waits for an answer that is on its way`() async throws {
    try await Site.run { site in
      var client: RawClient? = try site.client()
      client?.send(get("/large/30000000"))
      #expect(await site.eventually { site.probe.finished == 1 })
      let drained = drain(site, within: .seconds(60))
      #expect(try await drainBegan(site))
      #expect(await site.server.openConnections().busy == 1)
      #expect(client?.answer()?.content.count == 30_000_000)
      client = nil
      _ = await drained.value
    }
  }
}
