import EventLoop

/// One client's connection: its socket, what has come in and not been parsed, what has not gone out
/// yet, and where in the exchange it stands. It belongs to one `Worker` and never leaves its loop.
/// Requests of one connection are answered one after the other, in their order.
///
/// Nothing is allocated for a connection that waits: reading goes through the worker's own buffer,
/// and what answers gather in is lent by the worker until they are sent.
final class Connection {
  enum Phase: Equatable {
    /// Between requests: nothing of the next one has come.
    case idle
    /// A head is coming.
    case head
    /// The responder has the request.
    case handling
    /// The answer is on its way; what is left of the request's content is read and thrown away.
    case discarding
    /// The last answer is on its way; what still comes is thrown away.
    case closing
    /// Everything is sent and the sending side shut; what still comes is thrown away, because
    /// closing now would make the kernel reset the connection and take the answer from the client.
    case lingering
    case closed
  }

  let socket: Socket
  let peer: SocketAddress
  let slot: Int
  var registration: EventLoop.Registration?
  var watched: Interest = .readable
  var parser: RequestParser
  var phase: Phase = .idle
  /// When the sweep ends what this phase waits for; the far future while a handler runs.
  var deadline: MonotonicInstant
  /// When the sweep gives up a client that does not take what waits for it.
  private(set) var sendDeadline = MonotonicInstant.distantFuture

  /// Bytes that came, parsed up to `inputStart`.
  private var input: [UInt8] = []
  private var inputStart = 0
  /// The peer has finished sending; it may still wait for an answer.
  var inputEnded = false
  /// Bytes that are not sent yet, from `outputStart` on.
  var output: [UInt8] = []
  private var outputStart = 0
  /// The kernel has not taken all that it was offered, and will say when it takes more.
  private(set) var isBlocked = false
  /// The worker knows that there is something to be sent at the end of the tick.
  var isNoted = false
  /// It is one of those that its address may have.
  var isCounted = false

  /// Of the request that is being handled.
  var exchange: Exchange?

  init(
    socket: consuming Socket, peer: SocketAddress, slot: Int, limits: RequestLimits,
    deadline: MonotonicInstant
  ) {
    self.socket = socket
    self.peer = peer
    self.slot = slot
    self.deadline = deadline
    parser = RequestParser(limits: limits)
  }

  /// What a connection knows of the request it handles.
  struct Exchange {
    let id: ExchangeID
    let method: Method
    let version: Version
    let keepsAlive: Bool
    let framing: RequestHead.Framing
    /// The client waits for `100 Continue` before it sends its content.
    var awaitsContinue: Bool
    var content: [UInt8] = []
    /// The responder has asked for the content.
    var isWanted = false
    var isComplete: Bool
    /// Why there is no content to be had.
    var refusal: Refusal?
    var readers: [CheckedContinuation<Result<[UInt8], Refusal>, Never>] = []

    /// What came of reading the content, nil while it is still coming.
    var outcome: Result<[UInt8], Refusal>? {
      if let refusal { return .failure(refusal) }
      return isComplete ? .success(content) : nil
    }

    enum Rest { case nothing, worthReading, unreasonable }

    /// Whether the content that the responder did not read is read and thrown away, to keep the
    /// connection, or the connection is given up instead.
    var rest: Rest {
      if isComplete { return .nothing }
      if refusal != nil || awaitsContinue { return .unreasonable }
      if case .length(let length) = framing, length <= 65_536 { return .worthReading }
      return .unreasonable
    }
  }

  /// Whether another step of the parser is of use now. A client that does not take its answers gets
  /// no others.
  var canParse: Bool {
    switch phase {
    case .idle, .head: !isBlocked && output.count < Self.gatheredAnswers
    case .handling: exchange.map { $0.isWanted && $0.outcome == nil } ?? false
    case .discarding: true
    case .closing, .lingering, .closed: false
    }
  }

  private static let gatheredAnswers = 65_536

  // Input

  var hasInput: Bool { inputStart < input.count }

  /// Whether reading more is of use now. A client that pipelines far ahead waits in its own buffers.
  var wantsInput: Bool {
    if inputEnded { return false }
    switch phase {
    case .idle, .head, .handling: return canParse || input.count - inputStart < Self.readAhead
    case .discarding, .closing, .lingering: return true
    case .closed: return false
    }
  }

  private static let readAhead = 16_384

  /// Keeps bytes that cannot be parsed yet, unless nobody will parse them any more.
  func keepInput(_ bytes: ArraySlice<UInt8>) {
    guard !bytes.isEmpty, keepsInput else { return }
    // What is parsed is cut off when it is the greater part: each byte is moved a bounded number of
    // times, however small the pieces are that come and go.
    if inputStart > input.count / 2 {
      input.removeFirst(inputStart)
      inputStart = 0
    }
    input += bytes
  }

  private var keepsInput: Bool {
    switch phase {
    case .idle, .head, .handling, .discarding: true
    case .closing, .lingering, .closed: false
    }
  }

  /// Gives what is not parsed yet away, to be parsed while the connection changes: the bytes from
  /// `start` on. `putBack` must follow.
  func takeInput() -> (bytes: [UInt8], start: Int) {
    defer { dropInput() }
    return (input, inputStart)
  }

  /// Takes back what `takeInput` gave, parsed up to `start` now.
  func putBack(_ bytes: consuming [UInt8], parsedTo start: Int) {
    guard start < bytes.count, keepsInput else { return }
    input = bytes
    inputStart = start
  }

  func dropInput() {
    input = []
    inputStart = 0
  }

  // Content

  /// Keeps content for the responder; what nobody asked for is thrown away.
  func keepContent(_ bytes: Span<UInt8>) {
    if phase == .handling { exchange?.content.append(bytes) }
  }

  /// Ends the reading of the content, as it should or with a refusal.
  func endContent(_ refusal: Refusal? = nil) {
    guard exchange != nil, exchange?.outcome == nil else { return }
    exchange?.refusal = refusal
    exchange?.isComplete = refusal == nil
    deadline = .distantFuture
    guard let exchange, let outcome = exchange.outcome else { return }
    self.exchange?.readers = []
    for reader in exchange.readers { reader.resume(returning: outcome) }
  }

  // Output

  var hasOutput: Bool { outputStart < output.count }

  /// What came of sending.
  enum Sent { case everything, some, failed }

  /// Sends what is waiting; keeps what the kernel does not take. The client has until `limit` to
  /// take more. Every 16,000 bytes that it takes after that give it a second more, up to `limit`
  /// again: a byte now and then keeps no connection.
  func send(limit: MonotonicInstant) -> Sent {
    while hasOutput {
      switch socket.write(output.span.extracting(outputStart..<output.count)) {
      case .bytes(let count):
        outputStart += count
        if isBlocked { sendDeadline = min(limit, sendDeadline + .milliseconds(count / 16)) }
      case .wouldBlock:
        if !isBlocked { sendDeadline = limit }
        isBlocked = true
        return .some
      case .failed: return .failed
      }
    }
    isBlocked = false
    outputStart = 0
    return .everything
  }
}

extension [UInt8] {
  mutating func append(_ bytes: Span<UInt8>) {
    // The library writes the new count, also of none, and the storage of all empty arrays is shared.
    if bytes.isEmpty { return }
    append(addingCapacity: bytes.count) { output in
      for index in bytes.indices { output.append(bytes[index]) }
    }
  }
}

/// Names a request that is being handled. It names nothing any more once the request is answered or
/// its connection gone; the slot is another's then.
struct ExchangeID: Sendable, Equatable {
  let slot: Int
  let number: Int
}
