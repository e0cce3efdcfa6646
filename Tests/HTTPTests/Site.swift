import EventLoop
import HTTP
import Synchronization
import Testing

/// Answers by path, and writes down what it was asked.
final class Probe: Responder {
  private struct State {
    var paths: [String] = []
    var finished = 0
    var isOpen = false
    var waiting: [CheckedContinuation<Void, Never>] = []
    var handle: Content?
    var prompt = 0
  }

  private let state = Mutex(State())

  /// The paths of all requests that reached it.
  var paths: [String] { state.withLock { $0.paths } }
  /// How many requests it has finished with.
  var finished: Int { state.withLock { $0.finished } }

  /// How many requests it has answered with what was at hand, which is whatever is below `/ready`.
  var prompt: Int { state.withLock { $0.prompt } }

  func promptAnswer(to head: RequestHead, from peer: SocketAddress) -> PromptAnswer? {
    let path = head.target.rawPath
    guard path.hasPrefix("/ready/") else { return nil }
    state.withLock { $0.prompt += 1 }
    if path.hasPrefix("/ready/large/"), let size = Int(path.dropFirst("/ready/large/".count)) {
      return PromptAnswer(status: 200, fields: [], body: [UInt8](repeating: 0x61, count: size))
    }
    return PromptAnswer(
      status: 200, fields: Array("Kept: yes\r\n".utf8), ownFields: Array("Own: \(path)\r\n".utf8),
      body: Array("ready \(path)".utf8))
  }

  /// Lets go whoever asked for something `/late`.
  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  private func opened() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }

  func respond(to request: Request) async -> Response {
    let path = request.head.target.rawPath
    state.withLock { $0.paths.append(path) }
    defer { state.withLock { $0.finished += 1 } }
    if path.hasPrefix("/large/"), let size = Int(path.dropFirst("/large/".count)) {
      return Response(status: 200, body: [UInt8](repeating: 0x61, count: size))
    }
    switch path {
    case "/ignore": return text(200, "ignored")
    case "/refuse": return text(403, "refused")
    case "/hold":
      // Holds the loop itself, so that it notices nothing meanwhile.
      let deadline = MonotonicInstant.now() + RawClient.patience
      while !state.withLock({ $0.isOpen }), .now() < deadline {}
      return text(200, "held")
    case "/late/ignore":
      await opened()
      return text(200, "ignored late")
    case "/keep":
      state.withLock { $0.handle = request.content }
      return text(200, "kept")
    case "/kept":
      let handle = state.withLock { $0.handle }
      do throws(Refusal) {
        return text(200, String(decoding: try await handle?.read() ?? [], as: UTF8.self))
      } catch {
        return text(200, "nothing")
      }
    case "/twice":
      async let first = Self.count(request.content)
      async let second = Self.count(request.content)
      return text(200, await "\(first) \(second)")
    default:
      if path.hasPrefix("/late") { await opened() }
      do throws(Refusal) {
        let content = try await request.content.read()
        let intro = "\(request.head.method.rawValue) \(path)\n"
        return Response(status: 200, body: Array(intro.utf8) + content)
      } catch {
        return response(to: error)
      }
    }
  }

  private static func count(_ content: Content) async -> Int {
    do throws(Refusal) { return try await content.read().count } catch { return -1 }
  }

  func response(to refusal: Refusal) -> Response { text(refusal.status, refusal.detail) }

  private func text(_ status: Int, _ text: String) -> Response {
    Response(status: status, body: Array(text.utf8))
  }
}

/// A server on a loop and a port of its own, for one test.
struct Site {
  /// The server's.
  let loop: EventLoop
  /// That of the test and its clients, who wait on a thread of their own: those of Swift's pool
  /// belong to all tests.
  let clients: EventLoop
  let server: Server<Probe>
  let probe: Probe

  var address: SocketAddress { server.address }

  func client() throws -> RawClient { try RawClient(address) }

  /// Opens a site, and closes it behind `body`.
  static func run(
    on address: String = "127.0.0.1:0", timeouts: Timeouts = Timeouts(),
    perAddress: AddressBound? = nil, _ body: @Sendable @escaping (Site) async throws -> Void
  ) async throws {
    Signals.block([])
    let loop = try EventLoop()
    try loop.start()
    defer { loop.stop() }
    let clients = try EventLoop()
    try clients.start()
    defer { clients.stop() }
    let probe = Probe()
    let server = try await Server.start(
      on: #require(SocketAddress(address)), loops: [loop], timeouts: timeouts,
      perAddress: perAddress, responder: { _ in probe })
    let site = Site(loop: loop, clients: clients, server: server, probe: probe)
    let outcome = await Task(executorPreference: clients) { try await body(site) }.result
    probe.open()
    await server.close()
    try outcome.get()
  }

  /// Waits until something holds; false when it does not in time. It waits on the clients' loop
  /// unless told another.
  func eventually(
    on loop: EventLoop? = nil, _ condition: () async throws -> Bool
  ) async rethrows -> Bool {
    let deadline = MonotonicInstant.now() + RawClient.patience
    while try await !condition() {
      if .now() > deadline { return false }
      await (loop ?? clients).sleep(for: .milliseconds(2))
    }
    return true
  }

  /// Waits until a request for `path` has reached the responder.
  func reached(_ path: String) async -> Bool {
    await eventually { probe.paths.contains(path) }
  }

  /// Waits until no connection is open.
  func isDeserted() async -> Bool {
    await eventually {
      let open = await server.openConnections()
      return open.busy + open.idle == 0
    }
  }

  /// How many descriptors of this process are connections that the server accepted.
  func descriptors() throws -> Int {
    let table = String(decoding: try Files.read("/proc/self/net/tcp"), as: UTF8.self)
    let port = String(address.port, radix: 16, uppercase: true)
    let local = ":" + String(repeating: "0", count: 4 - port.count) + port
    return table.split(separator: "\n").dropFirst().count { line in
      let columns = line.split(separator: " ")
      // Of a socket that only the kernel still knows there is no inode; 0A is listening.
      return columns[1].hasSuffix(local) && columns[3] != "0A" && columns[9] != "0"
    }
  }
}

/// Reads the clock of its loop's thread.
actor ProcessorClock: LoopBound {
  let loop: EventLoop
  init(loop: EventLoop) { self.loop = loop }
  func read() -> Duration { threadProcessorTime() }
}

func get(_ path: String, _ fields: String = "") -> String {
  "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
}

func post(_ path: String, _ fields: String, _ content: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(content)"
}

func upload(_ path: String, _ content: String) -> String {
  post(path, "Content-Length: \(content.utf8.count)\r\n", content)
}
