import ContentAPI
import EventLoop
import Postgres
import Synchronization

/// What goes to standard error while the service runs: one line for each event. Requests never wait
/// for whoever reads it: where that one has stopped, lines are lost, and counted.
final class Log: Sendable {
  private let lost = Mutex(0)
  /// Whether a connection has been lost or refused: those of the start are no news.
  private let hasTrouble = Atomic(false)

  func write(_ event: LogEvent) {
    switch event {
    case .internalError(let request, let text): write("error: request \(request): \(text)")
    case .looseLimit(let policy, let replicas):
      write(
        "rate limits: the \(policy) is too small for \(replicas) replicas, which may admit more than "
          + "twice as much at once; enlarge it in COLOPHON_RATE_LIMITS")
    }
  }

  func write(_ event: MailEvent) {
    switch event {
    case .left(let mail, let attempt):
      write("mail \(mail): handed over" + (attempt > 1 ? ", attempt \(attempt)" : ""))
    case .failed(let mail, let attempt, let reason, let said, let wait):
      let said = said.isEmpty ? "" : ", saying: \(said)"
      write(
        "mail \(mail): attempt \(attempt) failed, the next comes in \(wait.components.seconds) s: "
          + reason + said)
    case .died(let mail, let attempts, let reason, let said):
      let said = said.isEmpty ? "" : ", saying: \(said)"
      write(
        "error: mail \(mail): dead after \(attempts) attempts; see: colophon mail list"
          + (reason.isEmpty ? "" : ": \(reason)") + said)
    }
  }

  func write(_ event: PoolEvent) {
    switch event {
    case .connected: break
    default: hasTrouble.store(true, ordering: .relaxed)
    }
    switch event {
    case .connected(let role, let milliseconds):
      guard hasTrouble.load(ordering: .relaxed) else { return }
      write("database: connected for \(role.rawValue) in \(milliseconds) ms")
    case .connectFailed(let role, let reason):
      write("database: cannot connect for \(role.rawValue): \(reason)")
    case .lost(let role, let reason):
      write("database: lost a connection for \(role.rawValue): \(reason)")
    case .shed(let role): write("database: too many calls of the class \(role.rawValue)")
    case .timedOut(let role): write("database: no answer in time to a \(role.rawValue)")
    }
  }

  private func write(_ text: String) {
    // libpq's messages have several lines.
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
    lost.withLock { lost in
      if lost > 0, Terminal.tryNote("log: \(lost) lines before this one were lost") { lost = 0 }
      if lost > 0 || !Terminal.tryNote(line) { lost += 1 }
    }
  }
}
