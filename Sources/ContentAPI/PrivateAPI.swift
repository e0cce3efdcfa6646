package import EventLoop
package import HTTP
import JSON
package import Postgres
import Synchronization

/// The private listener: `/livez` says that the process runs, `/readyz` that it should be sent
/// requests, and if not, why; `/metrics` is for Prometheus. It is not part of the contract and must
/// not face the public.
package struct PrivateAPI: Responder {
  private let pools: [Pool]
  private let draining: Draining
  private let inFlight: KeysInFlight
  private let limits: ClientLimits
  private let mails: MailCounts?
  private let caches: [ResponseCache]
  private let observers: [Observer]
  private let log: Log?
  private let health: Health
  private let version: String

  /// - Parameters:
  ///   - pools: of all loops; the service is ready when each of them can be used.
  ///   - draining: set by whoever ends the service.
  ///   - inFlight: what counts the writes of this process.
  ///   - limits: of the process; it is ready when it knows with whom it shares them.
  ///   - caches: of all loops.
  ///   - observers: of all loops, that of its own first.
  ///   - health: what knows since when a part is missing.
  ///   - mails: what counts its mails; nil where none can leave.
  package init(
    pools: [Pool], draining: Draining, inFlight: KeysInFlight,
    limits: ClientLimits = .none, caches: [ResponseCache] = [], mails: MailCounts? = nil,
    observers: [Observer] = [], log: Log? = nil, health: Health = Health(),
    version: String = ""
  ) {
    self.pools = pools
    self.draining = draining
    self.inFlight = inFlight
    self.limits = limits
    self.mails = mails
    self.caches = caches
    self.observers = observers
    self.log = log
    self.health = health
    self.version = version
  }

  /// Answers the three paths; 404 for others, 405 for what is neither GET nor HEAD.
  package func respond(to request: Request) async -> Response {
    let response = await answer(request)
    observers.first?.note(.asked(path: Self.place(of: request), status: response.status))
    return response
  }

  /// What was asked for, if there is such a thing: the log has no other paths.
  private static func place(of request: Request) -> String {
    let path = request.head.target.rawPath
    return ["/livez", "/readyz", "/metrics"].contains(path) ? path : "unknown"
  }

  private func answer(_ request: Request) async -> Response {
    guard [.get, .head].contains(request.head.method) else {
      return Self.answer(405, "method not allowed", fields: ["Allow": "GET, HEAD"])
    }
    switch request.head.target.rawPath {
    case "/livez": return Self.answer(200, "alive")
    case "/readyz":
      let missing = await missingParts()
      return missing.isEmpty
        ? Self.answer(200, "ready")
        : Self.answer(503, "not ready", missing, fields: ["Retry-After": "1"])
    case "/metrics":
      var metrics = Metrics()
      metrics.add(
        .gauge, "build_info", help: "1, with the version of the program.",
        [([("version", version)], 1)])
      metrics.describe(observers.map(\.meters))
      var standings: [PoolStanding] = []
      for pool in pools { standings.append(await pool.standing) }
      metrics.describe(standings)
      inFlight.describe(in: &metrics)
      limits.describe(in: &metrics)
      var counts = ResponseCache.Counts()
      for cache in caches { counts.add(cache.counts) }
      if !caches.isEmpty { counts.describe(in: &metrics) }
      mails?.describe(in: &metrics)
      if let log {
        metrics.add(
          .counter, "log_lines_lost_total", log.lostLines,
          help: "Lines of the log that nobody took in time.")
      }
      metrics.describe(ProcessUsage.now())
      return Response(
        status: 200,
        fields: ["Content-Type": FieldValue(Metrics.mediaType), "Cache-Control": "no-store"],
        body: Array(metrics.text.utf8))
    default: return Self.answer(404, "not found")
    }
  }

  /// What keeps requests away.
  private struct Missing {
    let reason: String
    /// In other words, for who has to mend it.
    let detail: String
    let since: MonotonicInstant?
  }

  private func missingParts() async -> [Missing] {
    var missing: [Missing] = []
    if let since = draining.begun {
      missing.append(Missing(reason: "draining", detail: "the server is ending", since: since))
    }
    for pool in pools {
      guard case .unavailable(let detail) = await pool.readiness else { continue }
      missing.append(
        Missing(
          reason: "database unavailable", detail: Redaction.cleaned(detail),
          since: health.missing(.database)))
      break
    }
    if !limits.isReady {
      missing.append(
        Missing(
          reason: "other replicas unknown",
          detail: "it is not known yet with whom the rate limits are shared",
          since: health.missing(.replicas)))
    }
    return missing
  }

  /// The refusal's status and words.
  package func response(to refusal: Refusal) -> Response {
    Self.answer(refusal.status, refusal.detail)
  }

  private static func answer(
    _ status: Int, _ text: String, _ missing: [Missing] = [], fields: ResponseFields = [:]
  ) -> Response {
    var json = JSONWriter()
    json.beginObject()
    json.name("status")
    json.string(text)
    if !missing.isEmpty {
      json.name("reasons")
      json.beginArray()
      for part in missing { json.string(part.reason) }
      json.endArray()
      json.name("missing")
      json.beginArray()
      for part in missing { write(part, to: &json) }
      json.endArray()
    }
    json.endObject()
    var fields = fields
    fields.append("Content-Type", "application/json")
    fields.append("Cache-Control", "no-store")
    return Response(status: status, fields: fields, body: json.bytes)
  }
}

extension PrivateAPI {
  private static func write(_ part: Missing, to json: inout JSONWriter) {
    json.beginObject()
    json.name("reason")
    json.string(part.reason)
    json.name("detail")
    json.string(part.detail)
    if let since = part.since {
      let age = (MonotonicInstant.now() - since).wholeNanoseconds / 1_000
      json.name("since")
      json.string(
        Instant(microseconds: (WallClock.unixMilliseconds() - age / 1_000) * 1_000)?.description
          ?? "")
      json.name("seconds")
      json.number(Int(age / 1_000_000))
    }
    json.endObject()
  }
}

/// Whether the end has begun. Set once, by the signal; read by every readiness check.
package final class Draining: Sendable {
  /// When it began, on the monotonic clock; 0 before.
  private let instant = Atomic<Int64>(0)

  /// The end has not begun.
  package init() {}

  /// True from `begin()` on, in every thread.
  package var hasBegun: Bool { begun != nil }
  /// When it began.
  package var begun: MonotonicInstant? {
    let nanoseconds = instant.load(ordering: .acquiring)
    return nanoseconds == 0 ? nil : MonotonicInstant(nanoseconds: nanoseconds)
  }
  /// Begins the end, which nothing takes back.
  package func begin() {
    _ = instant.compareExchange(
      expected: 0, desired: MonotonicInstant.now().nanoseconds, ordering: .releasing)
  }
}
