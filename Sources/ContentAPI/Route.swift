package import HTTP
import JSON
import Synchronization

/// One operation of the API: a method on a path, who may call it, and what answers. A class, because
/// each request hands it on and a reference is one thing to count.
package final class Route: Sendable {
  typealias Handler = @Sendable (ContentAPI, RouteCall) async throws -> Reply

  /// The parameter that lets a write be tried and not done.
  static let dryRun = "dry_run"

  /// GET answers HEAD too.
  package let method: Method
  /// As openapi.yaml writes it: `/v1/posts/{slug}`.
  package let template: String
  /// Every query parameter it takes; another one is a 400. A write with a key takes `dry_run`
  /// besides its own.
  package let parameters: [String]
  /// Who may call it.
  package let access: Access
  /// The media types of content it reads; empty when it reads none.
  package let reads: [MediaType]
  /// Whether it also answers a request that says no type of content and has none.
  let readsNothing: Bool
  /// The media type of what it answers; nil when that has no content, or whatever Accept says.
  package let writes: MediaType?
  /// Others that it answers to who prefers them.
  package let alternatives: [MediaType]
  /// What a call of it takes from the caller's quota, if that does not search.
  package let cost: Cost
  /// Whether its answers are kept under the key of the request. One that is a credential never is;
  /// then a key names nothing, and the same request again is a new one.
  let keepsAnswers: Bool
  /// Whether an older answer is as good as none: not where it names a place in what goes on.
  let toleratesAge: Bool
  let handler: Handler
  /// The media types that it answers in, the one for who does not mind first.
  let offers: [MediaType]
  /// For logs and metrics.
  package let number: RouteNumber
  private let segments: [String]

  /// Whom a route answers.
  package enum Access: Sendable, Equatable {
    /// Anyone; a key that is sent all the same must be good.
    case everyone
    /// Whoever has a key.
    case principal
    /// Keys with this scope.
    case scope(Scope)
  }

  /// Tokens of a rate limit.
  package enum Cost: Int, Sendable {
    /// Nothing, so that it is never refused: providers of mail send what their readers click from a
    /// few addresses.
    case free = 0
    /// One thing, or anything else that is small.
    case item = 1
    case list = 2
    /// A list of what words are found in.
    case search = 4
    case write = 5
  }

  /// - Parameter cost: without it, that of a write or of an item, by the method.
  init(
    _ method: Method, _ template: String, parameters: [String] = [], access: Access = .everyone,
    reads: [MediaType] = [], readsNothing: Bool = false, writes: MediaType? = .json,
    alternatives: [MediaType] = [], cost: Cost? = nil, keepsAnswers: Bool = true,
    toleratesAge: Bool = true, reading handler: @escaping Handler
  ) {
    self.method = method
    self.template = template
    let isWrite = [.post, .put, .patch, .delete].contains(method) && access != .everyone
    self.parameters = parameters + (isWrite ? [Self.dryRun] : [])
    self.access = access
    self.reads = reads
    self.readsNothing = readsNothing
    self.writes = writes
    self.alternatives = alternatives
    self.cost = cost ?? ([.get, .options].contains(method) ? .item : .write)
    self.keepsAnswers = keepsAnswers
    self.toleratesAge = toleratesAge
    self.handler = handler
    number = .options
    offers = (writes.map { [$0] } ?? []) + alternatives
    segments = template.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
  }

  /// As the other, for a handler that makes every answer itself.
  convenience init(
    _ method: Method, _ template: String, parameters: [String] = [], access: Access = .everyone,
    reads: [MediaType] = [], readsNothing: Bool = false, writes: MediaType? = .json,
    alternatives: [MediaType] = [], cost: Cost? = nil, keepsAnswers: Bool = true,
    handler: @Sendable @escaping (ContentAPI, RouteCall) async throws -> Response
  ) {
    self.init(
      method, template, parameters: parameters, access: access, reads: reads,
      readsNothing: readsNothing, writes: writes, alternatives: alternatives, cost: cost,
      keepsAnswers: keepsAnswers, reading: { .response(try await handler($0, $1)) })
  }

  /// Whether a call of it may change what others read.
  var changesContent: Bool {
    switch access {
    case .scope(let scope):
      method != .get && [.postsWrite, .projectsWrite, .profileWrite].contains(scope)
    case .everyone, .principal: false
    }
  }

  /// What a request costs: words to be found make a search of a list.
  func cost(of head: RequestHead) -> Cost {
    let isSearch =
      cost == .list && parameters.contains("q") && head.target.query.contains { $0.name == "q" }
    return isSearch ? .search : cost
  }

  /// Routes that know their places.
  static func numbered(_ routes: [Route]) -> [Route] {
    routes.indices.map { Route(routes[$0], number: .route($0)) }
  }

  private init(_ route: Route, number: RouteNumber) {
    method = route.method
    template = route.template
    parameters = route.parameters
    access = route.access
    reads = route.reads
    readsNothing = route.readsNothing
    writes = route.writes
    alternatives = route.alternatives
    cost = route.cost
    keepsAnswers = route.keepsAnswers
    toleratesAge = route.toleratesAge
    handler = route.handler
    offers = route.offers
    segments = route.segments
    self.number = number
  }

  /// The values of the template's variables, nil when the path is another.
  func match(_ path: [String]) -> [String]? {
    guard path.count == segments.count else { return nil }
    var variables: [String] = []
    for (segment, pattern) in zip(path, segments) {
      if pattern.utf8.first == UInt8(ascii: "{") {
        variables.append(segment)
      } else if !segment.hasSameScalars(as: pattern) {
        return nil
      }
    }
    return variables
  }
}

/// One call of a route.
struct RouteCall: Sendable {
  let request: Request
  let route: Route
  /// What stands in the path for the template's variables.
  let variables: [String]
  let caller: Caller
  let content = ReadContent()
  let trail: RequestTrail
  /// The request's id.
  let instance: String
  /// Of a write.
  let key: IdempotencyKey?
  /// Whether a write is to be tried and not done.
  let isRehearsal: Bool
  let inFlight: KeysInFlight
  let waitingRoom: WaitingRoom
  let fingerprints: Fingerprints

  var head: RequestHead { request.head }
}

/// What a handler has for a request.
enum Reply: Sendable {
  /// What was asked for. Whether the client has it already is found out behind the handler, in one
  /// place, so that others who ask for the same may be given it too.
  case representation(Representation)
  /// The answer as it is.
  case response(Response)
}

/// The content of one request, once it has been read.
final class ReadContent: Sendable {
  private let state = Mutex<(bytes: [UInt8]?, json: JSONValue?)>((nil, nil))

  var bytes: [UInt8]? {
    get { state.withLock { $0.bytes } }
    set { state.withLock { $0.bytes = newValue } }
  }

  var json: JSONValue? {
    get { state.withLock { $0.json } }
    set { state.withLock { $0.json = newValue } }
  }
}

extension MediaType {
  static let json = MediaType("application/json")!
  static let mergePatch = MediaType("application/merge-patch+json")!
  static let markdown = MediaType("text/markdown")!
  static let yaml = MediaType("application/yaml")!
  static let html = MediaType("text/html")!
  static let csv = MediaType("text/csv")!
  static let jsonFeed = MediaType("application/feed+json")!
  static let atom = MediaType("application/atom+xml")!
  static let rss = MediaType("application/rss+xml")!
  static let xml = MediaType("application/xml")!
  static let textXML = MediaType("text/xml")!
  static let form = MediaType("application/x-www-form-urlencoded")!
  static let multipart = MediaType("multipart/form-data")!
}

extension RequestHead {
  /// What its content is, nil when it does not say or not in one line that can be read.
  var mediaType: MediaType? {
    guard case .one(let text) = only(of: "content-type") else { return nil }
    return MediaType(text)
  }
}
