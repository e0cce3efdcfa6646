import Assets
package import EventLoop
package import HTTP
package import Postgres
import RateLimits

/// The product: every route, and the layers that each request passes, in their order.
///
/// One for each event loop, made at the start and never changed; what changes behind it (the pool,
/// the verified keys) belongs to actors of the same loop.
package final class ContentAPI: Responder {
  let posts: Posts
  let tags: Tags
  let projects: Projects
  let profile: Profile
  let newsletter: Newsletter
  let changes: Changes
  let feeds: Feeds
  let subscriptions: Subscriptions
  let outcomes: WriteOutcomes
  private let routes = makeRoutes()
  private let keys: VerifiedKeys
  private let limits: ClientLimits
  private let clock: @Sendable () -> MonotonicInstant
  private let crossOrigin: CrossOrigin
  private let requestIDs: RequestIDs
  private let inFlight: KeysInFlight
  private let waitingRoom: WaitingRoom
  private let fingerprints: Fingerprints
  private let cache: ResponseCache?
  private let standby: Standby?
  private let observer: Observer

  /// - Parameters:
  ///   - publicURL: put before paths in `Location` and `Link`; empty makes them relative.
  ///   - knownKeys, inFlight: one for the whole process, whatever the number of its loops.
  ///   - signUpPage: where a plain sign-up form leads; nil for a page of this service.
  ///   - postPage: where the web site shows a post; nil where the profile's address has to do.
  ///   - cache: of the same loop; nil keeps nothing.
  ///   - standby: of the same loop, for public reads while `pool` has no database.
  ///   - observer: of the same loop.
  ///   - clock: what the limits and the trust in keys go by; the loop's without one.
  package init(
    pool: Pool, publicURL: String, crossOrigin: CrossOrigin = .everyone,
    limits: ClientLimits = .none, loop: EventLoop, requestIDs: RequestIDs,
    knownKeys: KnownKeys = KnownKeys(), inFlight: KeysInFlight = KeysInFlight(),
    fingerprints: Fingerprints = .standard, signUpPage: String? = nil,
    postPage: PostPage? = nil, cache: ResponseCache? = nil, standby: Standby? = nil,
    clock: (@Sendable () -> MonotonicInstant)? = nil, observer: Observer = Observer()
  ) {
    posts = Posts(pool: pool, publicURL: publicURL)
    tags = Tags(pool: pool, publicURL: publicURL)
    projects = Projects(pool: pool, publicURL: publicURL)
    profile = Profile(pool: pool)
    newsletter = Newsletter(pool: pool)
    changes = Changes(pool: pool)
    feeds = Feeds(pool: pool, publicURL: publicURL, postPage: postPage)
    outcomes = WriteOutcomes(pool: pool)
    self.inFlight = inFlight
    self.fingerprints = fingerprints
    waitingRoom = WaitingRoom(inFlight, loop: loop)
    let clock = clock ?? { loop.now }
    subscriptions = Subscriptions(
      pool: pool, publicURL: publicURL, signUpPage: signUpPage, limits: limits, clock: clock)
    self.clock = clock
    keys = VerifiedKeys(pool: pool, known: knownKeys, loop: loop, clock: clock)
    self.limits = limits
    self.crossOrigin = crossOrigin
    self.requestIDs = requestIDs
    self.cache = cache
    self.standby = standby
    self.observer = observer
  }

  /// Every statement that the pool must prepare.
  package static let statements =
    Posts.statements + Tags.statements + Projects.statements + Profile.statements
    + Newsletter.statements + Changes.statements + Feeds.statements
    + Subscriptions.statements + VerifiedKeys.statements + Claim.statements
    + WriteOutcomes.statements + KeyReaper.statements + Outbox.statements
    + SearchIndex.statements + LimitLedger.statements + PositionWatch.statements
    + Standby.statements

  /// The straight line that every request takes.
  package func respond(to request: Request) async -> Response {
    let start = MonotonicInstant.now()
    observer.meters.begin()
    let trail = RequestTrail(observer.meters)
    let id = requestIDs.id(of: request.head)
    var caller = Caller.anonymous
    var problem: Problem?
    var response: Response
    var matched: Route?
    var charge: ClientLimits.Charge?
    var isShed = false
    // What strangers send changes nothing, and must not cost others what is in memory.
    var mayChangeContent = false
    let key = request.head.idempotencyKey
    do {
      let found = Result { try match(request.head) }
      matched = try? found.get().0
      caller = try await admit(request, to: matched, charge: &charge, trail)
      let (route, variables) = try found.get()
      try Self.authorize(caller, for: route)
      mayChangeContent = route.changesContent
      try Self.check(request.head, against: route)
      let name = try key.get()
      // What writes nothing needs no name, nor does what may not be kept.
      let isRehearsal = request.head.isRehearsal
      let call = RouteCall(
        request: request, route: route, variables: variables, caller: caller, trail: trail,
        instance: id,
        key: route.keepsAnswers && !isRehearsal ? name : nil, isRehearsal: isRehearsal,
        inFlight: inFlight, waitingRoom: waitingRoom, fingerprints: fingerprints)
      switch try await reply(to: call) {
      case .representation(let shown): response = try shown.answer(to: request.head)
      case .response(let answer): response = answer
      }
    } catch {
      let answer = Problem(any: error)
      problem = answer
      isShed = answer.kind == .unavailable
      if answer.kind.status >= 500 { trail.failed(error) }
      response = answer.response(instance: id)
    }
    // Before anybody hears of the write. One whose outcome is unknown is found by asking.
    if mayChangeContent, response.status < 500 { cache?.position.move() }
    if let charge { limits.settle(charge, isShed: isShed, in: &response, at: clock) }
    crossOrigin.open(&response, to: request.head, of: matched)
    if case .success(.some) = key, let text = request.head.first(of: "idempotency-key") {
      response.fields.append("Idempotency-Key", FieldValue(text))
    }
    response.fields.append("X-Request-Id", FieldValue(id))
    response.fields.append("X-Content-Type-Options", "nosniff")
    observe(request.head, id, caller, matched, problem, trail, since: start, &response)
    return response
  }

  /// Tells the log, the metrics, and whoever has a key, what it took.
  private func observe(
    _ head: RequestHead, _ id: String, _ caller: Caller, _ route: Route?, _ problem: Problem?,
    _ trail: RequestTrail, since start: MonotonicInstant, _ response: inout Response
  ) {
    let hasKey = head.place(of: "authorization") != .absent
    var answered = AnsweredRequest(
      id: Array(id.utf8)[...], trace: observer.traces.context(of: head),
      client: !caller.isAnonymous ? .key : hasKey ? .credential : .address, method: head.method,
      route: route?.number ?? .unknown, status: response.status,
      bytes: head.method == .head ? 0 : response.body.count,
      total: (.now() - start).wholeNanoseconds)
    answered.database = trail.databaseTime
    answered.cache = trail.cache
    answered.key = trail.key
    answered.problem = problem?.kind
    // A replayed answer has no cause but that of its first time.
    if problem != nil, response.status >= 500 {
      answered.cause = trail.cause.map(Redaction.cleaned)
    }
    // An answer that is kept under a key is the same each time.
    if !caller.isAnonymous, head.place(of: "idempotency-key") == .absent,
      response.fields.first(of: "Cache-Control")?.text.hasSuffix("no-store") == true
    {
      response.fields.append("Server-Timing", FieldValue(answered.serverTiming))
    }
    observer.note(.answered(answered))
  }

  /// What the handler has, or the cache for it: of a public read by nobody in particular, which asks
  /// for no other form than that which everybody gets.
  private func reply(to call: RouteCall) async throws -> Reply {
    let route = call.route
    guard let cache, route.method == .get, route.access == .everyone, call.caller.isAnonymous,
      route.cost(of: call.head) != .search,
      Accept(call.head.values(of: "accept")).best(of: route.offers) ?? 0 == 0
    else { return try await read(call) }
    return try await cache.reply(
      to: call, now: clock(),
      finish: { response in
        crossOrigin.openPublicRead(&response)
        response.fields.append("X-Content-Type-Options", "nosniff")
      },
      read: { try await read(call) })
  }

  /// What the handler has, from the standby if there is one and the primary cannot be asked.
  private func read(_ call: RouteCall) async throws -> Reply {
    guard let standby, call.route.mayBeOld(call) else {
      return try await call.route.handler(self, call)
    }
    return try await standby.reply(to: call) { try await call.route.handler(self, call) }
  }

  /// The answer to a public read that is in memory, written down already. Whatever is not as plain
  /// as most reads are, and whoever has no quota left, goes the long way.
  package func promptAnswer(to head: RequestHead, from peer: SocketAddress) -> PromptAnswer? {
    guard let cache, head.method == .get || head.method == .head,
      head.place(of: "authorization") == .absent, crossOrigin.isSameForAll(head)
    else { return nil }
    let start = MonotonicInstant.now()
    var name = 0..<0
    let found = cache.promptAnswer(
      to: head, now: clock(),
      admit: { quarters in
        let client = Client.address(limits.address(of: head, from: peer))
        return limits.admits(client, quarters: quarters, at: clock)
      },
      name: { name = requestIDs.appendField(for: head, to: &$0) })
    guard let found else { return nil }
    let sendsContent = found.answer.status == 200 && head.method == .get
    observer.meters.begin()
    var answered = AnsweredRequest(
      id: found.answer.ownFields[name], trace: observer.traces.context(of: head),
      client: .address, method: head.method, route: found.route, status: found.answer.status,
      bytes: sendsContent ? found.answer.body.count : 0,
      total: (.now() - start).wholeNanoseconds)
    answered.cache = found.outcome
    observer.note(.answered(answered))
    return found.answer
  }

  /// The problem for a request that was refused before it could be matched.
  package func response(to refusal: Refusal) -> Response {
    let id = requestIDs.make()
    let problem = Problem(refusal)
    var response = problem.response(instance: id)
    crossOrigin.openRefusal(&response)
    response.fields.append("X-Request-Id", FieldValue(id))
    response.fields.append("X-Content-Type-Options", "nosniff")
    observer.meters.begin()
    var answered = AnsweredRequest(
      id: Array(id.utf8)[...], trace: observer.traces.make(), client: .address, method: nil,
      route: .unread, status: response.status, bytes: response.body.count, total: 0)
    answered.problem = problem.kind
    observer.note(.answered(answered))
    return response
  }

  /// Who calls, once there is quota for what the call costs. Throws 429 where there is none, and 401
  /// for a key that is not good, which costs quota of another kind: of the address, not of whomever
  /// the key is said to be of. A key is looked up only where there is something to be called.
  private func admit(
    _ request: Request, to route: Route?, charge: inout ClientLimits.Charge?,
    _ trail: RequestTrail
  ) async throws -> Caller {
    let cost = (route?.cost(of: request.head) ?? .item).rawValue
    switch keys.credential(of: request.head) {
    case .verified(let principal):
      charge = try limits.admit(.account(principal), cost: cost, at: clock)
      return .principal(principal)
    case .malformed where route != nil:
      let address = limits.address(of: request)
      charge = try limits.admit(.credential(address), cost: ClientLimits.badKey, at: clock)
      throw Problem.unauthorized
    case .unverified(let key) where route != nil:
      switch try await keys.verify(key, from: limits.address(of: request), limits, trail) {
      case .good(let principal):
        charge = try limits.admit(.account(principal), cost: cost, at: clock)
        return .principal(principal)
      case .bad(let spent):
        charge = spent
        throw Problem.unauthorized
      }
    case .none, .malformed, .unverified:
      charge = try limits.admit(.address(limits.address(of: request)), cost: cost, at: clock)
      return .anonymous
    }
  }

  /// Finds the route. HEAD is GET's; OPTIONS is every path's and answered here.
  private func match(_ head: RequestHead) throws -> (Route, [String]) {
    let path = head.target.segments
    let method: Method = head.method == .head ? .get : head.method
    var others: [Route] = []
    for route in routes {
      guard let variables = route.match(path) else { continue }
      if route.method == method { return (route, variables) }
      others.append(route)
    }
    guard !others.isEmpty || head.target.form == .asterisk else {
      throw Problem(.notFound, "No resource has this path.")
    }
    if method == .options {
      // An asterisk asks what there is anywhere.
      return (
        others.isEmpty ? Self.options(for: routes, accepting: []) : Self.options(for: others), []
      )
    }
    throw Problem(
      .methodNotAllowed, "\(head.method.rawValue) is not allowed here; see Allow.",
      fields: ["Allow": FieldValue(Self.allowed(by: others))])
  }

  private static func allowed(by routes: [Route]) -> String {
    let methods = Set(routes.map(\.method))
    return Method.allCases.filter {
      methods.contains($0) || $0 == .options || ($0 == .head && methods.contains(.get))
    }.map(\.rawValue).joined(separator: ", ")
  }

  private static func options(for routes: [Route], accepting writes: [Route]? = nil) -> Route {
    var fields: ResponseFields = ["Allow": FieldValue(allowed(by: routes))]
    for route in writes ?? routes {
      if let (name, value) = route.accepts { fields.append(name, value) }
    }
    fields.append("Cache-Control", "no-store")
    let response = Response(status: 204, fields: fields)
    return Route(.options, "*", writes: nil) { _, _ in response }
  }

  private static func authorize(_ caller: Caller, for route: Route) throws {
    switch route.access {
    case .everyone: break
    case .principal: if caller.isAnonymous { throw Problem.unauthorized }
    case .scope(let scope): try caller.require(scope)
    }
  }

  /// What can be refused before the content is read.
  private static func check(_ head: RequestHead, against route: Route) throws {
    // A handler that takes parameters of its own reads them and tells what is wrong with all of them
    // at once.
    if route.method != .options, route.parameters.allSatisfy({ $0 == Route.dryRun }) {
      var query = Query(head.target, allows: route.parameters)
      _ = query.boolean(Route.dryRun)
      try query.finish()
    }
    if route.writes != nil {
      try check(accept: Accept(head.values(of: "accept")), route.offers)
    }
    guard !route.reads.isEmpty else { return }
    if route.readsNothing, head.only(of: "content-type") == .absent { return }
    guard let type = head.mediaType,
      route.reads.contains(where: { $0.essence == type.essence }),
      type.parameter("charset").map({ ["utf-8", "utf8"].contains($0.lowercased()) }) ?? true
    else {
      let types = route.reads.map(\.essence).joined(separator: " or ")
      throw Problem(
        .unsupportedMediaType, "Send Content-Type: \(types), in UTF-8.",
        fields: route.accepts.map { [$0: $1] } ?? [:])
    }
    guard head.values(of: "content-encoding").allSatisfy({ $0.lowercased() == "identity" }) else {
      throw Problem(
        .unsupportedMediaType, "Content codings are not understood; send the content as it is.",
        fields: ["Accept-Encoding": "identity"])
    }
  }

  private static func check(accept: Accept, _ offers: [MediaType]) throws {
    guard accept.isWellFormed else {
      throw Problem(.malformedRequest, "The header field Accept is malformed.")
    }
    if accept.best(of: offers) == nil {
      let types = offers.map(\.essence).joined(separator: " or ")
      throw Problem(.notAcceptable, "What there is here is \(types).")
    }
  }
}

extension RequestHead {
  /// Whether a write is to be tried and not done (`dry_run=true`).
  var isRehearsal: Bool {
    target.query.contains { $0.name == Route.dryRun && $0.value == "true" }
  }

  /// What a write is called by its client. On other methods it means nothing.
  var idempotencyKey: Result<IdempotencyKey?, Problem> {
    guard [.post, .put, .patch, .delete].contains(method) else { return .success(nil) }
    switch only(of: "idempotency-key") {
    case .absent: return .success(nil)
    case .one(let text):
      if let key = IdempotencyKey(text) { return .success(key) }
      return .failure(.keyInvalid)
    case .repeated: return .failure(.keyInvalid)
    }
  }
}

extension Route {
  /// `Accept-Post`, `Accept-Put`, `Accept-Patch`: what a write reads, for those who ask or got it
  /// wrong.
  var accepts: (FieldName, FieldValue)? {
    guard !reads.isEmpty else { return nil }
    let value = FieldValue(reads.map(\.essence).joined(separator: ", "))
    switch method {
    case .post: return ("Accept-Post", value)
    case .put: return ("Accept-Put", value)
    case .patch: return ("Accept-Patch", value)
    case .get, .head, .delete, .options, .trace, .connect, .query: return nil
    }
  }
}
