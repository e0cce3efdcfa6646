import EventLoop
import Testing

/// A connection to the program that says and hears bytes and believes nothing.
actor Wire: LoopBound {
  nonisolated let loop: EventLoop
  private var socket: Socket?
  private var registration: EventLoop.Registration?
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var hasEnded = false
  private var waiter: CheckedContinuation<Void, Never>?

  /// What became of a request.
  enum Outcome: Sendable {
    case answered(Answer)
    /// The connection had ended before the first byte of the request went out.
    case notSent
    /// It was sent, and the connection ended without a whole answer.
    case cut
    /// Nothing came in time.
    case silent
  }

  /// Nil when the connection is refused.
  static func open(_ address: SocketAddress, on loop: EventLoop) async -> Wire? {
    guard let socket = try? Socket.connect(to: address) else { return nil }
    let wire = Wire(socket, loop)
    guard await wire.connect() else { return nil }
    return wire
  }

  private init(_ socket: consuming Socket, _ loop: EventLoop) {
    self.socket = consume socket
    self.loop = loop
  }

  private func connect() async -> Bool {
    switch socket {
    case .some(let socket):
      registration = try? loop.register(socket.number, for: .writable, token: 0, of: self)
    case .none: return false
    }
    await change(by: .now() + .seconds(60))
    // A refusal shows at the first read; on a connection that stands there is nothing to read yet.
    if case .failed = take() { hasEnded = true }
    if hasEnded { close() } else { watch() }
    return !hasEnded
  }

  /// Ends the connection.
  func close() {
    if let registration { loop.unregister(registration) }
    registration = nil
    hasEnded = true
    // Not left to the end of this value, which the loop's timers keep.
    socket = nil
  }

  /// Whether the other side has closed.
  var isOver: Bool {
    if registration != nil { receive() }
    return hasEnded
  }

  func ready(_ token: Int, _ events: ReadyEvents) {
    if events.contains(.writable) { sendRest() }
    if !events.isDisjoint(with: [.readable, .error, .hangUp]) { receive() }
    wake()
  }

  func expired(_ token: Int) { wake() }

  private func wake() {
    waiter?.resume()
    waiter = nil
  }

  private func change(by deadline: MonotonicInstant) async {
    loop.schedule(0, of: self, at: deadline)
    await withCheckedContinuation { waiter = $0 }
  }

  private func take() -> ReadOutcome {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let outcome: ReadOutcome
    switch socket {
    case .some(let socket): outcome = socket.read(into: &buffer)
    case .none: outcome = .ended
    }
    if case .bytes(let count) = outcome { input += buffer[..<count] }
    return outcome
  }

  private func receive() {
    while true {
      switch take() {
      case .bytes: continue
      case .wouldBlock: return
      case .ended, .failed:
        hasEnded = true
        if let registration { loop.unregister(registration) }
        registration = nil
        return
      }
    }
  }

  private func sendRest() {
    let outcome: WriteOutcome
    switch socket {
    case .some(let socket): outcome = socket.write(output.span)
    case .none: return
    }
    switch outcome {
    case .bytes(let count): output.removeFirst(count)
    case .wouldBlock: break
    // What has come is still to be read.
    case .failed: output = []
    }
    watch()
  }

  private func watch() {
    if let registration {
      loop.watch(registration, for: output.isEmpty ? .readable : [.readable, .writable])
    }
  }

  /// Sends bytes, as far as the other side takes them.
  func send(_ bytes: [UInt8]) {
    output += bytes
    if registration != nil { sendRest() }
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Sends a request and takes its answer.
  func exchange(_ request: [UInt8], within patience: Duration = .seconds(60)) async -> Outcome {
    if isOver { return .notSent }
    send(request)
    let isHead = request.starts(with: Array("HEAD ".utf8))
    return await answer(toHead: isHead, within: patience)
  }

  /// The next answer; interim ones too.
  func answer(
    toHead: Bool = false, interim: Bool = false, within patience: Duration = .seconds(60)
  ) async -> Outcome {
    let deadline = MonotonicInstant.now() + patience
    while true {
      if let (answer, length) = Answer.read(input, toHead: toHead) {
        input.removeFirst(length)
        if answer.status >= 200 || interim { return .answered(answer) }
        continue
      }
      if hasEnded { return .cut }
      if .now() >= deadline { return .silent }
      await change(by: deadline)
    }
  }
}

/// An answer as it came.
struct Answer: Sendable {
  let status: Int
  let fields: [(name: String, value: String)]
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The value of the first field of this name, in whatever case.
  subscript(_ name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// The first answer in `bytes` and its length, nil when it is not whole.
  static func read(_ bytes: [UInt8], toHead: Bool) -> (Answer, length: Int)? {
    let end = Array("\r\n\r\n".utf8)
    guard
      let head = bytes.indices.first(where: { bytes[$0] == 13 && bytes[$0...].starts(with: end) })
    else { return nil }
    let lines = String(decoding: bytes[..<head], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    let fields = lines.dropFirst().map { line in
      let colon = line.firstIndex(of: ":") ?? line.endIndex
      return (
        name: String(line[..<colon]), value: String(line[colon...].dropFirst().drop { $0 == " " })
      )
    }
    let status = words.count > 1 ? Int(words[1]) ?? 0 : 0
    let length = fields.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) }
    let hasNone = toHead || status < 200 || status == 204 || status == 304
    let size = hasNone ? 0 : length ?? 0
    guard bytes.count >= head + 4 + size else { return nil }
    return (
      Answer(
        status: status, fields: Array(fields), body: Array(bytes[head + 4..<head + 4 + size])),
      head + 4 + size
    )
  }
}

/// Requests as bytes.
enum Message {
  static func get(_ target: String, _ fields: [String] = []) -> [UInt8] {
    Array(head("GET \(target)", fields).utf8)
  }

  static func send(
    _ method: String, _ target: String, key: String, type: String = "application/json",
    _ fields: [String] = [], body: String
  ) -> [UInt8] {
    let all =
      ["Authorization: Bearer \(key)", "Content-Type: \(type)"] + fields
      + ["Content-Length: \(body.utf8.count)"]
    return Array((head("\(method) \(target)", all) + body).utf8)
  }

  static func head(_ line: String, _ fields: [String]) -> String {
    (["\(line) HTTP/1.1", "Host: localhost"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
  }
}

extension Stage {
  /// Sends one request on a connection of its own and requires an answer.
  func ask(
    _ address: SocketAddress, _ request: [UInt8], within patience: Duration = .seconds(60),
    at location: SourceLocation = #_sourceLocation
  ) async throws -> Answer {
    guard let wire = await Wire.open(address, on: loop) else {
      Issue.record("\(address) refuses connections", sourceLocation: location)
      throw Overdue()
    }
    let outcome = await wire.exchange(request, within: patience)
    await wire.close()
    guard case .answered(let answer) = outcome else {
      Issue.record(
        "no answer to \(String(decoding: request.prefix(80), as: UTF8.self)): \(outcome)",
        sourceLocation: location)
      throw Overdue()
    }
    return answer
  }

  func get(
    _ address: SocketAddress, _ target: String, _ fields: [String] = [],
    at location: SourceLocation = #_sourceLocation
  ) async throws -> Answer {
    try await ask(address, Message.get(target, fields), at: location)
  }
}
