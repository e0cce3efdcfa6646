import EventLoop

/// How a mail leaves this program.
package enum MailTransport: Sendable {
  /// By the program at this path, which takes it over with exit status 0 as `sendmail` does, and as
  /// postfix, exim and msmtp do by that name.
  case sendmail(path: String, within: Duration = limit)
  /// By this function, which shows it to somebody: development.
  case shown(@Sendable (String) -> Void)

  /// How long `sendmail` may take before it is killed.
  package static let limit = Duration.seconds(15)

  /// What came of a hand-over.
  package enum HandOver: Sendable, Equatable {
    case taken
    /// The reason is words of ours and may be kept; `said` is what the program said, without what
    /// looks like an address or a token, and is for the log alone.
    case failed(reason: String, said: String)
  }

  /// Hands a whole message over, on the loop whose thread lives as long as the program.
  func hand(
    _ message: String, from sender: MailAddress, to recipient: MailAddress, on loop: EventLoop
  ) async -> HandOver {
    switch self {
    case .shown(let show):
      show(message)
      return .taken
    case .sendmail(let path, let limit):
      // A dot alone on a line ends nothing (-i), and what stands behind -- is an address and no
      // option, whatever it begins with.
      var program = ChildProcess.Program(
        path, ["-i", "-f", sender.text, "--", recipient.text])
      program.input = Array(message.utf8)
      program.output = .captured
      program.deathSignal = Self.terminate
      // Nothing that sendmail should know, and much that it should not.
      program.environment = Environment.entries().filter { entry in
        !["COLOPHON_", "DATABASE_URL=", "PG"].contains { entry.hasPrefix($0) }
      }
      do throws(SystemError) {
        let (exit, output) = try await ChildProcess.run(program, within: limit, on: loop)
        if exit == .status(0) { return .taken }
        return .failed(reason: Self.reason(exit), said: Self.redacted(output))
      } catch {
        let reason = SystemError.message(for: error.code)
        return .failed(reason: "sendmail could not be started: \(reason)", said: "")
      }
    }
  }

  /// SIGTERM, for a hand-over whose worker dies: nobody would note that it went well.
  private static let terminate: Int32 = 15

  private static func reason(_ exit: ChildProcess.Exit) -> String {
    switch exit {
    case .status(let code):
      "sendmail ended with status \(code)" + (meanings[code].map { " (\($0))" } ?? "")
    case .signal(let number): "sendmail was ended by signal \(number)"
    case .overdue: "sendmail took too long and was killed"
    }
  }

  /// What sysexits.h calls them.
  private static let meanings: [Int32: String] = [
    64: "wrong usage", 65: "wrong data", 66: "no input", 67: "no such user", 68: "no such host",
    69: "unavailable", 70: "internal error", 71: "system error", 72: "a system file is missing",
    73: "cannot create a file", 74: "input or output error", 75: "temporary failure",
    76: "protocol error", 77: "permission denied", 78: "wrong configuration",
  ]

  /// The beginning of what a program printed, on one line. A word with an @ in it may be an
  /// address, a long run of a token's characters a token: neither may reach a log, even if the
  /// program printed the whole mail.
  package static func redacted(_ output: [UInt8]) -> String {
    let text = String(decoding: output.prefix(2000), as: UTF8.self)
    let words = text.unicodeScalars.split { scalar in
      scalar.properties.generalCategory == .control || scalar.properties.isWhitespace
    }.map { word -> String in
      if word.contains("@") || word.contains("＠") { return "[address]" }
      let hasToken = word.split { !isTokenCharacter($0) }.contains { $0.count >= 20 }
      return hasToken ? "[…]" : String(word)
    }
    return String(words.joined(separator: " ").prefix(300))
  }

  private static func isTokenCharacter(_ scalar: UnicodeScalar) -> Bool {
    guard scalar.isASCII else { return false }
    let byte = UInt8(truncatingIfNeeded: scalar.value)
    return byte.isLetter || byte.isDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }
}
