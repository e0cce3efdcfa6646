package import HTTP
package import Postgres

/// Everything worth observing, in one place: the log writes these down and the metrics count them.
/// No case holds an address, a key, a token, a path or a query.
package enum Event: Sendable {
  /// A request has its answer.
  case answered(AnsweredRequest)
  /// The private listener has answered.
  case asked(path: String, status: Int)
  case database(PoolEvent)
  case mail(MailEvent)
  /// With so many replicas a client may find more than a second burst: the name of a policy and its
  /// class.
  case looseLimit(String, replicas: Int)
  /// It serves; at these addresses.
  case started(version: String, address: String, privateAddress: String)
  /// A part that requests need is missing, or is there again.
  case notReady(ServicePart, reason: String)
  case ready(ServicePart, afterMilliseconds: Int)
  /// Nobody hands mails over: no sender is configured.
  case mailStays
  /// What `COLOPHON_SENDMAIL` names is no program.
  case noSendmail(path: String)
  /// The end has begun, by a signal.
  case draining
  /// What `dev` has made stays in this folder.
  case dataStays(folder: String)
  /// It is over, after so long.
  case drained(afterMilliseconds: Int)

  /// How much somebody wants to know of it.
  package var level: LogLevel {
    switch self {
    case .answered(let request): request.level
    case .asked: .debug
    case .database(.connected): .debug
    case .database(.shed), .database(.timedOut): .info
    case .database: .warning
    case .mail(.left): .notice
    case .mail(.failed): .warning
    case .mail(.died): .error
    case .looseLimit, .notReady, .noSendmail: .warning
    case .started, .ready, .mailStays, .draining, .dataStays, .drained: .notice
    }
  }
}

/// What the log leaves out: whatever comes after the level that is configured.
package enum LogLevel: Int, Sendable, CaseIterable, Comparable {
  /// Something is broken that somebody has to mend.
  case error
  /// Something did not work, and may mend itself: requests that got a 503 among them.
  case warning
  /// What the service does by itself: it starts, connects, hands mails over, ends.
  case notice
  /// One line for each request.
  case info
  /// The requests of the private listener too, and each connection to the database.
  case debug

  package init?(_ name: String) {
    guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = level
  }

  package var name: String {
    switch self {
    case .error: "error"
    case .warning: "warning"
    case .notice: "notice"
    case .info: "info"
    case .debug: "debug"
    }
  }

  package static func < (one: LogLevel, other: LogLevel) -> Bool { one.rawValue < other.rawValue }
}

/// A request and what became of it.
package struct AnsweredRequest: Sendable {
  /// The name it is answered under in `X-Request-Id`: visible ASCII.
  package var id: ArraySlice<UInt8>
  package var trace: TraceContext
  package var client: ClientClass
  /// Nil when the head could not be read.
  package var method: Method?
  package var route: RouteNumber
  package var status: Int
  /// Of the content that is sent.
  package var bytes: Int
  /// From the end of its head to the beginning of its answer, in nanoseconds, and how much of that
  /// was waiting for the database.
  package var total: Int64
  package var database: Int64 = 0
  package var cache = CacheOutcome.none
  package var key = KeyOutcome.none
  package var problem: Problem.Kind?
  /// Why it failed, for the log alone; of what is answered with 5xx.
  package var cause: String?

  package init(
    id: ArraySlice<UInt8>, trace: TraceContext, client: ClientClass, method: Method?,
    route: RouteNumber, status: Int, bytes: Int, total: Int64
  ) {
    self.id = id
    self.trace = trace
    self.client = client
    self.method = method
    self.route = route
    self.status = status
    self.bytes = bytes
    self.total = total
  }

  /// For `Server-Timing`, in milliseconds.
  var serverTiming: String { "total;dur=\(Self.text(total)), db;dur=\(Self.text(database))" }

  private static func text(_ nanoseconds: Int64) -> String {
    let microseconds = String(max(0, nanoseconds) / 1_000 % 1_000)
    let zeros = String(repeating: "0", count: 3 - microseconds.utf8.count)
    return "\(max(0, nanoseconds) / 1_000_000).\(zeros)\(microseconds)"
  }

  package var level: LogLevel {
    switch status {
    case 500: .error
    case 503: .warning
    default: .info
    }
  }

  /// Who asked: no more is told of a client. The names are those of the rate limits.
  package enum ClientClass: String, Sendable {
    case address
    case key
    /// A key that is not good.
    case credential
  }

  /// What the response cache had for a read.
  package enum CacheOutcome: UInt8, Sendable, CaseIterable {
    /// It was not asked.
    case none
    case hit
    /// With its age, as the database could not be asked.
    case stale
    case miss
    /// Somebody else was reading the same.
    case joined

    package var name: String {
      switch self {
      case .none: "none"
      case .hit: "hit"
      case .stale: "stale"
      case .miss: "miss"
      case .joined: "joined"
      }
    }
  }

  /// What an idempotency key has done for a write.
  package enum KeyOutcome: UInt8, Sendable, CaseIterable {
    /// There was none.
    case none
    /// The write ran, or failed in a way that leaves the key as it was.
    case run
    /// The first answer was given again.
    case replayed
    /// The key was refused.
    case refused
    /// Another request of the same key took too long.
    case inProgress

    package var name: String {
      switch self {
      case .none: "none"
      case .run: "run"
      case .replayed: "replayed"
      case .refused: "refused"
      case .inProgress: "in_progress"
      }
    }
  }
}

/// Where a request leads: a place in the table, or one of three others.
package struct RouteNumber: Sendable, Equatable {
  package let value: Int

  /// OPTIONS, on whatever path.
  package static let options = RouteNumber(value: 0)
  /// No route has this path, or none with this method.
  package static let unknown = RouteNumber(value: 1)
  /// The request could not be read so far.
  package static let unread = RouteNumber(value: 2)
  /// Of the route at a place in the table.
  static func route(_ place: Int) -> RouteNumber { RouteNumber(value: 3 + place) }

  /// For logs and metrics, each with its method: of routes that of the table.
  static let names: [(method: String, template: String)] =
    [("OPTIONS", "any"), ("any", "unknown"), ("any", "unread")]
    + ContentAPI.routes.map { ($0.method.rawValue, $0.template) }
}

/// What requests need beside the process itself.
package enum ServicePart: String, Sendable, CaseIterable {
  case database
  case replicas
}
