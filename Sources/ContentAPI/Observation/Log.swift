package import EventLoop

/// What happens, a line for each event: JSON, or words where somebody reads along.
package final class Log: Sendable {
  package enum Format: Sendable { case json, text }

  package let level: LogLevel
  let format: Format
  let writer: LineWriter
  private let clock: @Sendable () -> Int64

  /// - Parameters:
  ///   - descriptor: written to by a thread of the log's own.
  ///   - clock: milliseconds since 1970-01-01T00:00:00Z.
  package init(
    to descriptor: Int32, level: LogLevel, format: Format,
    clock: @Sendable @escaping () -> Int64 = { WallClock.unixMilliseconds() }
  ) throws(SystemError) {
    self.level = level
    self.format = format
    self.clock = clock
    writer = LineWriter(to: descriptor) { lost in
      var line: [UInt8] = []
      let text = "\(lost) \(lost == 1 ? "line" : "lines") before this one were lost"
      LogLine.append(
        "log_lines_lost", .warning, text, [("lines", .number(lost))], clock(),
        format, &line)
      return line
    }
    try writer.start()
  }

  /// Lines that were lost since the start, because nobody took them.
  package var lostLines: Int { writer.lostLines }

  /// Writes what there is; what cannot be written within `bound` is left.
  package func finish(within bound: Duration) { writer.finish(within: bound) }

  func write(_ event: Event, to lane: LineWriter.Lane) {
    let time = clock()
    guard case .answered(let request) = event else {
      var line: [UInt8] = []
      LogLine.append(
        event.name, event.level, event.message, event.fields, time, format, &line)
      lane.append(atMost: line.count) { $0.append(contentsOf: line) }
      return
    }
    let limit = 1_024 + 6 * (request.cause?.utf8.count ?? 0)
    lane.append(atMost: limit) { line in
      switch format {
      case .json: LogLine.append(request, time, to: &line)
      case .text: LogLine.appendText(request, time, to: &line)
      }
    }
  }
}
