import EventLoop

/// A client of a private listener: one request on one connection, whose end is the answer's.
actor PrivateListener: LoopBound {
  nonisolated let loop: EventLoop
  private var socket: Socket?
  private var registration: EventLoop.Registration?
  private var request: [UInt8]
  private var answer: [UInt8] = []
  private var waiting: CheckedContinuation<Result<Answer, Failure>, Never>?

  struct Answer: Sendable {
    let status: Int
    let text: String
  }

  struct Failure: Error {
    let reason: String
  }

  private static let patience = Duration.seconds(2)
  private static let limit = 16 << 20

  private init(_ path: String, _ address: SocketAddress, _ loop: EventLoop) {
    self.loop = loop
    request = Array(
      "GET \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n".utf8)
  }

  static func get(
    _ path: String, from address: SocketAddress, on loop: EventLoop
  ) async -> Result<Answer, Failure> {
    await PrivateListener(path, address, loop).run(address)
  }

  private func run(_ address: SocketAddress) async -> Result<Answer, Failure> {
    let result = await withCheckedContinuation { continuation in
      waiting = continuation
      do throws(SystemError) {
        let socket = try Socket.connect(to: address)
        registration = try loop.register(
          socket.number, for: [.readable, .writable], token: 0, of: self)
        self.socket = consume socket
        loop.schedule(0, of: self, at: .now() + Self.patience)
      } catch {
        end(.failure(Failure(reason: "\(error)")))
      }
    }
    return result
  }

  func expired(_ token: Int) { end(.failure(Failure(reason: "no answer within 2 s"))) }

  func ready(_ token: Int, _ events: ReadyEvents) {
    if !request.isEmpty { send() }
    receive()
  }

  private func send() {
    let outcome: WriteOutcome
    switch socket {
    case .some(let socket): outcome = socket.write(request.span)
    case .none: return
    }
    switch outcome {
    case .bytes(let count): request.removeFirst(count)
    case .wouldBlock: return
    case .failed(let code): end(.failure(Failure(reason: SystemError.message(for: code))))
    }
    if request.isEmpty, let registration { loop.watch(registration, for: .readable) }
  }

  private func receive() {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while waiting != nil {
      let outcome: ReadOutcome
      switch socket {
      case .some(let socket): outcome = socket.read(into: &buffer)
      case .none: return
      }
      switch outcome {
      case .bytes(let count):
        answer += buffer[..<count]
        if answer.count > Self.limit { end(.failure(Failure(reason: "the answer is too long"))) }
      case .wouldBlock: return
      case .ended: end(read())
      case .failed(let code):
        end(.failure(Failure(reason: SystemError.message(for: code))))
      }
    }
  }

  private func read() -> Result<Answer, Failure> {
    let text = String(decoding: answer, as: UTF8.self)
    let words = text.prefix { $0 != "\r\n" }.split(separator: " ")
    guard let end = text.firstRange(of: "\r\n\r\n"), words.count > 1, let status = Int(words[1])
    else { return .failure(Failure(reason: "the answer is cut off, or none of HTTP")) }
    return .success(Answer(status: status, text: String(text[end.upperBound...])))
  }

  private func end(_ result: Result<Answer, Failure>) {
    if let registration { loop.unregister(registration) }
    registration = nil
    socket = nil
    waiting?.resume(returning: result)
    waiting = nil
  }
}
