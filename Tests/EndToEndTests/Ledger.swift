import EventLoop
import JSON
import LocalPostgres
import Synchronization
import Testing

/// Clients that write under keys and send each write again, the same bytes, until they have an answer
/// that decides it; and the book of what they were told.
///
/// Each client knows what its posts must be after every write: one that was lost, or done twice,
/// shows in the next answer, and at the latest in the database at the end.
final class Ledger: Sendable {
  /// A write and its first answer that decides.
  struct Entry: Sendable {
    let write: Write
    let answer: Answer
  }

  struct Write: Sendable {
    let method: String
    let target: String
    let key: String
    let body: String
    /// What it must be answered with.
    let status: Int
    /// The version that the answer must show; nil when it shows none.
    let version: Int?
  }

  /// What a post of a client must be.
  struct Post: Sendable {
    let title: String
    var slug: String
    var version = 1
    var body: String
    var isTrashed = false

    var row: String { "\(slug) \(version) \(isTrashed ? "trashed" : "there") \(body)" }
  }

  struct Tally: Sendable {
    var entries: [Entry] = []
    var posts: [Post] = []
    /// Whatever was not as it must be.
    var failures: [String] = []
    var requests = 0
    /// Requests without an answer, and those told to come again, by status.
    var unanswered = 0
    var undecided: [Int: Int] = [:]
    /// Answers that decide, by whether they were marked as replays.
    var replays = 0
    var runs = 0
  }

  private let state = Mutex(Tally())
  private let servers = Mutex<[SocketAddress]>([])
  private let gate: Mutex<Int>
  private let key: String
  private let deadline: MonotonicInstant

  static let tag = "ledger"
  /// As long as a client waits for an answer, then it goes to another server.
  private static let patience = Duration.seconds(2)

  /// No more than `gate` writes are begun until it is opened further.
  init(key: String, gate: Int, deadline: MonotonicInstant) {
    self.key = key
    self.gate = Mutex(gate)
    self.deadline = deadline
  }

  var tally: Tally { state.withLock { $0 } }
  var decided: Int { state.withLock { $0.entries.count } }
  var hasFailed: Bool {
    state.withLock { !$0.failures.isEmpty } || MonotonicInstant.now() > deadline
  }

  func setServer(_ index: Int, _ address: SocketAddress) {
    servers.withLock { servers in
      if index < servers.count { servers[index] = address } else { servers.append(address) }
    }
  }

  func openGate(to count: Int) { gate.withLock { $0 = max($0, count) } }

  private func fail(_ text: String) { state.withLock { $0.failures.append(text) } }

  func request(_ write: Write) -> [UInt8] {
    Message.send(
      write.method, write.target, key: key, ["Idempotency-Key: \(write.key)"], body: write.body)
  }

  /// Sends one request to one of the servers, on a connection of its own or a kept one.
  private func send(
    _ request: [UInt8], to server: Int, _ wires: Wires, _ stage: Stage
  ) async -> Answer? {
    state.withLock { $0.requests += 1 }
    let address = servers.withLock { $0[server] }
    guard let wire = await wires.wire(to: address, stage) else { return nil }
    let outcome = await wire.exchange(request, within: Self.patience)
    guard case .answered(let answer) = outcome, answer["connection"]?.lowercased() != "close"
    else {
      await wires.drop(address)
      if case .answered(let answer) = outcome { return answer }
      return nil
    }
    return answer
  }

  /// The answer, when it decides what became of the write.
  private func decisive(_ answer: Answer?, _ write: Write) -> Answer? {
    guard let answer else {
      state.withLock { $0.unanswered += 1 }
      return nil
    }
    let isBusy = answer.status == 409 && answer.text.contains("idempotency-in-progress")
    guard answer.status == 503 || isBusy else {
      let isReplay = answer["idempotent-replayed"] == "true"
      state.withLock {
        $0.replays += isReplay ? 1 : 0
        $0.runs += isReplay ? 0 : 1
      }
      return answer
    }
    state.withLock { $0.undecided[answer.status, default: 0] += 1 }
    if answer["retry-after"] == nil { fail("\(write.key): no Retry-After: \(answer.text)") }
    return nil
  }

  /// Writes, and goes on until it is decided; nil when time is up. `isDoubled` sends it to both
  /// servers at once the first time.
  private func settle(
    _ write: Write, first: Int, isDoubled: Bool, _ wires: Wires, _ others: Wires, _ stage: Stage
  ) async -> Answer? {
    let request = request(write)
    var turn = first
    var mustDouble = isDoubled
    while MonotonicInstant.now() < deadline {
      var answers: [Answer] = []
      if mustDouble {
        let (near, far) = (turn % 2, (turn + 1) % 2)
        async let one = send(request, to: near, wires, stage)
        async let other = send(request, to: far, others, stage)
        answers = [decisive(await one, write), decisive(await other, write)].compactMap { $0 }
      } else {
        answers = [decisive(await send(request, to: turn % 2, wires, stage), write)].compactMap {
          $0
        }
      }
      mustDouble = false
      if let answer = answers.first {
        for other in answers where !Self.isSame(answer, other) {
          fail("\(write.key) was answered in two ways:\n\(answer.text)\n\(other.text)")
        }
        // Of a post that was made the bytes tell who made it: one of the two at most.
        if write.status == 201, answers.count(where: { $0["idempotent-replayed"] == nil }) > 1 {
          fail("\(write.key) was done by two, if they are to be believed")
        }
        state.withLock { $0.entries.append(Entry(write: write, answer: answer)) }
        return answer
      }
      turn += 1
      await stage.loop.sleep(for: .milliseconds(10))
    }
    fail("\(write.key) was not decided in time")
    return nil
  }

  /// The same status, kept header fields and bytes.
  static func isSame(_ one: Answer, _ other: Answer) -> Bool {
    one.status == other.status && one.body == other.body
      && ["content-type", "etag", "last-modified", "location"].allSatisfy { one[$0] == other[$0] }
  }

  // The clients

  /// Runs them to the end: so many writes of each.
  func run(clients: Int, writes: Int, seed: UInt64, on stage: Stage) async {
    await withTaskGroup(of: Void.self) { group in
      for client in 0..<clients {
        group.addTask(executorPreference: stage.loop) {
          await self.client(client, writes: writes, seed: seed, stage)
        }
      }
    }
  }

  private func client(_ client: Int, writes: Int, seed: UInt64, _ stage: Stage) async {
    var random = SplitMix(seed: seed &+ UInt64(client) &* 1_000_003)
    let (wires, others) = (Wires(), Wires())
    var posts: [Post] = []
    for number in 0..<writes {
      while gate.withLock({ $0 }) <= decided, !hasFailed {
        await stage.loop.sleep(for: .milliseconds(2))
      }
      let name = "c\(client)-\(number)"
      var (write, change) = Self.next(name, of: posts, &random)
      if random.next(below: 100) == 0 {
        // Of a post that is not there: that is decided, and kept, too.
        write = Write(
          method: "PATCH", target: "/v1/posts/none-\(name)", key: name, body: "{}", status: 404,
          version: nil)
        change = { _, _ in }
      }
      guard
        let answer = await settle(
          write, first: Int(random.next(below: 2)), isDoubled: random.next(below: 10) == 0, wires,
          others, stage)
      else { break }
      let json = try? JSONReader.read(answer.body.span)
      guard answer.status == write.status,
        json?["version"]?.integerValue == write.version || write.version == nil
      else {
        fail(
          """
          \(write.method) \(write.target) under \(write.key): \(write.status) of version \
          \(write.version ?? 0) is right, \(answer.status) came: \(answer.text)
          """)
        break
      }
      change(&posts, json?["slug"]?.stringValue ?? "")
    }
    await wires.close()
    await others.close()
    let left = posts
    state.withLock { $0.posts += left }
  }

  private typealias Change = @Sendable (inout [Post], _ slug: String) -> Void

  /// The next write of a client and what it makes of its posts.
  private static func next(
    _ name: String, of posts: [Post], _ random: inout SplitMix
  ) -> (Write, Change) {
    func json(_ title: String) -> String {
      #"{"title":"\#(title)","body":"\#(name)","status":"published","tags":["\#(tag)"]}"#
    }
    func write(
      _ method: String, _ target: String, _ body: String, _ status: Int, _ version: Int?
    ) -> Write {
      Write(
        method: method, target: "/v1/posts" + target, key: name, body: body, status: status,
        version: version)
    }
    let draw = random.next(below: 100)
    let index = posts.isEmpty ? 0 : Int(random.next(below: UInt64(posts.count)))
    if posts.isEmpty || draw < 50 {
      switch draw % 10 {
      case 0:
        return (
          write("PUT", "/" + name, json(name), 201, 1),
          { posts, _ in posts.append(Post(title: name, slug: name, body: name)) }
        )
      case 1:
        // All clients have this title: the slugs are derived, and in one queue.
        return (
          write("POST", "", json("Shared"), 201, 1),
          { posts, slug in posts.append(Post(title: "Shared", slug: slug, body: name)) }
        )
      default:
        return (
          write("POST", "", json(name), 201, 1),
          { posts, slug in posts.append(Post(title: name, slug: slug, body: name)) }
        )
      }
    }
    let post = posts[index]
    let path = "/" + post.slug
    if post.isTrashed {
      return (
        write("POST", path + "/restore", "", 200, post.version),
        { posts, _ in posts[index].isTrashed = false }
      )
    }
    switch draw {
    case 50..<72:
      return (
        write("PUT", path, json(post.title), 200, post.version + 1),
        { posts, _ in
          posts[index].version += 1
          posts[index].body = name
        }
      )
    case 72..<90:
      return (
        write("PATCH", path, #"{"body":"\#(name)"}"#, 200, post.version + 1),
        { posts, _ in
          posts[index].version += 1
          posts[index].body = name
        }
      )
    default:
      return (
        write("DELETE", path, "", 204, nil),
        { posts, _ in posts[index].isTrashed = true }
      )
    }
  }

  // At the end

  /// Sends every write once more and requires its first answer, marked as a replay.
  func replayAll(on stage: Stage) async {
    let entries = tally.entries
    let streams = 8
    await withTaskGroup(of: Void.self) { group in
      for stream in 0..<streams {
        group.addTask(executorPreference: stage.loop) {
          let wires = Wires()
          for index in stride(from: stream, to: entries.count, by: streams) {
            let entry = entries[index]
            let answer = await self.send(
              self.request(entry.write), to: index / streams % 2, wires, stage)
            guard let answer, Self.isSame(entry.answer, answer),
              answer["idempotent-replayed"] == "true"
            else {
              self.fail(
                "\(entry.write.key) once more: \(answer?.status ?? 0) \(answer?.text ?? "")")
              continue
            }
          }
          await wires.close()
        }
      }
    }
  }
}

/// The kept connections of one client, one request at a time.
private actor Wires {
  private var wires: [SocketAddress: Wire] = [:]

  func wire(to address: SocketAddress, _ stage: Stage) async -> Wire? {
    if let wire = wires[address] {
      if await !wire.isOver { return wire }
      await wire.close()
    }
    wires[address] = await Wire.open(address, on: stage.loop)
    return wires[address]
  }

  func drop(_ address: SocketAddress) async {
    await wires.removeValue(forKey: address)?.close()
  }

  func close() async {
    for wire in wires.values { await wire.close() }
    wires = [:]
  }
}
