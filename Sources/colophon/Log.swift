import ContentAPI
import EventLoop

extension Log {
  /// On standard error: JSON lines, or words when a terminal is there.
  static func standard(_ level: LogLevel) throws(SystemError) -> Log {
    try Log(to: 2, level: level, format: Terminal.errorIsTerminal ? .text : .json)
  }

  /// How long the end waits for whoever reads the last lines.
  static let patience = Duration.milliseconds(500)
}
