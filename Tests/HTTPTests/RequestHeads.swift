import HTTP
import Testing

@Suite struct RequestHeads {
  private func head(_ text: String) throws -> RequestHead {
    try #require(Conversation(text).heads.first)
  }

  private func refusal(_ text: String) -> Refusal? {
    Conversation(text).refusal
  }

  @Test func `says what was asked for`() throws {
    let head = try head("PATCH /v1/posts/a?x=1 HTTP/1.0\r\nX: y\r\n\r\n")
    #expect(head.method == .patch)
    #expect(head.target.rawPath == "/v1/posts/a")
    #expect(head.version == .http10)
    #expect(head.framing == .none)
  }

  @Test(arguments: Method.allCases.filter { $0 != .connect })
  func `knows every method`(_ method: Method) throws {
    #expect(try head("\(method.rawValue) / HTTP/1.1\r\nHost: a\r\n\r\n").method == method)
  }

  @Test func `finds fields whatever the case of their names, in order`() throws {
    let head = try head(
      "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-b:2\r\nx-a:\t3 4 \r\nX-AB: 5\r\n\r\n")
    #expect(head.values(of: "x-a") == ["1", "3 4"])
    #expect(head.values(of: "X-B") == ["2"])
    #expect(head.values(of: "x") == [])
    #expect(head.first(of: "x-a") == "1")
    #expect(head.first(of: "y") == nil)
    #expect(head.only(of: "x-a") == .repeated)
    #expect(head.only(of: "x-b") == .one("2"))
    #expect(head.only(of: "y") == .absent)
    #expect(head.withFirst(of: "x-a") { $0.count } == 1)
    #expect(head.withFirst(of: "y") { $0.count } == nil)
    #expect(head.fields.map(\.name) == ["Host", "X-A", "x-b", "x-a", "X-AB"])
    #expect(head.fields.map(\.value) == ["a", "1", "2", "3 4", "5"])
  }

  @Test func `shows bytes that are not UTF-8 as replacement characters`() throws {
    let bytes = Array("GET / HTTP/1.0\r\nX: caf".utf8) + [0xE9] + Array("\r\n\r\n".utf8)
    let head = try #require(Conversation(bytes).heads.first)
    #expect(head.first(of: "x") == "caf\u{FFFD}")
  }

  @Test(arguments: [
    ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
    ("HTTP/1.1", "Connection: x, CLOSE\r\n", false),
    ("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false),
    ("HTTP/1.1", "Connection: closed\r\n", true), ("HTTP/1.1", "Connection: keep-alive\r\n", true),
    ("HTTP/1.0", "", false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
    ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
  ])
  func `tells whether the connection goes on`(_ version: String, _ field: String, _ stays: Bool)
    throws
  {
    #expect(try head("GET / \(version)\r\nHost: a\r\n\(field)\r\n").keepAlive == stays)
  }

  @Test(arguments: [
    ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", true),
    ("HTTP/1.1", "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n", true),
    ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
    ("HTTP/1.1", "Expect: 100-continue\r\n", false), ("HTTP/1.1", "Content-Length: 1\r\n", false),
    ("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
  ])
  func `tells whether the client waits`(_ version: String, _ fields: String, _ waits: Bool) throws {
    #expect(try head("POST / \(version)\r\nHost: a\r\n\(fields)\r\n").expectsContinue == waits)
  }

  @Test func `names the reason and the place of a refusal`() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n"
    #expect(refusal("GET  / HTTP/1.1\r\n") == .malformedRequestLine(at: 4))
    #expect(refusal("\r\nGET  / HTTP/1.1\r\n") == .malformedRequestLine(at: 4))
    #expect(refusal("GET /\r\n") == .malformedRequestLine(at: 5))
    #expect(refusal("GET / HTTP/1.1\rX") == .bareCarriageReturn(at: 14))
    #expect(refusal("GET / HTTP/1.1\n") == .bareLineFeed(at: 14))
    #expect(refusal("GET /a#b HTTP/1.1\r\n") == .fragmentInTarget(at: 6))
    #expect(refusal("GET /a%4g HTTP/1.1\r\n") == .invalidPercentEncoding(at: 6))
    #expect(refusal("GET /a%00 HTTP/1.1\r\n") == .nulInTarget(at: 6))
    #expect(refusal("GET /a%ff HTTP/1.1\r\n") == .invalidUTF8InTarget(at: 6))
    #expect(refusal("GET a HTTP/1.1\r\n") == .invalidTarget(at: 4))
    #expect(refusal(start + "X : y\r\n") == .spaceBeforeColon(at: 25))
    #expect(refusal(start + "X\r\n") == .invalidFieldName(at: 25))
    #expect(refusal(start + " X") == .obsoleteLineFolding(at: 25))
    #expect(refusal(start + "X: \0") == .invalidFieldValue(at: 28))
    #expect(refusal(start + "X: y\n") == .bareLineFeed(at: 29))
    #expect(refusal(start + "X: y\r\r") == .bareCarriageReturn(at: 29))
    #expect(refusal("GET / HTTP/1.1\r\n\r\n") == .missingHost)
    #expect(refusal(start + "Host: a\r\n\r\n") == .repeatedHost)
    #expect(refusal("GET / HTTP/1.1\r\nHost: /\r\n\r\n") == .invalidHost)
    #expect(
      refusal(start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n") == .repeatedContentLength)
    #expect(refusal(start + "Content-Length: 1,1\r\n\r\n") == .invalidContentLength)
    #expect(
      refusal(start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        == .contentLengthWithTransferEncoding)
    #expect(refusal(start + "Transfer-Encoding: x\r\n\r\n") == .ambiguousTransferEncoding)
    #expect(refusal(start + "Transfer-Encoding: x, chunked\r\n\r\n") == .unsupportedTransferCoding)
    #expect(
      refusal("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == .transferEncodingInHTTP10)
    let chunked = start + "Transfer-Encoding: chunked\r\n\r\n"
    #expect(refusal(chunked + "1\r\nxy") == .malformedChunk(at: 4))
    #expect(refusal(chunked + "0\r\nX: y\r\n\0") == .malformedTrailer(at: 6))
    #expect(refusal(chunked + "0\r\nX: y\r\nHost: b\r\n\r\n") == .forbiddenTrailer(at: 6))
    #expect(
      Refusal.spaceBeforeColon(at: 57).detail
        == "the header field at byte 57 of the head has white space before its colon")
  }
}
