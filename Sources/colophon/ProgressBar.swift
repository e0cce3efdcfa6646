import EventLoop

/// How far a long command is: a bar in the last line of a terminal; where standard error is no
/// terminal, a line now and then.
struct ProgressBar {
  private let verb: String
  private let noun: String
  private let total: Int
  private let start = MonotonicInstant.now()
  private var shown: MonotonicInstant
  private(set) var done = 0

  private static let width = 24

  /// - Parameter verb: what is done to the things, such as `Importing`.
  init(_ verb: String, _ noun: String, total: Int) {
    self.verb = verb
    self.noun = noun
    self.total = total
    shown = start
  }

  /// One more is done.
  mutating func advance() {
    done += 1
    let isTerminal = Terminal.errorIsTerminal
    let now = MonotonicInstant.now()
    guard now - shown >= (isTerminal ? .milliseconds(100) : .seconds(5)) else { return }
    shown = now
    let passed = max(1, (now - start).wholeNanoseconds / 1_000_000)
    let count = "\(done) of \(total) \(noun), \(Int64(done) * 1000 / passed) a second"
    if isTerminal {
      let filled = total > 0 ? min(Self.width, done * Self.width / total) : 0
      let bar =
        String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
      Terminal.progress("\(verb) [\(bar)] \(count)")
    } else {
      Terminal.note("\(verb): \(count)")
    }
  }

  /// Clears the line for what comes then.
  func finish() { Terminal.progress("") }
}
