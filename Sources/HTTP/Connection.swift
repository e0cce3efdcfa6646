import EventLoop

/// One client's connection: its socket, what has come in and not been parsed, what has not gone out
/// yet, and where in the exchange it stands. It belongs to one `Worker` and never leaves its loop.
/// Requests of one connection are answered one after the other, in their order.
///
/// Nothing is allocated for a connection that waits: both buffers are empty then, because reading
/// and writing go through the worker's own.
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
    /// The last answer is on its way; nothing more is parsed.
    case closing
    /// Everything is sent and the sending side shut; what still comes is thrown away, because
    /// closing now would make the kernel reset the connection and take the answer from the client.
    case lingering
    case closed
  }

  let socket: Socket
  let peer: SocketAddress
  let id: ConnectionID
  var registration: EventLoop.Registration?
  var watched: Interest = .readable
  var parser: RequestParser
  var phase: Phase = .idle
  /// When the sweep ends what this phase waits for; the far future while a handler runs.
  var deadline: MonotonicInstant

  /// Bytes that came and are not parsed yet.
  var input: [UInt8] = []
  /// The peer has finished sending; it may still wait for an answer.
  var inputEnded = false
  /// Bytes that the kernel has not taken yet, from `outputStart` on.
  private var output: [UInt8] = []
  private var outputStart = 0

  /// Of the request that is being handled.
  var request: Exchange?

  init(
    socket: consuming Socket, peer: SocketAddress, id: ConnectionID, limits: RequestLimits,
    deadline: MonotonicInstant
  ) {
    self.socket = socket
    self.peer = peer
    self.id = id
    self.deadline = deadline
    parser = RequestParser(limits: limits)
  }

  /// What a connection knows of the request it handles.
  struct Exchange {
    let method: Method
    let version: Version
    let keepsAlive: Bool
    /// The client waits for `100 Continue` before it sends its content.
    var awaitsContinue: Bool
    let framing: RequestHead.Framing
    var content: [UInt8] = []
    /// The responder has asked for the content.
    var isWanted = false
    var isComplete: Bool
    var refusal: Refusal?
    var waiter: CheckedContinuation<Result<[UInt8], Refusal>, Never>?
  }

  var hasOutput: Bool { outputStart < output.count }

  /// Whether another step of the parser is of use now.
  var canParse: Bool {
    switch phase {
    case .idle, .head: !hasOutput
    case .handling: request.map { $0.isWanted && !$0.isComplete && $0.refusal == nil } ?? false
    case .discarding: true
    case .closing, .lingering, .closed: false
    }
  }

  /// Whether reading more is of use now. A client that pipelines far ahead waits in its own buffers.
  var wantsInput: Bool {
    if inputEnded { return false }
    switch phase {
    case .idle, .head, .discarding, .lingering: return true
    case .handling: return canParse || input.count < Self.readAhead
    case .closing, .closed: return false
    }
  }

  private static let readAhead = 65_536

  /// Keeps bytes that cannot be parsed yet, unless nobody will parse them any more.
  func keepInput(_ bytes: Span<UInt8>) {
    switch phase {
    case .closing, .lingering, .closed: input = []
    default: if !bytes.isEmpty { input.append(bytes) }
    }
  }

  /// Keeps content for the responder; what nobody asked for is thrown away.
  func keepContent(_ bytes: Span<UInt8>) {
    if phase == .handling { request?.content.append(bytes) }
  }

  /// What came of sending.
  enum Sent { case everything, some, failed }

  /// Sends `bytes`, behind what is still waiting; keeps what the kernel does not take.
  func send(_ bytes: Span<UInt8>, now: MonotonicInstant) -> Sent {
    var start = 0
    if !hasOutput {
      switch socket.write(bytes) {
      case .bytes(let count): start = count
      case .wouldBlock: break
      case .failed: return .failed
      }
      if start == bytes.count { return .everything }
      // A reader must take everything at 16 KiB a second, after ten seconds of grace; progress of a
      // byte now and then does not prolong it.
      deadline = now + .seconds(10 + bytes.count / 16_384)
    }
    output.append(bytes.extracting(start..<bytes.count))
    return .some
  }

  /// Sends what is waiting.
  func sendRest() -> Sent {
    while hasOutput {
      switch socket.write(output.span.extracting(outputStart..<output.count)) {
      case .bytes(let count): outputStart += count
      case .wouldBlock: return .some
      case .failed: return .failed
      }
    }
    output = []
    outputStart = 0
    return .everything
  }
}

extension [UInt8] {
  mutating func append(_ bytes: Span<UInt8>) {
    append(addingCapacity: bytes.count) { output in
      for index in bytes.indices { output.append(bytes[index]) }
    }
  }
}

/// Names a connection of a worker, also after it is gone: the slot may be another's then, with
/// another generation.
struct ConnectionID: Sendable, Equatable {
  let slot: Int
  let generation: Int
}
