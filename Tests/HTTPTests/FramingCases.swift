import Testing

/// Requests whose framing everybody has to agree on, and shapes on which others disagree.
///
/// Each case is the first thing on a connection. A refused one ends it: what stands behind it is
/// never answered, which the tests over sockets show with a second request behind each.
struct FramingCase: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  /// The status of the refusal, nil when the request is accepted.
  let status: Int?
  /// The content of an accepted request.
  let content: [UInt8]

  var testDescription: String { name }

  private init(_ name: String, _ bytes: [UInt8], status: Int?, content: [UInt8] = []) {
    self.name = name
    self.bytes = bytes
    self.status = status
    self.content = content
  }

  static func refused(_ name: String, _ text: String, _ status: Int = 400) -> FramingCase {
    FramingCase(name, Array(text.utf8), status: status)
  }

  static func refused(_ name: String, bytes: [UInt8], _ status: Int = 400) -> FramingCase {
    FramingCase(name, bytes, status: status)
  }

  static func accepted(_ name: String, _ text: String, content: String = "") -> FramingCase {
    FramingCase(name, Array(text.utf8), status: nil, content: Array(content.utf8))
  }

  static func accepted(
    _ name: String, bytes: [UInt8], content: [UInt8] = []
  ) -> FramingCase {
    FramingCase(name, bytes, status: nil, content: content)
  }

  static let all = accepted + refused
  static let accepted = plain + harmless
  static let refused =
    requestLines + targets + lines + hosts + lengths + codings + chunks + trailers + limits + desync

  /// A POST with these field lines and this content.
  static func post(_ fields: String, _ content: String = "") -> String {
    "POST /v1/posts HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(content)"
  }

  static func chunked(_ content: String) -> String {
    post("Transfer-Encoding: chunked", content)
  }

  static func get(_ target: String) -> String {
    "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n"
  }

  static func get(fields: String) -> String {
    "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n"
  }

  static func get(host: String) -> String {
    "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n"
  }

  /// `text` with the byte `byte` where it has a `¤`.
  private static func bytes(_ text: String, _ byte: UInt8) -> [UInt8] {
    Array(text.utf8).split(separator: 0xC2, omittingEmptySubsequences: false).enumerated()
      .flatMap { $0.offset == 0 ? Array($0.element) : [byte] + $0.element.dropFirst() }
  }

  private static let plain: [FramingCase] = [
    .accepted("a plain GET", get("/")),
    .accepted("one empty line before the request", "\r\n" + get("/")),
    .accepted("an empty Host", get(host: "")),
    .accepted("a Host with a port", get(host: "example.com:8080")),
    .accepted("a Host with an empty port", get(host: "example.com:")),
    .accepted("an IPv6 Host", get(host: "[::1]:8080")),
    .accepted("a full IPv6 Host", get(host: "[2001:db8:0:0:0:0:0:1]")),
    .accepted("an IPv6 Host that ends in IPv4", get(host: "[::ffff:127.0.0.1]")),
    .accepted("a Host in upper case", "GET / HTTP/1.1\r\nHOST: A\r\n\r\n"),
    .accepted("no white space behind the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n"),
    .accepted("tabs around a value", "GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n"),
    .accepted("an empty value", get(fields: "X-Empty:")),
    .accepted("a value of white space", get(fields: "X-Empty: \t ")),
    .accepted("every token character in a name", get(fields: "!#$%&'*+-.^_`|~09azAZ: x")),
    .accepted("obs-text in a value", bytes: bytes(get(fields: "X: a¤b"), 0xE9)),
    .accepted("a tab within a value", get(fields: "X: a\tb")),
    .accepted("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n"),
    .accepted("HTTP/1.0 with Host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    .accepted(
      "HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", content: "hi"),
    .accepted("the absolute form", get("http://a/v1/posts")),
    .accepted("the absolute form against another Host", get("http://other:80/v1/posts?x=1")),
    .accepted("the absolute form without a path", get("https://a")),
    .accepted("the absolute form with a query and no path", get("http://a?x=1")),
    .accepted("the asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    .accepted("percent-encoded UTF-8", get("/caf%C3%A9?q=%F0%9F%98%80")),
    .accepted("an encoded slash, dot segments, empty segments", get("//a/../%2F/.//")),
    .accepted("brackets and bars in a query", get("/?a[]=1|2&b={x}^`\\")),
    .accepted("an encoded line break in a query", get("/?a=%0D%0A")),
    .accepted("a second question mark", get("/?a?b")),
    .accepted("a length of nothing", post("Content-Length: 0")),
    .accepted("a length", post("Content-Length: 5", "hello"), content: "hello"),
    .accepted(
      "a length with leading zeros", post("Content-Length: 0005", "hello"), content: "hello"),
    .accepted(
      "a length amid white space", post("Content-Length: \t5 \t", "hello"), content: "hello"),
    .accepted(
      "GET with content", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", content: "hi"),
    .accepted(
      "HEAD with content", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
      content: "hi"
    ),
    .accepted("chunks", chunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), content: "hello!"),
    .accepted("no chunk but the last", chunked("0\r\n\r\n")),
    .accepted("a last chunk of many zeros", chunked("0000000000000000\r\n\r\n")),
    .accepted(
      "sizes in either case", chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
      content: "01234567890123456789"),
    .accepted("a size with leading zeros", chunked("0005\r\nhello\r\n0\r\n\r\n"), content: "hello"),
    .accepted(
      "chunked in capitals", post("Transfer-Encoding: CHUNKED", "1\r\nx\r\n0\r\n\r\n"), content: "x"
    ),
    .accepted("chunked amid white space", post("Transfer-Encoding: \tchunked \t", "0\r\n\r\n")),
    .accepted("a chunk extension", chunked("1;a\r\nx\r\n0;b=c\r\n\r\n"), content: "x"),
    .accepted(
      "chunk extensions with quotes", chunked("1;a=\"\\\" ;\t\u{e9}\";b=c\r\nx\r\n0\r\n\r\n"),
      content: "x"),
    .accepted(
      "white space in an extension", chunked("1 ; a = b ; c\r\nx\r\n0\r\n\r\n"), content: "x"),
    .accepted(
      "an extension of 256 bytes",
      chunked("1;" + String(repeating: "a", count: 255) + "\r\nx\r\n0\r\n\r\n"), content: "x"),
    .accepted(
      "line breaks within a chunk", chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n"), content: "\r\n\r\n"),
    .accepted("trailers", chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"), content: "x"),
    .accepted("100-continue", post("Expect: 100-Continue\r\nContent-Length: 1", "x"), content: "x"),
    .accepted("a Connection list", get(fields: "Connection: a, close ,, b")),
    .accepted(
      "100 fields",
      get(fields: (1...99).map { "X-\($0): \($0)" }.joined(separator: "\r\n"))),
    .accepted("a target of 8192 bytes", get("/" + String(repeating: "a", count: 8191))),
    .accepted("a head of 32768 bytes", get(fields: "X: " + String(repeating: "a", count: 32_736))),
    .accepted(
      "content of 1 MiB",
      post("Content-Length: 1048576", String(repeating: "a", count: 1 << 20)),
      content: String(repeating: "a", count: 1 << 20)),
    .accepted(
      "chunks of 1 MiB",
      chunked("100000\r\n" + String(repeating: "a", count: 1 << 20) + "\r\n0\r\n\r\n"),
      content: String(repeating: "a", count: 1 << 20)),
  ]

  private static let requestLines: [FramingCase] = [
    .refused("a lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    .refused("a mixed-case method", "Get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    .refused("an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    .refused("a method that starts as another", "GETS / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    .refused("an endless method", String(repeating: "A", count: 40_000), 501),
    .refused("a method that is no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a method outside ASCII", "G\u{c9}T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a NUL in the method", "GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("no method", " / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("two empty lines before the request", "\r\n\r\n" + get("/")),
    .refused("an empty line of a bare LF before the request", "\n" + get("/")),
    .refused("a bare CR before the request", "\r" + get("/")),
    .refused("two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a tab before the target", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a vertical tab before the version", "GET /\u{b}HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a form feed before the version", "GET /\u{c}HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a bare CR before the version", "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    .refused("a bare LF behind the version", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    .refused("a bare CR behind the version", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
    .refused("two CR behind the version", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    .refused("no version", "GET /\r\nHost: a\r\n\r\n"),
    .refused("no version and a space", "GET / \r\nHost: a\r\n\r\n"),
    .refused("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("only a method", "GET\r\n\r\n"),
    .refused("a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    .refused("another protocol", "GET / ICAP/1.1\r\nHost: a\r\n\r\n"),
    .refused("a version without its minor", "GET / HTTP/1\r\nHost: a\r\n\r\n"),
    .refused("a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    .refused("a version with a comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    .refused("a version with a leading zero", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    .refused("HTTP/0.9 by name", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    .refused("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    .refused("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    .refused("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    .refused("a third word", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    .refused("a TLS hello", bytes: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC]),
  ]

  private static let targets: [FramingCase] = [
    .refused("a relative target", get("v1/posts")),
    .refused("a fragment", get("/v1#x")),
    .refused("a fragment in a query", get("/v1?a#x")),
    .refused("a fragment in a URI", get("http://a#x")),
    .refused("a lone percent", get("/%")),
    .refused("half an escape", get("/%4")),
    .refused("an escape across the question mark", get("/%4?1")),
    .refused("an escape that is not hexadecimal", get("/%zz")),
    .refused("a lone percent in a query", get("/?a=%")),
    .refused("an encoded NUL", get("/a%00b")),
    .refused("an encoded NUL in a query", get("/?a=%00")),
    .refused("a NUL", get("/a\0b")),
    .refused("DEL", get("/a\u{7f}b")),
    .refused("a byte outside ASCII", get("/caf\u{e9}")),
    .refused("a double quote", get("/?q=\"a\"")),
    .refused("an angle bracket", get("/<a>")),
    .refused("half a character", get("/%C3")),
    .refused("half a character before a slash", get("/%C3/%A9")),
    .refused("half a character before an ampersand", get("/?a=%C3&b=%A9")),
    .refused("an overlong slash", get("/%C0%AF")),
    .refused("an overlong form of three bytes", get("/%E0%80%AF")),
    .refused("a surrogate", get("/%ED%A0%80")),
    .refused("a character beyond Unicode", get("/%F4%90%80%80")),
    .refused("a continuation alone", get("/%80")),
    .refused("the asterisk with GET", get("*")),
    .refused("more than an asterisk", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("the authority form", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    .refused("an authority with GET", get("a:443")),
    .refused("another scheme", get("ftp://a/")),
    .refused("a URI without an authority", get("http:///v1")),
    .refused("a URI with user information", get("http://u:p@a/")),
    .refused("a URI with a bad port", get("http://a:99999/")),
    .refused("a URI with one slash", get("http:/a")),
  ]

  private static let lines: [FramingCase] = [
    .refused("a space before the colon", get(fields: "X : a")),
    .refused("a tab before the colon", get(fields: "X\t: a")),
    .refused("a space before the colon of Content-Length", post("Content-Length : 1", "x")),
    .refused(
      "a space before the colon of Transfer-Encoding",
      post("Transfer-Encoding : chunked", "0\r\n\r\n")),
    .refused("a space within a name", get(fields: "X Y: a")),
    .refused("an empty name", get(fields: ": a")),
    .refused("a line without a colon", get(fields: "X")),
    .refused("a NUL in a name", get(fields: "X\0Y: a")),
    .refused("a name outside ASCII", get(fields: "X\u{e9}: a")),
    .refused("a vertical tab in a name", get(fields: "\u{b}X: a")),
    .refused("a parenthesis in a name", get(fields: "X(Y): a")),
    .refused("a quoted name", get(fields: "\"X\": a")),
    .refused("a folded line", get(fields: "X: a\r\n b")),
    .refused("a line folded by a tab", get(fields: "X: a\r\n\tb")),
    .refused("a folded line without a field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    .refused("a folded empty line", get(fields: "X: a\r\n ")),
    .refused("a folded Transfer-Encoding", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n")),
    .refused("a NUL in a value", get(fields: "X: a\0b")),
    .refused("a vertical tab in a value", get(fields: "X: a\u{b}b")),
    .refused("an escape in a value", get(fields: "X: a\u{1b}b")),
    .refused("DEL in a value", get(fields: "X: a\u{7f}b")),
    .refused("a bare CR in a value", get(fields: "X: a\rb")),
    .refused("a bare CR before a CRLF", get(fields: "X: a\r")),
    .refused("a bare LF behind a value", get(fields: "X: a\nY: b")),
    .refused("a bare LF in a name", get(fields: "X\n: a")),
    .refused("a bare CR in a name", get(fields: "X\r: a")),
    .refused("a bare LF at the head's end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    .refused("a bare CR at the head's end", "GET / HTTP/1.1\r\nHost: a\r\n\rX"),
    .refused("only bare LF", "GET / HTTP/1.1\nHost: a\n\n"),
    .refused("a field behind a bare CR", get(fields: "X: a\rContent-Length: 5")),
    .refused("an unknown expectation", post("Expect: 200-ok\r\nContent-Length: 1", "x"), 417),
    .refused("two expectations", post("Expect: 100-continue, x\r\nContent-Length: 1", "x"), 417),
  ]

  private static let hosts: [FramingCase] = [
    .refused("no Host", "GET / HTTP/1.1\r\n\r\n"),
    .refused("no Host in the absolute form", "GET http://a/ HTTP/1.1\r\n\r\n"),
    .refused("two Hosts", get(fields: "Host: b")),
    .refused("two equal Hosts", get(fields: "host: a")),
    .refused("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    .refused("a bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    .refused("a Host of two words", get(host: "a b")),
    .refused("a Host list", get(host: "a, b")),
    .refused("a Host with a path", get(host: "a/b")),
    .refused("a Host with a scheme", get(host: "http://a")),
    .refused("a Host with user information", get(host: "u@a")),
    .refused("a Host with a bad port", get(host: "a:8x")),
    .refused("a Host with a negative port", get(host: "a:-1")),
    .refused("a Host with a port too large", get(host: "a:65536")),
    .refused("a Host with two ports", get(host: "a:1:2")),
    .refused("a Host of a port alone", get(host: ":80")),
    .refused("a Host outside ASCII", get(host: "\u{e9}")),
    .refused("a Host with a bad escape", get(host: "a%zz")),
    .refused("an IPv6 Host without brackets", get(host: "::1")),
    .refused("an IPv6 Host that is not closed", get(host: "[::1")),
    .refused("an IPv6 Host of nine groups", get(host: "[1:2:3:4:5:6:7:8:9]")),
    .refused("an IPv6 Host compressed twice", get(host: "[1::2::3]")),
    .refused("an IPv6 Host with three colons", get(host: "[:::1]")),
    .refused("an IPv6 Host with a bad IPv4", get(host: "[::1.2.3.256]")),
    .refused("an IPv6 Host with a zone", get(host: "[fe80::1%25eth0]")),
    .refused("something behind the brackets", get(host: "[::1]x")),
  ]

  private static let lengths: [FramingCase] = [
    .refused("two equal lengths", post("Content-Length: 1\r\nContent-Length: 1", "x")),
    .refused("two lengths", post("Content-Length: 0\r\nContent-Length: 30", "")),
    .refused("two lengths of different case", post("Content-Length: 1\r\ncontent-LENGTH: 2", "xx")),
    .refused("a list of equal lengths", post("Content-Length: 5,5", "hello")),
    .refused("a list of lengths", post("Content-Length: 5, 6", "hello")),
    .refused("an empty length", post("Content-Length:")),
    .refused("a length of white space", post("Content-Length: \t")),
    .refused("a positive length", post("Content-Length: +5", "hello")),
    .refused("a negative length", post("Content-Length: -5", "hello")),
    .refused("minus nothing", post("Content-Length: -0")),
    .refused("a hexadecimal length", post("Content-Length: 0x5", "hello")),
    .refused("a length in letters", post("Content-Length: five", "hello")),
    .refused("a length with a point", post("Content-Length: 5.0", "hello")),
    .refused("a length with an exponent", post("Content-Length: 5e0", "hello")),
    .refused("a length with a space within", post("Content-Length: 5 5", "hello")),
    .refused("a length with an underscore", post("Content-Length: 5_0", "hello")),
    .refused("a quoted length", post("Content-Length: \"5\"", "hello")),
    .refused("a length and a semicolon", post("Content-Length: 5;", "hello")),
    .refused("a length with a vertical tab", post("Content-Length: \u{b}5", "hello")),
    .refused("a length with a NUL", post("Content-Length: 5\0", "hello")),
    .refused("a length in other digits", post("Content-Length: \u{665}", "hello")),
    .refused("a length of 2^63", post("Content-Length: 9223372036854775808")),
    .refused("a length of 2^64 + 5", post("Content-Length: 18446744073709551621", "hello")),
    .refused("an endless length", post("Content-Length: " + String(repeating: "9", count: 400))),
    .refused("a length beyond the limit", post("Content-Length: 1048577"), 413),
    .refused("a length of 2^63 - 1", post("Content-Length: 9223372036854775807"), 413),
  ]

  private static let codings: [FramingCase] = [
    .refused("CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG")),
    .refused(
      "TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4", "5c\r\nG\r\n0\r\n\r\n")),
    .refused(
      "a bad length beside chunked", post("Transfer-Encoding: chunked\r\nContent-Length: x")),
    .refused(
      "CL.0 beside chunked", post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
    .refused(
      "a length beside an unknown coding", post("Content-Length: 1\r\nTransfer-Encoding: x", "x")),
    .refused("chunked twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")),
    .refused(
      "chunked on two lines",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
    .refused(
      "chunked, then identity on another line",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n")),
    .refused(
      "an empty coding, then chunked",
      post("Transfer-Encoding:\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
    .refused("identity", post("Transfer-Encoding: identity")),
    .refused("gzip alone", post("Transfer-Encoding: gzip", "x")),
    .refused("gzip behind chunked", post("Transfer-Encoding: chunked, gzip", "x")),
    .refused("gzip before chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), 501),
    .refused(
      "gzip and chunked on two lines",
      post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 501),
    .refused(
      "identity before chunked", post("Transfer-Encoding: identity, chunked", "0\r\n\r\n"), 501),
    .refused("an empty coding", post("Transfer-Encoding:")),
    .refused("an empty member behind", post("Transfer-Encoding: chunked,", "0\r\n\r\n")),
    .refused("an empty member before", post("Transfer-Encoding: ,chunked", "0\r\n\r\n")),
    .refused("xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
    .refused("chunked with a parameter", post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n")),
    .refused("quoted chunked", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")),
    .refused("chunked in single quotes", post("Transfer-Encoding: 'chunked'", "0\r\n\r\n")),
    .refused("two words", post("Transfer-Encoding: x chunked", "0\r\n\r\n")),
    .refused("a vertical tab before chunked", post("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n")),
    .refused("a form feed behind chunked", post("Transfer-Encoding: chunked\u{c}", "0\r\n\r\n")),
    .refused("a NUL behind chunked", post("Transfer-Encoding: chunked\0", "0\r\n\r\n")),
    .refused(
      "obs-text before chunked",
      bytes: bytes(post("Transfer-Encoding: ¤chunked", "0\r\n\r\n"), 0xFF)),
    .refused("a long s in a name that is not ours", "POST / HTTP/1.1\r\nHo\u{17f}t: a\r\n\r\n"),
    .refused(
      "chunked in HTTP/1.0",
      "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
  ]

  private static let chunks: [FramingCase] = [
    .refused("an empty size", chunked("\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension without a size", chunked(";a\r\n\r\n")),
    .refused("a size in other letters", chunked("g\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with a plus", chunked("+5\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with a minus", chunked("-5\r\nhello\r\n0\r\n\r\n")),
    .refused("a space before a size", chunked(" 5\r\nhello\r\n0\r\n\r\n")),
    .refused("a space behind a size", chunked("5 \r\nhello\r\n0\r\n\r\n")),
    .refused("a tab behind a size", chunked("5\t\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with an underscore", chunked("0_5\r\nhello\r\n0\r\n\r\n")),
    .refused("a size with a point", chunked("5.0\r\nhello\r\n0\r\n\r\n")),
    .refused("a NUL behind a size", chunked("5\0\r\nhello\r\n0\r\n\r\n")),
    .refused("a size of seventeen digits", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n")),
    .refused("a size of 2^64 + 5", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
    .refused("a size of 2^64 - 1", chunked("FFFFFFFFFFFFFFFF\r\nhello")),
    .refused("a size of 2^63", chunked("8000000000000000\r\nhello")),
    .refused("a size of 2^63 - 1", chunked("7FFFFFFFFFFFFFFF\r\nhello"), 413),
    .refused("a size beyond the limit", chunked("100001\r\nhello"), 413),
    .refused("a second chunk that passes the limit", chunked("1\r\nx\r\n100000\r\nhello"), 413),
    .refused("a bare LF behind a size", chunked("5\nhello\r\n0\r\n\r\n")),
    .refused("a bare CR behind a size", chunked("5\rhello\r\n0\r\n\r\n")),
    .refused("two CR behind a size", chunked("5\r\r\nhello\r\n0\r\n\r\n")),
    .refused("no CRLF behind a chunk", chunked("5\r\nhello0\r\n\r\n")),
    .refused("a bare LF behind a chunk", chunked("5\r\nhello\n0\r\n\r\n")),
    .refused("a bare CR behind a chunk", chunked("5\r\nhello\r0\r\n\r\n")),
    .refused("a chunk longer than its size", chunked("5\r\nhello!\r\n0\r\n\r\n")),
    .refused("a chunk shorter than its size", chunked("6\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension without a name", chunked("5;\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension of an equals sign", chunked("5;=a\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension without its value", chunked("5;a=\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension with a bare LF", chunked("5;a\nhello\r\n0\r\n\r\n")),
    .refused("an extension with a bare CR", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension with a NUL", chunked("5;a\0\r\nhello\r\n0\r\n\r\n")),
    .refused("a space behind an extension", chunked("5;a \r\nhello\r\n0\r\n\r\n")),
    .refused("an extension of two words", chunked("5;a b\r\nhello\r\n0\r\n\r\n")),
    .refused("an extension outside ASCII", chunked("5;\u{e9}\r\nhello\r\n0\r\n\r\n")),
    .refused("an open quote", chunked("5;a=\"b\r\nhello\r\n0\r\n\r\n")),
    .refused("a quote with a bare LF", chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n")),
    .refused("a quote with an escaped CR", chunked("5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n")),
    .refused("something behind a quote", chunked("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n")),
    .refused(
      "an extension of 257 bytes",
      chunked("5;" + String(repeating: "a", count: 256) + "\r\nhello\r\n0\r\n\r\n")),
    .refused(
      "extensions of 16 KiB in all",
      chunked(String(repeating: "1;" + String(repeating: "a", count: 255) + "\r\nx\r\n", count: 65))
    ),
  ]

  private static let trailers: [FramingCase] = [
    .refused("a trailer with Content-Length", chunked("0\r\nContent-Length: 5\r\n\r\n")),
    .refused(
      "a trailer with Transfer-Encoding", chunked("0\r\ntransfer-encoding: chunked\r\n\r\n")),
    .refused("a trailer with Host", chunked("0\r\nX: y\r\nHOST: b\r\n\r\n")),
    .refused("a trailer with a space before its colon", chunked("0\r\nX : y\r\n\r\n")),
    .refused("a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n")),
    .refused("a trailer without a name", chunked("0\r\n: y\r\n\r\n")),
    .refused("a trailer without a colon", chunked("0\r\nX\r\n\r\n")),
    .refused("a trailer with a NUL", chunked("0\r\nX: \0\r\n\r\n")),
    .refused("a trailer with a bare LF", chunked("0\r\nX: y\n\r\n")),
    .refused("a bare LF behind the last chunk", chunked("0\n\r\n")),
    .refused("a bare LF at the end", chunked("0\r\n\n")),
    .refused("a bare CR at the end", chunked("0\r\n\rX")),
    .refused("a request in the trailer's place", chunked("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    .refused(
      "101 trailers",
      chunked("0\r\n" + (0...100).map { "X-\($0): y\r\n" }.joined() + "\r\n"), 431),
    .refused(
      "an endless trailer", chunked("0\r\nX: " + String(repeating: "y", count: 32_768)), 431),
  ]

  private static let limits: [FramingCase] = [
    .refused("an endless target", "GET /" + String(repeating: "a", count: 8192), 414),
    .refused("a target of 8193 bytes", get("/" + String(repeating: "a", count: 8192)), 414),
    .refused(
      "a head of 32769 bytes", get(fields: "X: " + String(repeating: "a", count: 32_737)), 431),
    .refused(
      "an endless value", "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 32_768), 431),
    .refused("an endless name", "GET / HTTP/1.1\r\n" + String(repeating: "a", count: 32_768), 431),
    .refused(
      "endless white space", "GET / HTTP/1.1\r\nX:" + String(repeating: " ", count: 32_768), 431),
    .refused(
      "101 fields", get(fields: (1...100).map { "X-\($0): \($0)" }.joined(separator: "\r\n")), 431),
    .refused(
      "an endless number of fields",
      "GET / HTTP/1.1\r\n" + String(repeating: "X:\r\n", count: 101), 431),
  ]
}
