import HTTP
import Testing

@Suite struct ContentNegotiation {
  private let offers = [MediaType("application", "json"), MediaType("text", "markdown")]

  private func best(_ lines: String...) -> String? {
    Accept(lines).best(of: offers).map { offers[$0].essence }
  }

  @Test func `takes the server's first choice when the client has none`() {
    #expect(best() == "application/json")
    #expect(best("*/*") == "application/json")
    #expect(best("") == "application/json")
    #expect(best("text/markdown, application/json") == "application/json")
  }

  @Test func `takes what the client prefers`() {
    #expect(best("text/markdown") == "text/markdown")
    #expect(best("TEXT/Markdown") == "text/markdown")
    #expect(best("text/*") == "text/markdown")
    #expect(best("application/json;q=0.5, text/markdown") == "text/markdown")
    #expect(best("application/json;q=0.5", "text/markdown;q=0.501") == "text/markdown")
    #expect(best("text/markdown;q=0.9, */*;q=0.8") == "text/markdown")
    #expect(best("text/markdown ; Q=0.2 , */* ; q=0.1") == "text/markdown")
  }

  @Test func `the more specific range counts, whatever its place`() {
    #expect(best("application/json;q=0, */*") == "text/markdown")
    #expect(best("*/*, application/json;q=0.1") == "text/markdown")
    #expect(
      best("application/*;q=0.1, application/json, text/markdown;q=0.5") == "application/json")
  }

  @Test func `of a range that stands there twice the higher quality counts`() {
    #expect(best("text/markdown;q=0.9, text/markdown;q=0.1, */*;q=0.5") == "text/markdown")
    #expect(best("text/markdown;q=0.1, text/markdown;q=0.9, */*;q=0.5") == "text/markdown")
  }

  @Test func `parameters but q are passed over`() {
    #expect(best("text/markdown;variant=GFM;charset=\"utf-8, q=0\"") == "text/markdown")
  }

  @Test func `answers nothing when all is excluded`() {
    #expect(best("text/html") == nil)
    #expect(best("*/*;q=0") == nil)
    #expect(best("application/json;q=0.000, text/markdown;q=0") == nil)
  }

  @Test(arguments: [
    "text", "text/", "/markdown", "*/markdown", "text/markdown;q=2", "text/markdown;q=1.001",
    "text/markdown;q=0.1234", "text/markdown;q=.5", "text/markdown;q=", "text/markdown;q=-1",
    "text/markdown;q=a", "text/markdown x", "text /markdown", "text/markdown;x=\"y", "\"",
    "text/markdown;q=1,1",
  ])
  func `a member that is malformed takes nothing`(_ text: String) {
    #expect(!Accept([text]).isWellFormed)
    #expect(best("application/json;q=0.1", text) == "application/json" || text.hasSuffix(",1"))
  }

  @Test func `reads Content-Type`() throws {
    let type = try #require(MediaType("Text/Markdown ; Charset=\"utf\\-8\";variant=GFM;"))
    #expect(type.essence == "text/markdown")
    #expect(type.parameter("charset") == "utf-8")
    #expect(type.parameter("variant") == "GFM")
    #expect(type.parameter("x") == nil)
  }

  @Test(arguments: [
    "", "text", "text/", "/x", "text/x/y", "text/x y", "text/x;a", "text/x;a=", "text/x;=b",
    "text/x;a=\"b", "text/x;a=b c", "text/x, text/y", "text/x;a=1;A=2", " text/x", "text/x;a =b",
    "text/x;a=\"b\"c",
  ])
  func `refuses a Content-Type that is malformed`(_ text: String) {
    #expect(MediaType(text) == nil)
  }

  @Test func `random text is read without harm, and what is read is written the same`() {
    var random = SeededGenerator(seed: 7)
    let pieces = [
      "*", "/", ";", ",", "=", "\"", "\\", " ", "q", "0.5", "text", "W/", "\t", "\u{e9}", "\0", "1",
    ]
    for _ in 0..<5000 {
      let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        pieces.randomElement(using: &random)!
      }.joined()
      let quality = Accept([text]).quality(of: offers[0])
      #expect((0...1000).contains(quality))
      if let type = MediaType(text) { #expect(MediaType(type.essence)?.essence == type.essence) }
      if case .oneOf(let tags) = EntityTagCondition([text]) {
        #expect(EntityTagCondition([tags.map(\.text).joined(separator: ", ")]) == .oneOf(tags))
      }
    }
  }
}
