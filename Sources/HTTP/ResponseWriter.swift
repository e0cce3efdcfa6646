/// Turns responses into bytes (RFC 9112 §4 and §6), appended to a buffer that may hold others.
package enum ResponseWriter {
  /// Appends `response`.
  ///
  /// - `method` is that of the request, nil when its head was refused. To HEAD the content is
  ///   measured and not sent, so that `Content-Length` is GET's.
  /// - `version` is the request's; the status line says HTTP/1.1 all the same (RFC 9110 §6.2).
  /// - Without `keepAlive` the answer says `Connection: close`, and to a client of HTTP/1.0 that
  ///   the connection stays has to be said too (RFC 9112 §9.3).
  /// - 1xx, 204 and 304 have no content and say no length (RFC 9110 §8.6).
  package static func write(
    _ response: Response, answering method: Method?, version: Version = .http11,
    keepAlive: Bool, date: HTTPDate, into output: inout [UInt8]
  ) {
    begin(response.status, date, &output)
    append(response.fields, to: &output)
    end(
      response.status, response.body, answering: method, version: version, keepAlive: keepAlive,
      &output)
  }

  /// The same of an answer that is bytes already.
  package static func write(
    _ answer: PromptAnswer, answering method: Method?, version: Version = .http11,
    keepAlive: Bool, date: HTTPDate, into output: inout [UInt8]
  ) {
    begin(answer.status, date, &output)
    output.append(contentsOf: answer.fields)
    output.append(contentsOf: answer.ownFields)
    end(
      answer.status, answer.body, answering: method, version: version, keepAlive: keepAlive,
      &output)
  }

  private static func begin(_ status: Int, _ date: HTTPDate, _ output: inout [UInt8]) {
    let status = sendable(status)
    output.append(contentsOf: "HTTP/1.1 ".utf8)
    append(status, to: &output)
    output.append(.space)
    output.append(contentsOf: reason(status).utf8)
    output.append(contentsOf: "\r\nDate: ".utf8)
    date.append(to: &output)
    endLine(&output)
  }

  /// Byte by byte: two cost less than a text of two.
  private static func endLine(_ output: inout [UInt8]) {
    output.append(.carriageReturn)
    output.append(.lineFeed)
  }

  /// A status that cannot be written is a fault of the program, which 500 says.
  private static func sendable(_ status: Int) -> Int {
    (100...599).contains(status) ? status : 500
  }

  static func append(_ fields: ResponseFields, to output: inout [UInt8]) {
    for (name, value) in fields where !isWriters(name) {
      let start = output.count
      output.append(contentsOf: name.text.utf8)
      for index in start..<output.count where !output[index].isToken { output[index] = 0x2D }
      output.append(.colon)
      output.append(.space)
      output.append(contentsOf: value.text.utf8)
      endLine(&output)
    }
  }

  private static func end(
    _ status: Int, _ body: [UInt8], answering method: Method?, version: Version, keepAlive: Bool,
    _ output: inout [UInt8]
  ) {
    let status = sendable(status)
    let hasContent = status >= 200 && status != 204 && status != 304
    if hasContent {
      output.append(contentsOf: "Content-Length: ".utf8)
      append(body.count, to: &output)
      endLine(&output)
    }
    if !keepAlive {
      output.append(contentsOf: "Connection: close\r\n".utf8)
    } else if version == .http10 {
      output.append(contentsOf: "Connection: keep-alive\r\n".utf8)
    }
    endLine(&output)
    if hasContent, method != .head { output.append(contentsOf: body) }
  }

  /// Appends the interim answer to a client that waits before it sends its content (RFC 9110
  /// §15.2.1).
  package static func writeContinue(into output: inout [UInt8]) {
    output.append(contentsOf: "HTTP/1.1 100 Continue\r\n\r\n".utf8)
  }

  private static func isWriters(_ name: FieldName) -> Bool {
    switch name.text.utf8.count {
    case 4: name == "date"
    case 10: name == "connection"
    case 14: name == "content-length"
    case 17: name == "transfer-encoding"
    default: false
    }
  }

  /// `number`, which is not negative, in decimal.
  package static func append(_ number: Int, to output: inout [UInt8]) {
    var power = 1
    while number / power >= 10 { power *= 10 }
    while power > 0 {
      output.append(0x30 + UInt8(number / power % 10))
      power /= 10
    }
  }

  /// The reason phrase of RFC 9110 §15 and RFC 6585, empty for a status that has none there.
  package static func reason(_ status: Int) -> String {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 203: "Non-Authoritative Information"
    case 204: "No Content"
    case 205: "Reset Content"
    case 206: "Partial Content"
    case 300: "Multiple Choices"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 305: "Use Proxy"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 426: "Upgrade Required"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: ""
    }
  }
}
