import ContentAPI
import EventLoop
import Glibc
import JSON
import Testing

/// A log that goes to a file without a name, and what it has written.
final class LogFile: Sendable {
  let log: Log
  private let descriptor: Int32

  init(_ level: LogLevel = .info, _ format: Log.Format = .json) throws {
    let folder = try Files.makeTemporaryFolder(prefix: "/tmp/colophon-log-")
    defer { Files.remove(folder) }
    descriptor = unsafe open(folder + "/log", O_RDWR | O_CREAT | O_APPEND, 0o600)
    try #require(descriptor >= 0)
    log = try Log(to: descriptor, level: level, format: format)
  }

  deinit { close(descriptor) }

  /// Ends the log; its text.
  func text() -> String {
    log.finish(within: .seconds(60))
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe pread(descriptor, &buffer, buffer.count, bytes.count)
      if count <= 0 { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Ends the log; each line as JSON, which it has to be.
  func lines() throws -> [JSONValue] {
    try text().split(separator: "\n").map { try JSONReader.read(Array($0.utf8).span) }
  }
}

extension JSONValue {
  /// A member that is a string; empty without one.
  func text(_ name: String) -> String { self[name]?.stringValue ?? "" }

  /// A member that is a number.
  func number(_ name: String) -> Double? {
    if case .number(let lexeme)? = self[name] { return Double(lexeme) }
    return nil
  }
}
