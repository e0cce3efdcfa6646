import Glibc

/// Standard output and standard error, written at once and whole.
package enum Terminal {
  /// Writes a line to standard output: results, which another program may read.
  package static func print(_ line: String) { write(line + "\n", to: 1) }

  /// Writes a line to standard error: words for the person at the terminal.
  package static func note(_ line: String) { write(line + "\n", to: 2) }

  /// Writes a line to standard error unless that would mean to wait for whoever reads it; whether it
  /// did. Of a line only the first 4,000 bytes are written, which a pipe that takes any takes whole.
  /// One caller at a time.
  @discardableResult package static func tryNote(_ line: String) -> Bool {
    var state = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
    guard unsafe poll(&state, 1, 0) == 1, state.revents & Int16(POLLOUT) != 0 else {
      return false
    }
    let bytes = Array(line.utf8.prefix(4000)) + [UInt8(ascii: "\n")]
    return unsafe Glibc.write(2, bytes, bytes.count) == bytes.count
  }

  /// Replaces the current line of standard error; for progress, and only when it is a terminal.
  package static func progress(_ line: String) {
    if errorIsTerminal { write("\r\u{1B}[K" + line, to: 2) }
  }

  package static var outputIsTerminal: Bool { isatty(1) == 1 }
  package static var errorIsTerminal: Bool { isatty(2) == 1 }

  private static func write(_ text: String, to descriptor: Int32) {
    var left = Array(text.utf8)[...]
    while !left.isEmpty {
      let count = unsafe left.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        // Nobody reads: the words are lost, the work is not.
        return
      }
      left = left.dropFirst(count)
    }
  }
}
