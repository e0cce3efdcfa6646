/// Shapes by which two recipients were brought to disagree about where a request ends, as they were
/// published in the last years: each is refused, or means the one thing that it can mean.
extension FramingCase {
  static let desync: [FramingCase] =
    hiddenCodings + oddLengths + oddChunks + oddTrailers + oddLines + oddExpectations + oddHosts

  /// Fields that elsewhere have changed how a message is framed. Here they change nothing, and the
  /// request behind is answered once.
  static let harmless: [FramingCase] = [
    .accepted(
      "a length that Connection names",
      post("Connection: Content-Length\r\nContent-Length: 5", "hello"), content: "hello"),
    .accepted(
      "a coding that Connection names",
      post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n"),
      content: "x"),
    .accepted("a Host that Connection names", get(fields: "Connection: Host")),
    .accepted(
      "an upgrade to h2c",
      get(fields: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk")
    ),
    .accepted(
      "an upgrade to WebSocket",
      get(fields: "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13")),
    .accepted(
      "an upgrade with content", post("Upgrade: h2c\r\nContent-Length: 5", "hello"),
      content: "hello"),
    .accepted("a length with an underscore in its name", get(fields: "Content_Length: 60")),
    .accepted("a coding with an underscore in its name", get(fields: "Transfer_Encoding: chunked")),
    .accepted("a name that ends as a length", get(fields: "X-Content-Length: 60")),
    .accepted("a name that begins as a length", get(fields: "Content-Length-X: 60")),
    .accepted("a name that begins as a coding", get(fields: "Transfer-Encoding2: chunked")),
    .accepted("chunked as a content coding", get(fields: "Content-Encoding: chunked")),
    .accepted("chunked in TE", get(fields: "TE: trailers, chunked")),
    .accepted("a trailer that is announced and missing", chunked("0\r\n\r\n")),
    .accepted(
      "a trailer that announces a length",
      post("Trailer: Content-Length\r\nTransfer-Encoding: chunked", "0\r\nX: y\r\n\r\n")),
    .accepted("Proxy-Connection", get(fields: "Proxy-Connection: close")),
    .accepted("Max-Forwards", get(fields: "Max-Forwards: 0")),
    .accepted("another method in a field", get(fields: "X-HTTP-Method-Override: POST")),
    .accepted("an expectation without content", get(fields: "Expect: 100-continue")),
    .accepted(
      "an expectation with a length of nothing",
      post("Expect: 100-continue\r\nContent-Length: 0")),
    .accepted(
      "content of GET that is a request",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + get("/x/y"),
      content: get("/x/y")),
    .accepted(
      "content of DELETE that is a request",
      "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + get("/x/y"),
      content: get("/x/y")),
    .accepted(
      "content of OPTIONS that is a request",
      "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + get("/x/y"),
      content: get("/x/y")),
    .accepted(
      "content of PUT that is a request",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + get("/x/y"), content: get("/x/y")),
    .accepted(
      "a chunk that is a request", chunked("1E\r\n" + get("/x/y") + "\r\n0\r\n\r\n"),
      content: get("/x/y")),
    .accepted(
      "a chunk that ends chunks", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), content: "0\r\n\r\n"),
    .accepted(
      "an extension that ends chunks", chunked("1;a=\"0\"\r\nx\r\n0;b=\"0\"\r\n\r\n"),
      content: "x"),
    .accepted(
      "a kept connection of HTTP/1.0",
      "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
      content: "hello"),
    .accepted("a space that is an escape", get("/%20HTTP/1.1")),
    .accepted("a line break that is an escape", get("/?a=%0d%0aTransfer-Encoding:%20chunked")),
    .accepted("a Host that ends in a dot", get(host: "a.example.")),
    .accepted(
      "two fields for where it came from",
      get(fields: "X-Forwarded-Host: b\r\nForwarded: host=c\r\nX-Original-URL: /d")),
  ]

  /// A POST with these lines for its coding and a length beside it that says something else.
  private static func hidden(_ lines: String) -> String {
    post("\(lines)\r\nContent-Length: 3", "0\r\n\r\n")
  }

  private static let hiddenCodings: [FramingCase] = [
    .refused("chunked and a vertical tab", hidden("Transfer-Encoding: chunked\u{b}")),
    .refused("chunked and a tab within", hidden("Transfer-Encoding: chu\tnked")),
    .refused("chunked and a no-break space", hidden("Transfer-Encoding: \u{a0}chunked")),
    .refused("chunked and a next-line", hidden("Transfer-Encoding: chunked\u{85}")),
    .refused("chunked and a bare LF", hidden("Transfer-Encoding: chunked\nX: y")),
    .refused("chunked behind a bare LF", hidden("X: y\nTransfer-Encoding: chunked")),
    .refused("chunked behind a bare CR", hidden("X: y\rTransfer-Encoding: chunked")),
    .refused("chunked behind a NUL", hidden("X: y\0Transfer-Encoding: chunked")),
    .refused("chunked on the next line", hidden("Transfer-Encoding\r\n: chunked")),
    .refused("chunked behind a line's end", hidden("Transfer-Encoding:\nchunked")),
    .refused("chunked with a folded end", hidden("Transfer-Encoding: chunked\r\n\tx")),
    .refused("a line of chunked that is folded", hidden("X: y\r\n Transfer-Encoding: chunked")),
    .refused("a NUL in the name of the coding", hidden("Transfer-Encoding\0: chunked")),
    .refused("a NUL before the name of the coding", hidden("\0Transfer-Encoding: chunked")),
    .refused("a semicolon in the name of the coding", hidden("Transfer-Encoding;: chunked")),
    .refused("an equals sign for a colon", hidden("Transfer-Encoding= chunked")),
    .refused("a long s in the name of the coding", hidden("Tran\u{17f}fer-Encoding: chunked")),
    .refused("a soft hyphen in the name", hidden("Transfer\u{ad}Encoding: chunked")),
    .refused("a tab before its colon", hidden("Transfer-Encoding\t: chunked")),
    .refused("a vertical tab before its colon", hidden("Transfer-Encoding\u{b}: chunked")),
    .refused("chunked in mixed case beside a length", hidden("tRANSFER-eNCODING: ChUnKeD")),
    .refused("a coding of nobody", hidden("Transfer-Encoding: cow")),
    .refused(
      "a coding of nobody, then chunked",
      hidden("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked")),
    .refused("chunked-x", hidden("Transfer-Encoding: chunked-x")),
    .refused("chunked, then a coding of nobody", post("Transfer-Encoding: chunked, cow", "0\r\n")),
    .refused("chunked three times", post("Transfer-Encoding: chunked, chunked, chunked", "0\r\n")),
    .refused("chunked in braces", post("Transfer-Encoding: {chunked}", "0\r\n\r\n")),
    .refused("chunked in brackets", post("Transfer-Encoding: [chunked]", "0\r\n\r\n")),
    .refused("chunked and a semicolon", post("Transfer-Encoding: chunked;", "0\r\n\r\n")),
    .refused("chunked and a full stop", post("Transfer-Encoding: chunked.", "0\r\n\r\n")),
    .refused("chunked and a newline escape", post("Transfer-Encoding: chunked\\n", "0\r\n\r\n")),
    .refused("deflate before chunked", post("Transfer-Encoding: deflate, chunked", "0\r\n"), 501),
    .refused(
      "a coding of HTTP/1.0 beside a length",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    .refused(
      "identity in HTTP/1.0",
      "POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
    .refused(
      "a coding that Connection hides, beside a length",
      hidden("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked")),
    .refused(
      "a length that Connection hides, beside a coding",
      hidden("Connection: Content-Length\r\nTransfer-Encoding: chunked")),
    .refused(
      "an upgrade with two framings",
      hidden("Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked")),
  ]

  private static let oddLengths: [FramingCase] = [
    .refused(
      "a length and an empty one", post("Content-Length: 5\r\nContent-Length:", "hello")),
    .refused(
      "a length and a signed one", post("Content-Length: 5\r\nContent-Length: +5", "hello")),
    .refused(
      "a length and a spaced one", post("Content-Length: 5\r\nContent-Length : 5", "hello")),
    .refused("a length and a comma", post("Content-Length: 5,", "hello")),
    .refused("a comma and a length", post("Content-Length: ,5", "hello")),
    .refused("a folded length", post("Content-Length: 5\r\n 6", "hello")),
    .refused("a length and a no-break space", post("Content-Length: 5\u{a0}", "hello")),
    .refused("a length and a form feed", post("Content-Length: 5\u{c}", "hello")),
    .refused("a length and a bare CR", post("Content-Length: 5\r", "hello")),
    .refused("a length in wide digits", post("Content-Length: \u{ff15}", "hello")),
    .refused("a binary length", post("Content-Length: 0b101", "hello")),
    .refused("an octal length", post("Content-Length: 0o5", "hello")),
    .refused("a length with a suffix", post("Content-Length: 5L", "hello")),
    .refused("a length of 2^64", post("Content-Length: 18446744073709551616", "")),
    .refused("a length of 2^32 + 5", post("Content-Length: 4294967301", "hello"), 413),
    .refused("a length with a word", post("Content-Length: 5 chunked", "hello")),
    .refused("a length behind a NUL", post("X: \0\r\nContent-Length: 5", "hello")),
    .refused("a length with a NUL in its name", post("Content-\0Length: 5", "hello")),
    .refused("a length in half an escape", post("Content-Length: %35", "hello")),
    .refused(
      "two lengths in HTTP/1.0",
      "POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
    .refused("two lengths of GET", get(fields: "Content-Length: 0\r\nContent-Length: 0")),
  ]

  private static let oddChunks: [FramingCase] = [
    .refused("a size with 0X", chunked("0X5\r\nhello\r\n0\r\n\r\n")),
    .refused("a tab before a size", chunked("\t5\r\nhello\r\n0\r\n\r\n")),
    .refused("a vertical tab behind a size", chunked("5\u{b}\r\nhello\r\n0\r\n\r\n")),
    .refused("a no-break space behind a size", chunked("5\u{a0}\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with a suffix", chunked("5h\r\nhello\r\n0\r\n\r\n")),
    .refused("a size in wide digits", chunked("\u{ff15}\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with a comma", chunked("5,\r\nhello\r\n0\r\n\r\n")),
    .refused("a quoted size", chunked("\"5\"\r\nhello\r\n0\r\n\r\n")),
    .refused("a size in braces", chunked("{5}\r\nhello\r\n0\r\n\r\n")),
    .refused("a size of 2^32 + 5", chunked("100000005\r\nhello\r\n0\r\n\r\n"), 413),
    .refused("a size of 2^64 - 2", chunked("FFFFFFFFFFFFFFFE\r\nhello")),
    .refused("a last size of 0x0", chunked("0x0\r\n\r\n")),
    .refused("a last size with a minus", chunked("-0\r\n\r\n")),
    .refused("a space behind the last size", chunked("0 \r\n\r\n")),
    .refused("an extension of nothing with a bare LF", chunked("5;\nhello\r\n0\r\n\r\n")),
    .refused("a line in an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n")),
    .refused("a last extension with a bare LF", chunked("0;a\n\r\n")),
    .refused("a last extension of nothing", chunked("0;\r\n\r\n")),
    .refused("a quoted line in an extension", chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n")),
    .refused("a bare CR in a quote", chunked("5;a=\"\r\"\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension behind a bare LF", chunked("5\n;a\r\nhello\r\n0\r\n\r\n")),
    .refused("any two bytes behind a chunk", chunked("5\r\nhelloXX0\r\n\r\n")),
    .refused("two LF behind a chunk", chunked("5\r\nhello\n\n0\r\n\r\n")),
    .refused("LF and CR behind a chunk", chunked("5\r\nhello\n\r0\r\n\r\n")),
    .refused("two CR behind a chunk", chunked("5\r\nhello\r\r\n0\r\n\r\n")),
    .refused("two line ends behind a chunk", chunked("5\r\nhello\r\n\r\n0\r\n\r\n")),
    .refused("chunks with bare LF", chunked("5\nhello\n0\n\n")),
  ]

  private static let oddTrailers: [FramingCase] = [
    .refused("a trailer with a spaced length", chunked("0\r\nContent-Length : 5\r\n\r\n")),
    .refused("a trailer with an empty coding", chunked("0\r\nTransfer-Encoding:\r\n\r\n")),
    .refused("a trailer with a bare CR", chunked("0\r\nX: y\rZ: w\r\n\r\n")),
    .refused("a trailer that begins with a space", chunked("0\r\n X: y\r\n\r\n")),
    .refused("a trailer that begins with a NUL", chunked("0\r\n\0X: y\r\n\r\n")),
    .refused("a trailer with a pseudo-field", chunked("0\r\n:path: /\r\n\r\n")),
  ]

  private static let oddLines: [FramingCase] = [
    .refused("a byte order mark", "\u{feff}" + get("/")),
    .refused("a NUL before the method", "\0" + get("/")),
    .refused("a form feed behind the method", "GET\u{c}/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a no-break space behind the target", "GET /\u{a0}HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("two versions", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a NUL behind the version", "GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"),
    .refused("a vertical tab behind the version", "GET / HTTP/1.1\u{b}\r\nHost: a\r\n\r\n"),
    .refused("a letter behind the version", "GET / HTTP/1.1a\r\nHost: a\r\n\r\n"),
    .refused("a space in the version", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n"),
    .refused("a signed version", "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
    .refused("a backslash in the version", "GET / HTTP\\1.1\r\nHost: a\r\n\r\n"),
    .refused("HTP", "GET / HTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("the first line folded", "GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n"),
    .refused("a request as a field", get(fields: "GET /x HTTP/1.1")),
    .refused("a NUL before a name", get(fields: "\0X: y")),
    .refused("a bare CR before a name", get(fields: "\rX: y")),
    .refused("a pseudo-field", get(fields: ":method: POST")),
    .refused("a line of white space", get(fields: "X: y\r\n \r\nZ: w")),
    .refused("a backslash in the target", get("\\v1")),
  ]

  private static let oddExpectations: [FramingCase] = [
    .refused(
      "an expectation with a parameter",
      post("Expect: 100-continue; x\r\nContent-Length: 1", "x"), 417),
    .refused(
      "an expectation behind a word", post("Expect: y 100-continue\r\nContent-Length: 1", "x"), 417),
    .refused("an empty expectation", post("Expect:\r\nContent-Length: 1", "x"), 417),
    .refused(
      "an expectation and a comma", post("Expect: 100-continue,\r\nContent-Length: 1", "x"), 417),
    .refused(
      "a folded expectation", post("Expect:\r\n 100-continue\r\nContent-Length: 1", "x")),
    .refused(
      "an expectation of two framings",
      post("Expect: 100-continue\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "x")),
    .refused(
      "an unknown expectation without content", get(fields: "Expect: 100-continues"), 417),
  ]

  private static let oddHosts: [FramingCase] = [
    .refused("a second Host with a space", get(fields: "Host : b")),
    .refused("a second Host that is folded", get(fields: "X: y\r\n\tHost: b")),
    .refused("a Host with a tab", get(host: "a\tb")),
    .refused("a Host with a backslash", get(host: "a\\b")),
    .refused("a Host with a fragment", get(host: "a#b")),
    .refused("a Host with a query", get(host: "a?b")),
    .refused("a Host with a NUL", get(host: "a\0b")),
    .refused("a Host closed twice", get(host: "[::1]]")),
    .refused("a Host with a port and a colon", get(host: "a:80:")),
    .refused(
      "the absolute form and two Hosts", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    .refused(
      "the absolute form and a bad Host", "GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"),
  ]
}
