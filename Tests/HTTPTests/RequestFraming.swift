import HTTP
import Testing

@Suite struct RequestFraming {
  @Test(arguments: FramingCase.accepted)
  func `accepts what the RFC allows`(_ example: FramingCase) {
    let conversation = Conversation(example.bytes)
    #expect(conversation.refusal == nil)
    #expect(conversation.heads.count == 1)
    #expect(conversation.ends == 1)
    #expect(conversation.content == example.content)
    #expect(conversation.pending.isEmpty)
  }

  @Test(arguments: FramingCase.refused)
  func `refuses what could be read in two ways`(_ example: FramingCase) {
    let conversation = Conversation(example.bytes)
    #expect(conversation.refusal?.status == example.status)
    #expect(conversation.ends == 0)
  }

  @Test(arguments: FramingCase.refused)
  func `answers nothing behind a refused request`(_ example: FramingCase) {
    let canary = Array("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    let conversation = Conversation(example.bytes + canary)
    #expect(conversation.refusal?.status == example.status)
    #expect(!conversation.heads.contains { $0.target.rawPath == "/canary" })
  }

  @Test(arguments: FramingCase.accepted)
  func `answers the request behind an accepted one`(_ example: FramingCase) {
    let canary = Array("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    let conversation = Conversation(example.bytes + canary)
    #expect(conversation.heads.map(\.target.rawPath).last == "/canary")
    #expect(conversation.ends == 2)
  }

  @Test func `is tested with enough shapes, each named once`() {
    #expect(FramingCase.accepted.count >= 80)
    #expect(FramingCase.refused.count >= 350)
    #expect(Set(FramingCase.all.map(\.name)).count == FramingCase.all.count)
  }

  @Test(arguments: FramingCase.all)
  func `says the same byte by byte`(_ example: FramingCase) {
    guard example.bytes.count < 50_000 else {
      // Content of a mebibyte: pieces of an odd length say as much, in less time.
      let cuts = Array(stride(from: 1, to: example.bytes.count, by: 997))
      #expect(
        Conversation(example.bytes, cuts: cuts).outcomes == Conversation(example.bytes).outcomes)
      return
    }
    let cuts = Array(0..<example.bytes.count)
    #expect(
      Conversation(example.bytes, cuts: cuts).outcomes == Conversation(example.bytes).outcomes)
  }

  @Test(arguments: FramingCase.all)
  func `says the same at every split point`(_ example: FramingCase) {
    let whole = Conversation(example.bytes).outcomes
    for cut in Self.cuts(example.bytes.count) {
      #expect(Conversation(example.bytes, cuts: [cut]).outcomes == whole)
    }
  }

  /// Every place in a short message; in a long one those near its ends and some between.
  private static func cuts(_ count: Int) -> [Int] {
    guard count > 1000 else { return Array(0...count) }
    return Array(0..<100) + stride(from: 100, to: count - 20, by: max(1, count / 20))
      + Array((count - 20)...count)
  }
}
