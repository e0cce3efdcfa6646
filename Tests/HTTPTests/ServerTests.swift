import EventLoop
import HTTP
import Testing
import Turns

@Suite(.turns) struct FramingOverASocket {
  @Test(arguments: FramingCase.refused)
  func `refuses and closes, and answers nothing behind it`(_ example: FramingCase) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(example.bytes + Array(get("/canary").utf8))
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.status) == [try #require(example.status)])
      #expect(answers.first?.closes == true)
      #expect(client.received.isEmpty)
      #expect(!client.isReset)
      #expect(!site.probe.paths.contains("/canary"))

      let other = try site.client()
      other.send(get("/other"))
      #expect(other.answer()?.status == 200)
    }
  }

  @Test(arguments: FramingCase.accepted)
  func `answers what the RFC allows and the request behind it`(
    _ example: FramingCase
  ) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(example.bytes + Array(get("/canary", "Connection: close\r\n").utf8))
      let isHead = example.bytes.starts(with: Array("HEAD".utf8))
      var answer = client.answer(toHead: isHead)
      if answer?.status == 100 { answer = client.answer() }
      #expect(answer?.status == 200)
      if !isHead {
        let content = try #require(answer?.content)
        #expect(Array(content.drop { $0 != 10 }.dropFirst()) == example.content)
      }
      if answer?.closes == true {
        client.readToTheEnd()
        #expect(client.received.isEmpty)
        #expect(!site.probe.paths.contains("/canary"))
      } else {
        #expect(client.answersToTheEnd().map(\.text) == ["GET /canary\n"])
      }
    }
  }
}

@Suite(.turns) struct KeptConnections {
  @Test func `carry one request after another`() async throws {
    try await Site.run { site in
      let client = try site.client()
      for index in 0..<50 {
        client.send(get("/\(index)"))
        let answer = try #require(client.answer())
        #expect(answer.text == "GET /\(index)\n")
        #expect(!answer.closes)
      }
      #expect(await site.server.openConnections().accepted == 1)
    }
  }

  @Test func `end when the client says so`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(get("/a", "Connection: close\r\n") + get("/canary"))
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.text) == ["GET /a\n"])
      #expect(answers.first?.closes == true)
      #expect(site.probe.paths == ["/a"])
    }
  }

  @Test func `of HTTP/1.0 stay only when asked to`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(client.answer()?.fields["connection"] == "keep-alive")
      client.send("GET /b HTTP/1.0\r\n\r\n")
      #expect(client.answersToTheEnd().map(\.closes) == [true])
    }
  }

  @Test func `answer 200 pipelined requests in order and in few sends`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send((0..<200).map { get("/\($0)") }.joined())
      for index in 0..<200 { #expect(client.answer()?.text == "GET /\(index)\n") }
      #expect((1..<10).contains(client.dataSegments))
    }
  }

  @Test func `answer pipelined requests in order when the first waits`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(get("/late") + (0..<2000).map { get("/\($0)") }.joined())
      #expect(await site.reached("/late"))
      #expect(site.probe.paths == ["/late"])
      site.probe.open()
      #expect(client.answer()?.text == "GET /late\n")
      for index in 0..<2000 { #expect(client.answer()?.text == "GET /\(index)\n") }
    }
  }

  @Test func `answer pipelined requests that all wait`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send((0..<500).map { upload("/late/\($0)", "content \($0)") }.joined())
      #expect(await site.reached("/late/0"))
      site.probe.open()
      for index in 0..<500 {
        #expect(client.answer()?.text == "POST /late/\(index)\ncontent \(index)")
      }
    }
  }

  @Test func `measure what HEAD does not send`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send("HEAD /large/5000 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/b"))
      #expect(client.answer(toHead: true)?.fields["content-length"] == "5000")
      #expect(client.answer()?.text == "GET /b\n")
    }
  }

  @Test func `give a client that has finished sending all its answers`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(get("/late") + get("/b") + get("/large/3000000") + get("/d"))
      client.finishSending()
      #expect(await site.reached("/late"))
      site.probe.open()
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.content.count) == [10, 7, 3_000_000, 7])
      #expect(!client.isReset)
      #expect(await site.isDeserted())
    }
  }

  @Test func `answer 400 to half a head and nothing to none`() async throws {
    try await Site.run { site in
      let half = try site.client()
      half.send("GET / HT")
      half.finishSending()
      #expect(half.answersToTheEnd().map(\.status) == [400])
      let none = try site.client()
      none.finishSending()
      #expect(none.answersToTheEnd().isEmpty)
      #expect(none.isEnded)
    }
  }

  @Test func `stop reading a client that does not take its answers`() async throws {
    var timeouts = Timeouts()
    timeouts.send = .seconds(1)
    try await Site.run(timeouts: timeouts) { site in
      let client = try site.client()
      let flood = Array(String(repeating: get("/large/100000"), count: 1000).utf8)
      var sent = 0
      while sent < 100_000_000, client.send(flood) { sent += flood.count }
      #expect(sent < 50_000_000)
      #expect(await site.isDeserted())
    }
  }
}

@Suite(.turns) struct Contents {
  @Test func `are read by length and in chunks, byte by byte`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let chunked = post(
        "/b", "Transfer-Encoding: chunked\r\n", "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n")
      for byte in Array((upload("/a", "hello") + chunked).utf8) { #expect(client.send([byte])) }
      #expect(client.answer()?.text == "POST /a\nhello")
      #expect(client.answer()?.text == "POST /b\nhello!")
    }
  }

  @Test func `wait until they are asked for`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(upload("/late", "hello") + get("/b"))
      #expect(await site.reached("/late"))
      site.probe.open()
      #expect(client.answer()?.text == "POST /late\nhello")
      #expect(client.answer()?.text == "GET /b\n")
    }
  }

  @Test func `of a mebibyte wait in the client's buffers until they are asked for`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let content = String(repeating: "a", count: 1 << 20)
      let opening = Task(executorPreference: site.loop) {
        _ = await site.eventually(on: site.loop) { site.probe.paths.contains("/late") }
        site.probe.open()
      }
      client.send(upload("/late", content))
      let answer = client.answer()
      await opening.value
      #expect(answer?.content.count == "POST /late\n".count + (1 << 20))
      #expect(answer?.closes == false)
    }
  }

  @Test func `of no length are there at once`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(upload("/late", ""))
      #expect(await site.reached("/late"))
      site.probe.open()
      #expect(client.answer()?.text == "POST /late\n")
      client.send(upload("/late/ignore", ""))
      #expect(client.answer()?.text == "ignored late")
      #expect(await site.server.openConnections().busy == 0)
      client.send(get("/c"))
      #expect(client.answer()?.text == "GET /c\n")
    }
  }

  @Test func `that nobody reads are passed over when they are short`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(upload("/ignore", "hello") + get("/b"))
      #expect(client.answer()?.text == "ignored")
      #expect(client.answer()?.text == "GET /b\n")
      // Also when they come after the answer.
      client.send(post("/ignore", "Content-Length: 5\r\n"))
      #expect(client.answer()?.text == "ignored")
      client.send("hello" + get("/d"))
      #expect(client.answer()?.text == "GET /d\n")
    }
  }

  @Test(arguments: ["Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"])
  func `that nobody reads close the connection when they are long`(_ field: String) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(post("/ignore", field))
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.text) == ["ignored"])
      #expect(answers.first?.closes == true)
    }
  }

  @Test func `are the same for everybody who reads them`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(post("/twice", "Content-Length: 5\r\n"))
      #expect(await site.reached("/twice"))
      client.send("hello")
      #expect(client.answer()?.text == "5 5")
    }
  }

  @Test func `of one request are not another's`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(upload("/keep", "first"))
      #expect(client.answer()?.text == "kept")
      client.send(upload("/kept", "other"))
      #expect(client.answer()?.text == "nothing")
    }
  }

  @Test func `that end too early are refused`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(post("/", "Content-Length: 6\r\n", "hello"))
      client.finishSending()
      #expect(client.answersToTheEnd().map(\.status) == [400])
    }
  }

  @Test func `are asked for with 100 Continue when the responder reads`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let fields = "Expect: 100-continue\r\nContent-Length: 5\r\n"
      client.send(get("/first") + post("/a", fields))
      #expect(client.answer()?.text == "GET /first\n")
      #expect(client.answer()?.status == 100)
      client.send("hello")
      #expect(client.answer()?.text == "POST /a\nhello")
      // One that does not wait gets its answer all the same.
      client.send(post("/late", fields, "hello"))
      #expect(await site.reached("/late"))
      site.probe.open()
      #expect(client.answer()?.status == 100)
      #expect(client.answer()?.text == "POST /late\nhello")
    }
  }

  @Test(arguments: ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"])
  func `are not asked for when the responder refuses`(_ field: String) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(post("/refuse", "Expect: 100-continue\r\n" + field))
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.status) == [403])
      #expect(answers.first?.closes == true)
    }
  }

  @Test func `that are declared too large are not asked for`() async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(post("/", "Expect: 100-continue\r\nContent-Length: 1048577\r\n"))
      #expect(client.answersToTheEnd().map(\.status) == [413])
      #expect(site.probe.paths.isEmpty)
    }
  }

  @Test(arguments: [
    "Content-Length: 2097152\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n200000\r\n",
  ])
  func `of 2 MiB are refused, and the client that sends them reads it`(
    _ beginning: String
  ) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send("POST / HTTP/1.1\r\nHost: a\r\n" + beginning)
      let piece = [UInt8](repeating: 0x61, count: 65_536)
      for _ in 0..<32 { #expect(client.send(piece)) }
      let answers = client.answersToTheEnd()
      #expect(answers.map(\.status) == [413])
      #expect(answers.first?.closes == true)
      #expect(!client.isReset)
    }
  }

  @Test func `in small chunks are counted while they come`() async throws {
    try await Site.run { site in
      let client = try site.client()
      let chunk = "400\r\n" + String(repeating: "a", count: 1024) + "\r\n"
      client.send(post("/", "Transfer-Encoding: chunked\r\n"))
      for _ in 0..<20 { #expect(client.send(String(repeating: chunk, count: 100))) }
      #expect(client.answersToTheEnd().map(\.status) == [413])
      #expect(!client.isReset)
    }
  }

  @Test(arguments: [("GET /", 414), ("GET / HTTP/1.1\r\nX: ", 431)])
  func `are not waited for behind a head that is too large`(
    _ beginning: String, _ status: Int
  ) async throws {
    try await Site.run { site in
      let client = try site.client()
      client.send(beginning + String(repeating: "a", count: 65_536))
      #expect(client.answersToTheEnd().map(\.status) == [status])
      #expect(!client.isReset)
    }
  }
}

@Suite(.turns) struct Listening {
  @Test func `answers on IPv6`() async throws {
    try await Site.run(on: "[::1]:0") { site in
      let client = try site.client()
      client.send(get("/"))
      #expect(client.answer()?.status == 200)
    }
  }

  @Test func `twice on one port fails`() async throws {
    try await Site.run { site in
      let probe = Probe()
      let address = site.address
      await #expect(throws: SystemError.self) {
        _ = try await Server.start(on: address, loops: [site.loop], responder: { _ in probe })
      }
      let client = try site.client()
      client.send(get("/"))
      #expect(client.answer()?.status == 200)
    }
  }

  @Test func `goes on beside a thousand idle connections, whose descriptors return`() async throws {
    try await Site.run { site in
      var idle: [RawClient] = []
      for _ in 0..<1000 { idle.append(try site.client()) }
      #expect(await site.eventually { await site.server.openConnections().idle == 1000 })
      let client = try site.client()
      client.send(get("/"))
      #expect(client.answer()?.status == 200)
      // The kernel's table is no snapshot while others come and go.
      #expect(try await site.eventually { try site.descriptors() == 1001 })
      idle.removeAll()
      #expect(try await site.eventually { try site.descriptors() == 1 })
      client.send(get("/"))
      #expect(client.answer()?.status == 200)
    }
  }

  @Test func `on two loops serves on both`() async throws {
    Signals.block([])
    let loops = [try EventLoop(), try EventLoop()]
    for loop in loops { try loop.start() }
    defer { for loop in loops { loop.stop() } }
    let probe = Probe()
    let server = try await Server.start(
      on: #require(SocketAddress("127.0.0.1:0")), loops: loops, responder: { _ in probe })
    for _ in 0..<50 {
      let client = try RawClient(server.address)
      client.send(get("/"))
      #expect(client.answer()?.status == 200)
    }
    await server.close()
  }
}
