import EventLoop

/// What this process knows of mails, for `/metrics`. Written by the `MailWorker`, read by any thread.
package final class MailCounts: Sendable {
  /// The numbers at one moment.
  package struct Numbers: Sendable, Equatable {
    /// In the database, whichever server handed them over or gave them up; nil before it was asked.
    package internal(set) var waiting: Int?
    package internal(set) var dead: Int?
    /// By this process.
    package internal(set) var left = 0
    package internal(set) var failures = 0
  }

  private let state = Locked(Numbers())

  /// Nothing yet.
  package init() {}

  /// As they are now.
  package var numbers: Numbers { state.withLock { $0 } }

  func count(_ event: MailEvent) {
    state.withLock { numbers in
      switch event {
      case .left: numbers.left += 1
      case .failed, .died: numbers.failures += 1
      }
    }
  }

  func setStanding(waiting: Int, dead: Int) {
    state.withLock { ($0.waiting, $0.dead) = (waiting, dead) }
  }

  /// What became of mails.
  package func describe(in metrics: inout Metrics) {
    let numbers = numbers
    if let waiting = numbers.waiting {
      metrics.add(
        .gauge, "mails_waiting", waiting, help: "Mails that wait to be handed to sendmail.")
    }
    if let dead = numbers.dead {
      metrics.add(
        .gauge, "mails_dead", dead, help: "Mails that nobody tries to send any more.")
    }
    metrics.add(
      .counter, "mails_left_total", numbers.left, help: "Mails that sendmail has taken.")
    metrics.add(
      .counter, "mail_failures_total", numbers.failures,
      help: "Attempts to hand a mail over that have failed.")
  }
}
