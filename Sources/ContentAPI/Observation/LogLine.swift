import HTTP
import JSON

/// How events look in the log.
enum LogLine {
  /// A request as JSON. Nothing is allocated, as most answers take less time than a few allocations.
  static func append(_ request: AnsweredRequest, _ time: Int64, to line: inout [UInt8]) {
    line.append(contentsOf: "{\"time\":\"".utf8)
    append(time: time, to: &line)
    line.append(contentsOf: "\",\"level\":\"".utf8)
    line.append(contentsOf: request.level.name.utf8)
    line.append(contentsOf: "\",\"event\":\"request\",\"request_id\":\"".utf8)
    for byte in request.id {
      // It is the client's, but visible ASCII.
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        line.append(UInt8(ascii: "\\"))
      }
      line.append(byte)
    }
    line.append(contentsOf: "\",\"trace_id\":\"".utf8)
    append(hexadecimal: request.trace.high, to: &line)
    append(hexadecimal: request.trace.low, to: &line)
    line.append(contentsOf: "\",\"span_id\":\"".utf8)
    append(hexadecimal: request.trace.span, to: &line)
    line.append(contentsOf: "\",\"client\":\"".utf8)
    line.append(contentsOf: request.client.rawValue.utf8)
    line.append(contentsOf: "\",\"method\":\"".utf8)
    line.append(contentsOf: (request.method?.rawValue ?? "").utf8)
    line.append(contentsOf: "\",\"route\":\"".utf8)
    line.append(contentsOf: RouteNumber.names[request.route.value].template.utf8)
    line.append(contentsOf: "\",\"status\":".utf8)
    ResponseWriter.append(request.status, to: &line)
    line.append(contentsOf: ",\"bytes\":".utf8)
    ResponseWriter.append(request.bytes, to: &line)
    line.append(contentsOf: ",\"duration_ms\":".utf8)
    append(milliseconds: request.total, to: &line)
    line.append(contentsOf: ",\"database_ms\":".utf8)
    append(milliseconds: request.database, to: &line)
    line.append(contentsOf: ",\"cache\":\"".utf8)
    line.append(contentsOf: request.cache.name.utf8)
    line.append(contentsOf: "\",\"idempotency\":\"".utf8)
    line.append(contentsOf: request.key.name.utf8)
    if let problem = request.problem {
      line.append(contentsOf: "\",\"problem\":\"".utf8)
      line.append(contentsOf: problem.rawValue.utf8)
    }
    line.append(UInt8(ascii: "\""))
    if let cause = request.cause {
      var json = JSONWriter()
      json.string(cause)
      line.append(contentsOf: ",\"cause\":".utf8)
      line.append(contentsOf: json.bytes)
    }
    line.append(contentsOf: "}\n".utf8)
  }

  /// A request for who reads along.
  static func appendText(_ request: AnsweredRequest, _ time: Int64, to line: inout [UInt8]) {
    let method = request.method?.rawValue ?? "-"
    var words =
      "\(request.status) \(method) \(RouteNumber.names[request.route.value].template)  "
      + "\(request.bytes) B  "
    append(timeOfDay: time, to: &line)
    line.append(contentsOf: "  ".utf8)
    line.append(contentsOf: words.utf8)
    append(milliseconds: request.total, to: &line)
    line.append(contentsOf: " ms".utf8)
    if request.database > 0 {
      line.append(contentsOf: " (database ".utf8)
      append(milliseconds: request.database, to: &line)
      line.append(UInt8(ascii: ")"))
    }
    words = request.cache == .none ? "" : "  cache \(request.cache.name)"
    if request.key != .none { words += "  key \(request.key.name)" }
    if let problem = request.problem { words += "  \(problem.rawValue)" }
    words += "  "
    line.append(contentsOf: words.utf8)
    line.append(contentsOf: request.id)
    if let cause = request.cause {
      line.append(contentsOf: ": ".utf8)
      line.append(contentsOf: printable(cause).utf8)
    }
    line.append(UInt8(ascii: "\n"))
  }

  /// Any other event: what it is called, what there is to say, and the parts of that by name.
  static func append(
    _ name: String, _ level: LogLevel, _ message: String,
    _ fields: [(name: String, value: EventField)], _ time: Int64, _ format: Log.Format,
    _ line: inout [UInt8]
  ) {
    if format == .text {
      append(timeOfDay: time, to: &line)
      line.append(contentsOf: "  ".utf8)
      if level <= .warning { line.append(contentsOf: "\(level.name): ".utf8) }
      line.append(contentsOf: printable(message).utf8)
      line.append(UInt8(ascii: "\n"))
      return
    }
    var clock: [UInt8] = []
    append(time: time, to: &clock)
    var json = JSONWriter()
    json.beginObject()
    for (name, text) in [
      ("time", String(decoding: clock, as: UTF8.self)), ("level", level.name), ("event", name),
      ("message", message),
    ] {
      json.name(name)
      json.string(text)
    }
    for (name, value) in fields {
      json.name(name)
      switch value {
      case .text(let text): json.string(text)
      case .number(let number): json.number(number)
      }
    }
    json.endObject()
    line.append(contentsOf: json.bytes)
    line.append(UInt8(ascii: "\n"))
  }

  /// On one line, without what moves a terminal's cursor.
  private static func printable(_ text: String) -> String {
    let words = text.unicodeScalars.split { scalar in
      [.control, .format].contains(scalar.properties.generalCategory) || scalar == " "
    }
    return words.map { String($0) }.joined(separator: " ")
  }

  // Numbers

  /// RFC 3339 in UTC, to the millisecond.
  private static func append(time: Int64, to line: inout [UInt8]) {
    let (days, rest) = Calendar.floorDivide(time, by: 86_400_000)
    let (year, month, day) = Calendar.date(ofDay: Int(days))
    append(year, digits: 4, to: &line)
    line.append(UInt8(ascii: "-"))
    append(month, digits: 2, to: &line)
    line.append(UInt8(ascii: "-"))
    append(day, digits: 2, to: &line)
    line.append(UInt8(ascii: "T"))
    append(millisecondOfDay: Int(rest), to: &line)
    line.append(UInt8(ascii: "Z"))
  }

  private static func append(timeOfDay time: Int64, to line: inout [UInt8]) {
    append(millisecondOfDay: Int(Calendar.floorDivide(time, by: 86_400_000).1), to: &line)
  }

  private static func append(millisecondOfDay time: Int, to line: inout [UInt8]) {
    append(time / 3_600_000, digits: 2, to: &line)
    line.append(UInt8(ascii: ":"))
    append(time / 60_000 % 60, digits: 2, to: &line)
    line.append(UInt8(ascii: ":"))
    append(time / 1_000 % 60, digits: 2, to: &line)
    line.append(UInt8(ascii: "."))
    append(time % 1_000, digits: 3, to: &line)
  }

  /// Nanoseconds as milliseconds with three decimals.
  private static func append(milliseconds time: Int64, to line: inout [UInt8]) {
    let microseconds = max(0, Int(time)) / 1_000
    ResponseWriter.append(microseconds / 1_000, to: &line)
    line.append(UInt8(ascii: "."))
    append(microseconds % 1_000, digits: 3, to: &line)
  }

  private static func append(_ number: Int, digits: Int, to line: inout [UInt8]) {
    var power = 1
    for _ in 1..<digits { power *= 10 }
    while power > 0 {
      line.append(UInt8(ascii: "0") + UInt8(number / power % 10))
      power /= 10
    }
  }

  private static func append(hexadecimal number: UInt64, to line: inout [UInt8]) {
    for shift in stride(from: UInt64(60), through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: number >> shift) & 15
      line.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }
  }
}

/// One part of what an event says, for programs.
enum EventField {
  case text(String)
  case number(Int)
}
