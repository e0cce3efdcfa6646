import HTTP
import Testing

@Suite struct WritingResponses {
  private let date = HTTPDate(secondsSinceEpoch: 784_111_777)

  private func written(
    _ response: Response, answering method: HTTP.Method? = .get, version: Version = .http11,
    keepAlive: Bool = true
  ) -> String {
    var output: [UInt8] = []
    ResponseWriter.write(
      response, answering: method, version: version, keepAlive: keepAlive, date: date, into: &output
    )
    return String(decoding: output, as: UTF8.self)
  }

  private let page = Response(
    status: 200, fields: ["Content-Type": "text/plain", "ETag": "\"1\""], body: Array("hello".utf8))
  private let head = """
    HTTP/1.1 200 OK\r
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r
    Content-Type: text/plain\r
    ETag: "1"\r
    Content-Length: 5\r\n
    """

  @Test func `writes head and content`() {
    #expect(written(page) == head + "\r\nhello")
  }

  @Test func `writes GET's head for HEAD`() {
    #expect(written(page, answering: .head) == head + "\r\n")
  }

  @Test func `says that the connection ends, and to HTTP 1.0 that it stays`() {
    #expect(written(page, keepAlive: false) == head + "Connection: close\r\n\r\nhello")
    #expect(
      written(page, version: .http10, keepAlive: false) == head + "Connection: close\r\n\r\nhello")
    #expect(written(page, version: .http10) == head + "Connection: keep-alive\r\n\r\nhello")
  }

  @Test(arguments: [204, 304])
  func `gives neither length nor content to what has none`(_ status: Int) {
    let text = written(Response(status: status, body: [0x21]))
    #expect(!text.contains("Content-Length"))
    #expect(text.hasSuffix("\r\n\r\n"))
  }

  @Test func `says that content is empty`() {
    #expect(written(Response(status: 404)).contains("\r\nContent-Length: 0\r\n"))
  }

  @Test func `appends to what is there`() {
    var output = Array("x".utf8)
    ResponseWriter.writeContinue(into: &output)
    ResponseWriter.write(
      Response(status: 200), answering: nil, keepAlive: true, date: date, into: &output)
    #expect(
      String(decoding: output, as: UTF8.self).hasPrefix(
        "xHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: "))
  }

  @Test func `no value can end its line`() {
    for byte in UInt8(0)...255 {
      let value = FieldValue("a" + String(decoding: [byte], as: UTF8.self) + "b")
      #expect(value.text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
    }
    #expect(FieldValue("/x\r\nSet-Cookie: y").text == "/x%0D%0ASet-Cookie: y")
    #expect(FieldValue("\0").text == "%00")
    #expect(FieldValue("caf\u{e9}").text == "caf%C3%A9")
    #expect(FieldValue(" a b ").text == "%20a b%20")
    #expect(FieldValue(" ").text == "%20")
    #expect(FieldValue("").text == "")
    let injected = "x\r\ny"
    let value: FieldValue = "max-age=\(60), \(injected)"
    #expect(value.text == "max-age=60, x%0D%0Ay")
  }

  @Test func `no name can end its line`() {
    let response = Response(status: 200, fields: ["X\r\nY:": "z"])
    #expect(written(response).contains("\r\nX--Y-: z\r\n"))
    #expect(FieldName(token: "a b") == nil)
    #expect(FieldName(token: "") == nil)
    #expect(FieldName(token: "X-A") == "x-a")
  }

  @Test func `leaves framing to itself`() {
    let response = Response(
      status: 200,
      fields: [
        "content-length": "7", "Transfer-Encoding": "chunked", "CONNECTION": "upgrade",
        "Date": "never",
      ], body: [0x21])
    #expect(
      written(response)
        == "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1\r\n\r\n!")
  }

  @Test(arguments: [Int.min, -1, 0, 99, 600, 1000, Int.max])
  func `says 500 for a status that cannot be written`(_ status: Int) {
    #expect(written(Response(status: status)).hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
  }

  @Test func `leaves the reason of an unknown status empty`() {
    #expect(written(Response(status: 299)).hasPrefix("HTTP/1.1 299 \r\n"))
  }

  @Test func `every refusal has a status line`() {
    for status in FramingCase.refused.compactMap(\.status) + [408] {
      #expect(ResponseWriter.reason(status) != "")
    }
  }

  @Test func `keeps fields in order`() {
    var fields: ResponseFields = ["A": "1", "B": "2", "a": "3"]
    fields.append("C", "4")
    fields.set("A", "5")
    #expect(fields.map { "\($0.name.text)=\($0.value.text)" } == ["A=5", "B=2", "C=4"])
    fields.set("D", FieldValue(6))
    fields.remove("b")
    #expect(fields.map(\.name.text) == ["A", "C", "D"])
    #expect(fields.first(of: "d")?.text == "6")
    #expect(fields.first(of: "b") == nil)
  }
}
