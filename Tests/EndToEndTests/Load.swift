import EventLoop
import Synchronization
import Testing

/// Many clients that read and write at once on kept connections, and remember every answer.
final class Load: Sendable {
  /// What the clients have met.
  struct Tally: Sendable {
    var statuses: [Int: Int] = [:]
    /// Requests that were sent and got no whole answer, and answers that nobody may get.
    var failures: [String] = []
    /// How often a connection had ended before a request was sent on it, or was refused.
    var refusals = 0
    /// Answers to requests sent after `end` that did not close the connection.
    var keptOpen = 0
    /// The newest text that each slug was acknowledged to hold.
    var acknowledged: [String: Int] = [:]
    /// The newest text that was ever sent for each slug.
    var sent: [String: Int] = [:]

    var answers: Int { statuses.values.reduce(0, +) }
    var successes: Int { statuses.filter { (200..<300).contains($0.key) }.values.reduce(0, +) }
  }

  /// What a client does when its connection is refused, and which answers are in order.
  enum Expectation: Sendable {
    /// The server stays.
    case served
    /// The server ends: being refused is in order, and then the client is done.
    case ending
    /// The database goes away: 503 with Retry-After is in order.
    case databaseAway
    /// The server is killed: anything may be cut.
    case killed
  }

  private let state = Mutex(Tally())
  private let address: SocketAddress
  private let key: String
  private let expectation: Expectation
  private let hasEnded = Atomic(false)
  private let isStopped = Atomic(false)

  init(_ address: SocketAddress, key: String, expecting expectation: Expectation) {
    self.address = address
    self.key = key
    self.expectation = expectation
  }

  var tally: Tally { state.withLock { $0 } }

  /// From now on every answer has to close its connection.
  func end() { hasEnded.store(true, ordering: .releasing) }

  /// The clients end after the request they are at.
  func stop() { isStopped.store(true, ordering: .releasing) }

  /// Runs to the end: `requests` on each of `connections`.
  func run(connections: Int, requests: Int, on stage: Stage) async -> Tally {
    await withTaskGroup(of: Void.self) { group in
      for client in 0..<connections {
        group.addTask(executorPreference: stage.loop) {
          await self.client(client, requests: requests, stage)
        }
      }
    }
    return tally
  }

  private func client(_ client: Int, requests: Int, _ stage: Stage) async {
    var wire: Wire?
    for number in 0..<requests {
      let (request, slug) = request(client, number)
      if let slug { state.withLock { $0.sent[slug] = number } }
      // Once more on a fresh connection where the old one had ended.
      attempts: for _ in 0..<200 {
        if isStopped.load(ordering: .acquiring) {
          await wire?.close()
          return
        }
        if wire == nil { wire = await Wire.open(address, on: stage.loop) }
        guard let open = wire else {
          state.withLock { $0.refusals += 1 }
          switch expectation {
          case .ending, .killed: return
          case .served, .databaseAway:
            fail("\(client)/\(number): the connection was refused")
            return
          }
        }
        let mustClose = hasEnded.load(ordering: .acquiring)
        let outcome = await open.exchange(request)
        switch outcome {
        case .answered(let answer):
          let closes = answer["connection"]?.lowercased() == "close"
          if closes {
            await open.close()
            wire = nil
          }
          note(answer, slug: slug, number: number, keptOpen: mustClose && !closes)
          if answer.status == 503, expectation == .databaseAway {
            await stage.loop.sleep(for: .milliseconds(20))
          }
          break attempts
        case .notSent:
          state.withLock { $0.refusals += 1 }
          await open.close()
          wire = nil
        case .cut, .silent:
          wire = nil
          if expectation == .killed { return }
          fail("\(client)/\(number): \(outcome)")
          break attempts
        }
      }
    }
    await wire?.close()
  }

  private func fail(_ text: String) { state.withLock { $0.failures.append(text) } }

  private func note(_ answer: Answer, slug: String?, number: Int, keptOpen: Bool) {
    state.withLock { tally in
      tally.statuses[answer.status, default: 0] += 1
      if keptOpen { tally.keptOpen += 1 }
      let isAway =
        answer.status == 503 && answer["retry-after"] != nil && expectation == .databaseAway
        && answer["content-type"] == "application/problem+json"
      if !isAway, !(200..<300).contains(answer.status) {
        tally.failures.append("\(answer.status) \(answer.text)")
      } else if let slug, !isAway {
        tally.acknowledged[slug] = number
      }
    }
  }

  /// Of six requests three read, one makes a post, one changes a post, one posts under a derived slug.
  private func request(_ client: Int, _ number: Int) -> (bytes: [UInt8], slug: String?) {
    func body(_ title: String) -> String {
      #"{"title":"\#(title)","body":"\#(number)","status":"published","tags":["load"]}"#
    }
    switch number % 6 {
    case 1:
      let slug = "made-\(client)-\(number)"
      let put = Message.send("PUT", "/v1/posts/\(slug)", key: key, body: body(slug))
      return (put, slug)
    case 3:
      let slug = "changed-\(client)"
      let put = Message.send("PUT", "/v1/posts/\(slug)", key: key, body: body(slug))
      return (put, slug)
    case 5:
      let slug = "posted-\(client)-\(number)"
      return (Message.send("POST", "/v1/posts", key: key, body: body(slug)), slug)
    case 2: return (Message.get("/v1/posts?limit=5"), nil)
    case 4: return (Message.get("/v1/posts?tag=load&limit=3"), nil)
    default: return (Message.get("/openapi.yaml"), nil)
    }
  }

  /// Requires that every acknowledged write is in the database.
  func expectAcknowledgedWrites(
    in conninfo: String, _ stage: Stage, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let rows = try await stage.ask(conninfo, "select slug || '=' || body from colophon.posts")
    var stored: [String: Int] = [:]
    for row in rows {
      let parts = row.split(separator: "=")
      if parts.count == 2, let number = Int(parts[1]) { stored[String(parts[0])] = number }
    }
    let tally = tally
    let lost = tally.acknowledged.filter { slug, number in
      guard let there = stored[slug] else { return true }
      return there < number || there > tally.sent[slug] ?? -1
    }
    #expect(lost.isEmpty, sourceLocation: location)
  }
}
