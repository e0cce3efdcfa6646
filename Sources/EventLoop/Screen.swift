import CLinux
import Glibc

/// The terminal as a screen that is drawn anew, and keys that come at once. Its owner must `leave` it,
/// or whoever used the terminal before finds it changed.
package final class Screen {
  private var before: termios?
  private var isEntered = false

  package init() {}

  /// Takes the screen, on which what was there before is kept, and the keys: none of them is shown, and
  /// none, Ctrl-C neither, ends or stops the process.
  package func enter() {
    var settings = termios()
    if unsafe tcgetattr(0, &settings) == 0 {
      before = settings
      settings.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG | IEXTEN)
      settings.c_iflag &= ~tcflag_t(IXON | ICRNL)
      unsafe tcsetattr(0, TCSANOW, &settings)
    }
    isEntered = true
    write("\u{1B}[?1049h\u{1B}[?25l")
  }

  /// Gives everything back as it was.
  package func leave() {
    guard isEntered else { return }
    isEntered = false
    write("\u{1B}[?25h\u{1B}[?1049l")
    if var settings = before { unsafe tcsetattr(0, TCSANOW, &settings) }
  }

  /// How many columns and rows there are; 80 and 24 where the terminal does not say.
  package var size: (columns: Int, rows: Int) {
    var (rows, columns) = (UInt16(0), UInt16(0))
    guard unsafe colophon_window_size(1, &rows, &columns) == 0, rows > 0, columns > 0 else {
      return (80, 24)
    }
    return (Int(columns), Int(rows))
  }

  /// Draws these lines, and nothing else.
  package func draw(_ lines: [String]) {
    write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// The keys that were pressed since the last time, as bytes; does not wait.
  package func keys() -> [UInt8] {
    var state = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    guard before != nil, unsafe poll(&state, 1, 0) == 1 else { return [] }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe read(0, &bytes, bytes.count)
    return Array(bytes.prefix(max(0, count)))
  }

  private func write(_ text: String) { Terminal.write(text, to: 1) }
}
