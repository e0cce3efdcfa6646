import EventLoop
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

  /// - Parameters:
  ///   - pools: of all loops; the service is ready when each of them can be used.
  ///   - draining: set by whoever ends the service.
  ///   - inFlight: what counts the writes of this process.
  ///   - limits: of the process; it is ready when it knows with whom it shares them.
  ///   - caches: of all loops.
  ///   - mails: what counts its mails; nil where none can leave.
  package init(
    pools: [Pool], draining: Draining, inFlight: KeysInFlight,
    limits: ClientLimits = .none, caches: [ResponseCache] = [], mails: MailCounts? = nil
  ) {
    self.pools = pools
    self.draining = draining
    self.inFlight = inFlight
    self.limits = limits
    self.mails = mails
    self.caches = caches
  }

  /// Answers the three paths; 404 for others, 405 for what is neither GET nor HEAD.
  package func respond(to request: Request) async -> Response {
    guard [.get, .head].contains(request.head.method) else {
      return Self.answer(405, "method not allowed", fields: ["Allow": "GET, HEAD"])
    }
    switch request.head.target.rawPath {
    case "/livez": return Self.answer(200, "alive")
    case "/readyz":
      var reasons: [String] = draining.hasBegun ? ["draining"] : []
      for pool in pools {
        // The reason is for the log; here it is enough which part is missing.
        if case .unavailable = await pool.readiness, !reasons.contains("database unavailable") {
          reasons.append("database unavailable")
        }
      }
      if !limits.isReady { reasons.append("other replicas unknown") }
      return reasons.isEmpty
        ? Self.answer(200, "ready")
        : Self.answer(503, "not ready", reasons: reasons, fields: ["Retry-After": "1"])
    case "/metrics":
      var metrics = Metrics()
      inFlight.describe(in: &metrics)
      limits.describe(in: &metrics)
      var counts = ResponseCache.Counts()
      for cache in caches { counts.add(cache.counts) }
      if !caches.isEmpty { counts.describe(in: &metrics) }
      mails?.describe(in: &metrics)
      return Response(
        status: 200,
        fields: ["Content-Type": FieldValue(Metrics.mediaType), "Cache-Control": "no-store"],
        body: Array(metrics.text.utf8))
    default: return Self.answer(404, "not found")
    }
  }

  /// The refusal's status and words.
  package func response(to refusal: Refusal) -> Response {
    Self.answer(refusal.status, refusal.detail)
  }

  private static func answer(
    _ status: Int, _ text: String, reasons: [String] = [], fields: ResponseFields = [:]
  ) -> Response {
    var json = JSONWriter()
    json.beginObject()
    json.name("status")
    json.string(text)
    if !reasons.isEmpty {
      json.name("reasons")
      json.beginArray()
      for reason in reasons { json.string(reason) }
      json.endArray()
    }
    json.endObject()
    var fields = fields
    fields.append("Content-Type", "application/json")
    fields.append("Cache-Control", "no-store")
    return Response(status: status, fields: fields, body: json.bytes)
  }
}

/// Whether the end has begun. Set once, by the signal; read by every readiness check.
package final class Draining: Sendable {
  private let flag = Atomic(false)

  /// The end has not begun.
  package init() {}

  /// True from `begin()` on, in every thread.
  package var hasBegun: Bool { flag.load(ordering: .acquiring) }
  /// Begins the end, which nothing takes back.
  package func begin() { flag.store(true, ordering: .releasing) }
}
