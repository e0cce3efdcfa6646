/// When a mail that could not be handed over is tried again.
package enum MailBackoff {
  /// How many hand-overs are tried before a mail is dead.
  package static let attempts = 12
  /// The longest wait.
  package static let ceiling = Duration.seconds(6 * 3600)
  private static let first = Duration.seconds(4)

  /// The wait after the failure of an attempt, of which the first is 1: 4 seconds, three times that
  /// after each further one, of which chance leaves out up to a half. So the second attempt comes
  /// within 20 seconds of the first, which may take 15, and the last after 11 to 22 hours.
  /// `chance` is from 0 up to 1.
  package static func wait(after attempt: Int, chance: Double) -> Duration {
    var reach = first
    for _ in 1..<max(1, min(attempt, attempts)) { reach = min(ceiling, reach * 3) }
    return reach * (1 - min(max(chance, 0), 1) / 2)
  }
}
