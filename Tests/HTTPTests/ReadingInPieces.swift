import HTTP
import Testing

@Suite struct ReadingInPieces {
  private func parser(_ change: (inout RequestLimits) -> Void) -> RequestParser {
    var limits = RequestLimits()
    change(&limits)
    return RequestParser(limits: limits)
  }

  /// Feeds `text` byte by byte; the number of bytes at which it is refused, and why.
  private func refused(
    _ text: String, _ change: (inout RequestLimits) -> Void
  ) -> (after: Int, Refusal)? {
    var limits = RequestLimits()
    change(&limits)
    var conversation = Conversation(limits: limits)
    for (index, byte) in text.utf8.enumerated() {
      conversation.receive([byte])
      if let refusal = conversation.refusal { return (index + 1, refusal) }
    }
    return nil
  }

  @Test func `refuses a target as soon as it is too long`() throws {
    let found = try #require(refused("GET /aaaaaaaaaaaaa") { $0.target = 8 })
    #expect(found == (4 + 9, .targetTooLong))
  }

  @Test func `refuses a head as soon as it cannot end within the limit`() throws {
    let found = try #require(refused("GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaa") { $0.head = 30 })
    #expect(found == (30, .headTooLarge))
  }

  @Test func `refuses the first byte of one field too many`() throws {
    let found = try #require(refused("GET / HTTP/1.1\r\nX:\r\nY:\r\nZ:\r\n") { $0.fields = 2 })
    #expect(found == (16 + 8 + 1, .tooManyFields))
  }

  @Test func `refuses a declared length with the head, and a chunk before its content`() throws {
    var parser = parser { $0.body = 4 }
    let bytes = Array("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n".utf8)
    guard case .refused(.bodyTooLarge) = parser.next(bytes.span) else {
      Issue.record("a length beyond the limit was not refused")
      return
    }
    #expect(parser.refusedHead?.target.rawPath == "/x")

    let head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    let found = try #require(refused(head + "4\r\nabcd\r\n1\r\n") { $0.body = 4 })
    #expect(found == (head.utf8.count + 12, .bodyTooLarge))
    #expect(refused(head + "4\r\nabcd\r\n0\r\n\r\n") { $0.body = 4 } == nil)
  }

  @Test func `limits that nobody can mean do not trap`() {
    var limits = RequestLimits()
    (limits.head, limits.target, limits.fields, limits.body) = (.max, .max, .max, .max)
    #expect(Conversation(FramingCase.accepted[0].bytes, limits: limits).ends == 1)
    (limits.head, limits.target, limits.fields, limits.body) = (.min, -1, -1, .min)
    #expect(Conversation([0x47], limits: limits).refusal == .headTooLarge)
  }

  @Test func `stays refused`() {
    var parser = RequestParser()
    for bytes in [Array("\n".utf8), Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), []] {
      guard case .refused(.bareLineFeed(at: 0)) = parser.next(bytes.span) else {
        Issue.record("a refused connection went on")
        return
      }
    }
  }

  @Test func `tells when it stands between two requests`() {
    var conversation = Conversation()
    #expect(conversation.parser.isBetweenRequests)
    conversation.receive(Array("G".utf8))
    #expect(!conversation.parser.isBetweenRequests)
    conversation.receive(Array("ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n".utf8))
    #expect(!conversation.parser.isBetweenRequests)
    conversation.receive(Array("x".utf8))
    #expect(conversation.parser.isBetweenRequests)
  }

  @Test func `keeps apart the requests of one read`() {
    let one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
    let two = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    let three =
      "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n"
    let bytes = Array((one + two + three + one).utf8)
    let whole = Conversation(bytes)
    #expect(whole.heads.map(\.target.rawPath) == ["/1", "/2", "/3", "/1"])
    #expect(whole.ends == 4)
    #expect(whole.content == Array("hi!".utf8))
    for cut in 0...bytes.count {
      #expect(Conversation(bytes, cuts: [cut]).outcomes == whole.outcomes)
    }
  }

  @Test func `a head outlives the storage it was parsed into`() throws {
    var (first, second) = (RequestParser(), RequestParser())
    let one = Array("GET /1 HTTP/1.1\r\nHost: one\r\n\r\n".utf8)
    let two = Array("GET /2 HTTP/1.1\r\nHost: two\r\n\r\n".utf8)
    guard case .head(let early, _) = first.next(one.span) else {
      Issue.record("no head")
      return
    }
    second.storage = first.storage
    guard case .head(let late, _) = second.next(two.span) else {
      Issue.record("no head")
      return
    }
    #expect(early.first(of: "host") == "one")
    #expect(early.target.rawPath == "/1")
    #expect(late.first(of: "host") == "two")
  }

  @Test(arguments: 0..<16)
  func `mutated requests say the same in any pieces`(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let seeds = FramingCase.all.map(\.bytes).filter { $0.count < 600 }
    for _ in 0..<250 {
      var bytes = seeds.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes.mutate(with: seeds.randomElement(using: &random)!, using: &random)
      }
      let whole = Conversation(bytes)
      let cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
      #expect(Conversation(bytes, cuts: cuts).outcomes == whole.outcomes, "\(bytes)")
      #expect(
        Conversation(bytes, cuts: Array(0..<bytes.count)).outcomes == whole.outcomes, "\(bytes)")
      #expect(whole.ends <= whole.heads.count && whole.heads.count <= whole.ends + 1)
    }
  }
}
