import EventLoop
import HTTP
import Testing
import Turns

/// What one client cannot take from others.
@Suite(.turns) struct CrowdedServer {
  @Test func `takes so many connections of an address, and tells the others to go`() async throws {
    try await Site.run(perAddress: AddressBound(3)) { site in
      var clients = try (0..<3).map { _ in try site.client() }
      for client in clients {
        client.send(get("/"))
        #expect(client.answer()?.status == 200)
      }
      for _ in 0..<5 {
        let other = try site.client()
        other.send(get("/other"))
        let answers = other.answersToTheEnd()
        #expect(answers.map(\.status) == [503])
        #expect(answers.first?.closes == true)
        #expect(!other.isReset)
      }
      #expect(!site.probe.paths.contains("/other"))
      // Those that were turned away count for nothing, and whoever leaves makes room.
      clients.removeLast()
      #expect(
        try await site.eventually {
          let next = try site.client()
          next.send(get("/next"))
          return next.answer()?.status == 200
        })
      for client in clients {
        client.send(get("/"))
        #expect(client.answer()?.status == 200)
      }
    }
  }

  @Test func `counts the connections of each address, but not those of proxies`() throws {
    func address(_ text: String) throws -> SocketAddress { try #require(SocketAddress(text)) }
    let proxy = try address("10.0.0.1:1")
    let bound = AddressBound(2) { $0.host == proxy.host }
    #expect(bound.enter(try address("192.0.2.1:1")))
    #expect(bound.enter(try address("192.0.2.1:2")))
    #expect(!bound.enter(try address("192.0.2.1:3")))
    #expect(bound.enter(try address("192.0.2.2:1")))
    bound.leave(try address("192.0.2.1:2"))
    #expect(bound.enter(try address("192.0.2.1:4")))
    #expect(!bound.enter(try address("192.0.2.1:5")))
    // The last 64 bits are whatever the client likes.
    #expect(bound.enter(try address("[2001:db8::1]:1")))
    #expect(bound.enter(try address("[2001:db8::ffff:2]:1")))
    #expect(!bound.enter(try address("[2001:db8::3]:1")))
    #expect(bound.enter(try address("[2001:db8:0:1::1]:1")))
    #expect(bound.enter(try address("[::192.0.2.1]:1")))
    for _ in 0..<10 { #expect(bound.enter(proxy)) }
    for _ in 0..<10 { bound.leave(proxy) }
  }

  @Test func `serves others beside slow heads, contents and readers, and then is rid of them`()
    async throws
  {
    var timeouts = Timeouts()
    (timeouts.head, timeouts.content, timeouts.idle) = (.seconds(2), .seconds(2), .seconds(2))
    (timeouts.send, timeouts.linger) = (.seconds(2), .milliseconds(200))
    try await Site.run(timeouts: timeouts) { site in
      let heads = try (0..<150).map { _ in try site.client() }
      for client in heads { client.send("GET / HTTP/1.1\r\nX: ") }
      let contents = try (0..<150).map { _ in try site.client() }
      for client in contents { client.send(post("/", "Content-Length: 100000\r\n", "a")) }
      let readers = try (0..<20).map { _ in try site.client() }
      for client in readers { client.send(get("/large/8000000")) }
      #expect(await site.eventually { site.probe.paths.count >= 170 })
      let good = try site.client()
      var worst = Duration.zero
      for round in 0..<40 {
        for client in heads + contents { client.send("a") }
        let start = MonotonicInstant.now()
        good.send(get("/good"))
        try #require(good.answer()?.text == "GET /good\n", "\(round)")
        worst = max(worst, .now() - start)
      }
      // The promise is a second, on a machine that does nothing else.
      #expect(worst < .seconds(10), "\(worst)")
      // A byte now and then has prolonged nothing.
      #expect(await site.isDeserted())
      #expect(try await site.eventually { try site.descriptors() == 0 })
      for client in heads + contents { #expect(client.answersToTheEnd().map(\.status) == [408]) }
      for client in readers {
        client.readToTheEnd()
        #expect(client.received.count < 8_000_000)
      }
    }
  }
}
