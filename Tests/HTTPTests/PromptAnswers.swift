import EventLoop
import HTTP
import Testing
import Turns

/// Answers that the responder has at hand keep to every rule of the others.
@Suite(.turns) struct PromptAnswers {
  @Test func `come in their turn among those that wait`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let paths = (0..<600).map { ["/ready/\($0)", "/\($0)", "/late/\($0)"][$0 % 7 / 3] }
      client.send(paths.map { get($0) }.joined())
      #expect(await site.reached("/3"))
      site.probe.open()
      for path in paths {
        let answer = try #require(client.answer())
        #expect(answer.text == (path.hasPrefix("/ready") ? "ready \(path)" : "GET \(path)\n"))
        #expect(answer.fields["own"] == (path.hasPrefix("/ready") ? path : nil))
        #expect(!answer.closes)
      }
      #expect(site.probe.prompt == paths.count { $0.hasPrefix("/ready") })
      #expect(await site.server.openConnections().accepted == 1)
    }
  }

  @Test func `are not given to a request with content, which is read as ever`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(
        upload("/ready/a", "content") + post("/ready/b", "Content-Length: 0\r\n")
          + post("/ready/c", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")
          + get("/ready/d"))
      #expect(client.answer()?.text == "POST /ready/a\ncontent")
      #expect(client.answer()?.text == "ready /ready/b")
      #expect(client.answer()?.text == "POST /ready/c\nabc")
      #expect(client.answer()?.text == "ready /ready/d")
    }
  }

  @Test func `close the connection where the client or its version says so`() async throws {
    try await Site.run { site in
      let first = try site.client()
      first.send(get("/ready/a", "Connection: close\r\n") + get("/canary"))
      let answers = first.answersToTheEnd()
      #expect(answers.map(\.text) == ["ready /ready/a"])
      #expect(answers.first?.closes == true)
      let second = try site.client()
      second.send("GET /ready/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(second.answer()?.fields["connection"] == "keep-alive")
      second.send("HEAD /ready/b HTTP/1.0\r\n\r\n")
      let head = try #require(second.answer(toHead: true))
      #expect(head.closes)
      #expect(head.fields["content-length"] == "14")
      second.readToTheEnd()
      #expect(second.received.isEmpty)
      #expect(!site.probe.paths.contains("/canary"))
    }
  }

  @Test func `all come to a client that has finished sending`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send((0..<300).map { get("/ready/\($0)") }.joined())
      client.finishSending()
      #expect(client.answersToTheEnd().map(\.text) == (0..<300).map { "ready /ready/\($0)" })
      #expect(!client.isReset)
      #expect(await site.isDeserted())
    }
  }

  @Test func `are not heaped up for a client that does not take them`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let count = 64
      client.send((0..<count).map { _ in get("/ready/large/1000000") }.joined())
      #expect(await site.eventually { site.probe.prompt > 0 })
      for index in 0..<20 {
        let other = try site.client()
        other.send(get("/\(index)"))
        #expect(other.answer()?.status == 200)
      }
      // What the kernel takes, and one or two more.
      #expect(site.probe.prompt < count / 2, "\(site.probe.prompt)")
      for _ in 0..<count { #expect(client.answer()?.content.count == 1_000_000) }
      #expect(site.probe.prompt == count)
    }
  }

  @Test func `end kept connections when the server drains`() async throws {
    try await Site.run { site in
      let kept = try site.client()
      kept.send(get("/ready/a"))
      #expect(kept.answer()?.closes == false)
      let busy = try site.client()
      busy.send(get("/late"))
      #expect(await site.reached("/late"))
      let drained = Task(executorPreference: site.loop) {
        await site.server.drain(within: .seconds(60))
      }
      let hasBegun = try await site.eventually {
        let client = try site.client()
        client.send(get("/ready/begun"))
        return client.answer()?.closes == true
      }
      #expect(hasBegun)
      kept.send(get("/ready/b") + get("/ready/c"))
      #expect(kept.answersToTheEnd().map(\.closes) == [true])
      site.probe.open()
      #expect(busy.answersToTheEnd().map(\.text) == ["GET /late\n"])
      await drained.value
    }
  }
}
