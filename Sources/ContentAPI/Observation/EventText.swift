import Postgres

/// What events are called and what they say. Texts are in words for people, and in parts for programs.
extension Event {
  var name: String {
    switch self {
    case .answered: "request"
    case .asked: "private_request"
    case .database(.connected): "database_connected"
    case .database(.connectFailed): "database_connect_failed"
    case .database(.lost): "database_connection_lost"
    case .database(.shed): "database_call_shed"
    case .database(.timedOut): "database_call_timed_out"
    case .mail(.left): "mail_left"
    case .mail(.failed): "mail_failed"
    case .mail(.died): "mail_died"
    case .looseLimit: "rate_limit_loose"
    case .started: "started"
    case .notReady: "not_ready"
    case .ready: "ready"
    case .mailStays: "mail_stays"
    case .noSendmail: "sendmail_missing"
    case .draining: "draining"
    case .dataStays: "data_stays"
    case .drained: "drained"
    }
  }

  /// In words. Requests have none: their lines are made of their parts.
  var message: String {
    switch self {
    case .answered: ""
    case .asked(let path, let status): "private request of \(path): \(status)"
    case .database(let event): event.message
    case .mail(let event): event.message
    case .looseLimit(let policy, let replicas):
      "rate limits: the \(policy) is too small for \(replicas) replicas, which may admit more than "
        + "twice as much at once; enlarge it in COLOPHON_RATE_LIMITS"
    case .started(let version, let address, _): "Colophon \(version) serves http://\(address)"
    case .notReady(let part, let reason): "not ready: \(part.rawValue): \(reason)"
    case .ready(let part, let milliseconds):
      "ready again: \(part.rawValue), after \(milliseconds) ms"
    case .mailStays: "without COLOPHON_MAIL_FROM no mail leaves; who signs up waits for it"
    case .noSendmail(let path):
      "\(path) is no program; handing mails over fails until it is one, or COLOPHON_SENDMAIL names "
        + "another"
    case .draining: "Ending: requests under way are answered first."
    case .dataStays(let folder): "The data stays in \(folder)."
    case .drained(let milliseconds): "Ended after \(milliseconds) ms."
    }
  }

  var fields: [(name: String, value: EventField)] {
    switch self {
    case .answered, .mailStays, .draining: []
    case .asked(let path, let status): [("path", .text(path)), ("status", .number(status))]
    case .database(let event): event.fields
    case .mail(let event): event.fields
    case .looseLimit(let policy, let replicas):
      [("policy", .text(policy)), ("replicas", .number(replicas))]
    case .started(let version, let address, let privateAddress):
      [
        ("version", .text(version)), ("address", .text(address)),
        ("private_address", .text(privateAddress)),
      ]
    case .notReady(let part, let reason):
      [("part", .text(part.rawValue)), ("reason", .text(reason))]
    case .ready(let part, let milliseconds):
      [("part", .text(part.rawValue)), ("duration_ms", .number(milliseconds))]
    case .noSendmail(let path): [("path", .text(path))]
    case .dataStays(let folder): [("folder", .text(folder))]
    case .drained(let milliseconds): [("duration_ms", .number(milliseconds))]
    }
  }
}

extension PoolEvent {
  fileprivate var message: String {
    switch self {
    case .connected(let role, let milliseconds):
      "database: connected for \(role.rawValue) in \(milliseconds) ms"
    case .connectFailed(let role, let reason):
      "database: cannot connect for \(role.rawValue): \(reason)"
    case .lost(let role, let reason):
      "database: lost a connection for \(role.rawValue): \(reason)"
    case .shed(let role): "database: too many calls of the class \(role.rawValue)"
    case .timedOut(let role): "database: no answer in time to a \(role.rawValue)"
    }
  }

  fileprivate var fields: [(name: String, value: EventField)] {
    switch self {
    case .connected(let role, let milliseconds):
      [("role", .text(role.rawValue)), ("duration_ms", .number(milliseconds))]
    case .connectFailed(let role, let reason), .lost(let role, let reason):
      [("role", .text(role.rawValue)), ("reason", .text(reason))]
    case .shed(let role), .timedOut(let role): [("role", .text(role.rawValue))]
    }
  }
}

extension MailEvent {
  fileprivate var message: String {
    switch self {
    case .left(let mail, let attempt):
      return "mail \(mail): handed over" + (attempt > 1 ? ", attempt \(attempt)" : "")
    case .failed(let mail, let attempt, let reason, let said, let wait):
      return "mail \(mail): attempt \(attempt) failed, the next comes in "
        + "\(wait.components.seconds) s: \(reason)" + Self.quoted(said)
    case .died(let mail, let attempts, let reason, let said):
      return "mail \(mail): dead after \(attempts) attempts; see: colophon mail list"
        + (reason.isEmpty ? "" : ": \(reason)") + Self.quoted(said)
    }
  }

  private static func quoted(_ said: String) -> String {
    said.isEmpty ? "" : ", saying: \(said)"
  }

  fileprivate var fields: [(name: String, value: EventField)] {
    switch self {
    case .left(let mail, let attempt): [("mail", .text(mail)), ("attempt", .number(attempt))]
    case .failed(let mail, let attempt, let reason, let said, _),
      .died(let mail, let attempt, let reason, let said):
      [
        ("mail", .text(mail)), ("attempt", .number(attempt)), ("reason", .text(reason)),
        ("said", .text(said)),
      ]
    }
  }
}
