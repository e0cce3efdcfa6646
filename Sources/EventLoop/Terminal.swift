import Glibc

/// Standard output and standard error, written at once and whole.
package enum Terminal {
  /// Writes a line to standard output: results, which another program may read.
  package static func print(_ line: String) { write(line + "\n", to: 1) }

  /// Writes a line to standard error: words for the person at the terminal.
  package static func note(_ line: String) { write(line + "\n", to: 2) }

  /// Replaces the current line of standard error; for progress, and only when it is a terminal.
  package static func progress(_ line: String) {
    if errorIsTerminal { write("\r\u{1B}[K" + line, to: 2) }
  }

  /// Opens those of standard input, output and error that the process was started without, to nothing:
  /// the next descriptor would get the number, and what is written for people would go there. Before
  /// anything else is opened.
  package static func openMissing() {
    for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 {
      _ = unsafe open("/dev/null", O_RDWR)
    }
  }

  package static var outputIsTerminal: Bool { isatty(1) == 1 }
  package static var errorIsTerminal: Bool { isatty(2) == 1 }

  static func write(_ text: String, to descriptor: Int32) {
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
