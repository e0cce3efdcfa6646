package import EventLoop
package import Postgres

/// Hands mails over that are due, one after the other, as long as the service runs.
///
/// Every attempt has tokens of its own, made here and never kept: their digests are committed
/// before the mail leaves. A mail is handed over at least once: whoever dies before he has noted that
/// it left, leaves it to be handed over again, with the same `Message-ID`.
package actor MailWorker: LoopBound {
  package nonisolated let loop: EventLoop
  private let outbox: Outbox
  private let transport: MailTransport
  private let sender: MailAddress
  private let publicURL: String
  private let counts: MailCounts
  private let log: @Sendable (MailEvent) -> Void
  private var isFinishing = false
  private var inHand = 0
  private var nextCleaning = MonotonicInstant(nanoseconds: 0)
  private var nextCount = MonotonicInstant(nanoseconds: 0)

  /// How long it rests when nothing is due.
  package static let rest = Duration.seconds(1)
  private static let cleaningInterval = Duration.seconds(600)
  private static let countInterval = Duration.seconds(5)

  /// - Parameters:
  ///   - pool: of a loop whose thread lives as long as the process.
  ///   - publicURL: what links begin with, without a slash at its end.
  package init(
    pool: Pool, transport: MailTransport, sender: MailAddress, publicURL: String,
    counts: MailCounts = MailCounts(), log: @Sendable @escaping (MailEvent) -> Void
  ) {
    loop = pool.loop
    outbox = Outbox(pool: pool)
    self.transport = transport
    self.sender = sender
    self.publicURL = publicURL
    self.counts = counts
    self.log = { event in
      counts.count(event)
      log(event)
    }
  }

  /// Goes on until it is told to finish or the pool is closed. Called twice, it has two mails in
  /// hand at a time, so that one that hangs does not hold up all.
  package func run() async {
    while !isFinishing {
      do {
        if try await handOverNext() { continue }
        try await countNowAndThen()
        try await cleanNowAndThen()
      } catch .unavailable("closing") {
        return
      } catch {
        // A database that is away now is there another time.
      }
      await loop.sleep(for: Self.rest)
    }
  }

  /// Takes no more mails, and returns when those in hand have left or the time is over.
  package func finish(by end: MonotonicInstant) async {
    isFinishing = true
    while inHand > 0, .now() < end { await loop.sleep(for: .milliseconds(5)) }
  }

  /// Sees to one mail, to its end; false when none is due.
  package func handOverNext() async throws(PostgresError) -> Bool {
    inHand += 1
    defer { inHand -= 1 }
    let mail: Outbox.Taken
    switch try await outbox.take() {
    case .nothingDue: return false
    case .exhausted(let id):
      log(.died(mail: id, attempts: MailBackoff.attempts, because: "", said: ""))
      return true
    case .taken(let taken): mail = taken
    }
    let confirming = LinkToken(random: RandomBytes.make(32))
    let unsubscribing = LinkToken(random: RandomBytes.make(32))
    guard
      let hand = try await outbox.mint(mail, confirming: confirming, unsubscribing: unsubscribing)
    else {
      try await outbox.withdraw(mail)
      return true
    }
    let result = await handOver(mail, to: hand, confirming, unsubscribing)
    await note(result, of: mail)
    return true
  }

  private func handOver(
    _ mail: Outbox.Taken, to hand: Outbox.Hand, _ confirming: LinkToken,
    _ unsubscribing: LinkToken
  ) async -> MailTransport.HandOver {
    guard let recipient = try? MailAddress(hand.email) else {
      return .failed(reason: "the address is none that mail can be sent to", said: "")
    }
    let message = ConfirmationMail(
      id: mail.id, sender: sender, recipient: recipient, newsletter: hand.newsletter,
      confirmation: publicURL + confirming.confirmation,
      unsubscription: publicURL + unsubscribing.unsubscription, date: hand.now,
      expiry: hand.expiry)
    guard let text = message.text else {
      return .failed(reason: "the links are none that a mail can carry", said: "")
    }
    return await transport.hand(text, from: sender, to: recipient, on: loop)
  }

  private func note(_ result: MailTransport.HandOver, of mail: Outbox.Taken) async {
    switch result {
    case .taken:
      log(.left(mail: mail.id, attempt: mail.attempt))
      await book { () throws(PostgresError) in try await outbox.sent(mail) }
    case .failed(let reason, let said):
      if mail.attempt >= MailBackoff.attempts {
        log(.died(mail: mail.id, attempts: mail.attempt, because: reason, said: said))
        await book { () throws(PostgresError) in
          try await outbox.failed(mail, because: reason, wait: nil)
        }
        return
      }
      let wait = MailBackoff.wait(after: mail.attempt, chance: .random(in: 0..<1))
      log(
        .failed(
          mail: mail.id, attempt: mail.attempt, because: reason, said: said, again: wait))
      await book { () throws(PostgresError) in
        try await outbox.failed(mail, because: reason, wait: wait)
      }
    }
  }

  /// Notes what became of a mail. What cannot be noted for a minute is left: the mail goes again.
  private func book(_ note: () async throws(PostgresError) -> Void) async {
    let end = MonotonicInstant.now() + .seconds(60)
    while true {
      do throws(PostgresError) {
        try await note()
        return
      } catch {
        if .now() > end || error == .unavailable("closing") { return }
        await loop.sleep(for: Self.rest)
      }
    }
  }

  private func countNowAndThen() async throws(PostgresError) {
    guard .now() >= nextCount else { return }
    nextCount = .now() + Self.countInterval
    let (waiting, dead) = try await outbox.standing()
    counts.setStanding(waiting: waiting, dead: dead)
  }

  private func cleanNowAndThen() async throws(PostgresError) {
    guard .now() >= nextCleaning else { return }
    nextCleaning = .now() + Self.cleaningInterval
    try await outbox.clean()
  }
}

/// What the log is told of mails. No case holds an address or a token.
package enum MailEvent: Sendable, Equatable {
  /// `sendmail` has taken it.
  case left(mail: String, attempt: Int)
  /// `said` is what the program said, redacted.
  case failed(mail: String, attempt: Int, because: String, said: String, again: Duration)
  case died(mail: String, attempts: Int, because: String, said: String)
}
